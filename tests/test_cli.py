"""The command line as people and scripts meet it: real processes, their words, their exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.jobs.patience import eventually
from train_tools.jobs.queue import Queue
from train_tools.model.job import NewJob

ROOT = Path(__file__).parent.parent
POCKET = ROOT / "projects_template" / "demo" / "pocket-sd1.safetensors"
AWKWARD = """it's [bold] 100% & $HOME `кот` 猫 🐈"""


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


Say = Callable[..., Said]


def command_line(folder: Path) -> Say:
    """Runs `train-tools --outputs FOLDER/outputs ...` in a folder and returns what it said."""
    environment = {
        **os.environ,
        "TRAIN_TOOLS_STATE": str(folder / "state"),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "sd_scripts"))),
        "COLUMNS": "200",
    }

    def said(*words: object) -> Said:
        finished = subprocess.run(
            [sys.executable, "-m", "train_tools", "--outputs", str(folder / "outputs"), *map(str, words)],
            cwd=folder,
            env=environment,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )
        answer = Said(finished.returncode, finished.stdout.decode("utf-8"), finished.stderr.decode("utf-8"))
        assert "Traceback" not in answer.out + answer.err
        return answer

    return said


def draw_pictures(folder: Path) -> Path:
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (80, 64), (90 * number, 80, 120)).save(folder / f"{number}.png")
    (folder / "0.txt").write_text("a [bold]red[/bold] zorb", encoding="utf-8")
    (folder / "notes.pdf").write_text("no picture")
    return folder


@pytest.fixture
def say(tmp_path: Path) -> Say:
    """A command line with an outputs folder of its own."""
    return command_line(tmp_path)


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Say:
    """A command line on a version with three pictures, for questions that change nothing."""
    folder = tmp_path_factory.mktemp("asked")
    ask = command_line(folder)
    ask("project", "create", AWKWARD)
    ask("version", "create", AWKWARD, "empty")
    ask("version", "create", AWKWARD, "v1")
    import_pictures(ask, draw_pictures(folder / "pictures"))
    return ask


def import_pictures(say: Say, pictures: Path) -> Any:
    size = ("--width", 64, "--height", 64, "--repeats", 4, "--not-mirrored")
    return say("dataset", "import", AWKWARD, "v1", pictures, *size, "--json").json


def refused(answer: Said, *words: str) -> None:
    """One sentence on stderr, nothing on stdout, exit code 1."""
    assert (answer.code, answer.out) == (1, "")
    assert all(word in answer.err for word in words), answer.err
    assert answer.err.rstrip().endswith((".", "?", ")"))


VERSION = (AWKWARD, "v1")


def test_help_lists_the_commands_and_costs_nothing(say, tmp_path):
    answer = say("--help")
    assert answer.code == 0
    assert all(
        f" {word} " in answer.out for word in ("demo", "plan", "submit", "work", "serve", "project", "dataset")
    )
    assert not (tmp_path / "outputs").exists()
    assert say("--version").out.count(".") == 2


def test_without_a_command_the_help_is_shown(say):
    answer = say("project")
    assert answer.code == 2
    assert "create" in answer.out + answer.err


@pytest.mark.parametrize("words", [["nonsense"], ["plan", "a"], ["cancel", "x"]])
def test_words_that_are_no_command_are_an_error_of_usage(say, words):
    answer = say(*words)
    assert answer.code == 2
    assert "Usage" in answer.err


@pytest.mark.parametrize("name", [AWKWARD, "-x"])
def test_a_project_is_made_and_listed_under_the_name_it_was_given(say, name):
    made = say("project", "create", "--json", "--", name).json
    assert made["name"] == name
    assert Path(made["folder"]).is_dir()
    assert [project["name"] for project in say("project", "list", "--json").json] == [name]
    assert name in say("project", "list").out


@pytest.mark.parametrize("name", ["[/red]", "../up", "", "a\nb"])
def test_a_name_that_can_be_no_folder_is_refused_in_a_sentence(say, name, tmp_path):
    refused(say("project", "create", name), "can't be a project name", "Allowed are letters")
    assert not (tmp_path / "up").exists()


def test_a_name_that_is_taken_or_unknown_is_told(say):
    assert say("project", "create", "cat").code == 0
    refused(say("project", "create", "cat"), "cat")
    refused(say("version", "create", "dog"), "dog", "cat")
    refused(say("plan", "cat", "v9"), "v9")


def test_markup_in_names_and_messages_is_shown_and_not_obeyed(say):
    say("project", "create", "[bold red]cat[b]")
    assert "[bold red]cat[b]" in say("project", "list").out
    refused(say("version", "create", "[link=x]dog"), "[link=x]dog")


