"""Trains a LoRA on all images, then one for each concept that goes on from it, for SD1, SD2 and SDXL. Options,
files and console lines are those of train_network.py.

    python sd_scripts/train_multi_stage.py --config_file config.toml

`--help` lists the options; doc/multi-stage.md explains them."""

import sys
from collections.abc import Sequence

from lora_engine.config_file import config_written
from lora_engine.output.reporting import Reporter
from lora_engine.session import carry_out
from lora_engine.staged_job import read_staged_job
from sd_contract.attempt import Outcome


def train(arguments: Sequence[str], reporter: Reporter) -> Outcome:
    """Checks the job first; torch is imported only for one that can work."""
    if config_written(arguments, reporter):
        return "done"
    job = read_staged_job(arguments)
    from lora_engine.recipes.multi_stage import train_stages

    return train_stages(job, reporter)


if __name__ == "__main__":
    sys.exit(carry_out(train, sys.argv[1:]))
