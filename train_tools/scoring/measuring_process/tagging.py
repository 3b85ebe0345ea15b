"""Which tags of its prompt a tagger finds on each preview. The tagger is one of the captioners and runs in their
process; here it is started, followed and ended."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from train_tools.captioners.tagging import ANSWER, PROCESS, Answers, TaggingRequest, write_tagging
from train_tools.captioners.tags import plain
from train_tools.errors import TrainToolsError
from train_tools.model.captioning import Chosen
from train_tools.scoring.measured import keep
from train_tools.scoring.measuring_process.course import Course
from train_tools.scoring.measuring_process.viewing import plain_words
from train_tools.scoring.request import Gallery, Looking, ScoreRequest, Shown

LOOK_EVERY_S = 0.2
GRACE_S = 10.0
LOG = "tagger.log"


@dataclass
class Tagged:
    """What the tagger has said so far."""

    known: set[str] = field(default_factory=set)
    """Tags of the prompts that it could find."""
    tags: dict[str, set[str] | None] = field(default_factory=dict)
    """By picture; None for one that can't be read."""

    def hear(self, line: Mapping[str, Any]) -> None:
        self.known.update(line.get("known", ()))
        if "picture" in line:
            self.tags[line["picture"]] = set(line["tags"]) if "tags" in line else None

    def has_seen(self, gallery: Gallery) -> bool:
        return all(each.file in self.tags for each in (*gallery.own, *gallery.base))

    def rows(self, shown: Sequence[Shown]) -> list[dict[str, Any]]:
        return [row for each in shown if (row := self._row(each)) is not None]

    def _row(self, shown: Shown) -> dict[str, Any] | None:
        """None where there is nothing to be found, or nothing to be seen."""
        asked = [tag for tag in dict.fromkeys(tags_of(shown.prompt)) if tag in self.known]
        found = self.tags.get(shown.file)
        if not asked or found is None:
            return None
        missed = [tag for tag in asked if tag not in found]
        return {"recall": 1 - len(missed) / len(asked), "asked": len(asked), "missed": missed}


def look_for_tags(
    looking: Looking, galleries: Sequence[Gallery], request: ScoreRequest, folder: Path, course: Course
) -> None:
    """Keeps for each preview which share of its prompt's tags is found on it, of those that the tagger knows.
    Raises StoppedError, TrainToolsError when the tagger can't be opened."""
    shown = [each for gallery in galleries for each in (*gallery.own, *gallery.base)]
    file = write_tagging(
        folder,
        TaggingRequest(
            tagger=Chosen.of(looking.chosen),
            weights=Path(request.weights),
            pictures=tuple(dict.fromkeys(each.file for each in shown)),
            asked=tuple(dict.fromkeys(tag for each in shown for tag in tags_of(each.prompt))),
            download=request.download,
            device=request.device,
        ),
    )
    tagged, waiting = Tagged(), list(galleries)
    for line in _answered(file, course):
        if "phase" in line:
            course.phase(str(line["phase"]))
        tagged.hear(line)
        while waiting and tagged.has_seen(waiting[0]):
            gallery = waiting.pop(0)
            keep(Path(gallery.file), {"own": tagged.rows(gallery.own), "base": tagged.rows(gallery.base)})
            course.done()


def tags_of(prompt: str) -> list[str]:
    """What stands between commas, without marks of stress, as tags are compared."""
    return [tag for part in plain_words(prompt).split(",") if (tag := plain(part.strip()))]


def _answered(file: Path, course: Course) -> Iterator[dict[str, Any]]:
    """The lines of the tagger's answer, as they come, until it ends."""
    answers, log = Answers(file.with_name(ANSWER)), file.with_name(LOG)
    with log.open("wb") as told:
        process = subprocess.Popen([sys.executable, "-m", PROCESS, str(file)], stdout=told, stderr=told)
    try:
        while process.poll() is None:
            course.begin()
            yield from answers.new()
            time.sleep(LOOK_EVERY_S)
        yield from answers.new()
    finally:
        _end(process)
    if process.returncode:
        *_, last = ("", *log.read_text(encoding="utf-8", errors="replace").strip().splitlines())
        raise TrainToolsError(last or f"The tagger ended with code {process.returncode} and did not say why.")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Does nothing to a process that has ended."""
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
