"""Commands about base models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from train_tools.commands.border import INTERRUPTED, AsJson, the_app, told
from train_tools.commands.configs import print_change

if TYPE_CHECKING:
    from train_tools.model.base_model import BaseModelFile, CaptionStyle, Suggestions
    from train_tools.model.download import Offer

commands = typer.Typer()
models = typer.Typer(help="The base models on this machine.")
commands.add_typer(models, name="models")

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A path, or its name in the folders.")]
TriggerWords = Annotated[
    int, typer.Option("--trigger-words", metavar="N", min=0, help="Tags that stand first in every caption.")
]


@models.command("list")
@told
def list_(as_json: AsJson = False) -> None:
    """List the base models in the folders of the settings, those that can't be used with the reason."""
    from train_tools.terminal import print_json, print_table, say, size_text

    found = the_app().base_models.all()
    if as_json:
        print_json(found)
        return
    print_table(
        ("model", "size", "family", "predicts", "captions", "hash", ""),
        [
            (
                str(each.path),
                size_text(each.size_bytes),
                each.family,
                _prediction(each),
                str(each.style.style) if each.style else "",
                each.sha256[:10] or each.short_hash,
                each.problem,
            )
            for each in found.models
        ],
    )
    for problem in found.problems:
        say(f"Note: {problem.folder} in models.folders: {problem.reason}.", "yellow")
    if not found.folders:
        say("No folder is set: `train-tools settings models.folders=DIR`, a WebUI's own folder will do.")


@models.command()
@told
def show(
    model: ModelName,
    with_hash: Annotated[bool, typer.Option("--hash", help="Work out its sha256; reads all of it.")] = False,
    trigger_words: TriggerWords = 1,
    as_json: AsJson = False,
) -> None:
    """Show what a base model holds, and what suits it."""
    from train_tools.terminal import print_json

    app = the_app()
    found = app.base_models.find(model, with_hash=with_hash)
    suited = app.base_models.suggestions(str(found.path), trigger_words) if found.style else None
    if as_json:
        print_json({"model": found, "suggestions": suited})
        return
    _show(found)
    if suited is not None:
        _show_suggestions(suited)


@models.command()
@told
def style(
    model: ModelName,
    style: Annotated[str | None, typer.Argument(metavar="tags|prose|guess", help="How captions read.")] = None,
    project: Annotated[str | None, typer.Option(metavar="NAME", help="A project.")] = None,
    version: Annotated[
        str | None, typer.Option(metavar="NAME", help="The version of it that takes the model.")
    ] = None,
    trigger_words: TriggerWords = 1,
    as_json: AsJson = False,
) -> None:
    """Say how captions for a base model read, and let a version take the model with what suits it."""
    from train_tools.errors import OptionValueError
    from train_tools.terminal import print_json

    app = the_app()
    if (project is None) != (version is None):
        raise OptionValueError("Give both --project and --version, or neither.")
    if style is not None:
        app.base_models.set_style(model, _style(style))
    suited = app.base_models.suggestions(model, trigger_words)
    change = app.base_models.choose(project, version, model, trigger_words) if project and version else None
    if as_json:
        print_json({"model": app.base_models.find(model), "suggestions": suited, "change": change})
        return
    _show_suggestions(suited)
    if change is not None:
        print_change(change, f"{project} / {version}")


@models.command()
@told
def download(
    address: Annotated[str, typer.Argument(metavar="URL", help="Of a .safetensors file; - asks for it.")],
    to: Annotated[Path | None, typer.Option("--to", metavar="DIR", help="A folder that is there.")] = None,
    name: Annotated[str | None, typer.Option(help="Its name, instead of the one it has there.")] = None,
    sha256: Annotated[str, typer.Option(metavar="HEX", help="What its sha256 has to be.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Agree to what is offered without being asked.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a base model, after its size and sender are agreed to; go on with one that was stopped."""
    from train_tools.terminal import counting, print_json, say

    app = the_app()
    address = typer.prompt("The address", hide_input=True) if address == "-" else address
    offer = app.downloads.look(address, to, name)
    if not as_json:
        say(_offer_text(offer))
    if not yes:
        _agree()
    try:
        with counting(f"{offer.name}, MB") as bar:
            path = app.downloads.fetch(
                address, offer, sha256, lambda done, total: bar(done // 1_000_000, total // 1_000_000)
            )
    except KeyboardInterrupt:
        say("Stopped. What has come is kept: the same command goes on from there.")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(app.base_models.find(str(path)))
    else:
        say(f"{path} is here. `train-tools models show {path.name}` says what it holds.")


def _offer_text(offer: Offer) -> str:
    from train_tools.terminal import size_text

    sender = offer.host if offer.sent_by == offer.host else f"{offer.host}, sent by {offer.sent_by}"
    here = f" {size_text(offer.here_bytes)} of it are here already." if offer.here_bytes else ""
    return (
        f"{offer.name}, {size_text(offer.size_bytes)}, from {sender}, into {offer.folder} "
        f"({size_text(offer.free_bytes)} free).{here}"
    )


def _agree() -> None:
    from train_tools.errors import ConfirmationWantedError

    if not sys.stdin.isatty():
        raise ConfirmationWantedError("Nothing was fetched. Agree to it with --yes.")
    typer.confirm("Fetch it?", abort=True)


def _style(text: str) -> CaptionStyle | None:
    from train_tools.errors import OptionValueError
    from train_tools.model.base_model import CaptionStyle

    if text == "guess":
        return None
    if text not in list(CaptionStyle):
        raise OptionValueError(f"{text!r} is no style of captions: tags, prose or guess are wanted.")
    return CaptionStyle(text)


def _show(model: BaseModelFile) -> None:
    from train_tools.terminal import print_table, say, size_text

    rows = [
        ("file", str(model.path)),
        ("size", size_text(model.size_bytes)),
        ("family", model.family),
        ("predicts", _prediction(model) + (f" ({model.prediction_sign})" if model.prediction_sign else "")),
        ("made for", f"{model.resolution_px} pixels" if model.resolution_px else ""),
        ("captions", f"{model.style.style} ({model.style.reason})" if model.style else ""),
        ("short hash", model.short_hash),
        ("sha256", model.sha256 or "not worked out yet: --hash"),
    ]
    print_table(("", ""), [row for row in rows if row[1]])
    if model.problem:
        say(f"It can't be trained on: {model.problem}", "yellow")


def _show_suggestions(suited: Suggestions) -> None:
    from train_tools.terminal import print_table, say

    print_table(
        ("option", "suits it", "because"),
        [(each.option, str(each.value), each.reason) for each in suited.options],
    )
    say(f"Captions for it are best written by {suited.tagger}.")


def _prediction(model: BaseModelFile) -> str:
    return {"epsilon": "noise", "v_prediction": "v"}.get(model.prediction, "")
