"""Stable Diffusion base models as both trainers see them: what a file says of itself, and what of it is doubtful
with a run's options."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from sd_contract.base_models.base_model import BaseModel, inspect_trainable
from train_tools.model.finding import Finding, Level


def inspected(path: Path) -> BaseModel:
    """What an SD1, SD2 or SDXL model says of itself. ContractError for any other, OSError where there is none."""
    status = path.stat()
    return _inspected_while_unchanged(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _inspected_while_unchanged(path: Path, size: int, modified_ns: int) -> BaseModel:
    return inspect_trainable(path)


def prediction_doubts(base: BaseModel, doubts: Iterable[str], *, v_parameterization: bool) -> Iterator[Finding]:
    """What was found doubtful about a base model. An SD1 model that predicts v is so rare that the flag alone is
    no reason to spend a night on it (S0-07); a wrong target is the commonest cause of a loss that is no number."""
    unsaid = v_parameterization and base.family == "sd1" and not base.prediction.sign
    for doubt in doubts:
        yield Finding(
            check="base model",
            level=Level.STOP if unsaid else Level.WARNING,
            message=f"{doubt}.",
            cure="Take v_parameterization out." if v_parameterization else "Set v_parameterization if it does.",
        )
