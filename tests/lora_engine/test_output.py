import pytest
import torch

from lora_engine.data.batches import Step
from lora_engine.errors import TrainingError
from lora_engine.output.checkpoints import write_whole
from lora_engine.output.progress import Progress
from lora_engine.output.reporting import Reporter
from sd_contract.attempt import Attempt
from sd_contract.events import AttemptStarted, StepDone, Tail, Warned


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
        progress.add(step(number), torch.tensor(loss), 0.1)
    progress.settle()
    progress.close()

    assert "3/6" in capfd.readouterr().err.split("avr_loss=4]")[0].rsplit("|", 1)[1]
    assert reporter.step == 3


def test_every_step_is_an_event_with_its_loss(reporter, tmp_path):
    progress = Progress(reporter, total_steps=6, steps_per_epoch=2, explain=explain)
    progress.add(step(1), torch.tensor(0.5), 0.25)
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
        progress.add(step(1), torch.tensor(loss), 0.25)
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
