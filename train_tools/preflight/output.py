"""Whether a run's own folder is free for its checkpoints."""

from __future__ import annotations

from collections.abc import Iterator

from sd_contract.images.image_files import some
from train_tools.model.finding import Finding, Level
from train_tools.preflight.prospect import Prospect


def output(prospect: Prospect) -> Iterator[Finding]:
    """Each run has a folder by its identity, and each attempt an empty one; only files that somebody else put into
    a run's folder could be replaced."""
    for candidate in prospect.candidates:
        folder = candidate.paths.folder
        strangers = [] if candidate.paths.record.is_file() else sorted(folder.glob("*.safetensors"))
        if strangers:
            yield candidate.finds(
                "output",
                Level.STOP,
                f"{folder} belongs to no run, and holds files that this one could replace: "
                f"{some([file.name for file in strangers])}.",
                "Move them to another folder.",
            )
