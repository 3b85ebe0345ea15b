"""Settings as files: those of other programs, taken over into a version, and the version's own for sd-scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from train_tools.model.config import ConfigChange, ExportedConfig, ImportedConfig
from train_tools.model.expressions import typed
from train_tools.model.grid import BUNDLED
from train_tools.server.answers import Answer, Question
from train_tools.server.api.context import TheApp
from train_tools.server.api.plans import Assignments

router = APIRouter(tags=["configs"])
OF_VERSION = "/projects/{project}/versions/{version}/config"
LONGEST = 10_000_000


class SettingsFile(Question):
    """A file that lies on the asker's machine: its name and its text; of a LoRA file the text of its header."""

    name: str = Field(max_length=500)
    text: str = Field(max_length=LONGEST)


class FileToRead(SettingsFile):
    trainer: str = Field(default=BUNDLED, max_length=100)
    """Whose options are meant; a file of Train Tools may name another."""


class EntryAnswer(Answer):
    key: str
    value: str
    fate: str
    """taken, renamed, converted, assumed; without effect, left out; not supported, not usable, refused, unknown.
    """
    option: str
    result: str
    reason: str


class ConfigAnswer(Answer):
    format: str
    trainer: str
    """Whose options these are."""
    assignments: Mapping[str, str]
    """Options with their values as one would type them."""
    entries: tuple[EntryAnswer, ...]
    """One for everything that is in the file."""
    notes: tuple[str, ...]


class ChangeAnswer(Answer):
    """Values as one would type them."""

    before: Mapping[str, str]
    after: Mapping[str, str]
    changed: tuple[str, ...]
    notes: tuple[str, ...]


class TakenOver(Answer):
    config: ConfigAnswer
    change: ChangeAnswer


class ExportAnswer(Answer):
    name: str
    text: str
    notes: tuple[str, ...]


class ExportList(Answer):
    configs: tuple[ExportAnswer, ...]


@router.post("/configs/read")
def read(file: FileToRead, app: TheApp) -> ConfigAnswer:
    """What a file of settings would set. Changes nothing."""
    return config_answer(app.configs.read_text(file.name, file.text, file.trainer))


@router.put(OF_VERSION)
def take_over(project: str, version: str, file: SettingsFile, app: TheApp) -> TakenOver:
    """Puts what the file says in the place of the version's options and axes."""
    config = app.configs.read_text(file.name, file.text, app.configs.trainer_of(project, version))
    change = app.configs.take_over(project, version, config)
    return TakenOver(config=config_answer(config), change=change_answer(change))


@router.post(f"{OF_VERSION}/export")
def export(project: str, version: str, asked: Assignments, app: TheApp) -> ExportList:
    """The version's runs, with what was typed over what is stored, as config files for kohya's sd-scripts."""
    exported = app.configs.export(project, version, asked.draft(app))
    return ExportList(configs=tuple(_export(each) for each in exported))


def config_answer(config: ImportedConfig) -> ConfigAnswer:
    several = {**{name: (value,) for name, value in config.options.items()}, **config.axes}
    return ConfigAnswer(
        format=config.format,
        trainer=config.engine,
        assignments={name: typed(values) for name, values in several.items()},
        entries=tuple(
            EntryAnswer(
                key=each.key,
                value=each.value,
                fate=each.fate,
                option=each.option,
                result=each.result,
                reason=each.reason,
            )
            for each in config.entries
        ),
        notes=config.notes,
    )


def change_answer(change: ConfigChange) -> ChangeAnswer:
    return ChangeAnswer(
        before=_words(change.before), after=_words(change.after), changed=change.changed, notes=change.notes
    )


def _export(exported: ExportedConfig) -> ExportAnswer:
    return ExportAnswer(name=exported.name, text=exported.text, notes=exported.notes)


def _words(options: Mapping[str, Any]) -> dict[str, str]:
    return {name: typed(value if isinstance(value, list) else (value,)) for name, value in options.items()}
