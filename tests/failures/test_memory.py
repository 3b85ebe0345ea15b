from __future__ import annotations

import pytest

from train_tools.failures.memory import LEAST_RANK, next_memory_step
from train_tools.options.bundled import bundled_options


def ladder(gpu: bool = True, **options: object) -> list[dict[str, object]]:
    """All changes, each on top of those before, until nothing is left."""
    changes = []
    while (step := next_memory_step(options, gpu=gpu)) is not None:
        assert step.says
        changes.append(dict(step.changes))
        options = {**options, **step.changes}
        bundled_options().canonical(options)
    return changes


def test_the_steps_come_in_order_each_on_top_of_those_before():
    assert ladder(train_batch_size=4, network_dim=16, network_alpha=8.0) == [
        {"train_batch_size": 1, "gradient_accumulation_steps": 4},
        {"gradient_checkpointing": True},
        {"optimizer_type": "AdamW8bit"},
        {"network_dim": 8, "network_alpha": 4.0},
        {"network_dim": 4, "network_alpha": 2.0},
    ]


def test_as_many_images_make_up_a_step_as_before():
    assert ladder(train_batch_size=3, gradient_accumulation_steps=2)[0] == {
        "train_batch_size": 1,
        "gradient_accumulation_steps": 6,
    }


def test_what_is_done_already_is_passed_over():
    assert ladder(gradient_checkpointing=True, optimizer_type="AdamW8bit", network_dim=LEAST_RANK) == []
    assert ladder() == [{"gradient_checkpointing": True}, {"optimizer_type": "AdamW8bit"}]


def test_without_a_card_there_is_no_8_bit_optimizer():
    assert ladder(gpu=False) == [{"gradient_checkpointing": True}]


@pytest.mark.parametrize(
    "options",
    [
        {"use_lion_optimizer": True},
        {"use_8bit_adam": True},
        {"optimizer_type": "Prodigy"},
        {"optimizer_type": "Lion8bit"},
    ],
)
def test_not_every_optimizer_has_an_8_bit_brother(options):
    assert ladder(**options) == [{"gradient_checkpointing": True}]


@pytest.mark.parametrize("name", ["AdamW", "Lion", "AdEMAMix", "SGDNesterov"])
def test_an_8_bit_brother_is_taken(name):
    assert {"optimizer_type": f"{name}8bit"} in ladder(optimizer_type=name)


@pytest.mark.parametrize(
    ("rank", "alpha", "smaller"),
    [(128, 64.0, (64, 32.0)), (9, 9.0, (4, 4.0)), (5, 1.0, (4, 0.8)), (64, 0.0, (32, 0.0)), (8, 1.0, (4, 0.5))],
)
def test_alpha_keeps_its_share_of_the_rank(rank, alpha, smaller):
    step = next_memory_step(
        {"gradient_checkpointing": True, "network_dim": rank, "network_alpha": alpha}, gpu=False
    )
    assert (step.changes["network_dim"], step.changes["network_alpha"]) == smaller


def test_the_rank_of_a_file_that_is_gone_on_from_stays():
    assert ladder(gpu=False, network_dim=64, dim_from_weights=True) == [{"gradient_checkpointing": True}]
