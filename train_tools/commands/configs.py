"""Commands about settings as files: those of other programs, and those for sd-scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from train_tools.commands.border import AsJson, ProjectName, VersionName, the_app, told

if TYPE_CHECKING:
    from rich.text import Text

    from train_tools.app import App
    from train_tools.model.config import ConfigChange, ConfigEntry, ExportedConfig, ImportedConfig

commands = typer.Typer()
config = typer.Typer(help="Settings of other programs, taken over; and ours as files for sd-scripts.")
commands.add_typer(config, name="config")

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUES", help="An option and its values over those of the version."),
]
SettingsFile = Annotated[Path, typer.Argument(metavar="FILE", help="The file.")]
MaybeProject = Annotated[str | None, typer.Argument(metavar="PROJECT", help="Project that takes it over.")]
MaybeVersion = Annotated[str | None, typer.Argument(metavar="VERSION", help="Version that takes it over.")]
Trainer = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME", help="Whose options are meant; without it, the version's trainer's."),
]
ShowAll = Annotated[bool, typer.Option("--all", help="Also list keys that ask for nothing or don't belong here.")]


@config.command("import")
@told
def import_(
    file: SettingsFile,
    project: MaybeProject = None,
    version: MaybeVersion = None,
    engine: Trainer = None,
    show_all: ShowAll = False,
    as_json: AsJson = False,
) -> None:
    """Take over settings of sd-scripts, kohya_ss, OneTrainer or TrainTrain; without a version, show them."""
    _import(the_app(), file, project, version, trainer=engine, show_all=show_all, as_json=as_json)


@config.command()
@told
def like(
    file: SettingsFile,
    project: MaybeProject = None,
    version: MaybeVersion = None,
    engine: Trainer = None,
    show_all: ShowAll = False,
    as_json: AsJson = False,
) -> None:
    """Train again like a LoRA file was trained, by what it tells of itself; without a version, only show that."""
    from train_tools.errors import OptionValueError

    if file.suffix.lower() != ".safetensors":
        raise OptionValueError(f"{file} is no .safetensors file. For files of settings there is `config import`.")
    _import(the_app(), file, project, version, trainer=engine, show_all=show_all, as_json=as_json)


@config.command()
@told
def export(
    project: ProjectName,
    version: VersionName,
    settings: Settings = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE|DIR", help="A file; of several runs, a folder for one each."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the version's options as config files for kohya's sd-scripts."""
    from train_tools.terminal import print_json, say

    app = the_app()
    exported = app.configs.export(project, version, app.grids.assignments_of(settings or ()))
    if as_json:
        print_json(exported)
    elif to is None and len(exported) == 1:
        typer.echo(exported[0].text, nl=False)
    else:
        for written in _write(exported, to):
            say(f"Written: {written}")


def _import(
    app: App,
    file: Path,
    project: str | None,
    version: str | None,
    *,
    trainer: str | None,
    show_all: bool,
    as_json: bool,
) -> None:
    from train_tools.errors import OptionValueError
    from train_tools.model.grid import BUNDLED
    from train_tools.terminal import print_json

    if project is not None and version is None:
        raise OptionValueError(f"A version of {project!r} is wanted too: config import FILE PROJECT VERSION.")
    if trainer is None and project and version:
        trainer = app.configs.trainer_of(project, version)
    read = app.configs.read(file, trainer or BUNDLED)
    change = app.configs.take_over(project, version, read) if project and version else None
    if as_json:
        print_json({"config": read, "change": change})
        return
    print_import(read, show_all)
    if change is not None:
        print_change(change, f"{project} / {version}")


def print_import(read: ImportedConfig, show_all: bool) -> None:
    """What was taken and what was not; of the rest only how much it is."""
    from train_tools.model.config import USED, WORTH_A_LOOK
    from train_tools.model.grid import BUNDLED
    from train_tools.terminal import print_table, say

    shown = [entry for entry in read.entries if show_all or entry.fate in USED | WORTH_A_LOOK]
    trainer = "" if read.engine == BUNDLED else f" of the trainer {read.engine}"
    say(f"Settings of {read.format}: {len(read.options) + len(read.axes)} options{trainer}.")
    print_table(("key", "value", "became", "option", "why"), [_row(entry) for entry in shown])
    if hidden := len(read.entries) - len(shown):
        say(f"{hidden} more keys ask for nothing, or for what Train Tools decides: --all lists them.")
    for note in read.notes:
        say(f"Note: {note}", "yellow")


def print_change(change: ConfigChange, where: str) -> None:
    from train_tools.terminal import print_table, say

    rows = [(name, _word(change.before, name), _word(change.after, name)) for name in change.changed]
    if rows:
        print_table((where, "before", "now"), rows)
    else:
        say(f"{where} had these options already.")
    for note in change.notes:
        say(f"Note: {note}", "yellow")


def _row(entry: ConfigEntry) -> Sequence[str | Text]:
    from rich.text import Text

    from train_tools.model.config import WORTH_A_LOOK

    set_to = f"{entry.option} = {entry.result}" if entry.option else ""
    fate = Text(str(entry.fate), style="yellow" if entry.fate in WORTH_A_LOOK else "")
    return entry.key, entry.value, fate, set_to, entry.reason


def _word(options: Mapping[str, Any], name: str) -> str:
    return str(options[name]) if name in options else "-"


def _write(exported: Sequence[ExportedConfig], to: Path | None) -> Sequence[Path]:
    from train_tools.errors import AlreadyExistsError, OptionValueError
    from train_tools.files import storage_error, write_text

    if to is None:
        raise OptionValueError(f"These are {len(exported)} runs: give a folder for their files with --to DIR.")
    if len(exported) == 1 and not to.is_dir():
        places = [to]
    else:
        try:
            to.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(to, error) from error
        places = [to / f"{each.name}.toml" for each in exported]
    for place in places:
        if place.exists():
            raise AlreadyExistsError(f"{place} is there already; nothing was written. Choose another place.")
    for place, each in zip(places, exported, strict=True):
        write_text(place, each.text)
    return places
