"""The composition root: builds the services once and hands out one `App`, which every border (command line, API,
page) talks to. What an action means is decided in the rooms; here they are only put together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from sd_contract.errors import ContractError
from train_tools.app.base_models import BaseModels
from train_tools.app.captioners import Captioners
from train_tools.app.captions import Captions
from train_tools.app.checkpoints import Checkpoints
from train_tools.app.checks import Checks
from train_tools.app.configs import Configs
from train_tools.app.contents import contents_of
from train_tools.app.datasets import DATASET_KINDS, DatasetJob, Datasets
from train_tools.app.desktop import Desktop
from train_tools.app.diagnostics import Diagnostics
from train_tools.app.downloads import Downloads
from train_tools.app.drafts import Drafts
from train_tools.app.engines import Engines
from train_tools.app.folders import Folders
from train_tools.app.giving_way import GivingWay, QueuedTrainings
from train_tools.app.grids import Grids
from train_tools.app.health import Health
from train_tools.app.inbox import Inbox
from train_tools.app.jobs import Jobs
from train_tools.app.machine import Machine
from train_tools.app.matrices import Matrices
from train_tools.app.preflights import Preflights, device_trained_on
from train_tools.app.preparations import Preparations
from train_tools.app.presets import PresetShelf
from train_tools.app.previews import Previews
from train_tools.app.readings import Readings
from train_tools.app.records import Records
from train_tools.app.regularisation import Regularisation
from train_tools.app.runs import Runs
from train_tools.app.scores import Scores
from train_tools.app.settings import Settings
from train_tools.app.successors import Successors
from train_tools.app.tools import LoraTools
from train_tools.app.versions import Progress, Versions, silent
from train_tools.captioners.kind import CaptionJob
from train_tools.configs.presets import Presets
from train_tools.engines.bundled import BundledEngine
from train_tools.errors import NotFoundError, TrainToolsError
from train_tools.follow_ups.copies import COPY, CopyJob
from train_tools.follow_ups.desktop import DesktopJob
from train_tools.follow_ups.followed import Followed, Wishes
from train_tools.follow_ups.news import DESKTOP, WEBHOOK
from train_tools.follow_ups.webhook import WebhookJob
from train_tools.grids.labels import BASE_MODEL
from train_tools.jobs.kind import JobKind
from train_tools.jobs.lease import state_folder
from train_tools.model.job import JobState
from train_tools.model.paths import OutputsPaths, VersionPaths
from train_tools.model.preview import BUNDLED, WEBUI
from train_tools.model.project import Contents, Project, Version
from train_tools.previews.kind import KIND as PREVIEW
from train_tools.previews.kind import PREVIEW_NOW, PreviewJob
from train_tools.previews.renderer import Renderer, signature_of
from train_tools.projects import finished_demo
from train_tools.projects.store import ProjectStore
from train_tools.projects.template import Demo, read_demo, template_folder
from train_tools.regularisation.kind import KIND as REGULARISATION
from train_tools.regularisation.kind import RegularisationJob
from train_tools.renderers.diffusers import DiffusersRenderer
from train_tools.renderers.webui_http.renderer import WebuiRenderer
from train_tools.renderers.webui_http.traffic import HostTraffic
from train_tools.renderers.webui_http.unloading import WithWebuiUnloaded
from train_tools.runs.engine import Engine
from train_tools.runs.training import TRAIN, TrainingJob
from train_tools.scoring.kind import ScoreJob
from train_tools.settings.secrets import Secrets
from train_tools.tools.kind import KIND as LORA_TOOL
from train_tools.tools.kind import ToolJob

ON_DATASETS = (*DATASET_KINDS, REGULARISATION)
"""Kinds of job that work on datasets themselves, one after the other."""
LIGHT = frozenset({COPY, WEBHOOK, DESKTOP, LORA_TOOL, PREVIEW_NOW, *DATASET_KINDS})
"""Kinds of job that need no GPU, and for which nobody should wait until the night is over."""
USER_ERRORS = (TrainToolsError, ContractError)
"""What a border catches and tells in one sentence."""


class App:
    """Every action of Train Tools, by what it is about. Methods raise `USER_ERRORS`; nothing is cached that others
    may change."""

    def __init__(self, outputs: OutputsPaths, engines: Sequence[Engine], renderer: Renderer) -> None:
        self.outputs = outputs
        self.renderers: Mapping[str, Renderer] = {
            BUNDLED: renderer,
            WEBUI: WebuiRenderer(lambda: self.settings.read()),
        }
        self.engines = Engines(engines, outputs, self.state_folder)
        self._secrets = Secrets(self.state_folder)
        self.settings = Settings(outputs, self._secrets)
        self.folders = Folders(outputs, lambda: self.settings.shown_folders)
        self.machine = Machine(outputs, self.settings, lambda: self.jobs.queue)
        self.jobs = Jobs(
            outputs,
            self._kinds,
            light=LIGHT,
            watch=self.machine.watch,
            has_last_duty=self.machine.is_to_be_shut_down_now,
        )
        self.giving_way = GivingWay(
            QueuedTrainings(self.jobs), HostTraffic(self.settings.read), lambda: self.settings.gives_way
        )
        self.store = ProjectStore(outputs, busy=self.jobs.working_in)
        self.versions = Versions(
            self.store, partial(self.jobs.working_in, but_not=ON_DATASETS), outputs.base_models
        )
        self.preparations = Preparations(self.versions, outputs.base_models)
        self.datasets = Datasets(outputs, self.versions, self.jobs)
        self.inbox = Inbox(outputs, self.versions, self.datasets)
        self.base_models = BaseModels(
            outputs,
            self.versions,
            self.engines["bundled"].check_base_model,
            lambda: self.settings.model_folders,
        )
        self.captioners = Captioners(outputs, self.versions, self.base_models, self.jobs, self.settings.read)
        self.captions = Captions(self.versions, self.base_models, self.jobs.working_in)
        self.checks = Checks(self.versions, self.captions, self.base_models, self.engines)
        self.regularisation = Regularisation(outputs, self.versions, self.captions, self.jobs)
        self.downloads = Downloads(outputs, lambda: self.base_models.folders)
        readings = Readings(outputs, self.versions, self.engines)
        self.configs = Configs(self.versions, self.engines, readings, self.base_models.meant_by)
        self.presets = PresetShelf(Presets(outputs), self.versions, self.engines, self.base_models.family_of)
        self.health = Health(
            outputs,
            self.state_folder,
            engines=self.engines,
            settings=self.settings,
            jobs=self.jobs,
            base_models=self.base_models,
            captioners=self.captioners,
        )
        self.diagnostics = Diagnostics(
            outputs,
            state_folder,
            health=self.health,
            engines=self.engines,
            settings=self.settings,
            jobs=self.jobs,
        )
        self.grids = Grids(
            outputs,
            self.store,
            self.versions,
            self.jobs,
            readings,
            Preflights(
                self.base_models.family_of, device_trained_on, self.health.compiling, self.checks.before_run
            ),
        )
        self.runs = Runs(outputs, self.store, self.jobs)
        self.drafts = Drafts(self.versions, self.runs, readings)
        self.checkpoints = Checkpoints(
            outputs,
            self.versions,
            self.runs,
            self.jobs,
            lambda: self.settings.lora_folder,
            lambda project, version, grid: self.scores.table(project, version, grid),
        )
        self.desktop = Desktop(outputs, self.versions, self.checkpoints)
        self.records = Records(outputs, self.versions, self.runs, self.engines)
        self.successors = Successors(outputs, self.jobs, self.runs, self.records, self.grids)
        self.previews = Previews(
            outputs,
            self.versions,
            self.jobs,
            self.grids,
            lambda chosen: signature_of(self.renderers[chosen.renderer]),
        )
        self.matrices = Matrices(outputs, self.versions, self.jobs, self.grids, self.previews)
        self.scores = Scores(outputs, self.versions, self.jobs, self.grids, self.previews, self.settings.read)
        self.lora_tools = LoraTools(outputs, self.jobs)

    @property
    def state_folder(self) -> Path:
        """Where what belongs to this user on this machine lies: leases, the page's token."""
        return state_folder()

    def create_project(self, name: str) -> Project:
        project = self.store.create(name)
        self.store.choose(project.name)
        return project

    def create_version(self, project: str, name: str) -> Version:
        version = self.store.create_version(project, name)
        self.store.choose(project, version.name)
        return version

    def prepare_demo(self, progress: Progress = silent) -> Demo:
        """Makes the demo project where it is missing; what is there already is kept."""
        demo = read_demo()
        if demo.project not in {project.name for project in self.store.list()}:
            self.create_project(demo.project)
        if demo.version not in {version.name for version in self.store.versions(demo.project)}:
            self.create_version(demo.project, demo.version)
        options = {**demo.settings.options, BASE_MODEL: str(demo.base_model)}
        self.versions.save_settings(demo.project, demo.version, replace(demo.settings, options=options))
        if not self.versions.dataset(demo.project, demo.version).image_count:
            self.versions.import_images(demo.project, demo.version, [demo.dataset], progress)
            self.versions.prepare(demo.project, demo.version, progress)
        return demo

    def open_demo(self) -> Demo:
        """The demo with its sweep as it was trained once, to look at; what is there already is kept."""
        demo = self.prepare_demo()
        version = self.store.open_version(demo.project, demo.version)
        if not version.paths.trains.exists():
            finished_demo.unpack(version.paths, self.demo_names)
            self.runs.rescan()
        return demo

    @property
    def demo_names(self) -> Mapping[str, Path]:
        """What stands for which place in the packed demo."""
        return {"@OUTPUTS@": self.outputs.folder, "@PROGRAM@": template_folder().parent}

    def contents(self, project: str) -> Contents:
        """How much is in a project."""
        return contents_of(self.store.open(project), [each.paths for each in self.store.versions(project)])

    def confined(self, path: Path) -> Path:
        """The real path of a file below the outputs folder; NotFoundError for any other."""
        real = path.resolve()
        if not real.is_relative_to(self.outputs.folder.resolve()) or not real.is_file():
            raise NotFoundError("There is no such file below the outputs folder.")
        return real

    def _kinds(self) -> Sequence[JobKind]:
        work = (
            WithWebuiUnloaded(self._training(), self.settings.read, self._trainings_wait, self.jobs.lock_of),
            self._preview_job("auto", PREVIEW),
            self._preview_job("cpu", PREVIEW_NOW),
            CaptionJob(self.outputs),
            ScoreJob(self.outputs, self.scores.missing_of),
            CopyJob(self.settings.read),
            RegularisationJob(self.renderers[BUNDLED], self._busy_with),
        )
        dataset_work = [DatasetJob(kind, self.outputs) for kind in DATASET_KINDS]
        return (*self._followed(work), *dataset_work, WebhookJob(), DesktopJob(self.settings.read), ToolJob())

    def _busy_with(self, version: VersionPaths) -> str | None:
        return self.jobs.working_in(version.folder, but_not=ON_DATASETS)

    def _training(self) -> TrainingJob:
        return TrainingJob(
            self.outputs,
            self.engines,
            dataset_of=self.versions.trained_on_by,
            previews_of=self.previews.after_run,
        )

    def _trainings_wait(self) -> bool:
        return any(job.kind == TRAIN for job in self.jobs.queue.jobs(states=(JobState.QUEUED,)))

    def _preview_job(self, device: str, name: str) -> PreviewJob:
        return PreviewJob(
            self.renderers,
            self.previews.rows_of,
            device,
            name=name,
            pace=self.outputs.preview_paces,
            hash_of=self.previews.hash_of,
        )

    def _followed(self, kinds: Sequence[JobKind]) -> Sequence[JobKind]:
        """Kinds of job after which copies and news are wanted; news of news are not."""
        wishes = Wishes(
            self.outputs,
            lambda: self.jobs.queue,
            self.settings.read,
            self._secrets,
            previews_wanted=self.previews.are_made_after_training,
        )
        return [Followed(kind, wishes) for kind in kinds]


def outputs_paths(chosen: Path | None) -> OutputsPaths:
    """The folder `outputs/train_tools`: below `chosen` or TRAIN_TOOLS_OUTPUTS, else beside the program."""
    text = str(chosen) if chosen else os.environ.get("TRAIN_TOOLS_OUTPUTS", "")
    root = Path(text).expanduser().absolute() if text else Path(__file__).parent.parent.parent / "outputs"
    return OutputsPaths(root if root.name == "train_tools" else root / "train_tools")


def open_app(outputs: Path | None = None) -> App:
    """The app on an outputs folder, which is made where it is missing."""
    return App(outputs_paths(outputs), [BundledEngine()], DiffusersRenderer())
