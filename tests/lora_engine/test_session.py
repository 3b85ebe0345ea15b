import os
import signal

import pytest

from lora_engine.errors import Stopped
from lora_engine.output.reporting import Reporter
from lora_engine.session import carry_out, stop_on_signal
from sd_contract.attempt import Attempt, Result, read_result
from sd_contract.errors import OptionError
from sd_contract.events import AttemptStarted, RunFinished, Tail


@pytest.fixture
def attempt(tmp_path):
    return Attempt(tmp_path)


def ending(how):
    def recipe(arguments, reporter):
        reporter.step, reporter.total_steps = 3, 9
        reporter.saved("a.safetensors", 3, 1)
        if isinstance(how, BaseException):
            raise how
        return how

    return recipe


def carried_out(attempt, recipe):
    code = carry_out(recipe, [], environment={"TRAIN_TOOLS_EVENTS": str(attempt.events)})
    return code, read_result(attempt)


@pytest.mark.parametrize(
    ("how", "code", "outcome", "message"),
    [
        ("done", 0, "done", ""),
        ("cancelled", 0, "cancelled", ""),
        (Stopped(), 0, "cancelled", "stopped before the first step"),
        (OptionError("network_dim is odd"), 1, "failed", "network_dim is odd"),
        (KeyError("surprise"), 1, "failed", "KeyError: 'surprise'"),
    ],
)
def test_every_ending_leaves_a_result_and_a_last_event(attempt, how, code, outcome, message):
    found_code, result = carried_out(attempt, ending(how))

    files = ("a.safetensors",)
    assert found_code == code
    assert result == Result(outcome=outcome, step=3, total_steps=9, files=files, message=message)
    events = list(Tail(attempt.events).events())
    assert (events[0], events[-1]) == (AttemptStarted(0), RunFinished(outcome, message))


def test_only_surprises_have_a_traceback(attempt, capfd):
    carried_out(attempt, ending(OptionError("network_dim is odd")))
    mistake = capfd.readouterr().err
    carried_out(attempt, ending(KeyError("surprise")))

    assert mistake == "error: network_dim is odd\n"
    assert "Traceback" in capfd.readouterr().err


def test_without_an_attempt_only_the_exit_code_tells(tmp_path):
    assert carry_out(ending("done"), [], environment={}) == 0
    assert list(tmp_path.iterdir()) == []


def test_memory_that_runs_out_comes_with_advice(attempt):
    class OutOfMemoryError(RuntimeError):
        pass

    _, result = carried_out(attempt, ending(OutOfMemoryError("tried to allocate 2 GiB")))

    assert "Use a smaller train_batch_size or resolution" in result.message


def test_a_first_signal_is_a_request_and_the_next_is_obeyed():
    reporter = Reporter(None)
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signal(reporter):
        os.kill(os.getpid(), signal.SIGTERM)
        asked = reporter.stop_requested
        after_one = signal.getsignal(signal.SIGTERM)

    assert asked
    assert after_one == before == signal.getsignal(signal.SIGTERM)
