"""Captioners: which there are and what they lack, and having a version's originals captioned."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from importlib.util import find_spec

from train_tools.app.base_models import BaseModels
from train_tools.app.configs import BASE_MODEL
from train_tools.app.jobs import Jobs
from train_tools.app.versions import Versions
from train_tools.captioners.kind import KIND, caption_job
from train_tools.captioners.ledger import Ledger
from train_tools.captioners.registry import CAPTIONERS, OF_STYLE, Captioner, captioner_of
from train_tools.captioners.request import CaptionWork
from train_tools.captioners.weights import state_of, words_for
from train_tools.datasets.exclusive import alone_with
from train_tools.errors import ConfirmationWantedError, InUseError, OptionValueError, TrainToolsError
from train_tools.model.base_model import CaptionStyle
from train_tools.model.captioning import (
    CaptionerState,
    CaptionSettings,
    CaptionsUndone,
    Chosen,
    Endpoint,
    SuggestedCaptioner,
)
from train_tools.model.job import Job
from train_tools.model.paths import OutputsPaths
from train_tools.model.settings import UserSettings


class Captioners:
    """`settings` names the endpoint."""

    def __init__(
        self,
        outputs: OutputsPaths,
        versions: Versions,
        base_models: BaseModels,
        jobs: Jobs,
        settings: Callable[[], UserSettings],
    ) -> None:
        self._outputs = outputs
        self._versions = versions
        self._base_models = base_models
        self._jobs = jobs
        self._settings = settings

    def all(self) -> tuple[CaptionerState, ...]:
        """Every captioner, and where its models are or would be looked for."""
        return tuple(self._state(each) for each in CAPTIONERS)

    def suggested(self, project: str, version: str) -> SuggestedCaptioner:
        """The captioner that suits the version's base model (S3-05)."""
        model = self._versions.settings(project, version).options.get(BASE_MODEL)
        try:
            style = self._base_models.find(str(model)).style if model else None
        except TrainToolsError:
            style = None
        if style is None:
            return SuggestedCaptioner(
                name=OF_STYLE[CaptionStyle.TAGS],
                reason="the version has no base model yet that says how captions should read, so these are tags",
            )
        return SuggestedCaptioner(
            name=OF_STYLE[style.style], reason=f"captions for its base model are {style.style} ({style.reason})"
        )

    def start(
        self,
        project: str,
        version: str,
        settings: CaptionSettings,
        *,
        download: bool = False,
        again: bool = False,
    ) -> Job:
        """Queues the captioning of the version's originals; asked for the same again while that waits or runs, it
        is the same job. `download` agrees to fetching what is missing, `again` captions anew what was captioned.

        Raises ConfirmationWantedError when something would have to be fetched, OptionValueError for settings that
        can't be used, InUseError while the version is being captioned in another way.
        """
        endpoint = self._endpoint(settings)
        if not download:
            self._refuse_missing(settings)
        paths = self._versions.paths(project, version)
        work = CaptionWork(
            settings=settings,
            endpoint=endpoint,
            download=download,
            round=uuid.uuid4().hex[:8] if again else "",
        )
        job = caption_job(self._outputs, paths, work, f"{project} / {version}: captions")
        there = self._jobs.queue.in_folder(job.folder, KIND)
        if there is None or there.state.finished:
            (id_,) = self._jobs.queue.add([job])
            return self._jobs.get(id_)
        if CaptionWork.of(there.subject).key != work.key or again:
            raise InUseError(
                f"{project} / {version} is being captioned already, by job {there.id}. Wait for it, or cancel it."
            )
        return there

    def undo(self, project: str, version: str) -> CaptionsUndone:
        """Puts back the captions that the user had. Raises InUseError while the version is being captioned."""
        paths = self._versions.paths(project, version)
        folder = paths.captioning.relative_to(self._outputs.folder).as_posix()
        job = self._jobs.queue.in_folder(folder, KIND)
        if job is not None and not job.state.finished:
            raise InUseError(f"{project} / {version} is being captioned, by job {job.id}. Cancel it first.")
        with alone_with(paths):
            return Ledger(paths).undo()

    def _state(self, captioner: Captioner) -> CaptionerState:
        models = tuple(
            state_of(Chosen(name=captioner.name, model=each.name), self._outputs.captioners)
            for each in captioner.repositories
        )
        problem = ""
        if captioner.package and find_spec(captioner.package) is None:
            problem = f"the package {captioner.package} is not installed"
        if captioner.name == "endpoint" and not self._settings().captions.endpoint:
            problem = "no address is set: `train-tools settings captions.endpoint=http://127.0.0.1:1234/v1`"
        return CaptionerState(
            name=captioner.name, title=captioner.title, style=captioner.style, models=models, problem=problem
        )

    def _endpoint(self, settings: CaptionSettings) -> Endpoint:
        """Raises OptionValueError when one is wanted and none is set."""
        if all(captioner_of(chosen).name != "endpoint" for chosen in settings.captioners):
            return Endpoint()
        told = self._settings().captions
        if not told.endpoint:
            raise OptionValueError(
                "The captioner endpoint has no address: `train-tools settings "
                "captions.endpoint=http://127.0.0.1:1234/v1`, and the key with caption_key=-."
            )
        return Endpoint(address=told.endpoint, model=told.model)

    def _refuse_missing(self, settings: CaptionSettings) -> None:
        for chosen in settings.captioners:
            captioner = captioner_of(chosen)
            if captioner.repositories:
                state = state_of(chosen, self._outputs.captioners)
                if state.place is None:
                    raise ConfirmationWantedError(words_for(captioner, state))
