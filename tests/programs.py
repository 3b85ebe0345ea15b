"""Stand-ins for programs of the system, as files for PATH."""

from __future__ import annotations

import sys

HEADER = """\
#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
"""
"""Read by sh as a command, by Python as a text: a `#!` line alone can't name a Python in a folder with a space."""


def python_program(code: str) -> str:
    """The text of an executable file that runs this code with our Python."""
    return HEADER.format(python=sys.executable) + code
