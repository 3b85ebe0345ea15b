"""A version with a folder of training images, and a way to fill it."""

from __future__ import annotations

import pytest
from PIL import Image

from train_tools.captions.listing import Listing
from train_tools.model.captions import NO_FILE, CaptionedImage
from train_tools.model.paths import VersionPaths


@pytest.fixture(autouse=True)
def state_of_its_own(tmp_path, monkeypatch):
    """Locks of this test lie in its own folder, not in the user's."""
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))


@pytest.fixture
def version(tmp_path):
    return VersionPaths(tmp_path / "projects" / "cat" / "versions" / "v1")


@pytest.fixture
def put(version):
    """Puts an image into the dataset, with a caption unless it is None; gives the caption's path."""

    def image(name, caption=None, size=(16, 8)):
        path = version.processed / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(path)
        text = path.with_suffix(".txt")
        if caption is not None:
            text.write_bytes(caption if isinstance(caption, bytes) else caption.encode())
        return text

    return image


@pytest.fixture
def listed(version):
    """All images as they are now."""
    return lambda: Listing().images(version)


@pytest.fixture
def captions(listed):
    """All captions by image as they are now."""
    return lambda: {image.image: image.caption for image in listed()}


@pytest.fixture
def one():
    """An image with a caption, without any file."""

    def image(caption, name="10_cat/a.png"):
        return CaptionedImage(
            image=name,
            class_name=name.partition("/")[0].partition("_")[2],
            caption=caption,
            edition=NO_FILE if caption is None else "1",
            size=(16, 8),
        )

    return image
