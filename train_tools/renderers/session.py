"""One rendering process from request to result: what is skipped, told, stopped and counted, whoever paints.

Knows no model: a `Painter` turns a picture's description into an image.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sd_contract.attempt import Attempt, Outcome, Result, write_result
from sd_contract.errors import ContractError
from sd_contract.events import (
    AttemptStarted,
    EventLog,
    ImageRendered,
    PhaseStarted,
    RunFinished,
    StepDone,
    Warned,
)
from train_tools.errors import TrainToolsError
from train_tools.files import storage_error
from train_tools.model.preview import Picture
from train_tools.previews.picture_file import is_whole, write_picture
from train_tools.previews.renderer import RenderRequest, WantedPicture, read_request, relative_name

if TYPE_CHECKING:
    from PIL.Image import Image

Told = (ContractError, TrainToolsError)


class PictureError(TrainToolsError):
    """One checkpoint, or one picture of it, can't be rendered; the others can."""


Painted = Sequence["Image | PictureError"] | None


class Painter(Protocol):
    """Holds a base model, and a checkpoint on it."""

    def use(self, checkpoint: Path | None) -> None:
        """Makes pictures show this checkpoint; None = the base alone. Raises ContractError or PictureError."""
        ...

    def batches(self, wanted: Sequence[WantedPicture]) -> Iterable[Sequence[WantedPicture]]:
        """Which of the checkpoint's pictures are painted at the same time, in the order in which they are."""
        ...

    def paint(self, pictures: Sequence[Picture], stopped: Callable[[], bool]) -> Painted:
        """The image of each picture of a batch, or why there is none; None when `stopped` came true meanwhile.
        Raises PictureError when there can't be any."""
        ...


class SinglePainter(Protocol):
    """One that paints a picture at a time."""

    def use(self, checkpoint: Path | None) -> None: ...

    def paint(self, picture: Picture, stopped: Callable[[], bool]) -> Image | None: ...


class OneByOne:
    """A painter of one picture at a time."""

    def __init__(self, painter: SinglePainter) -> None:
        self._painter = painter

    def use(self, checkpoint: Path | None) -> None:
        self._painter.use(checkpoint)

    def batches(self, wanted: Sequence[WantedPicture]) -> Iterable[Sequence[WantedPicture]]:
        return ((one,) for one in wanted)

    def paint(self, pictures: Sequence[Picture], stopped: Callable[[], bool]) -> Painted:
        (picture,) = pictures
        image = self._painter.paint(picture, stopped)
        return None if image is None else [image]


def main(arguments: Sequence[str], open_painter: Callable[[RenderRequest], Painter]) -> int:
    """Renders the request named on the command line. The exit code: 0 for done or cancelled, else 1."""
    if len(arguments) != 1:
        print("error: say which request.json to render, and nothing else.", file=sys.stderr)  # noqa: T201
        return 1
    file = Path(arguments[0]).absolute()
    attempt = Attempt.from_environment() or Attempt(file.parent)
    result = Session(attempt, open_painter).run(file)
    if result.outcome == "failed":
        print(f"error: {result.message}", file=sys.stderr)  # noqa: T201
    return 1 if result.outcome == "failed" else 0


class Session:
    """One attempt at a request."""

    def __init__(self, attempt: Attempt, open_painter: Callable[[RenderRequest], Painter]) -> None:
        self._attempt = attempt
        self._open_painter = open_painter
        self._events = EventLog(attempt.events)
        self._terminated = False
        self._total = 0
        self._rendered: list[str] = []
        self._failures: list[str] = []
        """A sentence for each picture that could not be rendered."""

    def run(self, request_file: Path) -> Result:
        """Renders what is missing and writes result.json; user errors become its message."""
        self._events.emit(AttemptStarted())
        signal.signal(signal.SIGTERM, self._terminate)
        try:
            result = self._render(read_request(request_file))
        except Told as error:
            result = self._result("failed", str(error))
        except OSError as error:
            result = self._result("failed", str(storage_error(self._attempt.folder, error)))
        with suppress(OSError):  # on a full disk the log's last line has to do
            self._events.emit(RunFinished(result.outcome, result.message))
            self._events.close()
            write_result(self._attempt, result)
        return result

    def stopped(self) -> bool:
        return self._terminated or self._attempt.stop_requested

    def _terminate(self, *_: object) -> None:
        self._terminated = True

    def _render(self, request: RenderRequest) -> Result:
        left = tuple(item for item in request.wanted if not is_whole(item.file))
        self._total = len(left)
        if not left:
            return self._result("done", "Every picture was there already.")
        if self.stopped():
            return self._ending()
        self._events.emit(PhaseStarted("loading the base model"))
        painter = self._open_painter(request)
        self._events.emit(PhaseStarted("rendering previews"))
        for checkpoint, pictures in replace(request, wanted=left).by_checkpoint():
            if not self.stopped():
                self._render_checkpoint(painter, request, checkpoint, pictures)
        return self._ending()

    def _render_checkpoint(
        self,
        painter: Painter,
        request: RenderRequest,
        checkpoint: Path | None,
        pictures: Sequence[WantedPicture],
    ) -> None:
        try:
            painter.use(checkpoint)
        except (PictureError, ContractError) as error:
            self._give_up(str(error), len(pictures))
            return
        for batch in painter.batches(pictures):
            if self.stopped():
                return
            self._render_batch(painter, request, batch)

    def _render_batch(self, painter: Painter, request: RenderRequest, batch: Sequence[WantedPicture]) -> None:
        began = time.monotonic()
        try:
            painted = painter.paint([wanted.picture for wanted in batch], self.stopped)
        except PictureError as error:
            self._give_up(str(error), len(batch))
            return
        seconds = (time.monotonic() - began) / len(batch)
        for wanted, image in zip(batch, painted or (), strict=False):
            if isinstance(image, PictureError):
                self._give_up(str(image), 1)
            else:
                self._keep(request, wanted, image, seconds)

    def _keep(self, request: RenderRequest, wanted: WantedPicture, image: Image, seconds: float) -> None:
        lora_stem = wanted.checkpoint.stem if wanted.checkpoint else None
        write_picture(wanted.file, image, wanted.picture, base_stem=request.base.path.stem, lora_stem=lora_stem)
        self._rendered.append(relative_name(request, wanted.file))
        self._events.emit(ImageRendered(self._rendered[-1]))
        self._tell_progress(seconds)

    def _give_up(self, reason: str, pictures: int) -> None:
        self._failures += [reason] * pictures
        self._events.emit(Warned(reason))
        self._tell_progress(0.0)

    def _tell_progress(self, seconds: float) -> None:
        finished = len(self._rendered) + len(self._failures)
        self._events.emit(StepDone(finished, self._total, seconds=seconds))

    def _ending(self) -> Result:
        if len(self._rendered) + len(self._failures) < self._total:
            return self._result("cancelled", f"Stopped after {len(self._rendered)} of {self._total} pictures.")
        if self._failures:
            reasons = " ".join(dict.fromkeys(self._failures))
            return self._result(
                "failed",
                f"{len(self._failures)} of {self._total} pictures could not be rendered: {reasons}",
            )
        return self._result("done", "")

    def _result(self, outcome: Outcome, message: str) -> Result:
        return Result(
            outcome=outcome,
            step=len(self._rendered),
            total_steps=self._total,
            files=tuple(self._rendered),
            message=message,
        )
