r"""Makes a LoRA of what sets a tuned model apart from its original, as kohya's
networks/extract_lora_from_models.py does.

    python sd_scripts/networks/extract_lora_from_models.py \
        --model_org base.safetensors --model_tuned tuned.safetensors --dim 16 --save_to lora.safetensors

`--help` lists the options; doc/lora-tools.md explains them."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from lora_engine.tools.command_lines import carry_out_tool

    sys.exit(carry_out_tool(Path(__file__).stem, sys.argv[1:]))
