"""The process between worker and trainer: `python -m train_tools.jobs.supervisor ATTEMPT_FOLDER`, or `--stand-by
OUTPUTS` for one that is told the attempt's folder later, on its standard input.

It is tiny, outlives worker and service, holds the job's lease, passes on requests to stop, and writes exit.json
when the whole tree has ended. It knows neither training nor projects.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sd_contract.attempt import Attempt
from train_tools.jobs.gpu import GpuMemory
from train_tools.jobs.kind import Exit
from train_tools.jobs.lease import Lease
from train_tools.jobs.queue import Queue
from train_tools.jobs.slots import Slot
from train_tools.jobs.tree import ProcessTree, bearers, kill_bearers
from train_tools.model.paths import AttemptPaths

STAND_BY = "--stand-by"
LEASE_PATIENCE_S = 3.0
TERMINATE_GRACE_S = 10.0
STRAGGLER_GRACE_S = 10.0
POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a supervisor is to do; `launch.json` in the attempt's folder."""

    database: str
    job: int
    attempt: int
    lease: str
    slot: str
    cookie: str
    command: tuple[str, ...]
    folder: str
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_grace_s: float = 120.0
    format: int = 1


def write_order(paths: AttemptPaths, order: Order) -> None:
    paths.launch.write_text(json.dumps(asdict(order), ensure_ascii=False, indent=1), encoding="utf-8")


def read_order(paths: AttemptPaths) -> Order:
    fields = json.loads(paths.launch.read_text(encoding="utf-8"))
    return Order(**{**fields, "command": tuple(fields["command"])})


def write_exit(paths: AttemptPaths, exit_: Exit) -> None:
    """Writes exit.json so that it survives a power cut whole, or is not there."""
    temporary = paths.exit.with_suffix(".json.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump({**asdict(exit_), "format": 1, "ended_at": time.time()}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(paths.exit)
    finally:
        temporary.unlink(missing_ok=True)
    if sys.platform != "win32":
        folder = os.open(paths.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def read_exit(paths: AttemptPaths) -> Exit | None:
    try:
        fields = json.loads(paths.exit.read_text(encoding="utf-8"))
        return Exit(
            code=fields["code"],
            stopped=fields["stopped"],
            reason=fields["reason"],
            started=fields.get("started", True),
            memory=fields.get("memory", ""),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Supervisor:
    """Starts one attempt's process tree, follows it to its end, and writes down how it ended."""

    def __init__(self, paths: AttemptPaths) -> None:
        self.paths = paths
        self.attempt = Attempt(paths.folder)
        self.order = read_order(paths)

    def run(self) -> None:
        lease = Lease.take(Path(self.order.lease), LEASE_PATIENCE_S)
        if lease is None:
            print(f"The lease {self.order.lease} is held: another process has this job.", file=sys.stderr)
            return
        try:
            slot = Slot(self.order.slot).take(Path(self.order.lease))
            reason = "another job has the slot"
        except OSError as error:
            slot, reason = None, f"The lock of {self.order.slot} could not be taken: {error.strerror or error}."
        if slot is None:
            write_exit(self.paths, Exit(code=None, started=False, reason=reason))
            return
        if not Queue(Path(self.order.database)).start(self.order.job, self.order.attempt):
            print(f"Attempt {self.order.attempt} is no longer the current one.", file=sys.stderr)
            return
        write_exit(self.paths, self._run_tree(lease))

    def _run_tree(self, lease: Lease) -> Exit:
        memory = GpuMemory(self.order.slot) if Slot(self.order.slot).is_gpu else None
        with self.paths.log.open("ab", buffering=0) as log:
            try:
                tree = ProcessTree(
                    self.order.command,
                    folder=Path(self.order.folder),
                    environment={**os.environ, **self.order.environment},
                    stdin=lease.file,
                    log=log,
                    cookie=self.order.cookie,
                )
            except OSError as error:
                return Exit(code=127, reason=f"{self.order.command[0]} could not be started: {error}")
            return self._follow(tree, memory)

    def _follow(self, tree: ProcessTree, memory: GpuMemory | None) -> Exit:
        """Waits until no process of the tree is left. The launcher's death is not the run's end; after a stop the
        GPU's memory is to be seen to be free."""
        bearers(self.order.cookie)  # so that what this needs is loaded when the trainer ends
        stop = StopLadder(tree, self.attempt, self.order.stop_grace_s)
        while (code := tree.wait(POLL_S)) is None:
            stop.climb()
        ended_by_itself = code >= 0
        deadline = time.monotonic() + STRAGGLER_GRACE_S
        while bearers(self.order.cookie):
            if ended_by_itself and time.monotonic() > deadline:
                kill_bearers(self.order.cookie)
            stop.climb()
            time.sleep(POLL_S)
        left = memory.left_behind() if memory is not None and stop.asked else ""
        return Exit(code=code, stopped=stop.asked, memory=left)


class StopLadder:
    """Stop politely, then firmly: the stop file, then terminate, then kill. Who wants it at once begins at the
    top; a process that listens has as long as its epoch takes when that is what was asked."""

    def __init__(
        self,
        tree: ProcessTree,
        attempt: Attempt,
        grace_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tree = tree
        self._attempt = attempt
        self._grace_s = grace_s
        self._clock = clock
        self._asked_at: float | None = None
        self._terminated_at: float | None = None

    @property
    def asked(self) -> bool:
        return self._asked_at is not None or self._attempt.stop_requested

    def climb(self) -> None:
        """Takes the next step when its time has come; does nothing as long as nobody asked."""
        now, mode = self._clock(), self._attempt.stop_mode
        if mode == "now":
            self._tree.kill()
        elif self._asked_at is None:
            patient = mode is None or (mode == "epoch" and self._grace_s > 0)
            self._asked_at = None if patient else now
        elif self._terminated_at is None:
            if now - self._asked_at >= self._grace_s:
                self._tree.terminate()
                self._terminated_at = now
        elif now - self._terminated_at >= TERMINATE_GRACE_S:
            self._tree.kill()


def main() -> None:
    paths = _told_later() if sys.argv[1] == STAND_BY else AttemptPaths(Path(sys.argv[1]))
    if paths is not None:
        attempt = Attempt(paths.folder)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: attempt.request_stop())
        if sys.platform != "win32":
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        Supervisor(paths).run()
        sys.stderr.flush()
    os._exit(0)  # without tidying up: the next job waits for this process to end


def _told_later() -> AttemptPaths | None:
    """The attempt that the worker names when it has one; None when the worker is gone or needs no more."""
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return None
    paths = AttemptPaths(Path(json.loads(line)))
    with paths.supervisor_log.open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    return paths


if __name__ == "__main__":
    main()
