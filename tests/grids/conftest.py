from pathlib import Path

import pytest

from train_tools.model.paths import OutputsPaths, VersionPaths


@pytest.fixture
def version(tmp_path: Path) -> VersionPaths:
    paths = OutputsPaths(tmp_path / "outputs").project("it's [кот]").version("v1")
    paths.folder.mkdir(parents=True)
    return paths
