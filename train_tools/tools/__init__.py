"""LoRA files after the training: jobs that make others of them, and a look at what they hold
(S4-01)."""
