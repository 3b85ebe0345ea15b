"""A registered checkout trains a grid through the queue, as the bundled trainer does."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import POCKET, PROJECT, VERSION, submit, train
from tests.engines.kohya_checkout import COMMIT, lay_out
from tests.options.answers import NEWEST, OLDEST, answers
from train_tools.app import App
from train_tools.errors import (
    AlreadyExistsError,
    EngineNotUsableError,
    NotFoundError,
    OptionValueError,
    TrainToolsError,
)
from train_tools.files import read_toml
from train_tools.model.draft import Draft
from train_tools.model.job import JobState
from train_tools.model.paths import AttemptPaths
from train_tools.runs.record import read_record

PYTHON = Path(sys.executable)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "it's sd-scripts 猫")


@pytest.fixture
def kohya(app: App, checkout: Path) -> App:
    """The app with a registered checkout."""
    assert app.engines.add("kohya", checkout, PYTHON).problem == ""
    return app


def plan(app: App, engine: str | None = "kohya", **options: str) -> Any:
    wanted = {"pretrained_model_name_or_path": str(POCKET), **options}
    return app.grids.plan(PROJECT, VERSION, Draft(assignments=wanted, engine=engine))


def queue(app: App, **options: str) -> tuple[int, ...]:
    wanted = {"pretrained_model_name_or_path": str(POCKET), "max_train_epochs": "2", **options}
    return app.grids.submit(PROJECT, VERSION, Draft(assignments=wanted, engine="kohya")).jobs


def checkpoints(app: App) -> list[tuple[str, int]]:
    """Name and step of each, by step."""
    found = [(found.name, found.step) for found in app.runs.checkpoints(PROJECT, VERSION)]
    return sorted(found, key=lambda entry: (entry[1], entry[0]))


# registering


def test_a_checkout_is_added_tried_and_listed(kohya, checkout):
    health = kohya.engines.check("kohya")
    assert (health.options, health.unheard_of, health.problem) == (193, (), "")
    assert dict(health.packages)["torch"]
    bundled, added = kohya.engines.states()
    assert (bundled.name, bundled.python) == ("bundled", None)
    assert (added.name, added.folder, added.commit) == ("kohya", checkout, COMMIT)
    assert added.scripts == ("train_network", "sdxl_train_network")
    assert list(kohya.engines) == ["bundled", "kohya"]


def test_another_process_sees_what_was_added(kohya, tmp_path):
    from tests.faults.stand_in import stand_in_app

    assert "kohya" in stand_in_app(tmp_path / "outputs").engines


def test_several_stand_side_by_side(kohya, tmp_path):
    kohya.engines.add("kohya-2025-06", lay_out(tmp_path / "older"), PYTHON)
    assert list(kohya.engines) == ["bundled", "kohya", "kohya-2025-06"]
    with pytest.raises(AlreadyExistsError):
        kohya.engines.add("kohya", tmp_path / "older", PYTHON)


def test_a_folder_without_scripts_and_one_without_an_environment_are_refused(app, tmp_path, checkout):
    with pytest.raises(EngineNotUsableError, match="is no checkout of sd-scripts"):
        app.engines.add("kohya", tmp_path, PYTHON)
    with pytest.raises(EngineNotUsableError, match="has no environment of its own"):
        app.engines.add("kohya", checkout)
    with pytest.raises(EngineNotUsableError, match="no-python does not exist"):
        app.engines.add("kohya", checkout, tmp_path / "no-python")
    assert list(app.engines) == ["bundled"]


def test_a_half_installed_one_is_added_and_its_trouble_is_told(app, checkout):
    (checkout / "train_network.py").write_text("import voluptuous_of_nowhere\n", encoding="utf-8")
    assert "No module named 'voluptuous_of_nowhere'" in app.engines.add("kohya", checkout, PYTHON).problem


def test_a_hostile_setup_is_never_run(app, checkout):
    (checkout / "setup.py").write_text(f"open({str(checkout / 'hit')!r}, 'w').close()\n", encoding="utf-8")
    app.engines.add("kohya", checkout, PYTHON)
    app.engines.check("kohya")
    plan(app)
    assert not (checkout / "hit").exists()


def test_looking_at_a_checkout_runs_nothing_of_it(kohya, checkout):
    (checkout / "train_network.py").write_text(
        f"open({str(checkout / 'hit')!r}, 'w').close()\n" + (checkout / "train_network.py").read_text()
    )
    kohya.engines.states()
    assert list(kohya.engines)
    assert not (checkout / "hit").exists()


def test_one_that_could_not_be_fetched_is_no_trainer_and_its_name_stays_free(app, checkout, tmp_path):
    nowhere = app.engines.source("main", url=str(tmp_path / "nowhere"))
    with pytest.raises(EngineNotUsableError, match="It broke off"):
        app.engines.install("kohya", nowhere, lambda words: None)
    assert list(app.engines) == ["bundled"]
    assert app.engines.add("kohya", checkout, PYTHON).problem == ""


def test_a_checkout_may_grow_older_or_newer_under_its_name(kohya, checkout):
    """The user's own `git checkout`, with options kept that were typed for another commit."""
    queue(kohya, text_encoder_lr="1e-4 5e-5", network_dim="8")
    assert plan(kohya, engine=None).total == 1
    put(checkout, OLDEST)
    assert kohya.engines.options("kohya")["text_encoder_lr"].spec.type == "float"
    with pytest.raises(OptionValueError, match="text_encoder_lr"):
        plan(kohya, engine=None)
    with pytest.raises(OptionValueError, match="kohya has no such option"):
        plan(kohya, text_encoder_lr="1e-4", validation_split="0.1")
    [older] = plan(kohya, text_encoder_lr="1e-4").runs
    assert older.run.options["text_encoder_lr"] == 1e-4
    grown = [*recorded(NEWEST)["train_network"], {**recorded(NEWEST)["train_network"][0], "name": "of_tomorrow"}]
    (checkout / "library" / "options.json").write_text(json.dumps({"train_network": grown}), encoding="utf-8")
    touch(checkout)
    assert kohya.engines.options("kohya")["of_tomorrow"].group == "all"


