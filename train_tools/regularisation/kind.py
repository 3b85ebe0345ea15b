"""The job that renders what a set lacks, and gives a version its pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sd_contract.attempt import Attempt, Result
from sd_contract.events import Event
from train_tools.errors import StorageError, TrainToolsError
from train_tools.jobs.kind import Exit, Launch
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.model.paths import VersionPaths
from train_tools.model.preview import Picture, PreviewSettings
from train_tools.previews.kind import rendering_verdict, settings_from
from train_tools.previews.matrix import BaseModelFile
from train_tools.previews.picture_file import is_whole, make_folder
from train_tools.previews.renderer import Renderer, RenderRequest, WantedPicture
from train_tools.regularisation.sets import file_of, folder_in, pictures_of, put_into

KIND = "regularisation"


@dataclass(frozen=True, kw_only=True)
class RegularisationWork:
    """What one such job works on."""

    base: BaseModelFile
    class_name: str
    repeats: int
    prompts: tuple[str, ...]
    images: int
    settings: PreviewSettings
    set_folder: Path

    def subject(self) -> dict[str, Any]:
        """As the queue keeps it."""
        return {
            "base_model": str(self.base.path),
            "base_sha256": self.base.sha256,
            "class_name": self.class_name,
            "repeats": self.repeats,
            "prompts": list(self.prompts),
            "images": self.images,
            "settings": asdict(self.settings),
            "set_folder": str(self.set_folder),
        }

    @classmethod
    def of(cls, subject: Mapping[str, Any]) -> RegularisationWork:
        """Raises StorageError for a subject that is none."""
        try:
            return cls(
                base=BaseModelFile(path=Path(subject["base_model"]), sha256=subject["base_sha256"]),
                class_name=subject["class_name"],
                repeats=subject["repeats"],
                prompts=tuple(subject["prompts"]),
                images=subject["images"],
                settings=settings_from(subject["settings"]),
                set_folder=Path(subject["set_folder"]),
            )
        except (KeyError, TypeError) as error:
            raise StorageError(
                f"This job does not say what to render ({error}). Remove it and ask anew."
            ) from error

    def pictures(self) -> list[Picture]:
        return pictures_of(self.prompts, self.images, self.settings, self.base)

    def files(self) -> list[Path]:
        return [file_of(self.set_folder, picture) for picture in self.pictures()]


class RegularisationJob:
    """A JobKind. `busy` says in words why a version's dataset can't be changed now, or None."""

    name = KIND

    def __init__(
        self, renderer: Renderer, busy: Callable[[VersionPaths], str | None], device: str = "auto"
    ) -> None:
        self._renderer = renderer
        self._busy = busy
        self._device = device

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        work = RegularisationWork.of(job.subject)
        make_folder(work.set_folder)
        wanted = tuple(
            WantedPicture(picture=picture, file=file, checkpoint=None)
            for picture, file in zip(work.pictures(), work.files(), strict=True)
            if not is_whole(file)
        )
        request = RenderRequest(base=work.base, folder=work.set_folder, wanted=wanted, device=self._device)
        return self._renderer.launch(request, attempt)

    def observe(self, job: Job, folder: Path, attempt: Attempt, event: Event) -> None:
        """Pictures lie in their set as soon as they are rendered."""

    def judge(self, job: Job, folder: Path, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        verdict = rendering_verdict(attempt, exit_, result)
        return (
            self._given(RegularisationWork.of(job.subject), folder) if verdict.state is JobState.DONE else verdict
        )

    def follow_ups(self, job: Job, folder: Path, verdict: Verdict) -> Sequence[NewJob]:
        return ()

    def _given(self, work: RegularisationWork, job_folder: Path) -> Verdict:
        """The pictures belong to the version at the very end: a set that is half there regularises nothing."""
        version = VersionPaths(job_folder.parents[2])
        if busy := self._busy(version):
            return Verdict(
                state=JobState.DONE,
                message=f"The pictures are in {work.set_folder}, not in the version: {busy} Ask for them again.",
            )
        folder = folder_in(version, work.class_name, work.repeats)
        try:
            new = put_into(folder, work.files())
        except TrainToolsError as error:
            return Verdict(state=JobState.FAILED, message=str(error))
        return Verdict(
            state=JobState.DONE, message=f"{work.images} regularisation images, {new} new, in {folder}."
        )


def with_seed(settings: PreviewSettings, seed: int) -> PreviewSettings:
    """Regularisation images are rendered one prompt at a time, without a LoRA."""
    return replace(settings, prompts=("",), weights=(0.0,), seeds=(seed,))
