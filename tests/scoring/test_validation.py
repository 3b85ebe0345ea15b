"""Validation losses out of event files as TensorBoard's writers make them."""

from __future__ import annotations

import pytest
from tensorboardX import SummaryWriter

from sd_contract.attempt import Attempt
from sd_contract.events import AttemptStarted, EventLog, Validated
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.score import Unscored
from train_tools.scoring.loss_curves import validation_losses
from train_tools.scoring.measured import Measured, Measurement
from train_tools.scoring.scorer import Subject
from train_tools.scoring.scorers import validation


@pytest.fixture
def curves(tmp_path):
    with SummaryWriter(str(tmp_path / "attempts" / "001" / "out")) as writer:
        for epoch, loss in ((1, 0.5), (2, 0.25), (4, 0.125)):
            writer.add_scalar("loss/validation/epoch_average", loss, epoch)
            writer.add_scalar("loss/current", 9.0, epoch)
    return tmp_path


def subject(folder, epoch):
    checkpoint = Checkpoint(
        run="r", path=folder / "x", size_bytes=1, modified=0.0, epoch=epoch, step=epoch * 10, final=True
    )
    return Subject(
        checkpoint=checkpoint,
        content="c",
        measurement=Measurement(base="b", dataset="d"),
        measured=Measured(folder),
        curves=folder,
    )


def test_the_loss_at_the_checkpoints_epoch_or_before_it_counts(curves):
    assert [validation.score(subject(curves, epoch)).value for epoch in (1, 2, 3, 4)] == [0.5, 0.25, 0.25, 0.125]
    assert "epoch 2" in validation.score(subject(curves, 3)).evidence


def test_a_torn_file_is_read_as_far_as_it_goes(curves):
    (file,) = curves.rglob("*tfevents*")
    file.write_bytes(file.read_bytes()[:-5])
    assert validation.score(subject(curves, 4)).value in (0.25, 0.125)


def test_what_the_bundled_trainer_tells_counts_and_what_was_trained_anew_replaces_it(tmp_path):
    for number, told in (
        ("001", [AttemptStarted(), Validated(10, 1, 0.5, True), Validated(20, 2, 9.0, True)]),
        ("002", [AttemptStarted(10), Validated(20, 2, 0.25, True)]),
    ):
        attempt = Attempt(tmp_path / "attempts" / number)
        attempt.folder.mkdir(parents=True)
        log = EventLog(attempt.events)
        for event in told:
            log.emit(event)
        log.close()

    assert [validation.score(subject(tmp_path, epoch)).value for epoch in (1, 2, 3)] == [0.5, 0.25, 0.25]
    assert validation.score(subject(tmp_path, 2)).evidence == "Validation loss 0.2500 at step 20."
    assert isinstance(validation.score(subject(tmp_path, 0)), Unscored)
    assert validation_losses(tmp_path) == {10: 0.5, 20: 0.25}


def test_without_validation_it_is_said(tmp_path):
    assert isinstance(validation.score(subject(tmp_path, 1)), Unscored)
