"""Trains a LoRA for SD1 and SD2, as kohya's train_network.py does: the same options, dataset file, file names
and console lines.

    python sd_scripts/train_network.py --config_file config.toml

`--help` lists the options; doc/engine.md explains them."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lora_engine.config_file import config_written
from lora_engine.job import read_job
from lora_engine.output.reporting import Reporter
from lora_engine.session import carry_out
from sd_contract.attempt import Outcome


def train(arguments: Sequence[str], reporter: Reporter) -> Outcome:
    """Checks the job first; torch is imported only for one that can work."""
    if config_written(arguments, reporter):
        return "done"
    job = read_job(arguments, Path(__file__).name)
    from lora_engine.recipes.lora import train_lora

    return train_lora(job, reporter)


if __name__ == "__main__":
    sys.exit(carry_out(train, sys.argv[1:]))
