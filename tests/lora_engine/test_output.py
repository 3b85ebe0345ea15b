from pathlib import Path

import pytest
import torch

from lora_engine.data.batches import Step
from lora_engine.errors import TrainingError
from lora_engine.output.checkpoints import write_whole
from lora_engine.output.progress import Figures, Progress
from lora_engine.output.reporting import Reporter
from sd_contract.attempt import Attempt
from sd_contract.errors import OptionError
from sd_contract.events import AttemptStarted, StepDone, Tail, Warned
from sd_contract.options import LoggingOptions


@pytest.fixture
def reporter(tmp_path):
    made = Reporter(Attempt(tmp_path))
    made.total_steps = 6
    yield made
    made.close()


def explain(what, number, rate, losses):
    return f"{what} at step {number}, {rate}, after {losses}"


def step(number):
    return Step(number, 1, (), False)


def figures(loss, learning_rate=0.25, **curves):
    return Figures(loss=torch.tensor(loss), learning_rate=learning_rate, curves=curves)


def events(tmp_path):
    return list(Tail(Attempt(tmp_path).events).events())


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    (tmp_path / "taken").mkdir()
    write_whole(tmp_path / "new", b"content")
    write_whole(tmp_path / "new", b"other")
    with pytest.raises(OSError, match="irectory"):
        write_whole(tmp_path / "taken", b"content")

    assert (tmp_path / "new").read_bytes() == b"other"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "taken"]


def test_the_average_covers_the_last_epochs_worth_of_steps(reporter, capfd):
    progress = Progress(reporter, total_steps=6, steps_per_epoch=2, explain=explain)
    for number, loss in enumerate((1.0, 3.0, 5.0), 1):
        progress.add(step(number), figures(loss))
    progress.settle()
    progress.close()

    assert "3/6" in capfd.readouterr().err.split("avr_loss=4]")[0].rsplit("|", 1)[1]
    assert reporter.step == 3


def test_every_step_is_an_event_with_its_loss(reporter, tmp_path):
    progress = Progress(reporter, total_steps=6, steps_per_epoch=2, explain=explain)
    progress.add(step(1), figures(0.5))
    progress.settle()
    progress.close()

    _, event = events(tmp_path)
    assert isinstance(event, StepDone)
    assert (event.step, event.total_steps, event.epoch) == (1, 6, 1)
    assert (event.loss, event.learning_rate) == (0.5, 0.25)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_never_an_event(reporter, tmp_path, loss):
    progress = Progress(reporter, total_steps=6, steps_per_epoch=2, explain=explain)
    with pytest.raises(TrainingError, match=f"the loss is {loss} at step 1, 0.25, after"):
        progress.add(step(1), figures(loss))
    progress.close()

    assert events(tmp_path) == []


def test_warnings_go_to_console_and_events(reporter, tmp_path, capfd):
    reporter.warn("the cat is odd")

    assert capfd.readouterr().err == "warning: the cat is odd\n"
    assert events(tmp_path) == [AttemptStarted(0), Warned("the cat is odd")]


def test_a_file_saved_again_is_listed_once_and_last(reporter):
    for file in ("a", "b", "a"):
        reporter.saved(file, 1, 1)
    reporter.removed("b")

    assert reporter.files == ["a"]


def test_steps_of_an_earlier_attempt_are_behind_the_bar_from_the_start(reporter, capfd):
    progress = Progress(reporter, total_steps=6, steps_per_epoch=2, explain=explain, from_step=4)
    progress.take_up([1.0, 3.0])
    first = capfd.readouterr().err
    progress.add(step(5), figures(5.0))
    progress.close()

    last = capfd.readouterr().err.replace("\r", "\n").strip().splitlines()[-1]
    assert "| 4/6 [" in first
    assert "| 5/6 [" in last
    assert last.endswith("avr_loss=4]")


def test_what_was_measured_beside_the_loss_reaches_the_curves_and_the_line(reporter, capfd):
    kept = []

    class Kept:
        def add(self, place, values):
            kept.append((place, values))

        def close(self):
            kept.append("closed")

    progress = Progress(reporter, total_steps=6, steps_per_epoch=2, explain=explain, curves=Kept())
    progress.add(step(1), figures(0.5, **{"lr/unet": 0.25, "norm/avg_key_norm": torch.tensor(2.0)}))
    progress.add(Step(2, 1, (), True), figures(1.5, **{"max_norm/keys_scaled": torch.tensor(7)}))
    progress.close()

    first = {"loss/current": 0.5, "loss/average": 0.5, "lr/unet": 0.25, "norm/avg_key_norm": 2.0}
    second = {"loss/current": 1.5, "loss/average": 1.0, "max_norm/keys_scaled": 7.0}
    assert kept == [(1, first), (2, second), (1, {"loss/epoch_average": 1.0}), "closed"]
    line = capfd.readouterr().err
    assert "Average key norm=2, avr_loss=0.5]" in line
    assert "Keys Scaled=7, avr_loss=1]" in line


def test_the_curves_are_whole_before_a_loss_that_is_no_number_is_told(reporter):
    closed = []

    class Kept:
        def add(self, place, values):
            raise AssertionError(values)

        def close(self):
            closed.append(True)

    progress = Progress(reporter, total_steps=6, steps_per_epoch=2, explain=explain, curves=Kept())
    with pytest.raises(TrainingError):
        progress.add(step(1), figures(float("nan")))

    assert closed


def tell_all(reporter, **options):
    reporter.use_console(LoggingOptions(**options))
    reporter.phase("loading")
    reporter.note("saving state: x")
    reporter.warn("odd")
    reporter.say("saving checkpoint: x")


@pytest.mark.parametrize(
    ("level", "told"),
    [
        (None, ["loading", "saving state: x", "warning: odd"]),
        ("DEBUG", ["loading", "saving state: x", "warning: odd"]),
        ("WARNING", ["warning: odd"]),
        ("ERROR", []),
    ],
)
def test_messages_that_matter_less_are_left_out_and_programs_lines_never(reporter, tmp_path, capfd, level, told):
    tell_all(reporter, console_log_level=level)

    out, err = capfd.readouterr()
    assert sorted((out + err).splitlines()) == sorted([*told, "saving checkpoint: x"])
    assert Warned("odd") in events(tmp_path)


def test_messages_go_into_a_file_that_is_begun_anew(reporter, tmp_path, capfd):
    file = tmp_path / "журнал.log"
    file.write_text("old", encoding="utf-8")
    tell_all(reporter, console_log_file=str(file))
    reporter.note("画像 \udcff")

    assert capfd.readouterr() == ("saving checkpoint: x\n", "")
    lines = ["loading", "saving state: x", "warning: odd", "画像 \\udcff"]
    assert file.read_text(encoding="utf-8").splitlines() == lines


def test_simple_messages_go_to_stdout_all(reporter, capfd):
    tell_all(reporter, console_log_simple=True)

    lines = ["loading", "saving state: x", "warning: odd", "saving checkpoint: x"]
    assert capfd.readouterr() == ("\n".join(lines) + "\n", "")


def test_a_file_for_messages_that_can_not_be_written_is_told(reporter, tmp_path):
    with pytest.raises(OptionError, match=r"console_log_file = .* can't be written \(Is a directory\)"):
        reporter.use_console(LoggingOptions(console_log_file=str(tmp_path)))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_messages_that_find_no_room_in_their_file_go_to_the_console(reporter, capfd):
    tell_all(reporter, console_log_file="/dev/full")

    told = "warning: console_log_file can't be written any more: No space left on device."
    assert capfd.readouterr().err.splitlines() == [told, "warning: odd"]
