"""The processes of the house on stand-ins: `house.py OUTPUTS worker|service`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent))

from tests.faults.stand_in import stand_in_app  # noqa: E402


def worker(outputs: Path) -> None:
    """Works until the queue is empty; retries as often as the test kills."""
    app = stand_in_app(outputs)
    worker = app.jobs.worker()
    worker.most_losses = 1000
    worker.run(until=lambda: app.jobs.queue.waiting() == 0)


def service(outputs: Path) -> None:
    """Looks at everything all the time, as the page does, and starts a worker where none is."""
    app = stand_in_app(outputs)
    children: list[subprocess.Popen[bytes]] = []
    while True:
        if not any(child.poll() is None for child in children) and app.jobs.queue.jobs():
            command = [sys.executable, str(HERE / "house.py"), str(outputs), "worker"]
            children.append(subprocess.Popen(command, start_new_session=True))
        for job in app.jobs.all():
            app.jobs.log(job.id)
        time.sleep(0.1)


if __name__ == "__main__":
    {"worker": worker, "service": service}[sys.argv[2]](Path(sys.argv[1]))
