from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sd_contract.attempt import Attempt, Result
from tests.engines.conformance import POCKET
from tests.engines.kohya_checkout import engine_of, lay_out
from tests.jobs.nvidia_smi import UUID, NvidiaSmi
from train_tools.datasets.dataset import read_dataset
from train_tools.engines.bundled import BundledEngine
from train_tools.errors import NotNowError
from train_tools.jobs.kind import Exit, Launch
from train_tools.jobs.slots import Slot
from train_tools.jobs.tree import bearers
from train_tools.memory.estimate import memory_of
from train_tools.memory.probe import STEPS, Probe, Trial, probe, shortened
from train_tools.model.job import Verdict
from train_tools.model.paths import VersionPaths
from train_tools.runs.engine import AttemptFiles, RunFiles

CPU = Slot("cpu")
OPTIONS: Mapping[str, Any] = {
    "resolution": "64,64",
    "max_train_epochs": 500,
    "save_every_n_epochs": 1,
    "network_dim": 8,
    "learning_rate": 1e-3,
    "seed": 7,
}


class Program(BundledEngine):
    """Starts a program of the test's in the trainer's place."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def launch(self, files: RunFiles, attempt: AttemptFiles) -> Launch:
        whole = super().launch(files, attempt)
        return replace(whole, command=(sys.executable, "-c", self._program, str(files.paths.config)))


class Contented(Program):
    """Takes any end for a good one."""

    def judge(self, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        return Verdict(state="done")


@pytest.fixture
def trial(version: VersionPaths, tmp_path: Path) -> Trial:
    return Trial(
        options=OPTIONS,
        base_model=POCKET,
        dataset=read_dataset(version),
        version=version,
        cache=tmp_path / "cache",
    )


def left_in(version: VersionPaths) -> set[str]:
    return {entry.name for entry in version.folder.iterdir()} - {"dataset"}


def tried(program: str, trial: Trial) -> Probe:
    return probe(Program(program), trial, CPU)


def test_two_real_steps_are_measured_and_nothing_is_left(trial):
    found = probe(BundledEngine(), trial, CPU)
    assert found.message == ""
    assert found.works
    assert found.device == "cpu"
    assert found.seconds_per_step > 0
    assert 0.3e9 < found.peak_bytes < 2e9
    assert left_in(trial.version) == set()
    assert not CPU.busy()


def test_a_script_of_kohyas_is_tried_as_well(trial, tmp_path):
    engine = engine_of(lay_out(tmp_path / "checkout"), tmp_path)
    found = probe(engine, trial, CPU)
    assert found.message == ""
    assert found.seconds_per_step is not None
    assert left_in(trial.version) == set()


def test_the_estimate_of_a_small_model_is_what_its_programs_take(trial):
    found = probe(BundledEngine(), trial, CPU)
    estimate = memory_of({**OPTIONS, "train_batch_size": 1}, POCKET)
    assert estimate.parts["programs"] > 0.9 * estimate.bytes
    assert found.peak_bytes == pytest.approx(estimate.bytes, rel=0.4)


def test_what_a_program_takes_is_seen(trial):
    block = "import time; block = bytearray({} * 2**20); block[::4096] = b'x' * len(block[::4096]); time.sleep(1)"
    small, large = (probe(Contented(block.format(mib)), trial, CPU).peak_bytes for mib in (1, 301))
    assert large - small == pytest.approx(300 * 2**20, rel=0.05)


def test_what_the_programs_of_a_program_take_is_seen_too(trial):
    inner = "import time; block = b'x' * (200 * 2**20); time.sleep(1)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    assert probe(Contented(outer), trial, CPU).peak_bytes > 200 * 2**20


def test_a_failure_is_told_in_words_and_nothing_is_left(trial):
    found = tried("raise RuntimeError('CUDA out of memory. Tried to allocate 20.00 GiB')", trial)
    assert not found.works
    assert "memory" in found.message
    assert found.seconds_per_step is None
    assert left_in(trial.version) == set()


def test_a_trainer_that_can_not_be_started_is_told(trial):
    class Missing(BundledEngine):
        def launch(self, files: RunFiles, attempt: AttemptFiles) -> Launch:
            return replace(super().launch(files, attempt), command=("/no/such/program",))

    assert "/no/such/program" in probe(Missing(), trial, CPU).message


def test_the_trainer_is_told_the_options_of_the_run_but_for_how_long_it_takes():
    told = shortened({**OPTIONS, "optimizer_type": "Lion", "sample_prompts": "x.txt", "save_state": True})
    kept = {name: value for name, value in OPTIONS.items() if "epoch" not in name}
    assert told == {**kept, "optimizer_type": "Lion", "max_train_steps": STEPS}


def test_nothing_is_tried_while_a_job_has_the_device(trial, tmp_path, keep):
    keep(CPU.take(tmp_path / "job.lock"))
    with pytest.raises(NotNowError, match="cpu is at work for a job"):
        probe(BundledEngine(), trial, CPU)
    assert left_in(trial.version) == set()


def test_the_device_is_the_trials_alone_while_it_lasts(trial, tmp_path, keep):
    seen = []
    watch = threading.Thread(target=lambda: seen.append(_busy_before(deadline_s=20)))
    watch.start()
    tried("import time; time.sleep(2)", trial)
    watch.join()
    assert seen == [True]
    keep(CPU.take(tmp_path / "job.lock"))


def _busy_before(deadline_s: float) -> bool:
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        if CPU.busy():
            return True
        time.sleep(0.02)
    return False


def test_what_an_earlier_trial_that_was_killed_left_is_removed(trial):
    left = trial.version.trial("cpu") / "attempts" / "001"
    left.mkdir(parents=True)
    tried("pass", trial)
    assert left_in(trial.version) == set()


ALONE = """
import sys
from pathlib import Path
from tests.memory.test_probe import OPTIONS, Program, Trial, CPU, POCKET
from train_tools.datasets.dataset import read_dataset
from train_tools.memory.probe import probe
from train_tools.model.paths import VersionPaths
version = VersionPaths(Path(sys.argv[1]))
mark = Path(sys.argv[2])
program = f"import time; open({str(mark)!r}, 'w').close(); time.sleep(600)"
dataset = read_dataset(version)
trial = Trial(options=OPTIONS, base_model=POCKET, dataset=dataset, version=version, cache=mark.parent)
probe(Program(program), trial, CPU)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a Ctrl-C can't be sent to one process there")
def test_ctrl_c_ends_the_trainer_and_leaves_nothing(trial, tmp_path):
    mark = tmp_path / "it runs"
    alone = subprocess.Popen(
        [sys.executable, "-c", ALONE, str(trial.version.folder), str(mark)], stderr=subprocess.PIPE, text=True
    )
    while not mark.exists() and alone.poll() is None:
        time.sleep(0.05)
    cookie = f"probe/{alone.pid}/cpu"
    assert bearers(cookie)
    alone.send_signal(signal.SIGINT)
    _, said = alone.communicate(timeout=60)
    assert "KeyboardInterrupt" in said
    assert bearers(cookie) == []
    assert left_in(trial.version) == set()
    assert not CPU.busy()


def test_on_a_gpu_what_more_is_used_of_it_counts(trial, tmp_path, monkeypatch):
    smi = NvidiaSmi(tmp_path / "bin")
    smi.use(24000, 1000)
    monkeypatch.setenv("PATH", f"{smi.folder}{os.pathsep}{os.environ['PATH']}")
    program = f"import time; open({str(smi.folder / 'use')!r}, 'w').write('24000, 7000'); time.sleep(1)"
    found = probe(Contented(program), trial, Slot(UUID))
    assert found.peak_bytes == 6000 * 2**20
    assert found.device == UUID
