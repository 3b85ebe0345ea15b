"""Which screens there are. Known to the shell, to the addresses and, as the same words, to place.js."""

from __future__ import annotations

SCREENS = ("projects", "dataset", "train", "queue", "checkpoints", "tools", "settings")
"""In the order of work."""
ISLANDS = {
    "projects": "tt-projects",
    "dataset": "tt-dataset",
    "train": "tt-train",
    "queue": "tt-queue",
    "checkpoints": "tt-checkpoints",
    "tools": "tt-tools",
    "settings": "tt-settings",
}
"""Screens that one element fills; also to be had without the shell, at `alone/<screen>`."""
