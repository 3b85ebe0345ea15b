"""A disk of a few megabytes that can be filled to the last byte."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

BALLAST = "ballast"
PIECE = bytes(1 << 16)


class SmallDisk:
    """A tmpfs. `mounted` says whether this system lets us have one."""

    def __init__(self, folder: Path, megabytes: int = 4) -> None:
        folder.mkdir()
        self.folder = folder
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        try:
            self.mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
        except OSError:
            self.mounted = False

    def fill(self, leave_bytes: int = 0) -> None:
        """Takes all the room there is but for so many bytes."""
        with (self.folder / BALLAST).open("ab", buffering=0) as ballast:
            for size in (1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while ballast.write(PIECE[:size]) == size:
                        pass
            if leave_bytes:
                ballast.truncate(max(0, ballast.tell() - leave_bytes))

    def free(self) -> None:
        (self.folder / BALLAST).unlink(missing_ok=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False)
