"""From originals to `<repeats>_<class>` folders of training images, exchanged for the previous ones as a whole.

Captions live in origin. What a tag editor changed in `processed` since the last preparation is kept, unless the
original's own caption changed too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from train_tools.datasets.exclusive import alone_with
from train_tools.datasets.folders import class_of, foldable_class, folder_name
from train_tools.datasets.origin import Progress, concepts
from train_tools.datasets.pictures import formats_in_words, without_warnings
from train_tools.errors import DatasetNotUsableError
from train_tools.model.paths import VersionPaths
from train_tools.model.preparation import Crop, Preparation, PreparationReport, PreparedFolder
from train_tools.preparation.crops import read_crops
from train_tools.preparation.edits import leave_record, record_in
from train_tools.preparation.exchange import beside_processed, exchange
from train_tools.preparation.folder import FolderInTheMaking
from train_tools.preparation.original import Original
from train_tools.preparation.reading import Made, made_from
from train_tools.preparation.removers import remover_named
from train_tools.preparation.steps.background import colour_of
from train_tools.preparation.workers import in_order, workers_here


def prepare(
    version: VersionPaths,
    preparation: Preparation,
    class_name: str,
    progress: Progress = lambda done, total: None,
    should_stop: Callable[[], bool] = lambda: False,
    *,
    models: Path | None = None,
    workers: int | None = None,
) -> PreparationReport:
    """Makes `processed/<repeats>_<class>/NNNNN-k-<stem>.png` and `.txt` of all originals (S1-26), a folder for
    each concept in origin.

    `class_name` counts where neither the settings nor a concept's folder name one: the project's. The folders
    replace those made before and any others of their classes; folders of other classes stay. Equal originals and
    settings give equal bytes, however many workers there are. Originals that can't be read are skipped and listed.
    `models` is the folder with detectors and background removers.

    Raises DatasetNotUsableError when there is nothing to prepare, StorageError when the disk is full, InUseError
    while the version's dataset is being changed by someone else; in all these cases, and when stopped, everything
    stays as it was.
    """
    class_name = foldable_class(preparation.class_name or class_name)
    colour_of(preparation)
    if preparation.background_remover:
        remover_named(preparation.background_remover, models)
    groups = concepts(version)
    if not groups:
        raise DatasetNotUsableError(f"There are no pictures to prepare. Import some first: {formats_in_words()}.")
    crops = read_crops(version)
    with alone_with(version), beside_processed(version) as building:
        replaced = _replaced(version, {foldable_class(each.class_name or class_name) for each in groups})
        folders = [
            FolderInTheMaking(
                concept=each,
                name="" if each.folder == version.origin else each.folder.name,
                class_name=foldable_class(each.class_name or class_name),
                preparation=preparation,
                building=building / str(number),
                replaced=replaced,
            )
            for number, each in enumerate(groups)
        ]
        tasks = [(folder, picture) for folder in folders for picture in folder.concept.pictures]
        stopped = _make_all(tasks, _Work(version, preparation, crops, models), workers, progress, should_stop)
        report = _report(folders, version.processed, stopped=stopped)
        if not stopped:
            _arrange(folders, report)
            kept = {old for folder in folders if not folder.captions for old in folder.previous}
            exchange([old for old in replaced if old not in kept], building, version.processed)
    return report


@dataclass(frozen=True)
class _Work:
    """What each worker does with an original."""

    version: VersionPaths
    preparation: Preparation
    crops: Mapping[str, Crop]
    models: Path | None

    def __call__(self, task: tuple[FolderInTheMaking, Path]) -> tuple[FolderInTheMaking, Path, Made]:
        folder, picture = task
        crop = self.crops.get(picture.relative_to(self.version.origin).as_posix())
        return folder, picture, made_from(picture, self.preparation, Original(crop=crop, models=self.models))


def _make_all(
    tasks: Sequence[tuple[FolderInTheMaking, Path]],
    work: _Work,
    workers: int | None,
    progress: Progress,
    should_stop: Callable[[], bool],
) -> bool:
    """Fills the folders; says whether it was stopped."""
    # Around the workers, not in them: what warns is the same for all threads.
    with without_warnings(), closing(in_order(work, tasks, workers or workers_here())) as results:
        for done, (folder, picture, made) in enumerate(results, start=1):
            if should_stop():
                return True
            folder.add(picture, made)
            progress(done, len(tasks))
    return False


def _report(folders: Sequence[FolderInTheMaking], processed: Path, *, stopped: bool) -> PreparationReport:
    made = tuple(
        PreparedFolder(
            path=processed / folder_name(folder.repeats, folder.class_name),
            repeats=folder.repeats,
            class_name=folder.class_name,
            originals=len(folder.captions),
            images=folder.images,
            captions=folder.captioned,
        )
        for folder in folders
    )
    first = next((each for each in made if each.originals), made[0])
    return PreparationReport(
        folder=first.path,
        originals=sum(each.originals for each in made),
        images=sum(each.images for each in made),
        captions=sum(each.captions for each in made),
        repeats=first.repeats,
        class_name=first.class_name,
        folders=tuple(each for each in made if each.originals),
        skipped=tuple(skipped for folder in folders for skipped in folder.skipped),
        kept_captions=tuple(kept for folder in folders for kept in folder.kept),
        stopped=stopped,
    )


def _arrange(folders: Sequence[FolderInTheMaking], report: PreparationReport) -> None:
    """Names the folders as they will be called, with their records. Raises DatasetNotUsableError when no original
    can be used, or two concepts would come into one folder."""
    if not report.originals:
        raise DatasetNotUsableError(_nothing_usable(report))
    arranged: dict[str, FolderInTheMaking] = {}
    for folder in folders:
        if not folder.captions:
            folder.building.rmdir()
            continue
        name = folder_name(folder.repeats, folder.class_name)
        if other := arranged.get(name.casefold()):
            raise DatasetNotUsableError(
                f"Two concepts would both come into {name}: {other.concept.folder} and {folder.concept.folder}. "
                "Rename one of the folders, or give the version another class."
            )
        arranged[name.casefold()] = folder
        leave_record(folder.building, folder.name, folder.captions)
        folder.building.rename(folder.building.with_name(name))


def _replaced(version: VersionPaths, class_names: set[str]) -> tuple[Path, ...]:
    """The folders that a preparation for these classes takes the place of."""
    folders = version.processed.iterdir() if version.processed.is_dir() else ()
    return tuple(
        folder
        for folder in sorted(folders)
        if folder.is_dir()
        and not folder.is_symlink()
        and (class_of(folder.name) in class_names or record_in(folder))
    )


def _nothing_usable(report: PreparationReport) -> str:
    told = "; ".join(f"{skipped.source}: {skipped.reason}" for skipped in report.skipped[:3])
    return f"None of the {len(report.skipped)} originals can be used ({told}). Import others."