def recorded(commit: str) -> dict[str, list[dict[str, Any]]]:
    return {script: [asdict(option) for option in options] for script, options in answers(commit).items()}


def put(checkout: Path, commit: str) -> None:
    (checkout / "library" / "options.json").write_text(json.dumps(recorded(commit)), encoding="utf-8")
    touch(checkout)


def touch(checkout: Path) -> None:
    """Another commit has other code; the stand-in's options lie beside it."""
    script = checkout / "library" / "stand_in.py"
    script.write_text(script.read_text(encoding="utf-8") + "# another commit\n", encoding="utf-8")


def test_a_removed_one_is_forgotten_and_its_folder_stays(kohya, checkout):
    kohya.engines.remove("kohya")
    assert list(kohya.engines) == ["bundled"]
    assert checkout.is_dir()
    with pytest.raises(NotFoundError):
        kohya.engines.check("kohya")


def test_one_whose_folder_is_gone_is_listed_with_its_trouble(kohya, checkout):
    checkout.rename(checkout.with_name("moved"))
    assert "is no checkout of sd-scripts" in kohya.engines.states()[1].problem
    with pytest.raises(EngineNotUsableError, match="is no checkout"):
        plan(kohya)
    assert plan(kohya, engine="bundled").engine == "bundled"


# grids


def test_a_grid_is_typed_by_its_trainers_options(kohya):
    planned = plan(kohya, network_dim="4,8", validation_split="0.0,0.5", max_train_epochs="2")
    assert (planned.engine, planned.total) == ("kohya", 4)
    assert {entry.steps for entry in planned.runs} == {16, 8}
    with pytest.raises(OptionValueError, match="kohya has no such option"):
        plan(kohya, state_every_n_steps="5")
    with pytest.raises(OptionValueError, match="not supported by the bundled engine"):
        plan(kohya, engine="bundled", ddp_timeout="5")


