"""The trainer that ships with Train Tools: the scripts in `sd_scripts`, started through accelerate."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sd_contract
from sd_contract.attempt import Attempt, Result
from sd_contract.base_models.base_model import SCRIPTS as SCRIPTS_OF_FAMILIES
from sd_contract.base_models.base_model import BaseModel, cpu_threads, inspect_trainable
from sd_contract.datasets import to_toml
from sd_contract.errors import ContractError, OptionError
from sd_contract.modes import PAIR
from sd_contract.modes import SCRIPTS as MODE_SCRIPTS
from sd_contract.suitability import model_warnings, refuse_misfitting_options, suited_model
from train_tools.engines.base_models import inspected, prediction_doubts
from train_tools.engines.images import CAPTION_SUFFIX, counted, described, settings_of
from train_tools.errors import BaseModelNotUsableError, OptionValueError
from train_tools.files import write_toml
from train_tools.model.dataset import Dataset
from train_tools.model.finding import Finding, Level
from train_tools.model.job import JobState, Verdict
from train_tools.options.bundled import bundled_options
from train_tools.options.config import config_table
from train_tools.runs.engine import AttemptFiles, Exit, Launch, RunFiles, StepCount

BASE_MODEL = "pretrained_model_name_or_path"
SCRIPTS = Path(sd_contract.__file__).parent.parent


class BundledEngine:
    """Engine `bundled`."""

    name = "bundled"
    contract = 1
    options = bundled_options()
    environment = None
    problem = ""

    def __init__(self, python: str = sys.executable, scripts: Path = SCRIPTS) -> None:
        self._python = python
        self._scripts = scripts

    @property
    def code(self) -> Path:
        return self._scripts

    def threads(self, base_model: Path) -> int:
        return cpu_threads(base_model)

    def check_base_model(self, path: Path) -> None:
        """A base model counts by its file's hash, so the app takes no diffusers folders."""
        if path.is_dir():
            raise BaseModelNotUsableError(
                f"base model: {path} is a folder. Choose a single .safetensors or .ckpt file."
            )
        try:
            inspect_trainable(path)
        except ContractError as error:
            raise BaseModelNotUsableError(str(error)) from error

    def count_steps(self, options: Mapping[str, Any], dataset: Dataset) -> StepCount:
        if options.get(BASE_MODEL):
            _suited(options, Path(options[BASE_MODEL]))
        return counted(options, dataset)

    def doubts(self, options: Mapping[str, Any], base_model: Path, dataset: Dataset) -> Iterator[Finding]:
        base, told = _suited(options, base_model)
        settings = settings_of(options)
        unmeant = model_warnings(settings, base)
        doubts = [sentence for sentence in told if sentence not in unmeant]
        yield from prediction_doubts(base, doubts, v_parameterization=settings.model.v_parameterization)
        for sentence in unmeant:
            yield Finding(check="options", level=Level.WARNING, message=f"{sentence}.")

    def completed(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        return options

    def write(self, files: RunFiles) -> None:
        options = {
            **files.options,
            **{name: str(file) for name, file in zip(PAIR, files.dataset.pair, strict=False)},
            BASE_MODEL: str(files.base_model),
            "output_name": files.output_name,
            "caption_extension": CAPTION_SUFFIX,
        }
        write_toml(files.paths.config, config_table(options))
        write_toml(files.paths.dataset, to_toml(described(settings_of(files.options), files.dataset)))

    def launch(self, files: RunFiles, attempt: AttemptFiles) -> Launch:
        paths, base_model = files.paths, files.base_model
        return Launch(
            command=(
                self._python,
                "-m",
                "accelerate.commands.launch",
                "--num_processes=1",
                "--num_machines=1",
                "--mixed_precision=no",
                "--dynamo_backend=no",
                f"--num_cpu_threads_per_process={cpu_threads(base_model)}",
                str(self._scripts / _script(base_model, files.options)),
                "--config_file",
                str(paths.config),
                "--dataset_config",
                str(paths.dataset),
                "--output_dir",
                str(attempt.output),
                "--state_dir",
                str(attempt.states),
                *(("--resume", str(attempt.resume)) if attempt.resume else ()),
            ),
            folder=self._scripts,
            environment={
                "HF_HUB_OFFLINE": "1",
                "PYTHONUNBUFFERED": "1",
                "COLUMNS": "240",
                "TRAIN_TOOLS_CACHE": str(attempt.cache),
            },
        )

    def judge(self, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        """The engine's own result decides: it is written last, after every checkpoint is on the disk."""
        if result is None:
            return Verdict(state=JobState.QUEUED, message=exit_.reason or _silent_end(exit_))
        return Verdict(state=JobState(result.outcome), message=result.message)


def _suited(options: Mapping[str, Any], base_model: Path) -> tuple[BaseModel, tuple[str, ...]]:
    """The base model as the options want it trained, and what should be told about it. Raises OptionValueError or
    BaseModelNotUsableError where one does not suit the other."""
    settings = settings_of(options)
    try:
        base, told = suited_model(settings, inspected(base_model))
        refuse_misfitting_options(settings, base)
    except OptionError as error:
        raise OptionValueError(str(error)) from error
    except ContractError as error:
        raise BaseModelNotUsableError(str(error)) from error
    return base, told


def _script(base_model: Path, options: Mapping[str, Any]) -> str:
    """The script for the mode, else for this model's family; that of SD1 tells what is wrong with a file that
    can't be read."""
    mode = settings_of(options).mode
    if mode in MODE_SCRIPTS:
        return MODE_SCRIPTS[mode]
    try:
        return inspect_trainable(base_model).script
    except ContractError:
        return SCRIPTS_OF_FAMILIES["sd1"]


def _silent_end(exit_: Exit) -> str:
    how = "its end was not seen" if exit_.code is None else f"exit code {exit_.code}"
    return f"The trainer ended without a result ({how}). See the log."
