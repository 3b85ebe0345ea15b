"""What is known of the dataset itself: captions that are too long for the run, and what was seen of the pixels
when somebody had the dataset checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from train_tools.model.dataset import CaptionPolicy
from train_tools.model.finding import Finding, Level
from train_tools.preflight.prospect import Candidate, Prospect

OPTIONS = ("max_token_length", "keep_tokens", "shuffle_caption", "alpha_mask", "captions")
"""What the findings depend on."""
OF_CAPTIONS = ("tokens", "trigger")


def dataset(prospect: Prospect) -> Iterator[Finding]:
    for candidates in prospect.datasets():
        if not candidates[0].dataset.folders:
            continue
        alike: dict[tuple[object, ...], list[Candidate]] = {}
        for candidate in candidates:
            told = tuple(candidate.planned.run.options.get(name) for name in OPTIONS)
            alike.setdefault(told, []).append(candidate)
        for group in alike.values():
            for finding in prospect.of_dataset(group[0]):
                if _concerns(finding, group[0]):
                    for candidate in group:
                        yield replace(finding, runs=(candidate.name,))


def _concerns(finding: Finding, candidate: Candidate) -> bool:
    """What is well with the dataset is for its own check to say; captions do not count where none is read."""
    class_only = candidate.planned.run.options.get("captions") == CaptionPolicy.CLASS_ONLY
    return finding.level is not Level.OK and not (class_only and finding.check in OF_CAPTIONS)
