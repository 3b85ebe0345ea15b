r"""Merges LoRAs into one of a rank, as kohya's networks/svd_merge_lora.py does.

    python sd_scripts/networks/svd_merge_lora.py \
        --models a.safetensors b.safetensors --ratios 1 1 --new_rank 16 --save_to c.safetensors

`--help` lists the options; doc/lora-tools.md explains them."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from lora_engine.tools.command_lines import carry_out_tool

    sys.exit(carry_out_tool(Path(__file__).stem, sys.argv[1:]))
