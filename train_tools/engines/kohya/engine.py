"""The trainer `kohya`: a checkout of kohya's sd-scripts that the user has, with the environment it was installed
in.

Its script is started directly, as it does for one process what accelerate's launcher would, without that
launcher's configuration of this machine; `script_process` stands in between and speaks the app's language.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any

from sd_contract.attempt import Attempt, Result
from sd_contract.base_models.base_model import cpu_threads
from sd_contract.errors import StateError
from sd_contract.options import OptionSpec, parse_resolution
from sd_contract.output.states import StateManifest, read_manifest
from train_tools.engines.health import state_of
from train_tools.engines.images import CAPTION_SUFFIX, RESOLUTION, captions_of, counted
from train_tools.engines.kohya.checkout import Checkout
from train_tools.engines.kohya.console import Console
from train_tools.engines.kohya.requirements import SCRIPT, Requirements
from train_tools.engines.kohya.run import (
    MADE,
    KohyaRun,
    Task,
    let_go_of_what_was_made,
    read_task,
    write_task,
)
from train_tools.engines.kohya.scripts import SCRIPTS, Script, is_lora_file, refuse_pickled_code
from train_tools.engines.kohya.states import Tokens, measures_of
from train_tools.engines.kohya.traps import traps
from train_tools.engines.registry import Registered
from train_tools.errors import BaseModelNotUsableError, EngineNotUsableError
from train_tools.files import write_text
from train_tools.model.dataset import Dataset
from train_tools.model.finding import Finding
from train_tools.model.job import JobState, Verdict
from train_tools.model.paths import AttemptPaths
from train_tools.options.config import config_text, dataset_text
from train_tools.options.discovered import discovered_options, specs_of
from train_tools.options.discovery import ParsedOption, discovered
from train_tools.options.table import OptionTable
from train_tools.runs.engine import AttemptFiles, Exit, Launch, RunFiles, StepCount

RULES = 1
"""Raised when what is added to the options below changes."""
COUNTING = (
    "resolution",
    "train_batch_size",
    "max_train_steps",
    "max_train_epochs",
    "gradient_accumulation_steps",
    "enable_bucket",
    "min_bucket_reso",
    "max_bucket_reso",
    "bucket_reso_steps",
    "bucket_no_upscale",
    "save_every_n_epochs",
    "save_every_n_steps",
    "save_n_epoch_ratio",
    "save_last_n_epochs",
    "save_last_n_steps",
    "cache_latents",
    "cache_latents_to_disk",
    "color_aug",
    "random_crop",
    "face_crop_aug_range",
)
"""Options that the length of a run is counted by, and what they rule out; they mean the same to both trainers."""
COLUMNS = "400"
"""Messages are wrapped at this width, even inside of file names."""
STOP_GRACE_S = 120.0


class KohyaEngine:
    """One registered checkout. `cache` is the outputs folder's, `state_folder` this user's."""

    def __init__(self, entry: Registered, cache: Path, state_folder: Path) -> None:
        self._entry = entry
        self._checkout = Checkout(entry.folder)
        self._cache = cache
        self._tokens = Tokens(state_folder)

    @property
    def name(self) -> str:
        return self._entry.name

    @property
    def contract(self) -> str:
        """What a run's result depends on besides its options: the code that trains it."""
        return f"{RULES}-{self._checkout.content[:12]}"

    @property
    def problem(self) -> str:
        return state_of(self._entry).problem

    @property
    def code(self) -> Path:
        return self._entry.folder

    @property
    def environment(self) -> Path:
        return self._entry.python.parent.parent

    def threads(self, base_model: Path) -> int:
        return cpu_threads(base_model)

    @cached_property
    def _answers(self) -> Mapping[str, tuple[ParsedOption, ...]]:
        """What each script's parser answers; scripts that don't are left out as long as one does."""
        found, problem = {}, None
        for script in self._checkout.scripts:
            try:
                found[script] = discovered(self._entry.folder, script, self._checkout.content, self._cache)
            except EngineNotUsableError as error:
                problem = problem or error
        if not found and problem is not None:
            raise problem
        return found

    @cached_property
    def _specs(self) -> Mapping[str, Mapping[str, OptionSpec]]:
        """By script and option."""
        return {script: specs_of(answer) for script, answer in self._answers.items()}

    @cached_property
    def _requirements(self) -> Requirements:
        return Requirements(self._checkout, self._specs)

    @cached_property
    def options(self) -> OptionTable:
        return discovered_options(
            self.name,
            self._answers,
            own=(OptionSpec(name=SCRIPT, type="str", default="", choices=tuple(self._answers)),),
            modules=self._checkout.network_modules,
            allowed=self._entry.allowed,
        )

    def check_base_model(self, path: Path) -> None:
        """A base model counts by its file's hash, so the app takes no diffusers folders. A family that is not
        known may be said by the option `script`."""
        if path.is_dir():
            raise BaseModelNotUsableError(
                f"base model: {path} is a folder. Choose a single .safetensors or .ckpt file."
            )
        if not path.is_file():
            raise BaseModelNotUsableError(f"base model: {path} does not exist. Name a file on this machine.")
        refuse_pickled_code(path)
        if is_lora_file(path):
            raise BaseModelNotUsableError(
                f"base model: {path} is a LoRA file. Choose the model it was trained on."
            )

    def count_steps(self, options: Mapping[str, Any], dataset: Dataset) -> StepCount:
        self._requirements.check(options, Path(str(options["pretrained_model_name_or_path"])))
        counting = {name: options[name] for name in COUNTING if name in options}
        return counted(counting, _without_validation(dataset, float(options.get("validation_split") or 0.0)))

    def doubts(self, options: Mapping[str, Any], base_model: Path, dataset: Dataset) -> Iterator[Finding]:
        yield from self._requirements.findings(options, base_model)
        yield from traps(options, dataset)

    def completed(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        base_model = Path(str(options.get("pretrained_model_name_or_path") or ""))
        if not base_model.is_file():
            return {"network_module": SCRIPTS[0].network_module, **options}
        told = self._requirements.told(options, base_model, "")
        return {name: value for name, value in told.items() if not self.options[name].refusal}

    def write(self, files: RunFiles) -> None:
        told = self._requirements.told(files.options, files.base_model, files.output_name)
        write_text(files.paths.config, config_text(told))
        write_text(files.paths.dataset, _dataset_text(files.options, files.dataset))

    def launch(self, files: RunFiles, attempt: AttemptFiles) -> Launch:
        script = self._requirements.script(files.options, files.base_model)
        notes = list(self._requirements.doubts(files.options, files.base_model))
        folder = attempt.states.parent
        state, words = self._resumed(files, script, attempt.resume, notes)
        made = folder / MADE if state else attempt.output
        write_task(
            folder,
            Task(
                checkout=str(self._entry.folder),
                output_name=files.output_name,
                made=str(made),
                output=str(attempt.output),
                states=str(attempt.states),
                from_step=state.step if state else 0,
                earlier_files=state.checkpoints if state else (),
                token=self._tokens.new(),
                keeps_last_state=bool(files.options.get("save_state_on_train_end")),
                ends_at_nan=files.options.get("mixed_precision") != "fp16",
                notes=tuple(notes),
            ),
        )
        return Launch(
            command=(
                sys.executable,
                "-P",
                "-m",
                "train_tools.engines.kohya.script_process",
                str(attempt.output),
                str(self._entry.python),
                str(self._entry.folder / f"{script.name}.py"),
                "--config_file",
                str(files.paths.config),
                "--dataset_config",
                str(files.paths.dataset),
                "--output_dir",
                str(made),
                *words,
            ),
            folder=folder,
            environment={
                "PYTHONUNBUFFERED": "1",
                "PYTHONUTF8": "1",
                "COLUMNS": COLUMNS,
                "OMP_NUM_THREADS": str(self.threads(files.base_model)),
            },
            stop_grace_s=STOP_GRACE_S,
        )

    def judge(self, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        """Without a word of `script_process`, the script may have gone on and come to its end alone."""
        task = _task_of(attempt)
        done = _came_to_its_end(attempt, task) if result is None else result.outcome == "done"
        if done:
            if task is not None:
                let_go_of_what_was_made(task, attempt.folder.parent)
            return Verdict(state=JobState.DONE, message=result.message if result else "")
        if result is not None:
            return Verdict(state=JobState(result.outcome), message=result.message)
        how = "its end was not seen" if exit_.code is None else f"exit code {exit_.code}"
        return Verdict(
            state=JobState.QUEUED,
            message=exit_.reason or f"The trainer ended without a result ({how}). See the log.",
        )

    def _resumed(
        self, files: RunFiles, script: Script, state: Path | None, notes: list[str]
    ) -> tuple[StateManifest | None, tuple[str, ...]]:
        """The state to go on from, and the words that say so to the script. What can't be gone on from is
        noted."""
        if state is None:
            return None, ()
        if not self._tokens.know(state):
            notes.append(
                "The saved state in this run's folder was not made by this user on this machine, and such states "
                "can hold programs: the training begins anew."
            )
            return None, ()
        try:
            manifest = read_manifest(state)
            measures = measures_of(manifest)
        except StateError as error:
            notes.append(f"The training begins anew: {error}")
            return None, ()
        skips = "skip_until_initial_step" in self._specs[script.name]
        between_epochs = manifest.step % measures.steps_per_epoch == 0
        if not measures.fits(manifest.step) or not (skips or between_epochs):
            notes.append(
                f"The training begins anew: from the state of step {manifest.step} the script would not end at "
                f"step {measures.total_steps}. States are of use when the steps are whole epochs "
                "(max_train_epochs)."
            )
            return None, ()
        skip = ("--skip_until_initial_step",) if skips and not between_epochs else ()
        return manifest, ("--resume", str(state), *skip)


def _without_validation(dataset: Dataset, share: float) -> Dataset:
    """The dataset as it is trained on: of each folder, a share of the images may be put aside."""
    if not share:
        return dataset
    folders = tuple(
        replace(folder, images=folder.images[: ceil(len(folder.images) * (1 - share))])
        for folder in dataset.folders
    )
    content = f"{dataset.content} without {share!r}"
    return replace(dataset, folders=folders, content=content)


def _dataset_text(options: Mapping[str, Any], dataset: Dataset) -> str:
    """Only what the options can't say: where the images are. Whatever is not said here, the script takes from its
    options."""
    resolution = options.get("resolution")
    width, height = parse_resolution(str(resolution)) if resolution else RESOLUTION
    subsets = [
        {
            "image_dir": str(folder.path),
            "num_repeats": folder.repeats,
            **(
                {"conditioning_data_dir": str(folder.masks)}  # such subsets take neither a class nor is_reg
                if folder.masks
                else {"class_tokens": folder.class_name, "is_reg": is_reg}
            ),
            **captions_of(folder),
        }
        for folders, is_reg in ((dataset.folders, False), (dataset.regularisation, True))
        for folder in folders
    ]
    described = {
        "resolution": [width, height],
        "batch_size": options.get("train_batch_size") or 1,
        "subsets": subsets,
    }
    return dataset_text({"caption_extension": CAPTION_SUFFIX}, [described])


def _task_of(attempt: Attempt) -> Task | None:
    """None for an attempt that never got so far, or whose file is damaged."""
    try:
        return read_task(attempt)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _came_to_its_end(attempt: Attempt, task: Task | None) -> bool:
    """Reads the whole log of an attempt whose `script_process` was killed, and brings what was finished to its
    place. True when the final checkpoint is among it."""
    if task is None:
        return False
    try:
        log = AttemptPaths(attempt.folder).log.read_bytes()
    except OSError:
        return False
    run = KohyaRun(task, lambda event: None)
    console = Console()
    for said in (*console.read(log), *console.rest()):
        run.take(said)
    run.settle()
    return run.is_whole