def test_a_project_is_renamed_put_away_and_brought_back(say):
    say("project", "create", "cat")
    assert '"dog"' in say("project", "rename", "cat", "dog").out
    token = say("project", "trash", "dog").out.split()[-1]
    assert say("project", "list", "--json").json == []
    assert '"dog" is back' in say("project", "restore", token).out


def test_what_was_not_imported_is_listed(say, tmp_path):
    say("project", "create", "cat")
    say("version", "create", "cat")
    pictures = draw_pictures(tmp_path / "мои [pictures]")
    answer = say("dataset", "import", "cat", "v1", pictures, "--width", 64, "--height", 64)
    assert answer.code == 0
    assert "Left out:" in answer.out
    assert "notes.pdf" in answer.out
    assert "3 pictures and 1 captions are new" in answer.out


def test_of_many_that_were_not_imported_the_reasons_are_told(say, tmp_path):
    say("project", "create", "cat")
    say("version", "create", "cat")
    pictures = draw_pictures(tmp_path / "pictures")
    for number in range(30):
        (pictures / f"{number}.psd").write_bytes(b"?")
    answer = say("dataset", "import", "cat", "v1", pictures, "--width", 64, "--height", 64)
    assert "Left out: 31, because its format is not one of" in answer.out
    assert "All of them are listed in" in answer.out


def test_a_preparation_is_tried_on_one_picture_and_then_done_to_all(say, tmp_path):
    say("project", "create", "cat")
    say("version", "create", "cat")
    import_size = ("--width", 64, "--height", 64, "--not-mirrored")
    say("dataset", "import", "cat", "v1", draw_pictures(tmp_path / "pictures"), *import_size)
    tried = ("dataset", "prepare", "cat", "v1", "--set", "upside_down_copies=true")
    assert say(*tried, "--preview", tmp_path / "look.png", "--json").json["images"] == 2
    with Image.open(tmp_path / "look.png") as sheet:
        sheet.load()
    assert "3 images of 3 originals, 1 captions" in say("dataset", "prepare", "cat", "v1").out
    assert say(*tried, "--json").json["images"] == 6
    assert say("dataset", "prepare", "cat", "v1", "--json").json["images"] == 6
    refused(say("dataset", "prepare", "cat", "v1", "--set", "splitt=true"), "splitt", "split_overlap")
    refused(say(*tried, "--preview", tmp_path / "x.png", "--picture", "no.png"), "no.png")
    assert not (tmp_path / "x.png").exists()


def test_a_part_of_a_picture_is_taken_and_repeats_follow_from_steps(ask):
    refused(ask("dataset", "crop", *VERSION, "no.png", "0,0,1,1"), "no.png")
    refused(ask("dataset", "crop", *VERSION, "no.png", "0,0"), "left,top,right,bottom")
    answer = ask("dataset", "repeats", *VERSION, "--steps", 300, "--epochs", 10, "--json").json
    assert (answer["repeats"], answer["steps"], answer["amount"]) == (10, 300, "inside")
    assert "100% of the training" in ask("dataset", "repeats", *VERSION, "--repeats", 2, "--epochs", 1).out
    refused(ask("dataset", "repeats", *VERSION, "--steps", 300), "two of steps")


def test_a_plan_as_json_has_the_runs_with_their_steps(ask):
    settings = (
        "--set",
        "network_dim=8,16",
        "--set",
        "learning_rate=1e-3, 0.001,1e-4",
        "--set",
        "max_train_epochs=2",
    )
    plan = ask("plan", *VERSION, "--base-model", POCKET, *settings, "--json").json
    assert [run["varied"] for run in plan["runs"]] == [
        {"network_dim": rank, "learning_rate": rate} for rank in (8, 16) for rate in (1e-3, 1e-4)
    ]
    assert {run["steps"] for run in plan["runs"]} == {3 * 4 * 2}
    assert (plan["total_steps"], plan["images"]) == (4 * 24, 3)
    assert plan["seconds"] > 0
    assert plan["disk_bytes"] > 4 * 400_000
    assert ask("jobs", "--json").json == []


def test_a_value_with_a_comma_stands_in_quotes(ask):
    plan = ask("plan", *VERSION, "--base-model", POCKET, "--set", 'resolution="64,128",64', "--json").json
    assert [run["options"]["resolution"] for run in plan["runs"]] == ["64,128", "64"]


