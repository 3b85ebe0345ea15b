import os
import signal

import pytest

from lora_engine.errors import NotANumberError, Stopped
from lora_engine.output.reporting import Reporter
from lora_engine.session import carry_out, stop_on_signal
from sd_contract.attempt import OUT_OF_MEMORY, Attempt, Result, read_result
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

    text = (
        "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 7.79 GiB of which 1.20 GiB "
        "is free. Including non-PyTorch memory, this process has 6.4 GiB memory in use."
    )
    code, result = carried_out(attempt, ending(OutOfMemoryError(text)))

    assert (code, result.cause) == (OUT_OF_MEMORY, "out of memory")
    assert "2.50 GiB more were needed, 1.20 GiB of the GPU's 7.79 GiB were free" in result.message
    assert "Use a smaller train_batch_size or resolution" in result.message


@pytest.mark.parametrize(
    ("error", "needed"),
    [
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9437184 bytes."),
            "out of memory while loading the base model: 9.0 MiB more were needed. Use",
        ),
        (MemoryError(), "out of memory while loading the base model: Use a smaller"),
    ],
)
def test_main_memory_can_run_out_too(attempt, capfd, error, needed):
    def recipe(arguments, reporter):
        reporter.phase("loading the base model")
        raise error

    code, result = carried_out(attempt, recipe)

    assert code == OUT_OF_MEMORY
    assert result.message.startswith(needed)
    assert capfd.readouterr().err == f"error: {result.message}\n"


def test_a_loss_that_is_no_number_is_a_cause_of_its_own(attempt):
    code, result = carried_out(attempt, ending(NotANumberError("the loss is nan")))

    assert (code, result.cause) == (1, "not a number")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_first_signal_is_a_request_and_the_next_is_obeyed(number):
    reporter = Reporter(None)
    before = signal.getsignal(number)
    with stop_on_signal(reporter):
        os.kill(os.getpid(), number)
        asked = reporter.stop_requested
        after_one = signal.getsignal(number)

    assert asked
    assert after_one == before == signal.getsignal(number)


def test_ctrl_c_is_heard_where_the_shell_started_the_run_in_the_background():
    """Such a shell has its children ignore it, which they inherit."""
    reporter = Reporter(None)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_on_signal(reporter):
            os.kill(os.getpid(), signal.SIGINT)
        assert reporter.stop_requested
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
