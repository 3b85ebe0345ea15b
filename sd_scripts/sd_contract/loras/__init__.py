"""LoRA files of any program: what layers are called and where they lie in a base model, blocks, metadata."""
