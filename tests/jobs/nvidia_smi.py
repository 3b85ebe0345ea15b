"""A stand-in for the driver's program, answering from files: what it says is in `used`, `use`, `load`, `held`,
`cards` and `holders`."""

from __future__ import annotations

from pathlib import Path

from tests.programs import python_program

UUID = "GPU-11111111-aaaa-bbbb-cccc-000000000001"
ANSWERS = """
import sys
from pathlib import Path
here = Path(__file__).parent
words = sys.argv[1:]
question = " ".join(words)
name = (
    "list" if "-L" in words
    else "used" if "--query-gpu=memory.used" in words
    else "use" if "--query-gpu=memory.total,memory.used" in words
    else "load" if "utilization.gpu" in question
    else "cards" if "compute_cap" in question
    else "cards-of-old" if "--query-gpu=uuid" in question
    else "holders" if "gpu_uuid" in question
    else "held"
)
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

    def cards(self, *cards: tuple[str, str, int, int, str, str], old: bool = False) -> None:
        """What `--query-gpu` prints: UUID, name, MiB in all, MiB in use, driver, capability. An `old` driver
        does not know what a capability is."""
        rows = (card[:5] if old else card for card in cards)
        self._say("cards-of-old" if old else "cards", "".join(", ".join(map(str, row)) + "\n" for row in rows))

    def holders(self, *holders: tuple[int, int | str, str, str]) -> None:
        """What `--query-compute-apps` prints when cards are asked for: pid, MiB, UUID, name."""
        self._say("holders", "".join(", ".join(map(str, holder)) + "\n" for holder in holders))

    def answered(self) -> list[str]:
        """The questions it had an answer to."""
        log = self.folder / "answered"
        return log.read_text().splitlines() if log.exists() else []

    def _say(self, name: str, text: str) -> None:
        new = self.folder / f".{name}"
        new.write_text(text)
        new.replace(self.folder / name)
