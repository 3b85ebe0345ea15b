"""Programs that write down how they were called."""

from __future__ import annotations

import json
from pathlib import Path

from tests.programs import python_program

SCRIPT = """\
import json, os, sys
note = {{"words": sys.argv[1:], "title": os.environ.get("TRAIN_TOOLS_TITLE")}}
with open({diary!r}, "a", encoding="utf-8") as diary:
    diary.write(json.dumps(note) + "\\n")
{more}
"""


class StandIns:
    """A folder of programs for PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, more: str = "") -> Path:
        """A program that writes down its words, then does `more`."""
        program = self.folder / name
        diary = str(self.diary(name))
        program.write_text(python_program(SCRIPT.format(diary=diary, more=more)), encoding="utf-8")
        program.chmod(0o755)
        return program

    def diary(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"

    def calls(self, name: str) -> list[list[str]]:
        """The words of each call, oldest first."""
        if not self.diary(name).exists():
            return []
        return [json.loads(line)["words"] for line in self.diary(name).read_text(encoding="utf-8").splitlines()]
