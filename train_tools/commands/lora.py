"""Commands about LoRA files: merged, resized, extracted, looked at, converted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from train_tools.commands.border import AsJson, the_app, told
from train_tools.commands.queue import work_until

if TYPE_CHECKING:
    from train_tools.model.lora_tool import LoraFacts, ToolWish

commands = typer.Typer()
lora = typer.Typer(help="LoRA files: merge, resize, extract, inspect, convert.", no_args_is_help=True)
commands.add_typer(lora, name="lora")

Output = Annotated[Path, typer.Option("--to", metavar="FILE", help="The .safetensors file to write.")]
Replace = Annotated[bool, typer.Option("--replace", help="Write it also when it is there already.")]
Precision = Annotated[
    str | None, typer.Option(metavar="FORMAT", help="Number format of the file: float, fp16 or bf16.")
]
Rank = Annotated[int, typer.Option(help="Rank of the result.")]
ConvRank = Annotated[int | None, typer.Option(help="Rank of convolutions; without it the others'.")]
Wait = Annotated[bool, typer.Option("--wait/--queue", help="Do it now, or only queue it.")]
LoraFile = Annotated[Path, typer.Argument(metavar="LORA", help="A LoRA file.")]


@lora.command()
@told
def merge(
    models: Annotated[list[Path], typer.Argument(metavar="LORA...", help="LoRA files.")],
    to: Output,
    ratio: Annotated[
        list[float] | None, typer.Option(help="How strongly, one for each file in order; 1 without.")
    ] = None,
    blocks: Annotated[
        list[str] | None,
        typer.Option(metavar="WEIGHTS", help="Block weights, one for each file: a list, or IN04=0.5,OUT05=0."),
    ] = None,
    into: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Merge into this base model instead of with each other.")
    ] = None,
    rank: Annotated[
        int | None, typer.Option(help="Bring the result to this rank; without it, it is exact.")
    ] = None,
    conv_rank: ConvRank = None,
    precision: Precision = None,
    replace: Replace = False,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Make one LoRA of several, or merge them into a base model. One alone is weakened, or weighted by block."""
    from train_tools.model.lora_tool import MergeWish

    wish = MergeWish(
        models=tuple(models),
        ratios=tuple(ratio or ()),
        blocks=tuple(blocks or ()),
        into=into,
        rank=rank,
        conv_rank=conv_rank,
        precision=precision,
    )
    _do(wish, to, replace, wait, as_json)


@lora.command()
@told
def resize(
    model: LoraFile,
    to: Output,
    rank: Rank,
    conv_rank: ConvRank = None,
    method: Annotated[
        str | None,
        typer.Option(metavar="RULE", help="Rank by layer: sv_ratio, sv_fro or sv_cumulative; --rank is the most."),
    ] = None,
    parameter: Annotated[
        float | None, typer.Option(help="What that rule aims at: 20 for sv_ratio, say, 0.9 for the others.")
    ] = None,
    precision: Precision = None,
    replace: Replace = False,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Make the rank of a LoRA smaller, and its file; its strength stays."""
    from train_tools.model.lora_tool import ResizeWish

    wish = ResizeWish(
        model=model, rank=rank, conv_rank=conv_rank, method=method, parameter=parameter, precision=precision
    )
    _do(wish, to, replace, wait, as_json)


@lora.command()
@told
def extract(
    original: Annotated[Path, typer.Argument(metavar="ORIGINAL", help="The base model it was made from.")],
    tuned: Annotated[Path, typer.Argument(metavar="TUNED", help="The tuned base model.")],
    to: Output,
    rank: Rank = 4,
    conv_rank: Annotated[
        int | None, typer.Option(help="Rank of wide convolutions; residual blocks are left out without it.")
    ] = None,
    precision: Precision = None,
    replace: Replace = False,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Make a LoRA of what sets a tuned model apart from its original."""
    from train_tools.model.lora_tool import ExtractWish

    wish = ExtractWish(original=original, tuned=tuned, rank=rank, conv_rank=conv_rank, precision=precision)
    _do(wish, to, replace, wait, as_json)


@lora.command()
@told
def convert(
    model: Annotated[Path, typer.Argument(metavar="LORA", help="A LoRA file of any program; a .pt too.")],
    to: Output,
    names: Annotated[str, typer.Option(help="Whose names: kohya, kohya-diffusers or peft.")] = "kohya",
    precision: Precision = None,
    replace: Replace = False,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Give the layers of a LoRA the names of other programs, and make a .safetensors of an old .pt."""
    from train_tools.model.lora_tool import ConvertWish

    _do(ConvertWish(model=model, scheme=names, precision=precision), to, replace, wait, as_json)


@lora.command()
@told
def inspect(
    model: LoraFile,
    chart: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the norms by block into this .svg file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a LoRA holds: family, ranks, how much each block changes, and what is wrong with it."""
    from train_tools.files import write_text
    from train_tools.terminal import print_json, say

    app = the_app()
    facts = app.lora_tools.inspect(model)
    if chart is not None:
        write_text(chart.expanduser().absolute(), app.lora_tools.chart(facts))
    if as_json:
        print_json(facts)
        return
    _show(facts)
    if chart is not None:
        say(f"Drawn: {chart}")


def _do(wish: ToolWish, to: Path, replace: bool, wait: bool, as_json: bool) -> None:
    from train_tools.terminal import job_sentence, print_json, say

    app = the_app()
    job = app.lora_tools.start(wish, to, replace=replace)
    if wait:
        work_until(app, lambda: app.jobs.get(job.id).state.finished, quiet=as_json)
    job = app.jobs.get(job.id)
    if as_json:
        print_json(job)
    elif not wait:
        say(f"{job.title}: {job_sentence(job)}.")
    if wait and job.state != "done":
        raise typer.Exit(1)


def _show(facts: LoraFacts) -> None:
    from train_tools.terminal import print_table, say, size_text

    family = {"sd1": "SD1", "sd2": "SD2", "sdxl": "SDXL"}.get(facts.family or "", "an unknown family")
    ranks = ", ".join(f"{rank} ({count})" for rank, count in facts.ranks.items())
    alphas = ", ".join(f"{alpha:g} ({count})" for alpha, count in facts.alphas.items())
    formats = ", ".join(facts.formats)
    say(f"{facts.kind} for {family}: {facts.layers} layers, {size_text(facts.size_bytes)}, {formats}.")
    say(f"Ranks (layers): {ranks or 'none'}. Alphas: {alphas or 'none'}. Norm of the change: {facts.norm:.4g}.")
    print_table(
        ("block", "layers", "norm"),
        [(block.block, str(block.layers), f"{block.norm:.4g}") for block in facts.blocks],
    )
    for note in facts.notes:
        say(note, "yellow")
