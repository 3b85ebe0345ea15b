"""Training by stages from the command line, with the real trainer (S0-31 to S0-36)."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from tests.end_to_end.conftest import POCKET, CommandLine

PLACE = ("stages", "v1")


def asked(*others: str, epochs: int = 2, second: str = "blue") -> list[str]:
    """The words of a run with these options."""
    options = (
        *("mode=multi_stage", "concept_a_keywords=red | crimson", f"concept_b_keywords={second}"),
        *(f"max_train_epochs={epochs}", "network_dim=2", *others),
    )
    return [*PLACE, "--base-model", str(POCKET), *(word for option in options for word in ("--set", option))]


@pytest.fixture(scope="module")
def version(command_line: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A version of two red images, a blue one, and one of neither."""
    folder = tmp_path_factory.mktemp("colours")
    for number, colour in enumerate(("red", "crimson", "blue", "green")):
        Image.new("RGB", (64, 64), colour).save(folder / f"{colour}.png")
        (folder / f"{colour}.txt").write_text(f"a {colour} thing, no {number}", encoding="utf-8")
    command_line.make_version("stages", [folder], "--width", "64", "--height", "64", "--repeats", "2")
    return command_line


def test_the_plan_counts_all_stages_and_says_which_images_each_takes(version: CommandLine) -> None:
    plan = version.json("plan", *asked())
    assert [(run["steps"], run["epochs"], run["checkpoints"]) for run in plan["runs"]] == [(8 + 4 + 2, 2, 3)]
    told = version.ok("plan", *asked()).replace("\n", " ")
    assert "concept A (red, crimson): 2 images" in told
    assert "concept B (blue): 1 image" in told
    assert "no keyword: 1 image, in the base alone" in told


def test_a_share_of_the_epochs_may_be_an_axis(version: CommandLine) -> None:
    plan = version.json("plan", *asked("stage1_share=0.25, 0.75", epochs=4))
    assert [run["steps"] for run in plan["runs"]] == [8 + 3 * 6, 3 * 8 + 6]


def test_keywords_that_no_caption_holds_are_told_before_anything_is_queued(version: CommandLine) -> None:
    done = version.run("submit", *asked(second="purple"), "--no-previews")
    assert done.returncode != 0
    assert "concept B: no caption holds 'purple'" in " ".join((done.stdout + done.stderr).split())


def test_a_run_leaves_three_files_which_are_three_rows_of_the_matrix(version: CommandLine) -> None:
    version.ok("submit", *asked(), "--no-previews", "--wait")
    trained = version.json("checkpoints", "list", *PLACE)
    ends = [(one["name"].removeprefix("stages-v1_"), one["final"]) for one in trained]
    assert ends == [("base", False), ("concept_A", True), ("concept_B", True)]
    rows = json.dumps(version.json("matrix", *PLACE)["rows"])
    assert all(
        stage in rows for stage in ("base, epoch 1", "concept A, final, epoch 1", "concept B, final, epoch 1")
    ), rows
    assert [run["done"] for run in version.json("plan", *asked())["runs"]] == [True]
