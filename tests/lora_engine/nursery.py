"""Starts trainings as processes of their own that have torch loaded already.

Reads one JSON object a line, `{"words": [...], "environment": {...}}`, forks, prints the child's process id and,
once it has ended, its exit code (negative: the signal it died of)."""

import json
import os
import sys
from importlib import import_module

from lora_engine.session import carry_out
from train_network import train

LOADED_ONCE = (
    "lora_engine.recipes.lora",
    "diffusers.loaders.single_file_utils",
    "diffusers.models.autoencoders.autoencoder_kl",
    "diffusers.models.unets.unet_2d_condition",
    "transformers.models.clip.modeling_clip",
)
for name in LOADED_ONCE:
    import_module(name)

for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        os.dup2(2, 1)
        os._exit(carry_out(train, order["words"], order["environment"]))
    print(child, flush=True)  # noqa: T201
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201