def test_rules_are_given_beside_the_values_and_remembered(ask):
    rules = (VERSION[0], "rules")
    ask("version", "duplicate", *VERSION, "rules")
    values = ["--base-model", POCKET, "--set", "network_dim=8:32:*2", "--set", "network_alpha=4,8,16"]
    values += ["--set", "text_encoder_lr==unet_lr/2"]
    values += ["--zip", "network_dim,network_alpha", "--exclude", "network_dim=8 and unet_lr=1e-4"]
    values += ["--when", "keep_tokens:network_dim=32", "--extra", "--unet_lr 1e-4,2e-4 --seed=1 --keep_tokens 2"]
    submitted = ask("submit", *rules, *values, "--other-seed", "--json").json
    assert len(submitted["jobs"]) == 6
    plan = ask("plan", *rules, "--json").json
    assert [(run["options"]["network_alpha"], run["options"].get("keep_tokens")) for run in plan["runs"]] == [
        (4.0, None),
        (8.0, None),
        (8.0, None),
        (16.0, 2),
        (16.0, 2),
        (4.0, None),
    ]
    assert [run["options"]["text_encoder_lr"] for run in plan["runs"][:2]] == [[1e-4], [5e-5]]
    assert len(ask("plan", *rules, "--no-rules", "--json").json["runs"]) == 18
    assert len(ask("plan", *rules, "--random", "4", "--json").json["runs"]) == 4
    assert len(ask("plan", *rules, "--no-rules", "--seeds", "2", "--json").json["runs"]) == 36


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--zip", "network_dim,seed"], "need equally many values"),
        (["--when", "seed"], "a colon and a condition"),
        (["--random", "0"], "1 or more"),
        (["--extra", "min_snr_gamma"], "belongs to no option"),
        (["--set", "seed=1", "--set", "seed=2"], "set twice"),
    ],
)
def test_a_rule_that_is_none_is_told(ask, words, told):
    refused(ask("plan", *VERSION, "--base-model", POCKET, "--set", "network_dim=8,16", *words, "--json"), told)


def test_a_plan_for_people_names_its_runs_and_its_cost(ask):
    answer = ask("plan", *VERSION, "--base-model", POCKET, "--set", "network_dim=8,16")
    assert "network_dim=16" in answer.out
    assert "2 runs to train on 3 images" in answer.out
    assert "a first guess" in answer.out


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("network_dims=8", "network_dim"),
        ("network_dim=8,,16", "character 3: a value is missing"),
        ("network_dim", "says no value"),
        ("output_dir=/tmp", "output_dir can't be set"),
        ("deepspeed=true", "not supported by the bundled engine"),
        ("network_dim=8..x", "character 1: 8..x: a range a..b needs whole numbers"),
        ("network_dim==unet_l/2", "Did you mean 'unet_lr'"),
        ("resolution=63", "63"),
    ],
)
def test_an_option_that_can_not_be_used_is_refused_in_a_sentence(ask, setting, told):
    refused(ask("plan", *VERSION, "--base-model", POCKET, "--set", setting, "--json"), told)


def test_what_is_missing_for_a_plan_is_told_with_the_command_that_gives_it(ask):
    refused(ask("plan", *VERSION), "No base model is chosen", "--base-model")
    refused(ask("plan", *VERSION, "--base-model", "gone [x].safetensors"), "gone [x].safetensors does not exist")
    refused(ask("plan", *VERSION, "--base-model", __file__), "base model")
    refused(ask("plan", AWKWARD, "empty", "--base-model", POCKET), "no training images", "dataset import")


def test_jobs_are_queued_listed_cancelled_and_tried_again(say, tmp_path):
    say("project", "create", AWKWARD)
    say("version", "create", AWKWARD, "v1")
    imported = import_pictures(say, draw_pictures(tmp_path / "pictures"))
    assert (imported["import"]["images"], imported["preparation"]["repeats"]) == (3, 4)
    submitted = say("submit", *VERSION, "--base-model", POCKET, "--set", "network_dim=8,16", "--json").json
    assert (len(submitted["jobs"]), submitted["already"], submitted["grid"]) == (2, [], "grid-001")
    assert [job["state"] for job in say("jobs", "--json").json] == ["queued", "queued"]
    assert "network_dim=16" in say("jobs").out
    assert "cancelled" in say("cancel", submitted["jobs"][0]).out
    refused(say("retry", submitted["jobs"][1]), "only a finished job can be tried again")
    assert "queued as #2" in say("retry", submitted["jobs"][0]).out
    refused(say("project", "trash", AWKWARD), "can't be moved now", "is queued. Wait")


@pytest.mark.parametrize("command", ["cancel", "retry", "log"])
def test_a_job_that_is_not_there_is_told(say, command):
    refused(say(command, 77), "There is no job 77", "train-tools jobs")


