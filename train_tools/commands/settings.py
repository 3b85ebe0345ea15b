"""Commands about what is decided once for an outputs folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from train_tools.commands.border import AsJson, the_app, told

if TYPE_CHECKING:
    from train_tools.app.settings import Settings

commands = typer.Typer()
ASKED_FOR = {
    "webhook_address": "The webhook's address",
    "caption_key": "The key",
    "webui_password": "The WebUI's password",
}
"""Secrets: `NAME=-` asks for them."""


@commands.command("settings")
@told
def settings(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY[=VALUE]...",
            help=f"Show some, or set them; {', '.join(f'{key}=-' for key in ASKED_FOR)} ask for the secret: "
            "the shell's history won't know it.",
        ),
    ] = None,
    try_news: Annotated[bool, typer.Option("--try-news", help="Send a message by each way that is open.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show or change what follows a training, what is made known, and whether the machine is kept awake."""
    desk = the_app().settings
    assignments = dict(word.split("=", 1) for word in words or () if "=" in word)
    for key, what in ASKED_FOR.items():
        if assignments.get(key) == "-":
            assignments[key] = _asked_for(what)
    desk.change_typed(assignments)
    if try_news:
        _try_news(desk)
    else:
        _show(desk, [word.partition("=")[0] for word in words or ()], as_json)


def _try_news(desk: Settings) -> None:
    from train_tools.terminal import say

    sentences = desk.try_news()
    for sentence in sentences:
        say(sentence)
    if not sentences:
        say("No way is open: set a webhook's address, or news.desktop=true.")
    if not sentences or any("not told" in sentence for sentence in sentences):
        raise typer.Exit(1)


def _asked_for(what: str) -> str:
    """One line from the terminal, unseen, or from a pipe."""
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True))
    return sys.stdin.readline()


def _show(desk: Settings, keys: Sequence[str], as_json: bool) -> None:
    from train_tools.terminal import print_json, print_table, say

    shown = desk.some(keys) if keys else desk.all()
    if as_json:
        print_json({each.key: each.value for each in shown})
        return
    print_table(("setting", "value", "what it does"), [(each.key, _word(each.value), each.help) for each in shown])
    for key in desk.unknown if not keys else ():
        say(f"Note: {key} in settings.toml means nothing to this version.", "yellow")


def _word(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
