"""What is done with LoRA files when they are trained: merged, resized, extracted, checked, converted."""
