"""How far set-up and start of the service are, read from what they printed."""

from __future__ import annotations

import re
from typing import Any

from .service import Service

STEP = re.compile(r"^\[(\d+)/(\d+)\] (.+)$", re.MULTILINE)
LINES_SHOWN = 200


def status(service: Service) -> dict[str, Any]:
    """`phase`: `new` (to be set up), `starting`, `ready`, `stopped` (it was ready once), `failed`."""
    started, living, log = service.started(), service.living(), service.log()
    steps = STEP.findall(log)
    done, of, title = steps[-1] if steps else ("0", "0", "")
    if living:
        phase = "ready" if service.answers(living) else "starting"
    elif started is None:
        phase = "stopped" if service.is_set_up else "new"
    else:
        phase = "stopped" if started.answered else "failed"
    return {
        "phase": phase,
        "step": int(done),
        "steps": int(of),
        "title": title,
        "log": "\n".join(log.splitlines()[-LINES_SHOWN:]),
    }
