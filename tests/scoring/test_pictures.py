"""What previews tell without a model: whether they changed, came near the training images, copy them, or are all
alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train_tools.model.checkpoint import Checkpoint
from train_tools.model.score import Remark, Score, Unscored
from train_tools.scoring.features import distance, features_of
from train_tools.scoring.measured import Measured, Measurement
from train_tools.scoring.scorer import Pictured, Subject
from train_tools.scoring.scorers import change, diversity, likeness


def picture(file: Path, seed: int, *, like: float = 0.0, mirrored: bool = False) -> Path:
    """Blotches by the seed; `like` mixes in those of seed 0."""
    own, zeroth = (np.random.default_rng(s).uniform(0, 255, (8, 8, 3)) for s in (seed, 0))
    pixels = np.asarray((1 - like) * own + like * zeroth, dtype=np.uint8)
    image = Image.fromarray(pixels[:, ::-1] if mirrored else pixels).resize((96, 96), Image.Resampling.BICUBIC)
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file)
    return file


def subject(folder: Path, previews: list[Path], bases: list[Path | None], training: list[Path] = ()) -> Subject:
    checkpoint = Checkpoint(run="r", path=folder / "x", size_bytes=1, modified=0.0, epoch=1, step=1, final=True)
    pairs = enumerate(zip(previews, bases, strict=True))
    return Subject(
        checkpoint=checkpoint,
        content="c",
        measurement=Measurement(base="b", dataset="d"),
        measured=Measured(folder),
        pictures=tuple(Pictured(prompt="p", seed=n, weight=1.0, file=f, base=b) for n, (f, b) in pairs),
        training=tuple(training),
    )


def drawn(folder: Path, kind: str, seeds: range, like: float = 0.0) -> list[Path]:
    return [picture(folder / kind / f"{seed}.png", seed, like=like) for seed in seeds]


def test_the_same_picture_is_at_no_distance_also_mirrored_and_resized(tmp_path):
    files = [picture(tmp_path / "a.png", 1), picture(tmp_path / "m.png", 1, mirrored=True)]
    files += [picture(tmp_path / "b.png", 2)]
    with Image.open(files[0]) as image:
        image.resize((200, 200)).save(tmp_path / "large.png")
    one, mirrored, other, large = features_of([*files, tmp_path / "large.png"])
    assert distance(one, one) == 0
    assert distance(one, mirrored) < 0.01
    assert distance(one, large) < 0.03 < 0.1 < distance(one, other)


def test_a_file_that_is_no_picture_is_left_out(tmp_path):
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert len(features_of([picture(tmp_path / "a.png", 1), tmp_path / "torn.png", tmp_path / "gone.png"])) == 1


def test_previews_like_the_base_models_show_no_effect(tmp_path):
    bases = drawn(tmp_path, "base", range(1, 4))
    same = change.score(subject(tmp_path, drawn(tmp_path, "same", range(1, 4)), bases))
    other = change.score(subject(tmp_path, drawn(tmp_path, "other", range(11, 14)), bases))
    assert isinstance(same, Score)
    assert isinstance(other, Score)
    assert (same.value, same.remarks) == (0.0, (Remark.NO_EFFECT,))
    assert (other.remarks, other.value > 0.1) == ((), True)
    assert isinstance(change.score(subject(tmp_path, bases, [None] * 3)), Unscored)


def test_previews_near_the_training_images_are_told_from_copies_of_them(tmp_path):
    training = drawn(tmp_path, "training", range(1, 9), like=0.5)
    learnt = likeness.score(
        subject(tmp_path, drawn(tmp_path, "new", range(21, 24), like=0.5), [None] * 3, training)
    )
    strange = likeness.score(subject(tmp_path, drawn(tmp_path, "far", range(31, 34)), [None] * 3, training))
    copied = likeness.score(
        subject(tmp_path, drawn(tmp_path, "copy", range(1, 4), like=0.5), [None] * 3, training)
    )
    assert copied.value < learnt.value < strange.value
    assert (copied.remarks, learnt.remarks, strange.remarks) == ((Remark.COPIES,), (), ())
    assert max(each.confidence for each in (copied, learnt, strange)) <= likeness.MOST_CONFIDENCE


def test_previews_that_are_alike_for_all_seeds_are_remarked(tmp_path):
    bases = drawn(tmp_path, "base", range(1, 5))
    alike = diversity.score(subject(tmp_path, drawn(tmp_path, "alike", range(1, 5), like=0.9), bases))
    lively = diversity.score(subject(tmp_path, drawn(tmp_path, "lively", range(11, 15)), bases))
    assert (alike.remarks, lively.remarks) == ((Remark.ALIKE,), ())
    assert alike.value < lively.value


@pytest.mark.parametrize("scorer", [likeness, diversity, change])
def test_without_previews_it_is_said_how_to_get_them(tmp_path, scorer):
    found = scorer.score(subject(tmp_path, [], []))
    assert isinstance(found, Unscored)
    assert "train-tools preview" in found.reason
