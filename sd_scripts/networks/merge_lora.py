r"""Merges LoRAs into one, or into an SD1 or SD2 base model, as kohya's networks/merge_lora.py does.

    python sd_scripts/networks/merge_lora.py \
        --models a.safetensors b.safetensors --ratios 0.7 0.5 --exact --save_to c.safetensors

`--help` lists the options; doc/lora-tools.md explains them."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from lora_engine.tools.command_lines import carry_out_tool

    sys.exit(carry_out_tool(Path(__file__).stem, sys.argv[1:]))
