"""Settings as files: presets, those of other programs, those that a LoRA file tells, and those for sd-scripts."""
