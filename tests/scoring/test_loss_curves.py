"""Loss over the images seen: batches of any size side by side, and what was trained anew told once."""

from __future__ import annotations

from sd_contract.attempt import Attempt
from sd_contract.events import AttemptStarted, EventLog, StepDone
from train_tools.model.paths import AttemptPaths
from train_tools.scoring.loss_curves import images_of_a_step, loss_curve


def attempt(run, number, from_step, steps):
    folder = AttemptPaths.of(run, number).folder
    folder.mkdir(parents=True)
    log = EventLog(Attempt(folder).events)
    log.emit(AttemptStarted(from_step))
    for step, loss in steps.items():
        log.emit(StepDone(step, 10, loss=loss))
    log.close()


def test_steps_are_counted_in_images(tmp_path):
    attempt(tmp_path, 1, 0, {1: 0.5, 2: 0.4, 3: None})
    assert images_of_a_step({"train_batch_size": 4, "gradient_accumulation_steps": 2}) == 8
    assert loss_curve(tmp_path, {"train_batch_size": 4}) == ((4.0, 0.5), (8.0, 0.4))
    assert loss_curve(tmp_path, {}) == ((1.0, 0.5), (2.0, 0.4))


def test_what_was_trained_anew_replaces_what_was_told(tmp_path):
    attempt(tmp_path, 1, 0, {1: 0.9, 2: 0.8, 3: 0.7})
    attempt(tmp_path, 2, 1, {2: 0.5})
    assert loss_curve(tmp_path, {}) == ((1.0, 0.9), (2.0, 0.5))


def test_long_runs_are_drawn_by_means(tmp_path):
    attempt(tmp_path, 1, 0, {step: float(step) for step in range(1, 11)})
    points = loss_curve(tmp_path, {}, most_points=4)
    assert points == ((3.0, 2.0), (6.0, 5.0), (9.0, 8.0), (10.0, 10.0))


def test_a_run_without_attempts_has_no_points(tmp_path):
    assert loss_curve(tmp_path, {}) == ()
