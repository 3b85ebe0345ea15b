"""`python -m train_tools.captioners.captioning_process.tagging tagging.json`: opens one tagger, looks at
pictures and writes what it sees as lines beside the request, the last word about what went wrong on the
standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol, cast

from train_tools.captioners.captioning_process.openers import open_captioners
from train_tools.captioners.request import CaptionRequest, CaptionWork
from train_tools.captioners.session import Looking, PictureError, Subject, Told, opened
from train_tools.captioners.tagging import ANSWER, TaggingRequest, read_tagging, tagger_of
from train_tools.captioners.tags import plain
from train_tools.model.captioning import CaptionSettings
from train_tools.model.paths import VersionPaths


class Tagger(Looking, Protocol):
    @property
    def vocabulary(self) -> Sequence[str]:
        """The tags that it could find."""
        ...


class Answering:
    """What is told while the tagger opens and looks; whoever wants it to stop ends the process."""

    def __init__(self, lines: IO[str]) -> None:
        self._lines = lines

    def stopped(self) -> bool:
        return False

    def tell(self, phase: str) -> None:
        self.say(phase=phase)

    def say(self, **what: object) -> None:
        self._lines.write(json.dumps(what) + "\n")
        self._lines.flush()


def main(arguments: Sequence[str]) -> int:
    (file,) = map(Path, arguments)
    try:
        with (file.parent / ANSWER).open("w", encoding="ascii", newline="\n") as lines:
            answer(read_tagging(file), Answering(lines))
    except Told as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def answer(request: TaggingRequest, answering: Answering) -> None:
    """Raises TrainToolsError when the tagger can't be opened."""
    tagger = _opened(request, answering)
    known = {plain(tag) for tag in tagger.vocabulary}
    answering.say(known=[tag for tag in request.asked if tag in known])
    for picture in request.pictures:
        try:
            found = tagger.words(Subject(Path(picture), opened(Path(picture))))
            answering.say(picture=picture, tags=[plain(tag) for tag in found])
        except PictureError as error:
            answering.say(picture=picture, problem=str(error))


def _opened(request: TaggingRequest, answering: Answering) -> Tagger:
    tagger_of(request.tagger)
    work = CaptionWork(settings=CaptionSettings(captioners=(request.tagger,)), download=request.download)
    asked = CaptionRequest(
        version=VersionPaths(request.weights),  # nothing of a version is looked at
        work=work,
        weights=request.weights,
        device=request.device,
    )
    (tagger,) = open_captioners(asked, answering)
    return cast(Tagger, tagger)  # those of the style TAGS have a vocabulary


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
