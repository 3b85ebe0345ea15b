"""`python -m train_tools.follow_ups.webhook_process WEBHOOK.json`: posts a message to this user's webhook."""

from __future__ import annotations

import sys
from pathlib import Path

from sd_contract.attempt import Attempt
from train_tools.errors import NotFoundError
from train_tools.follow_ups.webhook import deliver, read_payload
from train_tools.jobs.errand import Progress, do
from train_tools.jobs.lease import state_folder
from train_tools.settings.secrets import Secrets


def work(attempt: Attempt, progress: Progress) -> str:
    address = Secrets(state_folder()).webhook
    if address is None:
        raise NotFoundError("No webhook's address is set any more: `train-tools settings webhook_address=-`.")
    tries = deliver(address, read_payload(Path(sys.argv[1])))
    return f"{address.host} was told" + (f" at try {tries}." if tries > 1 else ".")


if __name__ == "__main__":
    do(work)
