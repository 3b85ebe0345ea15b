from __future__ import annotations

import pytest
import torch

from lora_engine.output.spilling import AFTER_STEPS, CardFigures, SpillWatch, spill_warning

GB = 10**9
EMPTY = CardFigures(total=8 * GB, free=7 * GB, reserved=0)


def now(reserved: float, free: float) -> CardFigures:
    return CardFigures(total=8 * GB, free=int(free * GB), reserved=int(reserved * GB))


def test_more_than_the_card_has_is_told_with_a_cure():
    told = spill_warning(EMPTY, now(reserved=9.5, free=0.0))
    assert "10.5 GB are held of the 8.0 GB it has, 1.0 GB of that by other programs" in told
    assert "gradient_checkpointing" in told
    assert "Sysmem Fallback Policy" in told


def test_what_others_hold_counts():
    assert spill_warning(EMPTY, now(reserved=7.5, free=0.1))
    crowded = CardFigures(total=8 * GB, free=2 * GB, reserved=0)
    assert "6.0 GB of that by other programs" in spill_warning(crowded, now(reserved=3, free=0.0))


@pytest.mark.parametrize(("reserved", "free"), [(6.9, 0.05), (3.0, 4.0), (7.0, 0.0)])
def test_a_card_that_is_full_has_not_run_over(reserved, free):
    assert spill_warning(EMPTY, now(reserved, free)) == ""


def test_room_that_others_made_meanwhile_is_seen():
    assert spill_warning(EMPTY, now(reserved=7.5, free=0.5)) == ""


def test_what_torch_held_before_is_not_taken_for_others():
    before = CardFigures(total=8 * GB, free=5 * GB, reserved=3 * GB)
    assert spill_warning(before, now(reserved=7.9, free=0.0)) == ""


class Figures:
    """A card that tells these, one after the other."""

    def __init__(self, *figures: CardFigures) -> None:
        self._left = list(figures)

    def __call__(self) -> CardFigures:
        return self._left.pop(0)


def test_it_is_looked_at_once_after_the_first_steps():
    told: list[str] = []
    watch = SpillWatch(Figures(EMPTY, now(reserved=9, free=0)), told.append)
    for step in range(1, 3 * AFTER_STEPS):
        watch.after_step()
        assert len(told) == (step >= AFTER_STEPS)


def test_nothing_is_told_of_a_card_with_room():
    told: list[str] = []
    watch = SpillWatch(Figures(EMPTY, now(reserved=4, free=3)), told.append)
    for _ in range(AFTER_STEPS):
        watch.after_step()
    assert told == []


def test_a_cpu_has_no_card_to_ask():
    watch = SpillWatch.on(torch.device("cpu"), pytest.fail)
    for _ in range(2 * AFTER_STEPS):
        watch.after_step()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_real_card_that_is_not_full_is_no_news():
    watch = SpillWatch.on(torch.device("cuda"), pytest.fail)
    block = torch.zeros(2**20, device="cuda")
    for _ in range(2 * AFTER_STEPS):
        watch.after_step()
    assert block.is_cuda
