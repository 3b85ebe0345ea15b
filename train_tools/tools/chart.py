"""The norms of a LoRA's blocks as a picture (SVG), drawn as text."""

from __future__ import annotations

from html import escape
from pathlib import PurePath

from train_tools.model.lora_tool import LoraFacts

WIDTH, BAR, GAP, LEFT, RIGHT, TOP = 640, 16, 4, 64, 110, 40
INK, FILL, PAPER = "#222222", "#4472c4", "#ffffff"


def chart_of(facts: LoraFacts) -> str:
    """A bar for each block, as long as its norm."""
    longest = max((block.norm for block in facts.blocks), default=0.0) or 1.0
    height = TOP + len(facts.blocks) * (BAR + GAP) + GAP
    room = WIDTH - LEFT - RIGHT
    rows = []
    for number, block in enumerate(facts.blocks):
        y = TOP + number * (BAR + GAP)
        length = room * block.norm / longest
        rows += [
            _text(LEFT - 8, y + 12, block.block, "end"),
            f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{FILL}"/>',
            _text(LEFT + length + 6, y + 12, f"{block.norm:.4g} ({block.layers})"),
        ]
    title = f"{PurePath(facts.file).name}: norm of the change by block (layers)"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
            f'font-size="12" fill="{INK}">',
            f'<rect width="100%" height="100%" fill="{PAPER}"/>',
            _text(8, 22, title),
            *rows,
            "</svg>",
            "",
        ]
    )


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    shown = "".join(letter if letter.isprintable() else "�" for letter in words)
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(shown)}</text>'