def test_the_order_of_what_waits_is_changed_job_by_job(say, tmp_path):
    with closing(Queue(tmp_path / "outputs" / "train_tools" / "queue.sqlite3")) as queue:
        ids = queue.add([NewJob(kind="train", title=title, folder=title) for title in "abcd"])
    assert say("move", ids[3], "--to", 1).out == "d: queued as #1.\n"
    assert say("move", ids[2], "--before", ids[0]).out == "c: queued as #2.\n"
    assert say("priority", ids[1], 5).out == "b: queued as #1, priority 5.\n"
    assert "b: queued as #1, not before 2" in say("schedule", ids[1], "+2h").out
    assert say("pause", ids[0], ids[3]).out == "a: paused.\nd: paused.\n"
    assert say("resume", ids[3]).out == "d: queued as #2.\n"
    assert say("delete", ids[2]).out == "c: off the list.\n"
    listed = [(job["title"], job["state"], job["place"]) for job in say("jobs", "--json").json]
    assert listed == [("b", "queued", 1), ("d", "queued", 2), ("a", "paused", None)]
    shown = say("jobs").out
    assert "#1 +5 at 2" in shown
    assert "0 running, 2 waiting, about" in shown
    refused(say("move", ids[0], "--to", 1, "--before", ids[1]), "give one of them")
    refused(say("cancel", ids[0], "--now", "--after-epoch"), "can't both be")
    refused(say("schedule", ids[0], "soon"), "is no time")


def test_the_whole_queue_is_paused_and_resumed(say):
    assert "The queue is paused (the [room] is hot); `train-tools queue resume`" in (
        say("queue", "pause", "the [room] is hot").out
    )
    assert say("queue", "status", "--json").json["reason"] == "the [room] is hot"
    assert "paused" not in say("queue", "resume").out
    assert say("queue", "status").out == "0 running, 0 waiting.\n"


def test_a_second_service_says_where_the_first_is_whatever_its_port(say, tmp_path):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TRAIN_TOOLS_STATE": str(tmp_path / "state"),
    }
    command = [sys.executable, "-m", "train_tools", "--outputs", str(tmp_path / "outputs"), "serve", "--port", "0"]
    with served(command, environment) as first:
        address = first.stdout.readline().split()[-1]
        refused(say("serve", "--port", 0), "already, at", address, "--outputs")
        first.send_signal(signal.SIGINT)
        first.wait(60)
    with served(command, environment) as again:
        assert "Train Tools is at" in again.stdout.readline()


@contextmanager
def served(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A service that does not outlive what is asked of it, whatever that ends with."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as service:
        try:
            yield service
        finally:
            service.kill()


@pytest.mark.parametrize("words", [["work"], ["serve", "--port", "0"]])
def test_a_number_of_cpu_slots_that_can_not_be_is_told(say, words, monkeypatch):
    monkeypatch.setenv("TRAIN_TOOLS_GPUS", "none")
    refused(say(*words, "--cpu-slots", 0), "'0' CPU slots", "from 1 to 64")


def test_an_outputs_folder_that_can_not_be_made_is_told(say, tmp_path):
    (tmp_path / "outputs").write_text("in the way")
    refused(say("jobs"), "queue")
    refused(say("project", "create", "cat"), "cat")


def test_a_damaged_queue_is_told_with_the_way_out(say, tmp_path):
    say("jobs")
    (tmp_path / "outputs" / "train_tools" / "queue.sqlite3").write_bytes(b"not a database" * 999)
    refused(say("jobs"), "is damaged", "train-tools rescan")


def test_ctrl_c_ends_a_worker_that_waits_with_a_sentence(tmp_path):
    say = command_line(tmp_path)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TRAIN_TOOLS_STATE": str(tmp_path / "state"),
    }
    command = [
        sys.executable,
        "-m",
        "train_tools",
        "--outputs",
        str(tmp_path / "outputs"),
        "work",
        "--stay",
        "--quiet",
    ]
    assert say("jobs").code == 0
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment) as worker:
        eventually(lambda: list((tmp_path / "state" / "leases").glob("*/worker.lock")))
        worker.send_signal(signal.SIGINT)
        assert "Nothing is lost" in worker.stderr.read().decode()
    assert worker.returncode == 130


def test_an_option_that_is_given_twice_is_refused(ask):
    refused(
        ask("plan", *VERSION, "--base-model", POCKET, "--set", "seed=1", "--set", "seed=2"), "seed is set twice"
    )
    refused(ask("preview", *VERSION, "--size", "64,64,64"), "a width and a height are wanted")


def test_a_file_whose_name_is_no_text_is_told(tmp_path):
    say = command_line(tmp_path)
    say("project", "create", "cat")
    say("version", "create", "cat", "v1")
    draw_pictures(tmp_path / "pictures")
    say("dataset", "import", "cat", "v1", tmp_path / "pictures")
    name = os.fsdecode(b"base\xff.safetensors")
    (tmp_path / name).symlink_to(POCKET)
    refused(say("plan", "cat", "v1", "--base-model", name), "is not UTF-8 text")


def test_an_empty_queue_is_worked_off_at_once(say):
    assert say("work", "--quiet").code == 0
    assert say("rescan", "--json").json == {"found": 0}
    assert say("checkpoints", "list", "cat", "v1").code == 1
