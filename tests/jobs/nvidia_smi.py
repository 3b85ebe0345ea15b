"""A stand-in for the driver's program, answering from files: `used`, `use` and `held` say what it says."""

from __future__ import annotations

from pathlib import Path

from tests.programs import python_program

UUID = "GPU-11111111-aaaa-bbbb-cccc-000000000001"
ANSWERS = """
import sys
from pathlib import Path
here = Path(__file__).parent
words = sys.argv[1:]
name = "list" if "-L" in words else "used" if "--query-gpu=memory.used" in words else "held"
if "--query-gpu=memory.total,memory.used" in words: name = "use"
answer = here / name
if not answer.exists(): sys.exit("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.")
sys.stdout.write(answer.read_text())
with open(here / "answered", "a") as log: log.write(" ".join(words) + chr(10))
"""


class NvidiaSmi:
    """The program in a folder that a test puts on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        program = folder / "nvidia-smi"
        program.write_text(python_program(ANSWERS))
        program.chmod(0o755)

    def list(self, *uuids: str) -> None:
        lines = (f"GPU {n}: NVIDIA H200 (UUID: {uuid})\n" for n, uuid in enumerate(uuids))
        self._say("list", "".join(lines))

    def used(self, mib: int | str) -> None:
        """What `--query-gpu=memory.used` prints."""
        self._say("used", f"{mib}\n")

    def use(self, total: int | str, used: int | str) -> None:
        """What `--query-gpu=memory.total,memory.used` prints."""
        self._say("use", f"{total}, {used}\n")

    def held(self, *holders: tuple[int, int | str, str]) -> None:
        """What `--query-compute-apps` prints: pid, MiB, name."""
        self._say("held", "".join(f"{pid}, {mib}, {name}\n" for pid, mib, name in holders))

    def answered(self) -> list[str]:
        """The questions it had an answer to."""
        log = self.folder / "answered"
        return log.read_text().splitlines() if log.exists() else []

    def _say(self, name: str, text: str) -> None:
        new = self.folder / f".{name}"
        new.write_text(text)
        new.replace(self.folder / name)
