"""The command line as a list: every command with its arguments and options.

`python -m tests.contract.command_line > tests/golden/cli.txt` records it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer.main

from train_tools.cli import commands


def surface() -> list[str]:
    """One line a command, with its words in the order they are asked for."""
    return list(_lines("train-tools", typer.main.get_command(commands)))


def _lines(name: str, command: Any) -> Iterator[str]:
    yield " ".join([name, *(_word(parameter) for parameter in command.params)])
    for inner in getattr(command, "commands", {}).values():
        yield from _lines(f"{name} {inner.name}", inner)


def _word(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = parameter.metavar or parameter.name.upper()
    else:
        name = "/".join([*parameter.opts, *parameter.secondary_opts])
    return name if parameter.required else f"[{name}]"


if __name__ == "__main__":
    sys.stdout.write("".join(f"{line}\n" for line in surface()))
