"""A supervisor that has started already and waits to be told which attempt is its own: the next job need not wait
until an interpreter has started and loaded its modules."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

from train_tools.jobs.supervisor import STAND_BY
from train_tools.jobs.tree import APART

FAREWELL_S = 5.0


class Standby:
    """At most one that waits. It ends by itself when this process does."""

    def __init__(self, outputs: Path) -> None:
        self._outputs = outputs
        self._process: subprocess.Popen[bytes] | None = None

    def stand_by(self) -> None:
        """Starts one where none waits."""
        if self._process is not None and self._process.poll() is None:
            return
        self._process = subprocess.Popen(
            [sys.executable, "-m", "train_tools.jobs.supervisor", STAND_BY, str(self._outputs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=APART,
            start_new_session=True,
        )

    def supervise(self, attempt: Path) -> subprocess.Popen[bytes]:
        """The one that waited, or a new one, now at work on an attempt."""
        while True:
            self.stand_by()
            process, self._process = self._process, None
            assert process is not None and process.stdin is not None
            try:
                with process.stdin as told:
                    told.write(json.dumps(str(attempt)).encode("ascii") + b"\n")
            except OSError:  # it was killed meanwhile
                process.wait()
            else:
                return process

    def dismiss(self) -> None:
        """Lets the one that waits go."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(FAREWELL_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
