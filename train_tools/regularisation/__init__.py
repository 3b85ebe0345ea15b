"""Regularisation images made by the base model itself: their prompts, the sets that keep them, their job."""