def test_the_trainer_is_part_of_what_a_run_is(kohya, checkout, tmp_path):
    def fingerprint(engine: str) -> str:
        [entry] = plan(kohya, engine=engine).runs
        return entry.run.spec.fingerprint

    kohya.engines.add("kohya-2", lay_out(tmp_path / "second"), PYTHON)
    before = fingerprint("kohya")
    assert len({before, fingerprint("bundled"), fingerprint("kohya-2")}) == 3
    script = checkout / "library" / "stand_in.py"
    script.write_text(script.read_text(encoding="utf-8") + "# another commit\n", encoding="utf-8")
    assert fingerprint("kohya") != before


def test_what_another_trainer_does_not_take_is_left_out_and_said(kohya):
    submit(kohya, state_every_n_steps="5,6", network_dim="4")
    planned = plan(kohya)
    assert planned.total == 1
    [note] = planned.notes
    assert note.startswith("state_every_n_steps was left out: unknown option")


def test_a_version_remembers_the_trainer_of_its_last_grid_and_a_grid_its_own(kohya):
    queue(kohya, seed="1")
    assert plan(kohya, engine=None).engine == "kohya"
    record = kohya.versions.paths(PROJECT, VERSION).record
    assert read_toml(record)["trainer"] == {"engine": "kohya"}
    submit(kohya, grid="mine", seed="2")
    assert kohya.grids.record(PROJECT, VERSION, "mine").grid.engine == "kohya"
    kohya.grids.submit(PROJECT, VERSION, Draft(assignments={"seed": "3"}, grid="ours", engine="bundled"))
    assert plan(kohya, engine=None).engine == "bundled"
    assert kohya.grids.plan(PROJECT, VERSION, Draft(grid="mine")).engine == "kohya"
    assert read_toml(record)["trainer"] == {"engine": "bundled"}


def test_a_trainer_that_is_not_there_is_told(app):
    with pytest.raises(NotFoundError, match="There is no trainer 'kohya' here"):
        plan(app)


def test_code_of_ones_own_is_named_only_after_it_was_allowed(kohya):
    with pytest.raises(OptionValueError, match="names code that Train Tools does not know"):
        plan(kohya, optimizer_type="my_optimizers.Best")
    kohya.engines.allow("kohya", "my_optimizers")
    assert plan(kohya, optimizer_type="my_optimizers.Best").total == 1


# training


def test_a_grid_is_trained_through_the_queue(kohya):
    first, second = queue(kohya, network_dim="4,8", save_every_n_epochs="1")
    train(kohya)
    for job in (kohya.jobs.get(first), kohya.jobs.get(second)):
        assert (job.state, job.step, job.total_steps, job.message) == (JobState.DONE, 16, 16, "")
    assert [step for _, step in checkpoints(kohya)] == [8, 8, 16, 16]
    runs = [read_record(kohya.versions.paths(PROJECT, VERSION).run(name)) for name in run_names(kohya)]
    assert {record.run.spec.engine for record in runs} == {"kohya"}
    assert {record.made_with.engine_commit for record in runs} == {COMMIT}
    assert kohya.grids.submit(PROJECT, VERSION, Draft(engine="kohya")).jobs == ()


def run_names(app: App) -> list[str]:
    return sorted(folder.name for folder in app.versions.paths(PROJECT, VERSION).trains.iterdir())


def test_the_queue_tells_the_runs_of_two_trainers_apart(kohya):
    [theirs] = queue(kohya, network_dim="8")
    wanted = {"pretrained_model_name_or_path": str(POCKET), "network_dim": "8"}
    [ours] = kohya.grids.submit(PROJECT, VERSION, Draft(assignments=wanted, engine="bundled")).jobs
    assert kohya.jobs.get(theirs).title.startswith(f"{PROJECT} / {VERSION} (kohya): ")
    assert kohya.jobs.get(ours).title.startswith(f"{PROJECT} / {VERSION}")
    assert "bundled" not in kohya.jobs.get(ours).title


