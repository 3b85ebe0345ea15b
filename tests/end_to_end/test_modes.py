"""Training modes from the command line, with the real trainer: one grid, a mode in each run."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sd_contract.tensors.tensor_files import read_header
from tests.end_to_end.conftest import POCKET, CommandLine

WORDS = (
    *("modes", "v1", "--base-model", str(POCKET), "--set", "network_dim=2", "--set", "max_train_steps=2"),
    *("--set", "save_every_n_steps=1", "--set", "original_prompt=a red circle"),
)


@pytest.fixture(scope="module")
def version(command_line: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A version of one pair."""
    folder = tmp_path_factory.mktemp("a pair")
    for name, colour in (("box", "red"), ("box_target", "blue")):
        Image.new("RGB", (64, 64), colour).save(folder / f"{name}.png")
    command_line.make_version("modes", [folder], "--width", "64", "--height", "64", "--repeats", "1")
    return command_line


def test_a_mode_is_planned_like_any_other_axis(version: CommandLine) -> None:
    plan = version.json("plan", *WORDS, "--set", "mode=lora, ileco, difference, addift")
    steps = {run["varied"]["mode"]: run["steps"] for run in plan["runs"]}

    assert steps.keys() == {"lora", "ileco", "difference", "addift"}
    assert (steps["ileco"], steps["difference"], steps["addift"]) == (2, 4, 2)


def test_runs_of_two_modes_leave_files_that_tell_them_apart(version: CommandLine) -> None:
    version.ok("submit", *WORDS, "--set", "mode=ileco, difference", "--no-previews", "--wait")
    trained = version.json("checkpoints", "list", "modes", "v1")
    headers = [read_header(Path(one["path"])).metadata for one in trained]

    assert sorted((told["ss_mode"], int(told["ss_steps"])) for told in headers) == [
        *(("difference", 3), ("difference", 4)),
        *(("ileco", 1), ("ileco", 2)),
    ]


def test_what_a_mode_lacks_is_told_before_anything_is_queued(version: CommandLine) -> None:
    done = version.run("submit", *WORDS, "--set", "mode=slider", "--no-previews")

    assert done.returncode != 0
    assert "Set positive_prompt and negative_prompt" in done.stdout + done.stderr


def test_a_version_without_images_is_trained_on_prompts_and_a_named_pair(
    command_line: CommandLine, tmp_path: Path
) -> None:
    command_line.ok("project", "create", "wordy")
    command_line.ok("version", "create", "wordy", "v1")
    files = []
    for option, colour in (("original_image", "red"), ("target_image", "blue")):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{colour}.png")
        files += ["--set", f"{option}={tmp_path / colour}.png"]
    words = ("wordy", *WORDS[1:], "--set", "resolution=64,64", *files)
    command_line.ok("submit", *words, "--set", "mode=ileco, addift", "--no-previews", "--wait")
    trained = command_line.json("checkpoints", "list", "wordy", "v1")

    modes = [read_header(Path(one["path"])).metadata["ss_mode"] for one in trained]
    assert sorted(modes) == ["addift", "addift", "ileco", "ileco"]
