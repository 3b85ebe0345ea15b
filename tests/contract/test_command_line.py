from __future__ import annotations

import typer.main

from tests.contract.command_line import surface
from tests.contract.source import ROOT
from train_tools.cli import commands

RECORD = ROOT / "tests" / "golden" / "cli.txt"


def test_commands_and_options_are_those_that_are_recorded():
    """People's scripts depend on them; `python -m tests.contract.command_line` prints them as they are now."""
    assert surface() == RECORD.read_text(encoding="utf-8").splitlines()


def test_every_command_says_in_a_sentence_what_it_does():
    def helps(command):
        yield command.name, command.help or ""
        for inner in getattr(command, "commands", {}).values():
            yield from helps(inner)

    assert [name for name, text in helps(typer.main.get_command(commands)) if not text.strip().endswith(".")] == []
