"""Captions that were changed in `processed` since it was made, so that the next preparation keeps them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train_tools.datasets.captions import caption_beside, read_caption
from train_tools.files import write_json

RECORD = ".prepared.json"
"""In a folder that was made here: of which concept, and the captions of the originals at that time."""


@dataclass(frozen=True)
class Edits:
    """The captions now in the folders that are about to be replaced, and what they were made from."""

    written: Mapping[tuple[str, int], str]
    """By the original's stem and the variant; "" where the image has none."""
    made_from: Mapping[str, str] | None
    """The originals' captions at that time; None when it was not made here, but by S1 or by hand."""

    @classmethod
    def of(cls, folders: Sequence[Path]) -> Edits:
        written: dict[tuple[str, int], str] = {}
        made_from = None
        for folder in folders:
            made_from = record_in(folder).get("captions", made_from)
            for image in sorted(folder.glob("*.png")):
                if match := re.fullmatch(r"[0-9]{5,}-([0-9]+)-(.+)", image.stem):
                    written[match[2], int(match[1])] = own_caption(image)
        return cls(written, made_from)

    def caption(self, stem: str, variant: int, own: str) -> str:
        """What the variant's caption is to be, the original's being `own` now."""
        now = self.written.get((stem, variant), self.written.get((stem, 0)))
        if now is None:
            return own
        if self.made_from is None:
            return now or own
        before = self.made_from.get(stem, own)
        return now if own == before else own


def own_caption(picture: Path) -> str:
    """The text beside a picture, "" where there is none. Raises DatasetNotUsableError when it can't be read."""
    path = caption_beside(picture)
    return read_caption(path) if path else ""


def leave_record(folder: Path, concept: str, captions: Mapping[str, str]) -> None:
    """Notes in the folder itself that it was made here, from which concept ("" = what lies in origin directly) and
    which captions."""
    write_json(folder / RECORD, {"format": 1, "concept": concept, "captions": captions})


def record_in(folder: Path) -> dict[str, Any]:
    """What the preparation that made a folder left in it; {} when it was not made here."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and isinstance(record.get("captions"), dict) else {}
