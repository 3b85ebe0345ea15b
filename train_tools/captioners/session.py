"""One captioning process from request to result: what is skipped, told, stopped and listed, whoever looks at the
pictures. Knows no model: a `Looking` turns a picture into words."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sd_contract.attempt import Attempt, Outcome, Result, exit_code, write_result
from sd_contract.errors import ContractError
from sd_contract.events import AttemptStarted, EventLog, PhaseStarted, RunFinished, StepDone, Warned
from train_tools.captioners.ledger import Ledger, joined
from train_tools.captioners.request import CaptionRequest, read_request
from train_tools.captioners.tags import SEPARATOR, plain
from train_tools.datasets.origin import originals
from train_tools.datasets.pictures import DECODING_ERRORS, NotAPictureError, read_picture, without_warnings
from train_tools.errors import DatasetNotUsableError, TrainToolsError
from train_tools.files import storage_error
from train_tools.model.captioning import ExistingCaption

if TYPE_CHECKING:
    from PIL.Image import Image

Told = (ContractError, TrainToolsError)
MOST_NAMED = 5
WHITE = (255, 255, 255, 255)


class PictureError(TrainToolsError):
    """One picture can't be captioned; the others can."""


@dataclass(frozen=True)
class Subject:
    """A picture to look at: upright, RGB, transparent pixels on white."""

    path: Path
    image: Image


Words = tuple[str, ...] | str
"""Tags, or sentences."""


class Looking(Protocol):
    """A captioner that is ready."""

    def words(self, subject: Subject) -> Words:
        """Raises PictureError when there can't be any for this picture, TrainToolsError for all that follow."""
        ...


class Stops(Protocol):
    """What opening captioners may ask and tell: whether to end early, and what is being done."""

    def stopped(self) -> bool: ...

    def tell(self, phase: str) -> None: ...


class StoppedError(Exception):
    """Somebody asked for it while captioners were being opened."""


Open = Callable[[CaptionRequest, Stops], Sequence[Looking]]
"""Opens the captioners of a request, in their order. Raises TrainToolsError, or StoppedError."""


def main(arguments: Sequence[str], open_captioners: Open) -> int:
    """Captions as the request named on the command line says. The exit code: 0 for done or cancelled, else 1."""
    if len(arguments) != 1:
        print("error: say which request.json to work on, and nothing else.", file=sys.stderr)  # noqa: T201
        return 1
    file = Path(arguments[0]).absolute()
    attempt = Attempt.from_environment() or Attempt(file.parent)
    result = Session(attempt, open_captioners).run(file)
    print(result.message, file=sys.stderr if result.outcome == "failed" else sys.stdout)
    return exit_code(result.outcome)


