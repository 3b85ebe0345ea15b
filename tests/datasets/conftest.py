"""A version to import into, photographs to import, and a disk with no room."""

from __future__ import annotations

import resource
import shutil
import subprocess
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from train_tools.model.paths import VersionPaths


@pytest.fixture(autouse=True)
def state_of_its_own(tmp_path, monkeypatch):
    """Locks of this test lie in its own folder, not in the user's."""
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))


@pytest.fixture
def version(tmp_path):
    return VersionPaths(tmp_path / "projects" / "cat" / "versions" / "v1")


@pytest.fixture
def source(tmp_path):
    """An empty folder for what is to be imported."""
    folder = tmp_path / "my pictures"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def photographs():
    """Pictures of the real world that come with scikit-image."""
    folder = Path(find_spec("skimage").submodule_search_locations[0], "data")
    names = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "rocket.jpg", "retina.jpg")
    return tuple(folder / name for name in names)


@pytest.fixture
def picture():
    """Saves a small picture whose content depends on its path's stem, and gives the path."""

    def save(path, size=(48, 32), mode="RGB", **settings):
        path.parent.mkdir(parents=True, exist_ok=True)
        shade = sum(path.stem.encode("utf-8", "replace")) % 200
        drawn = Image.linear_gradient("L").resize(size).point(lambda value: (value + shade) % 256)
        drawn.convert(mode).save(path, **settings)
        return path

    return save


@pytest.fixture
def full_disk(tmp_path):
    """A function: within its block, `folder` lies on a disk where no file can grow beyond `size` bytes.

    A disk of that size where one may be mounted; elsewhere the process's own limit, which fails as early.
    """

    @contextmanager
    def limited(folder, size):
        folder.mkdir(parents=True)
        mount = [shutil.which("mount") or "false", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if subprocess.run(mount, capture_output=True).returncode == 0:
            try:
                yield
            finally:
                subprocess.run(["umount", str(folder)], check=True)
        else:
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
            try:
                yield
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited
