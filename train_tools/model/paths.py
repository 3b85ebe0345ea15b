"""Where everything lies below the outputs folder; the only place that spells these names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

CAPTIONERS = "taggers"
"""The folder among the models that holds no base models."""
DEFAULTS = "my defaults"
"""The name of the preset that new versions begin with."""


@dataclass(frozen=True)
class OutputsPaths:
    """The folder `outputs/train_tools`."""

    folder: Path

    @property
    def projects(self) -> Path:
        return self.folder / "projects"

    @property
    def trash(self) -> Path:
        return self.folder / "trash"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def preview_paces(self) -> Path:
        """How long pictures took, a line for each job."""
        return self.cache / "preview_paces.jsonl"

    @property
    def engines(self) -> Path:
        """Checkouts of trainers that were fetched, each with its environment."""
        return self.folder / "engines"

    @property
    def queue(self) -> Path:
        return self.folder / "queue.sqlite3"

    @property
    def settings(self) -> Path:
        """What the user decided for all projects."""
        return self.folder / "settings.toml"

    @property
    def base_models(self) -> Path:
        """Those that were fetched; others lie where the user has them."""
        return self.folder / "models"

    @property
    def regularisation(self) -> Path:
        """Regularisation images that several versions can take, by base model and class."""
        return self.folder / "regularisation"

    @property
    def captioners(self) -> Path:
        """Weights of captioners, a folder `<organisation>--<repository>` for each."""
        return self.base_models / CAPTIONERS

    @property
    def base_model_styles(self) -> Path:
        return self.folder / "base_models.toml"

    @property
    def loras(self) -> Path:
        """Those that were made of others."""
        return self.folder / "loras"

    @property
    def uploads(self) -> Path:
        """What pages have sent and no import has taken in yet."""
        return self.folder / "uploads"

    @property
    def tools(self) -> Path:
        """The folders of the jobs that make LoRAs of others."""
        return self.folder / "tools"

    @property
    def presets(self) -> Path:
        """The user's own, one file each."""
        return self.folder / "presets"

    @property
    def defaults(self) -> Path:
        """The preset that new versions begin with, once the user has saved one."""
        return self.presets / f"{DEFAULTS}.toml"

    @property
    def selection(self) -> Path:
        """The project and version chosen last. The name is that of older layouts (S1-05)."""
        return self.projects / "train_tools_config.json"

    def project(self, name: str) -> ProjectPaths:
        return ProjectPaths(self.projects / name)

    def version_holding(self, job_folder: str) -> VersionPaths | None:
        """The version that a job's folder (relative to this one) lies in."""
        parts = PurePosixPath(job_folder).parts
        if len(parts) < 4 or (parts[0], parts[2]) != (self.projects.name, "versions"):
            return None
        return self.project(parts[1]).version(parts[3])


@dataclass(frozen=True)
class ProjectPaths:
    folder: Path

    @property
    def record(self) -> Path:
        return self.folder / "project.toml"

    @property
    def versions(self) -> Path:
        return self.folder / "versions"

    def version(self, name: str) -> VersionPaths:
        return VersionPaths(self.versions / name)


@dataclass(frozen=True)
class VersionPaths:
    folder: Path

    @property
    def record(self) -> Path:
        return self.folder / "version.toml"

    @property
    def draft(self) -> Path:
        """What was typed into its form and not submitted."""
        return self.folder / "draft.json"

    @property
    def origin(self) -> Path:
        """The user's pictures as they came; never changed, never trained on."""
        return self.folder / "dataset" / "origin"

    @property
    def processed(self) -> Path:
        """Holds `<repeats>_<class>` folders: what is trained on."""
        return self.folder / "dataset" / "processed"

    @property
    def crops(self) -> Path:
        """The parts of originals that were chosen by hand."""
        return self.folder / "dataset" / "crops.toml"

    @property
    def regularisation(self) -> Path:
        return self.folder / "dataset" / "reg"

    @property
    def pair(self) -> Path:
        """Images that `original_image` and `target_image` of a run name, as a page has sent them."""
        return self.folder / "dataset" / "pair"

    @property
    def imports(self) -> Path:
        """What was imported when, and what was left out: one file each."""
        return self.folder / "dataset" / "imports"

    @property
    def dataset_jobs(self) -> Path:
        """The folders of the jobs that imported into it, or prepared it."""
        return self.folder / "dataset" / "jobs"

    @property
    def fingerprints(self) -> Path:
        """Of the originals; made again where it is missing."""
        return self.imports / "fingerprints.jsonl"

    @property
    def staging(self) -> Path:
        """What an import unpacks; empty when none is under way."""
        return self.folder / "dataset" / ".import"

    def manifest(self, content: str) -> Path:
        """The files of the dataset that had this content, one by one."""
        return self.folder / "dataset" / "manifests" / f"{content[:12]}.json"

    @property
    def captioned(self) -> Path:
        """Which captions of originals were written by captioners, and what was there before."""
        return self.folder / "dataset" / "captioned.jsonl"

    @property
    def captioning(self) -> Path:
        """The folder of the job that captions the originals."""
        return self.folder / "captioning"

    @property
    def caption_edits(self) -> Path:
        """Each edit of many captions, with all that is needed to undo it."""
        return self.folder / "dataset" / "edits"

    @property
    def looks(self) -> Path:
        """What the training images look like, as numbers; made again where it is missing."""
        return self.folder / "dataset" / "checks" / "looks.jsonl"

    @property
    def cures(self) -> Path:
        """What checks found and somebody had put right, with all that is needed to undo it."""
        return self.folder / "dataset" / "checks" / "cures.jsonl"

    @property
    def put_aside(self) -> Path:
        """Training images and originals that are left out for now, in a numbered folder each time."""
        return self.folder / "dataset" / "put-aside"

    @property
    def masks(self) -> Path:
        """How much each part of a training image counts: `<stem of the image>.png`."""
        return self.folder / "dataset" / "masks"

    def mask(self, image: str) -> Path:
        """Where the mask of a training image lies, whether it is there or not."""
        return self.masks / f"{PurePosixPath(image).stem}.png"

    @property
    def trains(self) -> Path:
        return self.folder / "trains"

    @property
    def grids(self) -> Path:
        return self.folder / "grids"

    @property
    def base_images(self) -> Path:
        """Previews of the base model alone: weight 0, shared by all runs of the version."""
        return self.folder / "base" / "images"

    @property
    def scores(self) -> Path:
        """What was measured of checkpoints, by the content of all that decides it; and the job that measures."""
        return self.folder / "scores"

    @property
    def votes(self) -> Path:
        """What people said who saw two pictures, a line each."""
        return self.folder / "votes.jsonl"

    @property
    def other_loras(self) -> Path:
        """Previews of LoRA files from elsewhere, a folder for each."""
        return self.folder / "other-loras"

    def trial(self, slot: str) -> Path:
        """Where a few steps are tried on a device; gone afterwards."""
        return self.folder / f".trial-{slot}"

    def run(self, name: str) -> RunPaths:
        return RunPaths(self.trains / name)

    def grid(self, name: str) -> GridPaths:
        return GridPaths(self.grids / name)


