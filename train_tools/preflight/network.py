"""The LoRA's size."""

from __future__ import annotations

from collections.abc import Iterator

from sd_contract.options.lycoris import ORTHOGONAL, WITHOUT_RANK
from sd_contract.options.network_arguments import told_arguments
from train_tools.model.finding import Finding, Level
from train_tools.preflight.prospect import Candidate, Prospect
from train_tools.runs.costs import checkpoint_bytes

RANK = "rank"
ENOUGH = 32
"""For nearly everything (S3-28)."""
POINTLESS = 128
"""Above it nothing is won (S4-22)."""


def networks(prospect: Prospect) -> Iterator[Finding]:
    for candidate in prospect.candidates:
        rank = int(candidate.value("network_dim") or 4)
        if rank <= ENOUGH or not _is_a_width(candidate):
            continue
        megabytes = checkpoint_bytes(candidate.options, candidate.base_model) / 1e6
        worth = "brings nothing more" if rank > POINTLESS else "is seldom better and learns by heart sooner"
        yield candidate.finds(
            RANK,
            Level.WARNING,
            f"network_dim = {rank}: a rank above {POINTLESS if rank > POINTLESS else ENOUGH} {worth}; each "
            f"checkpoint takes {megabytes:,.0f} MB.",
            f"Take {ENOUGH} or less, with network_alpha half of it or 1.",
        )


def _is_a_width(candidate: Candidate) -> bool:
    """Whether the rank is how wide the network's matrices are: some methods have none, and of others it tells into
    what a layer is split."""
    told = told_arguments(map(str, candidate.value("network_args") or ()))
    return told.get("algo", "").lower() not in (*WITHOUT_RANK, *ORTHOGONAL, "lokr")
