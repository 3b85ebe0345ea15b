"""Commands about what was trained: the files, and the pictures that compare them."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from train_tools.commands.border import AsJson, GridName, ProjectName, VersionName, the_app, told
from train_tools.commands.grids import show_result, submission_object
from train_tools.commands.queue import work_off

if TYPE_CHECKING:
    from train_tools.model.preview import PreviewSettings

commands = typer.Typer()
N = TypeVar("N", int, float)


@commands.command()
@told
def preview(
    project: ProjectName,
    version: VersionName,
    grid: GridName = None,
    prompt: Annotated[list[str] | None, typer.Option(help="What to render; may be given several times.")] = None,
    negative: Annotated[str | None, typer.Option(help="What to keep out.")] = None,
    weights: Annotated[str | None, typer.Option(help="LoRA weights, as in 0.5,0.8,1")] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds, as in 1,2,3")] = None,
    size: Annotated[str | None, typer.Option(help="Width and height in pixels, as in 512,768")] = None,
    steps: Annotated[int | None, typer.Option(help="Sampling steps.")] = None,
    guidance: Annotated[float | None, typer.Option(help="CFG scale.")] = None,
    sampler: Annotated[
        str | None, typer.Option(help="ddim, euler, euler_a, dpmpp_2m; one of the WebUI's own with webui.")
    ] = None,
    renderer: Annotated[
        str | None, typer.Option(help="bundled, or webui: the one of `train-tools settings webui.url`.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--queue", help="Render now, or only queue it.")] = True,
    as_json: AsJson = False,
) -> None:
    """Render the missing pictures of a grid's matrix and draw it. The settings are kept for the next time."""
    from train_tools.errors import OptionValueError
    from train_tools.terminal import print_json, print_submission

    changes: dict[str, Any] = {
        "prompts": tuple(prompt) if prompt else None,
        "negative_prompt": negative,
        "weights": _numbers("--weights", weights, float),
        "seeds": _numbers("--seeds", seeds, int),
        "steps": steps,
        "guidance": guidance,
        "sampler": sampler,
        "renderer": renderer,
    }
    sides = _numbers("--size", size, int)
    if sides and len(sides) > 2:
        raise OptionValueError(f"--size {size}: a width and a height are wanted, as in 512,768.")
    if sides:
        changes |= {"width_px": sides[0], "height_px": sides[-1]}

    def changed(settings: PreviewSettings) -> PreviewSettings:
        return replace(settings, **{name: value for name, value in changes.items() if value is not None})

    app = the_app()
    submission = app.previews.render(project, version, grid, changed)
    failed = work_off(app, project, version, submission.grid, as_json) if wait else False
    if as_json:
        image = app.previews.matrix_image(project, version, submission.grid)
        print_json({**submission_object(submission), "failed": failed, "matrix": image})
    elif wait:
        show_result(app, project, version, submission.grid)
    else:
        print_submission(submission)
    if failed:
        raise typer.Exit(1)


@commands.command()
@told
def checkpoints(project: ProjectName, version: VersionName, as_json: AsJson = False) -> None:
    """The LoRA files that were trained."""
    from train_tools.terminal import print_json, print_table, say, size_text

    found = the_app().runs.checkpoints(project, version)
    if as_json:
        print_json([{**asdict(checkpoint), "name": checkpoint.name} for checkpoint in found])
    elif not found:
        say("No checkpoints yet. They appear as soon as a run has saved its first.")
    else:
        print_table(
            ("run", "epoch", "steps", "size", "file"),
            [
                (
                    checkpoint.run,
                    str(checkpoint.epoch),
                    str(checkpoint.step),
                    size_text(checkpoint.size_bytes),
                    str(checkpoint.path),
                )
                for checkpoint in found
            ],
        )


def _numbers(name: str, text: str | None, kind: type[N]) -> tuple[N, ...] | None:
    from train_tools.errors import OptionValueError

    if text is None:
        return None
    try:
        return tuple(kind(item) for item in text.split(","))
    except ValueError:
        raise OptionValueError(f"{name} {text}: numbers with commas between them are wanted.") from None
