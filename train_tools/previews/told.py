"""What is the same in all pictures of a matrix, in words: it is told once, below them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from train_tools.model.preview import PreviewMatrix
from train_tools.previews.arranged import BASE_MODEL_ALONE
from train_tools.previews.axes import text_of, values_of


def told_once(matrix: PreviewMatrix) -> Iterator[str]:
    """The prompts, and each setting that is the same in all pictures."""
    found = values_of(matrix.settings)
    prompts = found["prompt"]
    for number, prompt in enumerate(prompts, 1):
        yield f"prompt{f' {number}' if len(prompts) > 1 else ''}: {prompt or '(empty)'}"
    if len(found["negative_prompt"]) == 1:
        yield f"negative prompt: {found['negative_prompt'][0] or '(empty)'}"
    yield ", ".join(
        f"{before}{text_of(axis, found[axis][0])}{after}" for axis, before, after in _settings_told(found)
    )
    yield "base model: " + ", ".join(dict.fromkeys(_bases_of(matrix)))


def _settings_told(found: Mapping[str, Sequence[object]]) -> Iterator[tuple[str, str, str]]:
    """Axes of one value, and what stands before and after it."""
    told = (
        ("sampler", "", ""),
        ("scheduler", "", ""),
        ("steps", "", " steps"),
        ("guidance", "CFG ", ""),
        ("size", "", ""),
        ("clip_skip", "clip skip ", ""),
        ("vae", "VAE ", ""),
    )
    plain = (("scheduler", ""), ("clip_skip", 1), ("vae", ""))
    for axis, before, after in told:
        if len(found[axis]) == 1 and (axis, found[axis][0]) not in plain:
            yield axis, before, after


def _bases_of(matrix: PreviewMatrix) -> Iterator[str]:
    for line in (*matrix.rows, *matrix.columns):
        if line.is_base:
            yield line.label or line.run.removeprefix(f"{BASE_MODEL_ALONE} ")