@dataclass(frozen=True)
class GridPaths:
    folder: Path

    @property
    def record(self) -> Path:
        return self.folder / "grid.toml"

    @property
    def joined(self) -> Path:
        """Names of runs that are shown with the grid, though they are none of its cells."""
        return self.folder / "joined"

    @property
    def matrix(self) -> Path:
        return self.folder / "matrix.png"

    @property
    def previews(self) -> Path:
        """The folder of the job that renders the missing previews of all runs."""
        return self.folder / "previews"


@dataclass(frozen=True)
class RunPaths:
    """A run's folder: the frozen spec, the attempts at it, and the checkpoints that were published."""

    folder: Path

    @property
    def record(self) -> Path:
        return self.folder / "run.toml"

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def dataset(self) -> Path:
        return self.folder / "dataset.toml"

    @property
    def previews(self) -> Path:
        """The folder of the job that renders this run's previews; the images lie by their checkpoints."""
        return self.folder / "previews"

    @property
    def by_hand(self) -> Path:
        """What the command for this run reads and writes when a person gives it: nothing of the run itself."""
        return self.folder / "by-hand"

    @property
    def copies(self) -> Path:
        """The folder of the job that copies this run's checkpoints to where they are used."""
        return self.folder / "copies"

    def about(self, checkpoint: str) -> CheckpointPaths:
        return CheckpointPaths(self.folder / checkpoint)

    def images_of(self, checkpoint: str) -> Path:
        return self.about(checkpoint).images


@dataclass(frozen=True)
class CheckpointPaths:
    """What lies beside a checkpoint in a folder of its name."""

    folder: Path

    @property
    def images(self) -> Path:
        return self.folder / "images"

    @property
    def marks(self) -> Path:
        """What the user thinks of it: rating, pin, notes."""
        return self.folder / "marks.toml"

    @property
    def edits(self) -> Path:
        """The headers that the file had before its metadata were edited, one file each."""
        return self.folder / "edits"


@dataclass(frozen=True)
class JobPaths:
    """The folder of a job of any kind."""

    folder: Path

    def news(self, way: str) -> Path:
        """The folder of the job that makes its end known."""
        return self.folder / "news" / way


@dataclass(frozen=True)
class AttemptPaths:
    """One attempt at a job. What trainer and app share (events, stop, result) is `sd_contract.attempt`."""

    folder: Path

    @classmethod
    def of(cls, job_folder: Path, attempt: int) -> AttemptPaths:
        return cls(job_folder / "attempts" / f"{attempt:03}")

    @property
    def launch(self) -> Path:
        """What the supervisor is to start: command, environment, working folder."""
        return self.folder / "launch.json"

    @property
    def log(self) -> Path:
        return self.folder / "run.log"

    @property
    def supervisor_log(self) -> Path:
        return self.folder / "supervisor.log"

    @property
    def exit(self) -> Path:
        return self.folder / "exit.json"

    @property
    def machine(self) -> Path:
        """Where and with what it ran."""
        return self.folder / "machine.json"

    @property
    def output(self) -> Path:
        return self.folder / "out"

    @property
    def states(self) -> Path:
        return self.folder / "state"
