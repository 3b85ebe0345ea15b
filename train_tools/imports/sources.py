"""What lies at the files and folders a user chose: pictures to take in, and why the rest is not taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from train_tools.datasets.captions import SUFFIXES as CAPTION_SUFFIXES
from train_tools.datasets.captions import caption_beside
from train_tools.datasets.pictures import picture_suffixes, why_not_a_picture
from train_tools.imports.archives import ARCHIVES, ArchiveNotUsableError, Progress, unpack
from train_tools.imports.metadata import SUFFIXES as METADATA_SUFFIXES
from train_tools.imports.metadata import NoMetadataError, read_metadata
from train_tools.imports.places import Place, place_of
from train_tools.imports.versions import Layout, captions_prepared, is_folder, layout_of
from train_tools.model.dataset import Rejected
from train_tools.model.paths import VersionPaths


@dataclass
class Found:
    """Pictures by their names, not yet opened; what may be captions of them; what is neither."""

    pictures: dict[Path, Place] = field(default_factory=dict)
    captions: list[Path] = field(default_factory=list)
    metadata: list[Path] = field(default_factory=list)
    chosen: set[Path] = field(default_factory=set)
    """Those of all that were chosen themselves, not with their folder."""
    written: dict[Path, tuple[str, Path]] = field(default_factory=dict)
    """Captions of pictures that lie in no file beside them: the text, and where it was found."""
    rejected: list[Rejected] = field(default_factory=list)
    unpacked: dict[Path, Path] = field(default_factory=dict)
    """Folders that archives were unpacked into, and those archives; for one with what a page has sent, no path."""

    def reject(self, source: Path, reason: str) -> None:
        self.rejected.append(Rejected(source=self.words(source), reason=reason))

    def words(self, path: Path) -> str:
        """The path as text that can be shown, whatever bytes its name is made of."""
        for folder, archive in reversed(self.unpacked.items()):  # an archive may have been sent, too
            if path.is_relative_to(folder):
                path = archive / path.relative_to(folder)
        return str(path).encode("utf-8", "replace").decode("utf-8")

    def is_unpacked(self, path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in self.unpacked)


@dataclass
class Search:
    """One search for pictures to import into a version."""

    version: VersionPaths
    progress: Progress = lambda done, total: None
    should_stop: Callable[[], bool] = lambda: False
    found: Found = field(default_factory=Found)

    def among(self, sources: Sequence[Path]) -> Found:
        """All files among the sources and below them, each once. What the version itself produced is left out."""
        seen = set[Path]()
        for source in sources:
            for path, place in self._files(source):
                real = path.resolve()
                if real not in seen:
                    seen.add(real)
                    self._sort_in(path, place)
        self._read_metadata()
        return self.found

    def _files(self, source: Path) -> Iterator[tuple[Path, Place]]:
        try:
            is_folder, exists = source.is_dir(), source.exists()
        except OSError as error:
            self.found.reject(source, f"it can't be read: {error.strerror or error}")
            return
        if is_folder:
            yield from self._walk(source, place_of(source))
        elif not exists:
            self.found.reject(source, "it does not exist")
        elif source.suffix.lower() == ".zip":
            yield from self._walk_archive(source, Place())
        else:
            self.found.chosen.add(source)
            yield source, Place()

    def _walk(self, folder: Path, place: Place) -> Iterator[tuple[Path, Place]]:
        if self._is_made_by_us(folder):
            self.found.reject(folder, "it holds what was made from this version's originals")
            return
        layout = layout_of(folder)
        if layout is not None:
            yield from self._walk_version(layout)
            return
        for entry in self._entries(folder):
            if is_folder(entry) and entry.is_symlink():
                self.found.reject(entry, "it is a link to a folder: choose that folder itself")
            elif is_folder(entry):
                yield from self._walk(entry, place.below(entry.name))
            elif entry.suffix.lower() == ".zip":
                yield from self._walk_archive(entry, place)
            else:
                yield entry, place

    def _walk_version(self, layout: Layout) -> Iterator[tuple[Path, Place]]:
        """A version of ours or of S1: its originals, with the captions they were prepared with."""
        for path, reason in layout.left_out:
            self.found.reject(path, reason)
        for folder, place in layout.folders:
            before = len(self.found.pictures)
            yield from self._walk(folder, place)
            if folder == layout.originals and len(self.found.pictures) > before:
                added = list(self.found.pictures)[before:]
                self.found.written |= captions_prepared(layout, added)

    def _walk_archive(self, archive: Path, place: Place) -> Iterator[tuple[Path, Place]]:
        wanted = (*picture_suffixes(), *CAPTION_SUFFIXES, *METADATA_SUFFIXES)
        try:
            unpacked = unpack(archive, self.version.staging, wanted, self.progress, self.should_stop)
        except ArchiveNotUsableError as error:
            self.found.reject(archive, str(error))
            return
        self.found.unpacked[unpacked.folder] = archive
        for name, reason in unpacked.left_out:
            self.found.reject(archive / name, reason)
        for entry in self._entries(unpacked.folder):
            below = place.below(archive.stem)
            if entry.is_dir():
                yield from self._walk(entry, below.below(entry.name))
            else:
                yield entry, below

    def _entries(self, folder: Path) -> Iterator[Path]:
        """What lies in a folder and is not hidden."""
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            self.found.reject(folder, f"the folder can't be read: {error.strerror or error}")
            return
        for entry in entries:
            if entry.name.startswith("."):
                self.found.reject(entry, "it is hidden: its name begins with a dot")
            else:
                yield entry

    def _is_made_by_us(self, folder: Path) -> bool:
        folder, own, origin = folder.resolve(), self.version.folder.resolve(), self.version.origin.resolve()
        if self.found.is_unpacked(folder) or folder.is_relative_to(self.version.staging.resolve()):
            return False
        leads_to_origin = origin.is_relative_to(folder) or folder.is_relative_to(origin)
        return folder.is_relative_to(own) and not leads_to_origin

    def _sort_in(self, path: Path, place: Place) -> None:
        suffix = path.suffix.lower()
        if suffix in picture_suffixes():
            self.found.pictures[path] = place
        elif suffix in CAPTION_SUFFIXES:
            self.found.captions.append(path)
        elif suffix in METADATA_SUFFIXES:
            self.found.metadata.append(path)
        elif suffix in ARCHIVES:
            self.found.reject(path, "it is an archive, and only zip is unpacked: unpack it and choose the folder")
        else:
            self.found.reject(path, why_not_a_picture(suffix))

    def _read_metadata(self) -> None:
        """Captions that lie together in one file, for the pictures beside and below it; for all where the file was
        chosen by itself."""
        for path in self.found.metadata:
            everywhere = path in self.found.chosen
            pictures = [each for each in self.found.pictures if everywhere or each.is_relative_to(path.parent)]
            try:
                captions, unmatched = read_metadata(path, pictures)
            except NoMetadataError as error:
                self.found.reject(path, str(error))
                continue
            for picture, text in captions.items():
                self.found.written.setdefault(picture, (text, path))
            if unmatched:
                self.found.reject(path, f"{unmatched} of its captions are of no picture that was found")


class CaptionFiles:
    """The caption file of each picture: beside it, or one of the same stem that was chosen together with it.

    Uploads lie in folders of their own, so that a picture and its caption are not neighbours.
    """

    def __init__(self, found: Found) -> None:
        self._chosen = found.chosen
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for caption in found.captions:
            if caption in found.chosen:
                self._by_stem[caption.stem].append(caption)

    def of(self, picture: Path) -> Path | None:
        beside = caption_beside(picture)
        if beside or picture not in self._chosen:
            return beside
        return min(
            self._by_stem.get(picture.stem, ()),
            key=lambda path: CAPTION_SUFFIXES.index(path.suffix.lower()),
            default=None,
        )