def test_a_failure_is_the_jobs_message_and_its_diagnosis(kohya):
    [job] = queue(kohya, training_comment="crash_at=3")
    train(kohya)
    failed = kohya.jobs.get(job)
    assert failed.state is JobState.FAILED
    assert failed.message.startswith("The memory of the graphics card ran out.")
    assert kohya.runs.failure(job).diagnosis.name == "out of GPU memory"


def test_one_that_vanishes_is_tried_again_as_often_as_any(kohya):
    [job] = queue(kohya, training_comment="kill_at=3")
    train(kohya)
    assert kohya.jobs.get(job).state is JobState.FAILED
    assert "exit code 137" in kohya.jobs.get(job).message


def at_work(app: App, until: Callable[[], bool], then: Callable[[], object]) -> None:
    """Has a worker work until something holds, and does something then; the worker goes when nothing waits."""

    def run() -> None:
        app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())  # each thread has its own queue
        app.jobs.queue.close()

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    then()
    thread.join(60)
    assert not thread.is_alive()


def test_a_run_is_paused_and_goes_on_under_its_true_steps(kohya):
    [job] = queue(
        kohya,
        save_every_n_steps="3",
        save_state="true",
        max_train_epochs="3",
        training_comment="seconds=0.15",
    )
    at_work(kohya, lambda: kohya.jobs.get(job).step >= 12, lambda: kohya.jobs.pause(job))
    paused = kohya.jobs.get(job)
    assert (paused.state, paused.step >= 12) == (JobState.PAUSED, True)
    assert "It can go on from the state of step" in paused.message
    kohya.jobs.resume(job)
    train(kohya)
    assert (kohya.jobs.get(job).state, kohya.jobs.get(job).step) == (JobState.DONE, 24)
    [name] = run_names(kohya)
    folder = kohya.versions.paths(PROJECT, VERSION).run(name).folder
    assert len(list((folder / "attempts").iterdir())) == 2
    *numbered, final = checkpoints(kohya)
    assert final[1] == 24
    assert all(found.endswith(f"step{step:08d}") for found, step in numbered)
    assert [step for _, step in numbered][:4] == [3, 6, 9, 12]
    assert len(numbered) >= 6
    assert not AttemptPaths.of(folder, 1).states.exists()


def test_a_run_whose_trainer_was_changed_while_it_waited_is_not_trained(kohya, checkout):
    [job] = queue(kohya)
    script = checkout / "library" / "stand_in.py"
    script.write_text(script.read_text(encoding="utf-8") + "# another commit\n", encoding="utf-8")
    train(kohya)
    assert kohya.jobs.get(job).state is JobState.FAILED
    assert "The trainer kohya was changed after this run was queued" in kohya.jobs.get(job).message


def test_a_run_of_a_trainer_that_was_removed_says_so(kohya):
    [job] = queue(kohya)
    kohya.engines.remove("kohya")
    train(kohya)
    assert "which is not installed here" in kohya.jobs.get(job).message


def test_what_is_trained_by_hand_is_the_same_command(kohya):
    [job] = queue(kohya)
    train(kohya)
    command = kohya.records.command(str(job)).text
    assert "train_network.py" in command and str(PYTHON) in command
    assert kohya.jobs.get(job).state is JobState.DONE


def test_an_engine_whose_registry_is_damaged_leaves_the_bundled_one(kohya):
    (kohya.state_folder / "engines.toml").write_text("form", encoding="utf-8")
    assert kohya.engines["bundled"].name == "bundled"
    with pytest.raises(TrainToolsError, match="not valid TOML"):
        plan(kohya)
