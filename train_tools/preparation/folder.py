"""One `<repeats>_<class>` folder of training images while it is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from train_tools.datasets.folders import class_of, repeats_of
from train_tools.errors import DatasetNotUsableError
from train_tools.model.dataset import Concept, Rejected
from train_tools.model.preparation import Preparation
from train_tools.preparation.edits import Edits, own_caption, record_in
from train_tools.preparation.reading import Made


class FolderInTheMaking:
    """The images and captions of one concept, numbered as its originals come.

    `name` is the concept's folder in origin, "" for what lies there directly; `replaced` are all folders that the
    new ones take the place of.
    """

    def __init__(
        self,
        *,
        concept: Concept,
        name: str,
        class_name: str,
        preparation: Preparation,
        building: Path,
        replaced: Sequence[Path],
    ) -> None:
        self.concept = concept
        self.name = name
        self.class_name = class_name
        self.building = building
        self.previous = tuple(each for each in replaced if self._was_made_of_it(each))
        self.captions: dict[str, str] = {}
        """The originals' own captions, by stem."""
        self.images = 0
        self.captioned = 0
        self.skipped: list[Rejected] = []
        self.kept: list[str] = []
        self._preparation = preparation
        self._edits = Edits.of(self.previous)
        building.mkdir()

    @property
    def repeats(self) -> int:
        count = len(self.captions)
        wanted = self.concept.repeats or self._preparation.repeats
        return repeats_of(wanted, count) * self._preparation.multiply if count else 0

    def add(self, original: Path, made: Made) -> None:
        """Writes an original's training images, or notes why there are none."""
        if not made.images:
            self.skipped.append(Rejected(source=self._named(original), reason=made.problem))
            return
        number = len(self.captions)
        self.captions[original.stem] = own = self._caption_of(original)
        for variant, content in enumerate(made.images):
            caption = self._edits.caption(original.stem, variant, own)
            if caption != own and self._named(original) not in self.kept:
                self.kept.append(self._named(original))
            self._write(f"{number:05}-{variant}-{original.stem}", content, caption)

    def _named(self, original: Path) -> str:
        return f"{self.name}/{original.name}" if self.name else original.name

    def _caption_of(self, original: Path) -> str:
        """The original's own caption; one that can't be read is listed, and the image goes without."""
        try:
            return own_caption(original)
        except DatasetNotUsableError as error:
            self.skipped.append(Rejected(source=self._named(original.with_suffix(".txt")), reason=str(error)))
            return ""

    def _write(self, stem: str, content: bytes, caption: str) -> None:
        (self.building / f"{stem}.png").write_bytes(content)
        self.images += 1
        if caption:
            (self.building / f"{stem}.txt").write_bytes(f"{caption}\n".encode())
            self.captioned += 1

    def _was_made_of_it(self, folder: Path) -> bool:
        """By the folder's record, or, where there is none, by its class. Records of the time before concepts are
        of what lies in origin directly."""
        record = record_in(folder)
        return record.get("concept", "") == self.name if record else class_of(folder.name) == self.class_name