class Session:
    """One attempt at a request."""

    def __init__(self, attempt: Attempt, open_captioners: Open) -> None:
        self._attempt = attempt
        self._open = open_captioners
        self._events = EventLog(attempt.events)
        self._terminated = False
        self._total = 0
        self._written = 0
        self._kept = 0
        self._wordless = 0
        self._failures: list[tuple[str, str]] = []
        """(picture, reason) for each that could not be captioned."""

    def run(self, request_file: Path) -> Result:
        """Captions what is not captioned yet and writes result.json; user errors become its message."""
        self._events.emit(AttemptStarted())
        signal.signal(signal.SIGTERM, self._terminate)
        try:
            result = self._caption(read_request(request_file))
        except StoppedError:
            result = self._ending()
        except Told as error:
            result = self._result("failed", self._so_far(str(error)))
        except OSError as error:
            result = self._result("failed", str(storage_error(self._attempt.folder, error)))
        with suppress(OSError):  # on a full disk the log's last line has to do
            self._events.emit(RunFinished(result.outcome, result.message))
            self._events.close()
            write_result(self._attempt, result)
        return result

    def stopped(self) -> bool:
        return self._terminated or self._attempt.stop_requested

    def tell(self, phase: str) -> None:
        self._events.emit(PhaseStarted(phase))

    def _terminate(self, *_: object) -> None:
        self._terminated = True

    def _caption(self, request: CaptionRequest) -> Result:
        ledger = Ledger(request.version)
        pictures = originals(request.version)
        left = [each for each in pictures if not ledger.is_written(each, request.work.key, request.work.round)]
        self._total = len(left)
        if not left:
            there = "Every original was captioned already." if pictures else "There are no originals."
            return self._result("done", there)
        if self.stopped():
            return self._ending()
        captioners = self._open(request, self)
        self.tell("captioning")
        for picture in left:
            if self.stopped():
                return self._ending()
            self._caption_one(picture, request, ledger, captioners)
        return self._ending()

    def _caption_one(
        self, picture: Path, request: CaptionRequest, ledger: Ledger, captioners: Sequence[Looking]
    ) -> None:
        began = time.monotonic()
        settings, work = request.work.settings, request.work
        try:
            copies = settings.existing is ExistingCaption.COPY and bool(ledger.own_caption(picture))
            generated = "" if copies else _generated(picture, captioners)
            own = ledger.own_caption(picture)  # somebody may have written meanwhile
            caption = joined(own, generated, settings.existing, settings.join)
            if copies and ledger.holds_own(picture):
                self._kept += 1
            elif caption:
                ledger.write(picture, caption, own, work.key, work.round)
                self._written += 1
            else:
                self._wordless += 1
        except (PictureError, DatasetNotUsableError) as error:
            self._failures.append((picture.name, str(error)))
            self._events.emit(Warned(f"{picture.name}: {error}"))
        self._events.emit(StepDone(self._done, self._total, seconds=time.monotonic() - began))

    @property
    def _done(self) -> int:
        return self._written + self._kept + self._wordless + len(self._failures)

    def _ending(self) -> Result:
        if self._done < self._total or not self._total:
            return self._result("cancelled", f"Stopped after {self._written} of {_captions(self._total)}.")
        if self._failures and not self._written:
            return self._result("failed", f"None of {self._total} originals could be captioned: {self._listed}")
        told = [f"{_captions(self._written)} written."]
        if self._kept:
            told.append(f"{self._kept} of the user's own stay.")
        if self._wordless:
            told.append(f"For {self._wordless} no word was likely enough: they stay as they were.")
        if self._failures:
            told.append(f"{len(self._failures)} could not be captioned: {self._listed}")
        return self._result("done", " ".join(told))

    @property
    def _listed(self) -> str:
        named = "; ".join(f"{name}: {reason}" for name, reason in self._failures[:MOST_NAMED])
        more = len(self._failures) - MOST_NAMED
        return named + (f"; and {more} more, which the log names." if more > 0 else "")

    def _so_far(self, reason: str) -> str:
        return f"{reason} {self._written} of {_captions(self._total)} written." if self._written else reason

    def _result(self, outcome: Outcome, message: str) -> Result:
        return Result(outcome=outcome, step=self._written, total_steps=self._total, message=message)


def _captions(count: int) -> str:
    return f"{count} caption{'s' * (count != 1)}"


def _generated(picture: Path, captioners: Sequence[Looking]) -> str:
    """What all captioners say, with commas between; a tag that two of them found stands once (S1-27)."""
    subject = Subject(picture, opened(picture))
    parts: dict[str, str] = {}
    for captioner in captioners:
        words = captioner.words(subject)
        for word in (words,) if isinstance(words, str) else words:
            if word.strip():
                parts.setdefault(plain(word), " ".join(word.split()))
    return SEPARATOR.join(parts.values())


def opened(picture: Path) -> Image:
    """A picture as captioners look at it: upright, in 8 bits, on white. Raises PictureError."""
    from PIL import Image, ImageOps

    try:
        with without_warnings():
            image = read_picture(picture)
            with suppress(*DECODING_ERRORS):  # broken EXIF data are no reason to refuse it
                image = ImageOps.exif_transpose(image)
            coloured = _in_eight_bits(image).convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", coloured.size, WHITE), coloured).convert("RGB")
    except NotAPictureError as error:
        raise PictureError(str(error)) from error
    except ValueError as error:
        raise PictureError("its colours can't be converted to RGB") from error


def _in_eight_bits(image: Image) -> Image:
    """Grey of 16 bits is scaled, where Pillow would cut it."""
    if not image.mode.startswith("I;16"):
        return image
    import numpy as np
    from PIL import Image as Pictures

    return Pictures.fromarray((np.asarray(image, dtype=np.float32) / 257).round().astype(np.uint8))
