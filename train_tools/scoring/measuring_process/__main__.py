"""`python -m train_tools.scoring.measuring_process request.json`: measures what is missing, and keeps each
number as soon as it is there. What keeps one model from looking keeps no other from it; the job says so at its
end."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from sd_contract.attempt import Attempt
from sd_contract.errors import ContractError
from train_tools.errors import TrainToolsError
from train_tools.jobs.errand import Progress, do
from train_tools.scoring.lookers import TAGGER
from train_tools.scoring.measured import kept
from train_tools.scoring.measuring_process.course import Course
from train_tools.scoring.measuring_process.fixed_noise import measure_losses, missing_of
from train_tools.scoring.measuring_process.tagging import look_for_tags
from train_tools.scoring.measuring_process.viewing import view
from train_tools.scoring.request import Gallery, Looking, ScoreRequest, read_request


def work(attempt: Attempt, progress: Progress) -> str:
    """The sentence about what was measured. Raises TrainToolsError when something could not be begun."""
    request = read_request(Path(sys.argv[1]))
    losses = sum(len(missing_of(series)) for series in request.missing.series)
    galleries = sum(len(unseen(looking)) for looking in request.missing.looking)
    if not losses + galleries:
        return "Everything was measured already."
    course = Course(attempt, progress, losses + galleries)
    device = chosen_device(request.device)
    bad, troubles = 0, []
    for series in filter(missing_of, request.missing.series):
        course.begin()
        try:
            bad += measure_losses(series, Path(request.cache), device, course)
        except (TrainToolsError, ContractError) as error:
            troubles.append(str(error))
    for looking in filter(unseen, request.missing.looking):
        course.begin()
        try:
            _look(looking, request, attempt, device, course)
        except (TrainToolsError, ContractError) as error:
            troubles.append(str(error))
    if troubles:
        raise TrainToolsError(" ".join(dict.fromkeys(troubles)))
    return _sentence(losses, bad, galleries)


def chosen_device(name: str) -> torch.device:
    """ "auto" is the first GPU, else the CPU."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def unseen(looking: Looking) -> list[Gallery]:
    return [gallery for gallery in looking.galleries if kept(Path(gallery.file)) is None]


def _look(looking: Looking, request: ScoreRequest, attempt: Attempt, device: torch.device, course: Course) -> None:
    if looking.looker == TAGGER:
        look_for_tags(looking, unseen(looking), request, attempt.folder, course)
    else:
        view(looking, unseen(looking), request, device, course)


def _sentence(losses: int, bad: int, galleries: int) -> str:
    words = [f"{losses - bad} losses measured."] if losses else []
    words += [f"{bad} checkpoints could not be measured."] if bad else []
    words += [f"{galleries} times previews looked at."] if galleries else []
    return " ".join(words)


if __name__ == "__main__":
    do(work, told_every_s=0.2)
