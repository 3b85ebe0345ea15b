"""Regularisation images of versions: planned from captions, rendered by the base model, taken from sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sd_contract.tensors.tensor_files import file_sha256
from train_tools.app.captions import Captions
from train_tools.app.jobs import Jobs
from train_tools.app.versions import Versions
from train_tools.errors import DatasetNotUsableError, NotFoundError, OptionValueError
from train_tools.files import storage_error, unused
from train_tools.grids.labels import BASE_MODEL
from train_tools.model.captions import CaptionedImage
from train_tools.model.job import Job, NewJob
from train_tools.model.paths import OutputsPaths
from train_tools.model.preview import PreviewSettings
from train_tools.model.regularisation import RegularisationPlan, RegularisationSet, RegularisationWish
from train_tools.previews.axes import checked_settings
from train_tools.previews.matrix import BaseModelFile
from train_tools.previews.picture_file import is_whole
from train_tools.regularisation.kind import KIND, RegularisationWork, with_seed
from train_tools.regularisation.prompts import class_word, prompts_from
from train_tools.regularisation.sets import folder_in, in_set, put_into, set_folder, sets_in


class Regularisation:
    def __init__(self, outputs: OutputsPaths, versions: Versions, captions: Captions, jobs: Jobs) -> None:
        self._outputs = outputs
        self._versions = versions
        self._captions = captions
        self._jobs = jobs

    def plan(self, project: str, version: str, wish: RegularisationWish) -> RegularisationPlan:
        """What a wish comes to. Raises OptionValueError or DatasetNotUsableError for one that can't be met."""
        work = self._work(project, version, wish)
        folder = folder_in(self._versions.paths(project, version), work.class_name, work.repeats)
        return RegularisationPlan(
            folder=folder.name,
            prompts=work.prompts[: work.images],
            images=work.images,
            missing=sum(not is_whole(file) for file in work.files()),
            set_folder=work.set_folder,
        )

    def make(self, project: str, version: str, wish: RegularisationWish) -> Job:
        """Queues the rendering of what is missing; at its end the version has its folder. Raises InUseError while
        runs of the version wait or train."""
        self._versions.refuse_if_used(project, version)
        work = self._work(project, version, wish)
        jobs = self._versions.paths(project, version).dataset_jobs
        folder = unused(jobs / f"{datetime.now():%Y%m%d-%H%M%S}-{KIND}")
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise storage_error(folder, error) from error
        job = NewJob(
            kind=KIND,
            title=f"{project} / {version}: regularisation images of {work.class_name}",
            folder=folder.relative_to(self._outputs.folder).as_posix(),
            subject=work.subject(),
            total_steps=work.images,
        )
        (id_,) = self._jobs.queue.add([job])
        return self._jobs.get(id_)

    def make_folder(self, project: str, version: str, class_name: str = "", repeats: int = 1) -> Path:
        """The folder for images of one's own (S1-33), made where it is missing."""
        paths = self._versions.paths(project, version)
        found = self._class(self._captions.images(project, version), class_name)
        folder = folder_in(paths, found, repeats)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(folder, error) from error
        return folder

    def sets(self) -> tuple[RegularisationSet, ...]:
        """All that were made below this outputs folder."""
        return tuple(sets_in(self._outputs))

    def use(
        self, project: str, version: str, name: str, *, class_name: str = "", images: int = 0, repeats: int = 1
    ) -> tuple[Path, int]:
        """Gives a version the pictures of a set, 0 = all; returns the folder and how many are new in it. Raises
        NotFoundError, or InUseError while runs of the version wait or train."""
        self._versions.refuse_if_used(project, version)
        found = next((each for each in self.sets() if each.name == name), None)
        if found is None:
            known = ", ".join(each.name for each in self.sets()) or "none yet"
            raise NotFoundError(f"There is no set {name!r}. There are: {known}.")
        paths = self._versions.paths(project, version)
        trained = self._class(self._captions.images(project, version), class_name)
        folder = folder_in(paths, trained, repeats)
        return folder, put_into(folder, in_set(found, images))

    def _work(self, project: str, version: str, wish: RegularisationWish) -> RegularisationWork:
        images = self._captions.images(project, version)
        class_name = self._class(images, wish.class_name)
        own = [image for image in images if image.class_name == class_name]
        without = wish.without or self._captions.trigger(project, version).words_for(class_name)
        captions = [image.effective for image in own if image.caption]
        word = wish.word or class_word(class_name, without)
        if not word or (captions and not without):
            raise OptionValueError(
                f"What of {class_name!r} names the subject, and what is it in general? Say the words to leave out "
                "(--without zorb) and the class (--word woman), or set the trigger words."
            )
        base = self._base_model(project, version)
        return RegularisationWork(
            base=base,
            class_name=class_name,
            repeats=wish.repeats,
            prompts=prompts_from(captions, without, word),
            images=wish.images or len(own),
            settings=self._settings(project, version, wish),
            set_folder=set_folder(self._outputs, base, word),
        )

    def _settings(self, project: str, version: str, wish: RegularisationWish) -> PreviewSettings:
        settings = self._versions.settings(project, version)
        own = settings.previews
        changed = replace(
            own,
            width_px=wish.width_px or settings.preparation.width_px,
            height_px=wish.height_px or settings.preparation.height_px,
            steps=wish.steps or own.steps,
            sampler=wish.sampler or own.sampler,
            guidance=own.guidance if wish.guidance is None else wish.guidance,
            negative_prompt=own.negative_prompt if wish.negative_prompt is None else wish.negative_prompt,
        )
        return checked_settings(with_seed(changed, wish.seed))

    def _base_model(self, project: str, version: str) -> BaseModelFile:
        path = Path(str(self._versions.settings(project, version).options.get(BASE_MODEL) or ""))
        if not path.is_file():
            raise OptionValueError(
                f"There is no base model to render with: {path}. Choose one with `train-tools base-models use`."
            )
        return BaseModelFile(path=path, sha256=file_sha256(path, self._outputs.cache))

    @staticmethod
    def _class(images: Sequence[CaptionedImage], wanted: str) -> str:
        classes = sorted({image.class_name for image in images})
        if wanted in classes:
            return wanted
        if not classes:
            raise DatasetNotUsableError("There are no training images. Import and prepare some first.")
        if wanted or len(classes) > 1:
            said = f"There is no class {wanted!r}" if wanted else "There are several classes"
            raise OptionValueError(f"{said}: say one of {', '.join(classes)}.")
        return classes[0]
