"""Commands about projects and their versions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from train_tools.commands.border import AsJson, ProjectName, VersionName, the_app, told

projects = typer.Typer(help="Make, list, rename and put away projects.", no_args_is_help=True)
versions = typer.Typer(help="Make and list the versions of a project.", no_args_is_help=True)
commands = typer.Typer()
commands.add_typer(projects, name="project")
commands.add_typer(versions, name="version")


@projects.command("create")
@told
def create_project(name: ProjectName, as_json: AsJson = False) -> None:
    """Make a project. Its name is the LoRA's name."""
    from train_tools.terminal import print_json, say

    project = the_app().create_project(name)
    if as_json:
        print_json({"name": project.name, "folder": project.paths.folder})
    else:
        say(f'Project "{project.name}" is made. Next: train-tools version create "{project.name}" v1')


@projects.command("list")
@told
def list_projects(as_json: AsJson = False) -> None:
    """All projects, newest first."""
    from train_tools.terminal import print_json, print_table, say

    found = the_app().store.list()
    if as_json:
        print_json(
            [
                {
                    "name": project.name,
                    "created": project.created,
                    "versions": project.versions,
                    "notes": project.notes,
                    "problem": project.problem,
                    "folder": project.paths.folder,
                }
                for project in found
            ]
        )
    elif not found:
        say("No projects yet. Make one with `train-tools project create NAME`, or try `train-tools demo`.")
    else:
        print_table(
            ("project", "versions", "made", ""),
            [
                (
                    project.name,
                    ", ".join(project.versions),
                    project.created.astimezone().strftime("%Y-%m-%d %H:%M"),
                    project.problem or project.notes,
                )
                for project in found
            ],
        )


@projects.command("rename")
@told
def rename_project(name: ProjectName, new_name: Annotated[str, typer.Argument(metavar="NEW")]) -> None:
    """Give a project another name."""
    from train_tools.terminal import say

    say(f'It is called "{the_app().store.rename(name, new_name).name}" now.')


@projects.command("notes")
@told
def note_project(name: ProjectName, text: Annotated[str, typer.Argument()]) -> None:
    """Write down what should be remembered about a project."""
    the_app().store.set_notes(name, text)


@projects.command("trash")
@told
def trash_project(name: ProjectName) -> None:
    """Put a project away; `train-tools project restore TOKEN` brings it back."""
    from train_tools.terminal import say, size_text

    trashed = the_app().store.trash(name)
    say(f"Put away: {trashed.what}, {size_text(trashed.size_bytes)}.")
    say(f"Undo: train-tools project restore {trashed.token}")


@projects.command("restore")
@told
def restore_project(token: Annotated[str, typer.Argument(metavar="TOKEN")]) -> None:
    """Bring back what was put away."""
    from train_tools.terminal import say

    say(f'"{the_app().store.restore(token).name}" is back.')


@projects.command("export")
@told
def export_project(name: ProjectName, file: Annotated[Path, typer.Argument(metavar="FILE.zip")]) -> None:
    """Pack a project into a zip file."""
    from train_tools.terminal import counting, say

    with counting("Packing") as progress:
        target = the_app().store.export(name, file, progress=progress)
    say(f"Written: {target}")


@versions.command("create")
@told
def create_version(project: ProjectName, version: VersionName = "v1", as_json: AsJson = False) -> None:
    """Make a version of a project: one state of the dataset and the runs made from it."""
    from train_tools.terminal import print_json, say

    made = the_app().create_version(project, version)
    if as_json:
        print_json({"project": made.project, "name": made.name, "folder": made.paths.folder})
    else:
        say(f'Version "{made.name}" is made. Next: train-tools dataset import "{project}" "{made.name}" PATH')


@versions.command("list")
@told
def list_versions(project: ProjectName, as_json: AsJson = False) -> None:
    """The versions of a project, newest first."""
    from train_tools.terminal import print_json, print_table

    found = the_app().store.versions(project)
    if as_json:
        print_json(
            [
                {
                    "name": version.name,
                    "created": version.created,
                    "notes": version.notes,
                    "legacy": version.legacy,
                    "problem": version.problem,
                    "folder": version.paths.folder,
                }
                for version in found
            ]
        )
    else:
        print_table(("version", "notes"), [(version.name, version.problem or version.notes) for version in found])


@versions.command("previews")
@told
def switch_previews(
    project: ProjectName,
    version: VersionName,
    after_training: Annotated[
        bool | None, typer.Option("--after-training/--only-when-asked", help="When previews are rendered.")
    ] = None,
) -> None:
    """Say or set whether a run that has ended is rendered by itself."""
    from train_tools.terminal import say

    desk = the_app().versions
    if after_training is not None:
        desk.render_after_training(project, version, after_training)
    rendered = desk.settings(project, version).previews.after_training
    say("Previews are rendered after each training." if rendered else "Previews are rendered when asked for.")


@versions.command("duplicate")
@told
def duplicate_version(
    project: ProjectName, version: VersionName, new_name: Annotated[str, typer.Argument(metavar="NEW")]
) -> None:
    """Copy a version's dataset and settings, not its runs."""
    from train_tools.terminal import say

    say(f'Version "{the_app().store.duplicate_version(project, version, new_name).name}" is made.')


@versions.command("trash")
@told
def trash_version(project: ProjectName, version: VersionName) -> None:
    """Put a version away; `train-tools project restore TOKEN` brings it back."""
    from train_tools.terminal import say, size_text

    trashed = the_app().store.trash_version(project, version)
    say(f"Put away: {trashed.what}, {size_text(trashed.size_bytes)}.")
    say(f"Undo: train-tools project restore {trashed.token}")
