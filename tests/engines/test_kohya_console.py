"""What is read from the console of a real checkout (48d368fa, recorded on a CPU) and of lines as other years
wrote them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_tools.engines.kohya.console import (
    Bar,
    Complaint,
    Console,
    EpochBegan,
    Measure,
    Other,
    Phase,
    Removed,
    Saving,
    StateSaved,
    said_in,
)

RECORDED = Path(__file__).with_name("kohya_consoles")
OUT = Path("/runs/it's 猫/out")


def read(data: bytes, size: int = 1 << 20) -> list[object]:
    console = Console()
    said = [each for at in range(0, len(data), size) for each in console.read(data[at : at + size])]
    return [*said, *console.rest()]


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.log").read_bytes()


def telling(said: list[object]) -> list[object]:
    return [each for each in said if not isinstance(each, Other)]


def test_a_whole_training_is_understood():
    said = telling(read(recorded("trained_12_steps")))
    assert [each for each in said if isinstance(each, Measure)] == [
        Measure("batches", 4),
        Measure("accumulation", 1),
        Measure("total", 12),
    ]
    bars = [each for each in said if isinstance(each, Bar)]
    assert [bar.done for bar in bars][:5] == [0, 1, 1, 2, 2]
    assert bars[2] == Bar(1, 12, 1.29)
    assert bars[-1] == Bar(12, 12, 1.27)
    assert [each.epoch for each in said if isinstance(each, EpochBegan)] == [1, 2, 3]
    assert [each.file for each in said if isinstance(each, Saving)] == [
        OUT / f"k{name}.safetensors"
        for name in (
            "-step00000003",
            "-000001",
            "-step00000006",
            "-000002",
            "-step00000009",
            "-step00000012",
            "",
        )
    ]
    assert [each.folder.name for each in said if isinstance(each, StateSaved)][-2:] == [
        "k-step00000012-state",
        "k-state",
    ]
    assert not [each for each in said if isinstance(each, Complaint)]


def test_a_training_that_goes_on_in_the_second_epoch_counts_from_its_beginning():
    """The reason why what is said is not taken for the truth."""
    said = read(recorded("resumed_at_step_6_of_12"))
    bars = [each for each in said if isinstance(each, Bar)]
    assert (bars[0], bars[-1].done, bars[-1].total) == (Bar(0, 10, None), 6, 10)
    assert [each.file.name for each in said if isinstance(each, Saving)] == [
        "k-step00000003.safetensors",
        "k-000002.safetensors",
        "k-step00000006.safetensors",
        "k.safetensors",
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_pieces_of_any_length_say_the_same(size):
    whole = telling(read(recorded("trained_12_steps")))
    assert telling(read(recorded("trained_12_steps"), size)) == whole


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(data):
    read(data, 7)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("steps:  33%|███▎      | 2/6 [01:13<02:27, 36.82s/it, avr_loss=1.1]", Bar(2, 6, 1.1)),
        ("steps:  33%|###3      | 2/6 [00:01<00:02,  1.20it/s, loss=0.105]", Bar(2, 6, 0.105)),
        (
            "steps: 5%|5| 100/2000 [00:01<?, Keys Scaled=3, Average key norm=0.1, avr_loss=0.9]",
            Bar(100, 2000, 0.9),
        ),
        ("epoch 3/10", EpochBegan(3)),
        ("saving checkpoint: /a b/it's [x] кот.safetensors", Saving(Path("/a b/it's [x] кот.safetensors"))),
        (r"saving checkpoint: C:\out\k.safetensors", Saving(Path(r"C:\out\k.safetensors"))),
        ("removing old checkpoint: /a/k-000001.safetensors", Removed(Path("/a/k-000001.safetensors"))),
        ("  num batches per epoch / 1epochのバッチ数: 3", Measure("batches", 3)),
        ("  gradient accumulation steps / 勾配を合計するステップ数 = 2", Measure("accumulation", 2)),
        ("INFO     caching latents...    train_util.py:1170", Phase("encoding the images")),
        (
            "           WARNING  ignore directory without repeats / 無視します: x      train_util.py:9",
            Complaint("ignore directory without repeats"),
        ),
        ("  WARNING  not directory: /data/gone        train_util.py:2", Complaint("not directory: /data/gone")),
    ],
)
def test_a_line_says_what_it_means(line, said):
    assert list(said_in(line)) == [said]


@pytest.mark.parametrize(
    "line",
    [
        "validation steps:  33%|███▎      | 2/6 [01:13<02:27, 36.82s/it, val_avg_loss=1.1]",
        "epoch validation steps:  33%|███▎ | 2/6 [01:13<02:27, 36.82s/it, val_epoch_avg_loss=1.1]",
        "100%|██████████| 2/2 [00:04<00:00,  2.23s/it]",
        "read caption: 100%|██████████| 2/2 [00:00<00:00, 11715.93it/s]",
        "WARNING  no regularization images / 正則化画像が見つかりませんでした     train_util.py:2167",
        "epoch is incremented. current_epoch: 0, epoch: 1",
        "my epoch 1/2 cat",
    ],
)
def test_other_lines_are_not_taken_for_these(line):
    assert list(said_in(line)) == [Other()]


def test_a_message_may_be_appended_to_a_bar():
    line = "steps: 100%|██████████| 12/12 [04:54<00:00, 24.52s/it, avr_loss=1.27]    INFO    caching latents"
    assert list(said_in(line)) == [Bar(12, 12, 1.27), Phase("encoding the images")]


def test_a_loss_that_is_no_number_is_told_as_such():
    [bar] = said_in("steps: 1%|1| 1/6 [01:13<02:27, 36.82s/it, avr_loss=nan]")
    assert math.isnan(bar.average)


def test_a_bar_is_read_before_the_next_one_begins():
    """It ends without an end of line, and the next step may take a minute."""
    console = Console()
    assert list(console.read(b"\rsteps:  10%|#  | 1/10 [00:01<00:09, 1.0s/it")) == []
    assert list(console.read(b", avr_loss=0.5] ")) == [Bar(1, 10, 0.5)]
    assert list(console.read(b"    INFO  saving state at step 1\n")) == [Phase("saving the state")]
