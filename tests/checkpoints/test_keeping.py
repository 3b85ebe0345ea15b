from __future__ import annotations

from pathlib import Path

import pytest

from train_tools.checkpoints.keeping import those_to_go
from train_tools.errors import NotFoundError, OptionValueError
from train_tools.model.checkpoint import Checkpoint, Keep, KeepBy, MarkedCheckpoint, Marks


def marked(name: str, rating: int = 0, *, pinned: bool = False) -> MarkedCheckpoint:
    final = "-" not in name
    checkpoint = Checkpoint(
        run="r", path=Path(f"/r/{name}.safetensors"), size_bytes=1, modified=0, epoch=1, step=1, final=final
    )
    return MarkedCheckpoint(checkpoint=checkpoint, marks=Marks(rating=rating, pinned=pinned))


ALL = [marked("cat-1", 2), marked("cat-2", 5), marked("cat-3", pinned=True), marked("cat-4", 4), marked("cat")]


def staying(keep: Keep, of: list[MarkedCheckpoint] = ALL) -> list[str]:
    going = those_to_go(of, keep)
    return [each.checkpoint.name for each in of if each.checkpoint not in going]


def test_finals_and_pinned_ones_stay_without_being_asked():
    assert staying(Keep()) == ["cat-3", "cat"]


def test_those_with_enough_stars_stay():
    assert staying(Keep(rated=4)) == ["cat-2", "cat-3", "cat-4", "cat"]


def test_the_best_by_rating_stay_and_what_has_no_star_is_no_best():
    assert staying(Keep(best=1, finals=False)) == ["cat-2", "cat-3"]
    assert staying(Keep(best=10, finals=False)) == ["cat-1", "cat-2", "cat-3", "cat-4"]


def test_the_best_by_score_stay_whatever_their_stars():
    scores = {"r/cat-1": 0.9, "r/cat-2": 0.1, "r/cat": 0.5}
    assert staying(Keep(best=1, scores=scores, finals=False)) == ["cat-1", "cat-3"]
    assert staying(Keep(best=2, scores=scores, finals=False)) == ["cat-1", "cat-3", "cat"]


def trained(run: str, step: int) -> MarkedCheckpoint:
    file = Path(f"/{run}/cat-{step}.safetensors")
    checkpoint = Checkpoint(run=run, path=file, size_bytes=1, modified=0, epoch=1, step=step, final=False)
    return MarkedCheckpoint(checkpoint=checkpoint, marks=Marks())


def test_those_that_were_trained_for_longest_stay_of_all_or_of_each_run():
    both = [trained("r", 1), trained("r", 2), trained("s", 3), trained("s", 4)]
    assert staying(Keep(best=2, by=KeepBy.STEP, finals=False), both) == ["cat-3", "cat-4"]
    assert staying(Keep(best=1, by=KeepBy.STEP, each_run=True, finals=False), both) == ["cat-2", "cat-4"]


@pytest.mark.parametrize(
    "wish", [{"by": KeepBy.SCORE}, {"each_run": True}, {"best": 1, "by": KeepBy.STEP, "scores": {"r/cat": 1.0}}]
)
def test_a_wish_that_says_only_half_is_refused(wish):
    with pytest.raises(OptionValueError):
        Keep(**wish)


def test_those_that_share_the_last_place_stay_together():
    assert staying(Keep(best=1, scores={"r/cat-1": 1.0, "r/cat-2": 1.0}, finals=False)) == [
        "cat-1",
        "cat-2",
        "cat-3",
    ]


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_no_number_speaks_for_nothing(score):
    assert staying(Keep(best=1, scores={"r/cat-1": score, "r/cat-2": 0.0}, finals=False)) == ["cat-2", "cat-3"]


def test_scores_of_something_else_are_refused():
    with pytest.raises(NotFoundError, match="other/cat"):
        those_to_go(ALL, Keep(best=1, scores={"other/cat": 1.0}))


@pytest.mark.parametrize("wrong", [{"finals": False}, {"best": -1}, {"rated": 6}])
def test_a_rule_that_keeps_nothing_or_means_nothing_is_refused(wrong):
    with pytest.raises(OptionValueError):
        Keep(**wrong)
