"""Formulas: random streams, noise, losses, schedules, optimizers. Knows tensors, not files or models."""
