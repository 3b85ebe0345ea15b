import numpy as np
from PIL import Image

from benchmarks.make_pocket_model import main
from benchmarks.pocket.measure import describe, shows_zorb
from benchmarks.pocket.scenes import BACKGROUNDS


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_the_dataset_is_drawn_alike_from_the_same_seed(tmp_path):
    for folder in ("one", "two"):
        main(["--dataset", str(tmp_path / folder), "--seed", "3"])

    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(names) == 48
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_each_caption_names_the_background_that_the_picture_has(tmp_path):
    main(["--dataset", str(tmp_path), "--seed", "4"])

    backgrounds = set()
    for path in tmp_path.glob("*.png"):
        background = describe(pixels(path)).background
        assert path.with_suffix(".txt").read_text() == f"a zorb on a {background} background\n"
        assert shows_zorb(pixels(path))
        backgrounds.add(background)
    assert backgrounds == set(BACKGROUNDS)


def test_another_seed_draws_other_pictures(tmp_path):
    for seed in ("1", "2"):
        main(["--dataset", str(tmp_path / seed), "--seed", seed])

    one, other = (pixels(tmp_path / seed / "zorb-01.png") for seed in ("1", "2"))
    assert one.shape == other.shape == (128, 128, 3)
    assert not np.array_equal(one, other)
