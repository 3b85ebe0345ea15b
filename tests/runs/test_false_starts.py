from __future__ import annotations

import pytest

from sd_contract.attempt import Attempt, Result, write_result
from sd_contract.events import AttemptStarted, EventLog, PhaseStarted, StepDone
from train_tools.jobs.kind import Exit
from train_tools.jobs.supervisor import write_exit
from train_tools.model.job import JobState
from train_tools.model.paths import AttemptPaths, RunPaths
from train_tools.runs.false_starts import given_up

IMPORT_ERROR = """\
Traceback (most recent call last):
  File "train_network.py", line 12, in <module>
    import torch
ModuleNotFoundError: No module named 'torch'
"""
LAUNCHER_ERROR = """\
Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
subprocess.CalledProcessError: Command '['python', 'train_network.py']' """
CRASH = IMPORT_ERROR + LAUNCHER_ERROR + "returned non-zero exit status 1.\n"
KILLED_BELOW_THE_LAUNCHER = LAUNCHER_ERROR + "died with <Signals.SIGKILL: 9>.\n"


class Attempts:
    """Attempts at one run that have ended, each as the supervisor left it."""

    def __init__(self, run: RunPaths) -> None:
        self.run = run

    def ended(self, number: int, exit_: Exit, *, log: str = CRASH, events=(), result: Result | None = None):
        paths = AttemptPaths.of(self.run.folder, number)
        paths.folder.mkdir(parents=True)
        paths.log.write_text(log, encoding="utf-8")
        told = EventLog(Attempt(paths.folder).events)
        for event in events:
            told.emit(event)
        told.close()
        if result is not None:
            write_result(Attempt(paths.folder), result)
        write_exit(paths, exit_)
        return given_up(self.run, paths, exit_)


@pytest.fixture
def attempts(run) -> Attempts:
    return Attempts(run)


def test_a_first_false_start_may_be_chance(attempts):
    assert attempts.ended(1, Exit(code=1)) is None


def test_a_second_one_with_the_same_exit_code_fails_the_run_with_the_trainers_last_words(attempts):
    attempts.ended(1, Exit(code=1))
    verdict = attempts.ended(2, Exit(code=1))
    assert verdict.state is JobState.FAILED
    assert verdict.message == (
        "The trainer ended twice before its first step with exit code 1, so it is not tried again. Its last "
        "words:\n"
        '  File "train_network.py", line 12, in <module>\n'
        "    import torch\n"
        "ModuleNotFoundError: No module named 'torch'"
    )


def test_attempts_are_counted_beyond_three_digits(attempts):
    attempts.ended(998, Exit(code=2))
    attempts.ended(999, Exit(code=1))
    assert attempts.ended(1000, Exit(code=1)).state is JobState.FAILED


@pytest.mark.parametrize("events", [(AttemptStarted(),), (AttemptStarted(3), PhaseStarted("loading"))])
def test_words_before_the_first_step_do_not_count(attempts, events):
    attempts.ended(1, Exit(code=1), events=events)
    assert attempts.ended(2, Exit(code=1), events=events).state is JobState.FAILED


def test_a_program_that_could_not_be_started_is_given_up_with_the_reason(attempts):
    gone = Exit(code=127, reason="/venv/bin/python could not be started: No such file or directory")
    assert attempts.ended(1, gone, log="") is None
    assert attempts.ended(2, gone, log="").message.endswith("No such file or directory")


def test_a_trainer_that_printed_nothing_is_given_up_all_the_same(attempts):
    attempts.ended(1, Exit(code=0), log="")
    assert attempts.ended(2, Exit(code=0), log="").message.endswith("the log is empty.")


@pytest.mark.parametrize(
    "exit_",
    [
        Exit(code=-9),
        Exit(code=-6),
        Exit(code=137),
        Exit(code=3221225477),
        Exit(code=None, reason="its supervisor is gone"),
        Exit(code=1, stopped=True),
    ],
    ids=str,
)
def test_a_process_that_was_killed_or_stopped_is_tried_again(attempts, exit_):
    assert [attempts.ended(number, exit_) for number in (1, 2, 3)] == [None, None, None]


def test_a_trainer_that_was_killed_below_its_launcher_is_tried_again(attempts):
    ends = [attempts.ended(number, Exit(code=1), log=KILLED_BELOW_THE_LAUNCHER) for number in (1, 2, 3)]
    assert ends == [None, None, None]


@pytest.mark.parametrize(
    "before",
    [
        {"exit_": Exit(code=2)},
        {"exit_": Exit(code=-9)},
        {"exit_": Exit(code=None, started=False)},
        {"exit_": Exit(code=1), "events": (AttemptStarted(), StepDone(1, 9))},
        {"exit_": Exit(code=1), "result": Result(outcome="failed", step=0, total_steps=9, message="why")},
        {"exit_": Exit(code=1), "log": KILLED_BELOW_THE_LAUNCHER},
    ],
    ids=["another code", "killed", "slot busy", "had trained", "had said why", "killed below its launcher"],
)
def test_two_that_are_not_alike_are_no_repetition(attempts, before):
    attempts.ended(1, **before)
    assert attempts.ended(2, Exit(code=1)) is None


def test_a_trainer_that_breaks_off_after_a_step_is_tried_again(attempts):
    attempts.ended(1, Exit(code=1))
    assert attempts.ended(2, Exit(code=1), events=(AttemptStarted(), StepDone(1, 9))) is None


def test_an_attempt_without_a_record_of_its_end_is_no_false_start(attempts, run):
    AttemptPaths.of(run.folder, 1).folder.mkdir(parents=True)
    assert attempts.ended(2, Exit(code=1)) is None
