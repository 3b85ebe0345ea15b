"""Which of the engine's scripts does what is wished, and with which words. Knows no job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sd_contract.loras.blocks import block_weights
from train_tools.errors import OptionValueError
from train_tools.model.lora_tool import ConvertWish, ExtractWish, MergeWish, ResizeWish, ToolWish

PRECISIONS = ("float", "fp16", "bf16")
METHODS = ("sv_ratio", "sv_fro", "sv_cumulative")
SCHEMES = ("kohya", "kohya-diffusers", "peft")


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A script of the engine's folder `networks` and what it is told. All paths are absolute."""

    name: str
    """What people call it."""
    script: str
    words: tuple[str, ...]
    inputs: tuple[Path, ...]


def call_for(wish: ToolWish) -> ToolCall:
    """Raises OptionValueError for a wish that makes no sense."""
    _known("precision", wish.precision, PRECISIONS)
    if isinstance(wish, MergeWish):
        return _merge(wish)
    if isinstance(wish, ResizeWish):
        return _resize(wish)
    return _extract(wish) if isinstance(wish, ExtractWish) else _convert(wish)


def _merge(wish: MergeWish) -> ToolCall:
    if not wish.models:
        raise OptionValueError("There is no LoRA to merge. Name one or several files.")
    for what, given in (("ratios", wish.ratios), ("block weights", wish.blocks)):
        if given and len(given) != len(wish.models):
            raise OptionValueError(
                f"There are {len(given)} {what} for {len(wish.models)} LoRAs. Give one for each, or none."
            )
    for weights in wish.blocks:
        block_weights(_listed(weights))
    if wish.into and wish.rank is not None:
        raise OptionValueError("A base model has no rank: give --rank or --into, and not both.")
    models = [_absolute(model) for model in wish.models]
    words = ["--models", *models, *_each("--ratios", wish.ratios), *_each("--lbws", map(_listed, wish.blocks))]
    inputs = (*map(Path, models), *((Path(_absolute(wish.into)),) if wish.into else ()))
    if wish.rank is not None:
        words += [*_ranks(wish.rank, wish.conv_rank), "--clamp_quantile", "1"]
    else:
        words += ["--sd_model", _absolute(wish.into)] if wish.into else ["--exact"]
    script = "svd_merge_lora" if wish.rank is not None else "merge_lora"
    return ToolCall(name="merge", script=script, words=(*words, *_saving(wish)), inputs=inputs)


def _resize(wish: ResizeWish) -> ToolCall:
    _known("method", wish.method, METHODS)
    if (wish.method is None) != (wish.parameter is None):
        raise OptionValueError(
            "A method and its parameter belong together: sv_ratio with 20, say, sv_fro or sv_cumulative with 0.9."
        )
    model = _absolute(wish.model)
    words = ["--model", model, *_ranks(wish.rank, wish.conv_rank), "--verbose"]
    if wish.method is not None:
        words += ["--dynamic_method", wish.method, "--dynamic_param", repr(wish.parameter)]
    return ToolCall(name="resize", script="resize_lora", words=(*words, *_saving(wish)), inputs=(Path(model),))


def _extract(wish: ExtractWish) -> ToolCall:
    original, tuned = _absolute(wish.original), _absolute(wish.tuned)
    words = ["--model_org", original, "--model_tuned", tuned, "--dim", str(_rank(wish.rank))]
    words += ["--conv_dim", str(_rank(wish.conv_rank))] if wish.conv_rank is not None else []
    return ToolCall(
        name="extract",
        script="extract_lora_from_models",
        words=(*words, "--clamp_quantile", "1", *_saving(wish)),
        inputs=(Path(original), Path(tuned)),
    )


def _convert(wish: ConvertWish) -> ToolCall:
    _known("scheme", wish.scheme, SCHEMES)
    model = _absolute(wish.model)
    words = ("--model", model, "--to", wish.scheme, *_saving(wish))
    return ToolCall(name="convert", script="convert_lora", words=words, inputs=(Path(model),))


def _ranks(rank: int, conv_rank: int | None) -> list[str]:
    words = ["--new_rank", str(_rank(rank))]
    return words if conv_rank is None else [*words, "--new_conv_rank", str(_rank(conv_rank))]


def _rank(rank: int) -> int:
    if rank < 1:
        raise OptionValueError(f"{rank} is no rank: it is at least 1.")
    return rank


def _saving(wish: ToolWish) -> Iterator[str]:
    if wish.precision is not None:
        yield from ("--save_precision", wish.precision)


def _each(flag: str, values: Iterable[Any]) -> list[str]:
    words = [str(value) for value in values]
    return [flag, *words] if words else []


def _listed(weights: str) -> str:
    """Block weights so that a first number below 0 is not taken for a flag."""
    text = weights.strip()
    return text if "=" in text or text.startswith("[") else f"[{text}]"


def _absolute(path: Path) -> str:
    return str(path.expanduser().absolute())


def _known(what: str, value: str | None, allowed: Sequence[str]) -> None:
    if value is not None and value not in allowed:
        raise OptionValueError(f"There is no {what} {value!r}. There are {', '.join(allowed)}.")
