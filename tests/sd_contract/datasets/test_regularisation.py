"""Regularisation images that are missing, alone, too many or of something else are told."""

import pytest
from PIL import Image

from sd_contract.datasets import Dataset, Subset, collect
from sd_contract.errors import DatasetError


@pytest.fixture
def subset(tmp_path):
    """Makes a subset of so many images, with one caption for all or none."""

    def make(name, images, caption=None, **values):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(images):
            Image.new("RGB", (64, 64)).save(folder / f"{number}.png")
            if caption is not None:
                (folder / f"{number}.txt").write_text(caption)
        return Subset(image_dir=folder, caption_extension=".txt", **values)

    return make


def told(*subsets):
    return collect(Dataset(resolution=(64, 64), batch_size=1, subsets=subsets)).warnings


def test_regularisation_images_alone_train_nothing(subset, tmp_path):
    with pytest.raises(DatasetError) as caught:
        told(subset("cats", 3, class_tokens="cat", is_reg=True))
    assert str(caught.value).startswith(f"{tmp_path / 'cats'}: there are only regularisation images")


def test_an_empty_regularisation_folder_is_an_error(subset, tmp_path):
    with pytest.raises(DatasetError, match="cats holds no images"):
        told(subset("zwx", 1, class_tokens="zwx cat"), subset("cats", 0, class_tokens="cat", is_reg=True))


def test_regularisation_images_that_are_never_drawn_are_counted(subset):
    (warning,) = told(
        subset("zwx", 2, class_tokens="cat", num_repeats=2), subset("cats", 7, class_tokens="cat", is_reg=True)
    )
    assert warning.startswith("3 of 7 regularisation images are not drawn: an epoch draws 4 training images")


@pytest.mark.parametrize(
    ("trained", "kept"),
    [
        ({"class_tokens": "cat"}, "cat"),
        ({"class_tokens": "zwx Cat"}, "cat"),
        ({"class_tokens": "zwx_red_cat"}, "red cat"),
        ({"class_tokens": "zwx", "caption": "zwx, a cat, sitting"}, "cat"),
        ({"caption": "кот на крыше"}, "Кот"),
        ({"class_tokens": "zwx"}, None),
        ({"class_tokens": "zwx"}, ""),
    ],
)
def test_a_class_that_is_part_of_what_is_trained_is_right(subset, trained, kept):
    reg = subset("kept", 1, class_tokens=kept, caption="" if not kept else None, is_reg=True)
    assert [text for text in told(subset("new", 1, **trained), reg) if "of the class" in text] == []


@pytest.mark.parametrize("trained", [{"class_tokens": "zwx dog"}, {"caption": "a dog in a catalogue"}])
def test_a_class_that_nothing_trained_belongs_to_is_doubted(subset, tmp_path, trained):
    (warning,) = told(subset("new", 1, **trained), subset("kept", 1, class_tokens="cat", is_reg=True))
    assert warning.startswith(
        f"the regularisation images in {tmp_path / 'kept'} are of the class 'cat', which is in"
    )
