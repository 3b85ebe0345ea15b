"""Commands about presets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from train_tools.commands.border import AsJson, ProjectName, VersionName, the_app, told
from train_tools.commands.configs import print_change

if TYPE_CHECKING:
    from train_tools.model.preset import Preset

commands = typer.Typer()
preset = typer.Typer(help="Options that go together, with the reason why.")
commands.add_typer(preset, name="preset")

PresetName = Annotated[str, typer.Argument(metavar="PRESET", help="Name of the preset.")]


@preset.command("list")
@told
def list_(as_json: AsJson = False) -> None:
    """List the presets, your own first."""
    from train_tools.terminal import print_json, print_table

    presets = the_app().presets.all()
    if as_json:
        print_json(presets)
        return
    rows = [(each.name, "" if each.shipped else "yours", each.problem or each.why) for each in presets]
    print_table(("preset", "", "why"), rows)


@preset.command()
@told
def show(name: PresetName, as_json: AsJson = False) -> None:
    """Show a preset's options."""
    from train_tools.terminal import print_json

    found = the_app().presets.find(name)
    if as_json:
        print_json(found)
    else:
        _show(found)


@preset.command()
@told
def apply(
    name: PresetName,
    project: ProjectName,
    version: VersionName,
    over: Annotated[bool, typer.Option("--over", help="Keep the version's other options.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take a preset into a version, in the place of its options; its base model stays."""
    from train_tools.terminal import print_json

    change = the_app().presets.apply(project, version, name, over=over)
    if as_json:
        print_json(change)
    else:
        print_change(change, f"{project} / {version}")


@preset.command()
@told
def save(
    project: ProjectName,
    version: VersionName,
    name: Annotated[str | None, typer.Argument(metavar="PRESET", help="Name of the preset.")] = None,
    as_defaults: Annotated[
        bool, typer.Option("--as-defaults", help="As my defaults, which new versions begin with.")
    ] = False,
    why: Annotated[str, typer.Option(help="A sentence for whom it is, and why.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace one of that name.")] = False,
) -> None:
    """Keep a version's settings as a preset of your own."""
    from train_tools.errors import OptionValueError
    from train_tools.model.paths import DEFAULTS
    from train_tools.terminal import say

    if (name is None) != as_defaults:
        raise OptionValueError("Give the preset a name, or --as-defaults instead of one.")
    saved = the_app().presets.save(project, version, name or DEFAULTS, why, replacing=replace or as_defaults)
    tail = ": new versions begin with it." if as_defaults else "."
    say(f'Kept as the preset "{saved.name}"{tail}')


@preset.command()
@told
def delete(name: PresetName) -> None:
    """Delete a preset of your own."""
    from train_tools.terminal import say

    the_app().presets.delete(name)
    say(f'The preset "{name}" is gone.')


def _show(found: Preset) -> None:
    from train_tools.terminal import print_table, say

    say(f"{found.name}: {found.why}" if found.why else found.name)
    several = {**found.options, **{name: list(values) for name, values in found.axes.items()}}
    if found.size_px is not None:
        several = {"size of the images": f"{found.size_px[0]} x {found.size_px[1]}", **several}
    print_table(("option", "value"), [(name, str(value)) for name, value in several.items()])
