"""Makes the rank of a LoRA smaller, as kohya's networks/resize_lora.py does.

    python sd_scripts/networks/resize_lora.py --model a.safetensors --new_rank 8 --save_to smaller.safetensors

`--help` lists the options; doc/lora-tools.md explains them."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from lora_engine.tools.command_lines import carry_out_tool

    sys.exit(carry_out_tool(Path(__file__).stem, sys.argv[1:]))
