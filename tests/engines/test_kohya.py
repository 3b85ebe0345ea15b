"""The engine of kohya's scripts against the contract of engines, and against the stand-in for a checkout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file

from sd_contract.attempt import EVENTS_VARIABLE, Attempt, Result, read_result
from sd_contract.events import AttemptStarted, CheckpointSaved, Event, PhaseStarted, StepDone, Tail, Warned
from sd_contract.output.states import newest_state, read_manifest
from tests.engines.conformance import POCKET, EngineConformance
from tests.engines.kohya_checkout import engine_of, lay_out
from train_tools.datasets.dataset import read_dataset
from train_tools.engines.kohya.engine import KohyaEngine
from train_tools.engines.kohya.run import read_task
from train_tools.errors import BaseModelNotUsableError, OptionValueError
from train_tools.jobs.kind import Exit
from train_tools.model.job import JobState
from train_tools.model.paths import AttemptPaths, VersionPaths
from train_tools.runs.checkpoints import checkpoints_of, publish_all
from train_tools.runs.engine import AttemptFiles, RunFiles

EPOCH = 4
"""Steps: two images, twice each, one at a time."""
PLAIN = {
    "pretrained_model_name_or_path": str(POCKET),
    "resolution": "64,64",
    "max_train_epochs": 3,
    "network_dim": 8,
    "learning_rate": 1e-4,
    "seed": 1,
}


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(tmp_path_factory.mktemp("kohya") / "sd scripts 猫")


@pytest.fixture
def engine(checkout: Path, tmp_path: Path) -> KohyaEngine:
    return engine_of(checkout, tmp_path)


class TestKohyaEngine(EngineConformance):
    @pytest.fixture(autouse=True)
    def _checkout(self, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        type(self).made = engine_of(checkout, tmp_path_factory.getbasetemp() / "kohya state")

    @classmethod
    def engine(cls) -> KohyaEngine:
        return cls.made

    def test_has_a_name_and_a_number_of_its_contract(self):
        """Its contract is the content of its code."""
        assert self.engine().name == "kohya"
        assert self.engine().contract.startswith("1-")


class Bench:
    """A run of two images, and attempts at it."""

    def __init__(self, engine: KohyaEngine, folder: Path) -> None:
        self.engine = engine
        self.version = VersionPaths(folder / "it's [a] проект" / "versions" / "v 1")
        self.images = self.version.processed / "2_zorb"
        self.images.mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (64, 64), (90 * number, 80, 120)).save(self.images / f"{number}.png")
            (self.images / f"{number}.txt").write_text("a zorb", encoding="utf-8")
        self.run = self.version.run("run")
        self.attempts = 0
        self.started: list[subprocess.Popen[bytes]] = []

    def files(self, **options: Any) -> RunFiles:
        return RunFiles(
            paths=self.run,
            options={**PLAIN, **options},
            base_model=POCKET,
            dataset=read_dataset(self.version),
            output_name="it's-v 1",
        )

    def command(self, **options: Any) -> tuple[Attempt, list[str], Mapping[str, str], Path]:
        """A further attempt, ready to be started."""
        self.attempts += 1
        paths = AttemptPaths.of(self.run.folder, self.attempts)
        paths.output.mkdir(parents=True)
        earlier = [AttemptPaths.of(self.run.folder, number).states for number in range(1, self.attempts)]
        files = self.files(**options)
        self.engine.count_steps(files.options, files.dataset)
        self.engine.write(files)
        launch = self.engine.launch(
            files,
            AttemptFiles(
                output=paths.output, states=paths.states, resume=newest_state(earlier), cache=self.run.folder
            ),
        )
        attempt = Attempt(paths.folder)
        environment = {**os.environ, **launch.environment, EVENTS_VARIABLE: str(attempt.events)}
        return attempt, list(launch.command), environment, launch.folder

    def start(self, **options: Any) -> tuple[Attempt, subprocess.Popen[bytes]]:
        attempt, command, environment, folder = self.command(**options)
        with AttemptPaths(attempt.folder).log.open("ab") as log:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.started.append(process)
        return attempt, process

    def end(self) -> None:
        """Whatever a failed test has left."""
        for process in self.started:
            if process.poll() is None:
                for child in psutil.Process(process.pid).children():
                    child.kill()
                process.kill()
                process.wait()

    def train(self, **options: Any) -> tuple[Attempt, Result | None, int]:
        attempt, process = self.start(**options)
        code = process.wait(60)
        return attempt, read_result(attempt), code


@pytest.fixture
def bench(engine: KohyaEngine, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(engine, tmp_path)
    yield bench
    bench.end()


def events(attempt: Attempt) -> list[Event]:
    return list(Tail(attempt.events).events())


def told(attempt: Attempt, kind: type) -> list[Any]:
    return [event for event in events(attempt) if isinstance(event, kind)]


def metadata(file: Path) -> dict[str, str]:
    with safe_open(file, "np") as opened:
        return opened.metadata()


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.safetensors"))


def steps(attempt: Attempt) -> list[int]:
    return [event.step for event in told(attempt, StepDone)]


def test_a_run_is_told_as_the_bundled_trainer_tells_it(bench):
    attempt, result, code = bench.train(save_every_n_epochs=1)
    assert (code, result.outcome, result.message) == (0, "done", "")
    first, *rest = events(attempt)
    assert first == AttemptStarted(0)
    assert [event.name for event in rest if isinstance(event, PhaseStarted)] == [
        "starting the trainer",
        "collecting the images",
        "loading the base model",
        "encoding the images",
        "building the network",
        "beginning to train",
    ]
    assert steps(attempt) == list(range(1, 13))
    done = told(attempt, StepDone)
    assert {event.total_steps for event in done} == {12}
    assert [event.epoch for event in done] == [1] * 4 + [2] * 4 + [3] * 4
    assert [event.loss for event in done][:2] == [1.0, 0.75]
    assert told(attempt, CheckpointSaved) == [
        CheckpointSaved("it's-v 1-000001.safetensors", 4, 1),
        CheckpointSaved("it's-v 1-000002.safetensors", 8, 2),
        CheckpointSaved("it's-v 1.safetensors", 12, 3),
    ]
    assert result.files == tuple(event.file for event in told(attempt, CheckpointSaved))
    assert (result.step, result.total_steps) == (12, 12)


def test_what_is_saved_is_published_with_its_list_of_tags(bench):
    attempt, _, _ = bench.train(save_every_n_steps=6, max_train_epochs=2)
    assert publish_all(AttemptPaths(attempt.folder).output, bench.run) == []
    assert [(found.name, found.step, found.final) for found in checkpoints_of(bench.run)] == [
        ("it's-v 1-step00000006", 6, False),
        ("it's-v 1", 8, True),
    ]
    tags = (bench.run.folder / "it's-v 1.txt").read_text(encoding="utf-8")
    assert tags == "[count] tag\n[3] a zorb\n[1] number 0\n"


def test_a_checkpoint_that_the_script_lets_go_is_let_go(bench):
    attempt, result, _ = bench.train(save_every_n_steps=2, save_last_n_steps=3, max_train_epochs=2)
    left = names(AttemptPaths(attempt.folder).output)
    assert left == sorted(result.files)
    assert told(attempt, Warned) == []
    assert "it's-v 1-step00000002.safetensors" not in left
    assert "it's-v 1-step00000008.safetensors" in left


def test_a_checkpoint_counts_when_it_is_whole(bench):
    """The script says that it saves before it does, and says something else meanwhile."""
    attempt, result, _ = bench.train(training_comment="saving_seconds=0.4", max_train_epochs=1)
    assert result.outcome == "done"
    assert told(attempt, CheckpointSaved) == [CheckpointSaved("it's-v 1.safetensors", 4, 1)]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: [file.unlink() for file in folder.iterdir()], "no images were found"),
        (lambda folder: (folder / "0.txt").write_text(""), "A caption can't be read"),
        (lambda folder: (folder / "0.png").write_bytes(b"garbage\n"), "thinner than one step of the buckets"),
    ],
)
def test_a_dataset_that_can_not_be_trained_is_a_failure_in_words(bench, damage, said):
    """Without images the script ends with exit code 0 and no file."""
    attempt, command, environment, folder = bench.command()
    damage(bench.images)
    with AttemptPaths(attempt.folder).log.open("ab") as log:
        code = subprocess.call(command, cwd=folder, env=environment, stdout=log, stderr=log)
    result = read_result(attempt)
    assert (result.outcome, code) == ("failed", 1)
    assert said in result.message
    verdict = bench.engine.judge(attempt, Exit(code=code), result)
    assert (verdict.state, verdict.message) == (JobState.FAILED, result.message)


@pytest.mark.parametrize(
    ("comment", "said"),
    [("crash_at=3", "memory of the graphics card ran out"), ("stop=memory", "main memory ran out")],
)
def test_a_crash_is_told_in_words_and_with_its_last_line(bench, comment, said):
    _, result, code = bench.train(training_comment=comment)
    assert (code, result.outcome) == (1, "failed")
    assert said in result.message


def test_options_that_another_hand_has_spoiled_are_told(bench):
    attempt, command, environment, folder = bench.command()
    text = bench.run.config.read_text(encoding="utf-8")
    for old, new, said in (
        ('resolution = "64,64"', "resolution = 64", "type that the trainer does not expect"),
        ("learning_rate = 0.0001", 'learning_rate = "1e-4"', "type that the trainer does not expect"),
        ('network_module = "networks.lora"\n', "", "type that the trainer does not expect"),
    ):
        assert old in text
        bench.run.config.write_text(text.replace(old, new), encoding="utf-8")
        log = AttemptPaths(attempt.folder).log
        log.unlink(missing_ok=True)
        with log.open("ab") as file:
            assert subprocess.call(command, cwd=folder, env=environment, stdout=file, stderr=file) == 1
        assert said in read_result(attempt).message


def test_a_script_that_is_killed_from_outside_leaves_no_word_and_is_tried_again(bench):
    attempt, result, code = bench.train(training_comment="kill_at=2")
    assert (result, code) == (None, 128 + signal.SIGKILL)
    assert bench.engine.judge(attempt, Exit(code=code), None).state is JobState.QUEUED


def test_a_loss_that_is_no_number_ends_the_run(bench):
    attempt, result, code = bench.train(training_comment="nan_at=5 seconds=0.02", max_train_epochs=100)
    assert (result.outcome, result.cause, code) == ("failed", "not a number", 1)
    assert 24 <= result.step < 400
    assert told(attempt, Warned) == [Warned("The loss became no number at step 5.")]
    assert all(event.loss is None for event in told(attempt, StepDone) if event.step >= 5)


def wait_for(condition: Any, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def test_a_stop_ends_the_script_and_the_next_attempt_goes_on_from_its_newest_state(bench):
    options = {"save_every_n_steps": 3, "save_state": True, "save_every_n_epochs": 1}
    attempt, process = bench.start(**options, training_comment="hang_at=8")
    wait_for(lambda: 7 in steps(attempt), process)
    attempt.request_stop("step")
    assert process.wait(60) == 0
    result = read_result(attempt)
    assert (result.outcome, result.step) == ("cancelled", 7)
    assert result.message == "Stopped at step 7. It can go on from the state of step 6."
    assert bench.engine.judge(attempt, Exit(code=0, stopped=True), result).state is JobState.CANCELLED

    second, result, _ = bench.train(**options)
    assert result.outcome == "done"
    assert events(second)[0] == AttemptStarted(6)
    assert steps(second) == [7, 8, 9, 10, 11, 12]
    assert {event.total_steps for event in told(second, StepDone)} == {12}


def test_files_of_a_later_epoch_are_brought_under_their_true_steps(bench):
    """The script counts from the beginning of the epoch it goes on in: measured."""
    options = {"save_every_n_steps": 3, "save_state": True}
    bench.train(**options, training_comment="kill_at=8")
    second, _, _ = bench.train(**options)
    made = Path(read_task(second).made)
    assert "it's-v 1-step00000003.safetensors" in names(made)  # as the script calls it
    output = AttemptPaths(second.folder).output
    assert names(output) == [
        "it's-v 1-step00000007.safetensors",
        "it's-v 1-step00000010.safetensors",
        "it's-v 1.safetensors",
    ]
    true_steps = {name: metadata(output / name)["ss_steps"] for name in names(output)}
    assert list(true_steps.values()) == ["7", "10", "12"]
    straight = Bench(bench.engine, bench.version.folder.parent / "another")
    alone, _, _ = straight.train()
    final = "it's-v 1.safetensors"
    one, other = (AttemptPaths(each.folder).output / final for each in (second, alone))
    assert metadata(one) == metadata(other)
    with safe_open(one, "np") as ours, safe_open(other, "np") as theirs:
        assert np.array_equal(
            ours.get_tensor("lora_unet.lora_up.weight"), theirs.get_tensor("lora_unet.lora_up.weight")
        )


def test_states_are_kept_under_their_true_steps_so_that_one_can_go_on_twice(bench):
    options = {"save_every_n_steps": 3, "save_state": True, "max_train_epochs": 4}
    bench.train(**options, training_comment="kill_at=8")
    second, _, _ = bench.train(**options, training_comment="kill_at=12")
    assert events(second)[0] == AttemptStarted(6)
    states = AttemptPaths(second.folder).states
    assert sorted(state.name for state in states.iterdir()) == ["step-00000007", "step-00000010"]
    third, result, _ = bench.train(**options)
    assert events(third)[0] == AttemptStarted(10)
    assert steps(third) == [11, 12, 13, 14, 15, 16]
    assert result.outcome == "done"


def test_a_state_that_is_torn_is_passed_over(bench):
    options = {"save_every_n_steps": 3, "save_state": True}
    bench.train(**options, training_comment="torn_state_at=6")
    second, _, _ = bench.train(**options)
    assert events(second)[0] == AttemptStarted(3)


def test_no_state_is_kept_of_the_end_since_nothing_goes_on_from_it(bench):
    attempt, _, _ = bench.train(save_state=True, max_train_epochs=1, save_every_n_steps=4)
    assert not AttemptPaths(attempt.folder).states.exists()


@pytest.mark.parametrize("wanted", [False, True])
def test_of_a_run_that_is_done_no_state_stays_but_one_that_was_asked_for(bench, wanted):
    options = {"save_every_n_steps": 3, "save_state": True, "save_state_on_train_end": wanted}
    first, _, _ = bench.train(**options, training_comment="kill_at=8")
    second, result, _ = bench.train(**options)
    kept = lambda: sorted(each.name for each in bench.run.folder.glob("attempts/*/*/*-state"))  # noqa: E731
    assert len(kept()) >= 3
    assert bench.engine.judge(second, Exit(code=0), result).state is JobState.DONE
    assert kept() == (["it's-v 1-state"] if wanted else [])
    assert (second.folder / "kohya").exists() == wanted
    assert names(AttemptPaths(first.folder).output)[:1] == ["it's-v 1-step00000003.safetensors"]
    assert "it's-v 1.safetensors" in names(AttemptPaths(second.folder).output)


def test_a_state_that_would_not_end_at_the_right_step_is_not_gone_on_from(bench):
    options = {"save_every_n_steps": 3, "save_state": True, "max_train_epochs": None, "max_train_steps": 10}
    bench.train(**options, training_comment="kill_at=8")
    second, result, _ = bench.train(**options)
    assert events(second)[0] == AttemptStarted(0)
    assert "would not end at step 10" in told(second, Warned)[0].message
    assert (result.outcome, steps(second)[-1]) == ("done", 10)


def test_within_the_first_epoch_any_number_of_steps_is_right(bench):
    options = {"save_every_n_steps": 3, "save_state": True, "max_train_epochs": None, "max_train_steps": 10}
    bench.train(**options, training_comment="kill_at=4")
    second, result, _ = bench.train(**options)
    assert (events(second)[0], steps(second)[-1], result.outcome) == (AttemptStarted(3), 10, "done")


@pytest.mark.parametrize(("every", "begins"), [({"save_every_n_steps": 1}, 0), ({"save_every_n_epochs": 1}, 2)])
def test_with_accumulated_gradients_only_whole_epochs_are_gone_on_from(bench, every, begins):
    options = {**every, "save_state": True, "gradient_accumulation_steps": 2}
    bench.train(**options, training_comment="kill_at=4")
    second, result, _ = bench.train(**options)
    assert events(second)[0] == AttemptStarted(begins)
    assert (result.outcome, steps(second)[-1]) == ("done", 6)


def test_a_state_from_elsewhere_is_never_read(bench):
    """It holds pickles; whoever gives away a project could have put anything into it."""
    options = {"save_every_n_steps": 3, "save_state": True}
    attempt, _, _ = bench.train(**options, training_comment="kill_at=8")
    for token in (bench.run.folder.parents[4] / "state" / "kohya_states").iterdir():
        token.unlink()
    second, _, _ = bench.train(**options)
    assert events(second)[0] == AttemptStarted(0)
    assert "was not made by this user" in told(second, Warned)[0].message
    assert newest_state([AttemptPaths(attempt.folder).states]) is not None


def test_a_patient_stop_waits_for_the_next_state(bench):
    attempt, process = bench.start(
        save_every_n_steps=3, save_state=True, training_comment="seconds=0.15", max_train_epochs=20
    )
    wait_for(lambda: 4 in steps(attempt), process)
    attempt.request_stop("epoch")
    assert process.wait(60) == 0
    result = read_result(attempt)
    assert result.outcome == "cancelled"
    assert "It can go on from the state of step 6." in result.message or result.step >= 4
    kept = read_manifest(newest_state([AttemptPaths(attempt.folder).states]))
    assert kept.step >= 3


def test_without_states_a_stop_says_that_all_begins_anew(bench):
    attempt, process = bench.start(training_comment="hang_at=3")
    wait_for(lambda: 2 in steps(attempt), process)
    process.terminate()
    assert process.wait(60) == 0
    assert read_result(attempt).message == "Stopped at step 2. No state was saved, so it would begin anew."


def test_a_script_that_goes_on_alone_is_judged_by_its_files(bench):
    """Its keeper was killed: no events, no result, but in the end a whole final checkpoint."""
    attempt, process = bench.start(training_comment="seconds=0.1", save_every_n_epochs=1)
    wait_for(lambda: 2 in steps(attempt), process)
    [script] = psutil.Process(process.pid).children()
    process.kill()
    process.wait()
    assert bench.engine.judge(attempt, Exit(code=-9), None).state is JobState.QUEUED
    psutil.wait_procs([script], timeout=60)
    assert read_result(attempt) is None
    assert bench.engine.judge(attempt, Exit(code=-9), None).state is JobState.DONE
    assert len(names(AttemptPaths(attempt.folder).output)) == 3


def test_a_python_that_is_gone_is_a_failure_that_says_so(bench, checkout, tmp_path):
    gone = replace(bench.engine._entry, python=tmp_path / "no-python")
    bench.engine._entry = gone
    _, result, code = bench.train()
    assert (result.outcome, code) == ("failed", 1)
    assert "could not be started" in result.message


def test_the_script_knows_nothing_of_our_packages(bench, tmp_path):
    spy = tmp_path / "spy.py"
    spy.write_text("import os, sys; print('PYTHONPATH' in os.environ, os.getcwd(), sys.path[0], flush=True)")
    attempt, command, environment, folder = bench.command()
    command[command.index(next(word for word in command if word.endswith("train_network.py")))] = str(spy)
    environment = {**environment, "PYTHONPATH": os.pathsep.join(sys.path)}
    with AttemptPaths(attempt.folder).log.open("ab") as log:
        subprocess.call(command, cwd=folder, env=environment, stdout=log, stderr=log)
    said = AttemptPaths(attempt.folder).log.read_text(encoding="utf-8")
    assert said.strip() == f"False {bench.engine._entry.folder} {tmp_path}"


# what is written


def config(bench: Bench, **options: Any) -> dict[str, Any]:
    bench.run.folder.mkdir(parents=True, exist_ok=True)
    bench.engine.write(bench.files(**options))
    return tomllib.loads(bench.run.config.read_text(encoding="utf-8"))


def test_values_are_written_in_the_types_that_the_script_takes(bench):
    written = config(
        bench,
        text_encoder_lr=(5e-5,),
        network_args=("conv_dim=4", "conv_alpha=1"),
        lr_warmup_steps=1,
        lr_decay_steps=1.0,
        shuffle_caption=False,
        vae=None,
    )
    assert written["resolution"] == "64,64"
    assert written["text_encoder_lr"] == [5e-5]
    assert written["network_args"] == ["conv_dim=4", "conv_alpha=1"]
    assert (type(written["lr_warmup_steps"]), type(written["lr_decay_steps"])) == (int, float)
    assert written["shuffle_caption"] is False
    assert "vae" not in written


def test_what_the_script_needs_and_nobody_set_is_added(bench):
    written = config(bench)
    assert written["network_module"] == "networks.lora"
    assert written["sdpa"] is True
    assert written["save_model_as"] == "safetensors"
    assert (written["v2"], written["v_parameterization"]) == (False, False)
    assert "script" not in written


def test_another_attention_is_left_alone(bench):
    assert "sdpa" not in config(bench, mem_eff_attn=True)
    assert config(bench, sdpa=False)["sdpa"] is False


def test_the_dataset_file_says_only_where_the_images_are(bench):
    config(bench, train_batch_size=2, captions="as_written")
    assert tomllib.loads(bench.run.dataset.read_text(encoding="utf-8")) == {
        "general": {"caption_extension": ".txt"},
        "datasets": [
            {
                "resolution": [64, 64],
                "batch_size": 2,
                "subsets": [
                    {"image_dir": str(bench.images), "num_repeats": 2, "class_tokens": "zorb", "is_reg": False}
                ],
            }
        ],
    }


# what is refused before anything is queued


def count(bench: Bench, **options: Any) -> Any:
    files = bench.files(**options)
    return bench.engine.count_steps(files.options, files.dataset)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"network_dimm": 8}, "network_dimm: train_network has no such option"),
        ({"guidance_scale": 1.0}, "guidance_scale: train_network has no such option"),
        ({"save_precision": "float8"}, "save_precision"),
        ({"network_train_unet_only": "false"}, "network_train_unet_only"),
        ({"unet_lr": "1e-4"}, "unet_lr"),
        ({"network_args": ("conv_dimm=8",)}, "knows no 'conv_dimm' and would ignore it"),
        ({"save_last_n_steps": 10}, "does nothing without save_every_n_steps"),
        ({"training_comment": '"it\'s"'}, "can't be written so that kohya's scripts read it"),
    ],
)
def test_what_the_script_would_swallow_or_stumble_over_is_refused(bench, options, told):
    with pytest.raises(OptionValueError, match=told):
        count(bench, **options)


def test_v2_on_another_model_is_refused(bench):
    with pytest.raises(BaseModelNotUsableError, match="v2 = true, but the tensors of"):
        count(bench, v2=True)


def test_the_length_is_counted_as_the_script_counts(bench):
    counted = count(bench, save_every_n_epochs=1)
    assert (counted.steps, counted.epochs, counted.checkpoints) == (12, 3, 3)
    assert count(bench, train_batch_size=3).steps == 6
    assert count(bench, validation_split=0.5).steps == 6
    assert count(bench, max_train_epochs=None, max_train_steps=7).epochs == 2


def test_a_file_with_code_in_it_is_refused_wherever_it_is_named(bench, tmp_path):
    import pickle

    evil = tmp_path / "evil.pt"
    evil.write_bytes(pickle.dumps(os.system))
    with pytest.raises(BaseModelNotUsableError, match=r"evil\.pt"):
        count(bench, vae=str(evil))
    with pytest.raises(BaseModelNotUsableError, match=r"evil\.pt"):
        bench.engine.check_base_model(evil)


def test_a_lora_a_folder_and_a_missing_file_are_no_base_models(engine, tmp_path):
    lora = tmp_path / "lora.safetensors"
    save_file({"lora_unet_x.lora_down.weight": np.zeros((4, 4), np.float32)}, lora)
    for path, said in ((lora, "is a LoRA file"), (tmp_path, "is a folder"), (tmp_path / "x", "does not exist")):
        with pytest.raises(BaseModelNotUsableError, match=said):
            engine.check_base_model(path)


def test_a_model_of_another_width_is_refused_by_a_checkout_that_knows_only_one(bench, tmp_path):
    """The demo's model is narrow; kohya's own loader has the published width written into it."""
    folder = lay_out(tmp_path / "hard")
    (folder / "library" / "model_util.py").write_text("UNET_PARAMS_MODEL_CHANNELS = 320\n", encoding="utf-8")
    hard = engine_of(folder, tmp_path / "other")
    files = bench.files()
    with pytest.raises(BaseModelNotUsableError, match="load only those of 320"):
        hard.count_steps(files.options, files.dataset)
