"""Trains a LoRA that gives words another meaning, without images: LECO, iLECO and sliders, for SD1, SD2 and SDXL.
Options, files and console lines are those of train_network.py.

    python sd_scripts/train_leco.py --config_file config.toml

`--help` lists the options; doc/modes.md explains them."""

import sys
from collections.abc import Sequence

from lora_engine.config_file import config_written
from lora_engine.job import read_prompt_job
from lora_engine.output.reporting import Reporter
from lora_engine.session import carry_out
from sd_contract.attempt import Outcome


def train(arguments: Sequence[str], reporter: Reporter) -> Outcome:
    """Checks the job first; torch is imported only for one that can work."""
    if config_written(arguments, reporter):
        return "done"
    job = read_prompt_job(arguments)
    from lora_engine.recipes.leco import train_concept

    return train_concept(job, reporter)


if __name__ == "__main__":
    sys.exit(carry_out(train, sys.argv[1:]))
