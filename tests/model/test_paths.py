from __future__ import annotations

from pathlib import Path

from train_tools.model.paths import AttemptPaths, OutputsPaths


def properties(paths: object) -> dict[str, Path]:
    names = [name for name, value in vars(type(paths)).items() if isinstance(value, property)]
    return {name: getattr(paths, name) for name in names}


def test_every_path_lies_in_the_folder_of_what_it_belongs_to_and_has_a_name_of_its_own(awkward_name):
    outputs = OutputsPaths(Path("/outputs/train_tools"))
    project = outputs.project(awkward_name)
    version = project.version(awkward_name)
    for paths in (outputs, project, version, version.run("r"), version.grid("g"), AttemptPaths.of(Path("/j"), 3)):
        own = properties(paths)
        assert all(path.is_relative_to(paths.folder) and path != paths.folder for path in own.values())
        assert len(set(own.values())) == len(own)
    assert version.folder == outputs.folder / "projects" / awkward_name / "versions" / awkward_name


def test_attempts_are_numbered_with_three_digits_and_more():
    names = [AttemptPaths.of(Path("/job"), number).folder.as_posix() for number in (1, 12, 1234)]
    assert names == ["/job/attempts/001", "/job/attempts/012", "/job/attempts/1234"]
