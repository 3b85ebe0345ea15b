"""Trains a LoRA on pairs of images that differ in one thing: Difference, ADDifT and Multi-ADDifT, for SD1, SD2 and
SDXL. Options, files and console lines are those of train_network.py.

    python sd_scripts/train_difference.py --config_file config.toml

`--help` lists the options; doc/modes.md explains them."""

import sys
from collections.abc import Sequence

from lora_engine.config_file import config_written
from lora_engine.job import read_pair_job
from lora_engine.output.reporting import Reporter
from lora_engine.session import carry_out
from sd_contract.attempt import Outcome


def train(arguments: Sequence[str], reporter: Reporter) -> Outcome:
    """Checks the job first; torch is imported only for one that can work."""
    if config_written(arguments, reporter):
        return "done"
    job = read_pair_job(arguments)
    from lora_engine.recipes.difference import train_difference

    return train_difference(job, reporter)


if __name__ == "__main__":
    sys.exit(carry_out(train, sys.argv[1:]))
