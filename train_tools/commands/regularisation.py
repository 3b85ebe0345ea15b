"""Commands about regularisation images: `dataset regularisation`."""

from __future__ import annotations

from typing import Annotated

import typer

from train_tools.commands.border import AsJson, ProjectName, VersionName, the_app, told
from train_tools.commands.queue import work_until

regularisation = typer.Typer(
    help="Images of the class alone, which teach what must not change.", no_args_is_help=True
)

OfClass = Annotated[str, typer.Option("--class", metavar="CLASS", help="The training folder's class.")]
Images = Annotated[int, typer.Option(min=0, help="How many; 0 = as many as training images.")]
Repeats = Annotated[int, typer.Option(min=1, help="The <n> of reg/<n>_<class>.")]


@regularisation.command()
@told
def make(
    project: ProjectName,
    version: VersionName,
    without: Annotated[
        str, typer.Option(metavar="WORDS", help="Words that name the subject; by default the trigger words.")
    ] = "",
    word: Annotated[str, typer.Option(help="What it is in general, as woman.")] = "",
    class_name: OfClass = "",
    images: Images = 0,
    repeats: Repeats = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the first picture.")] = 1,
    steps: Annotated[int | None, typer.Option(min=1, help="Sampling steps.")] = None,
    planning: Annotated[bool, typer.Option("--plan", help="Only show the prompts.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--queue-only", help="Work until they are there.")] = True,
    as_json: AsJson = False,
) -> None:
    """Render images of the class with the version's base model, from captions without the subject. What a set has
    already is taken from there."""
    from train_tools.model.regularisation import RegularisationWish
    from train_tools.terminal import print_json, say

    app = the_app()
    wish = RegularisationWish(
        class_name=class_name,
        without=tuple(filter(None, map(str.strip, without.split(",")))),
        word=word,
        images=images,
        repeats=repeats,
        seed=seed,
        steps=steps,
    )
    plan = app.regularisation.plan(project, version, wish)
    if planning:
        if as_json:
            print_json(plan)
            return
        for prompt in plan.prompts:
            say(prompt)
        say(f"{plan.images} images for reg/{plan.folder}, {plan.missing} of them to be rendered.")
        return
    job = app.regularisation.make(project, version, wish)
    if wait:
        work_until(app, lambda: app.jobs.get(job.id).state.finished, as_json)
    done = app.jobs.get(job.id)
    if as_json:
        print_json({"job": done.id, "state": done.state, "message": done.message})
    else:
        say(done.message or f"Queued as job {done.id}.")
    if done.state == "failed":
        raise typer.Exit(1)


@regularisation.command()
@told
def sets(as_json: AsJson = False) -> None:
    """List the sets that were made, by base model and class."""
    from train_tools.terminal import print_json, print_table

    found = the_app().regularisation.sets()
    if as_json:
        print_json(found)
    else:
        print_table(("set", "images"), [(each.name, str(each.images)) for each in found])


@regularisation.command()
@told
def use(
    project: ProjectName,
    version: VersionName,
    name: Annotated[str, typer.Argument(metavar="SET", help="As `sets` names it.")],
    class_name: OfClass = "",
    images: Images = 0,
    repeats: Repeats = 1,
    as_json: AsJson = False,
) -> None:
    """Give a version the images of a set."""
    from train_tools.terminal import print_json, say

    folder, new = the_app().regularisation.use(
        project, version, name, class_name=class_name, images=images, repeats=repeats
    )
    if as_json:
        print_json({"folder": folder, "new": new})
    else:
        say(f"{new} images are new in {folder}.")


@regularisation.command()
@told
def folder(
    project: ProjectName,
    version: VersionName,
    class_name: OfClass = "",
    repeats: Repeats = 1,
    as_json: AsJson = False,
) -> None:
    """Make the folder for regularisation images of your own, named as it has to be."""
    from train_tools.terminal import print_json, say

    made = the_app().regularisation.make_folder(project, version, class_name, repeats)
    if as_json:
        print_json({"folder": made})
    else:
        say(str(made))
