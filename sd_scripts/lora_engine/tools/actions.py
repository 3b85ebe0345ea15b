"""What each LoRA tool does from its command line to its file."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

import torch
from torch import Tensor

from lora_engine.output.reporting import Reporter
from lora_engine.tools.base_files import inspect_file, merge_into_file, metadata_of
from lora_engine.tools.conversion import converted
from lora_engine.tools.extraction import Extraction, extracted
from lora_engine.tools.lora_files import (
    NUMBERS,
    Lora,
    open_lora,
    open_loras,
    read_tensors,
    refuse_output,
    write_lora,
)
from lora_engine.tools.merging import (
    Share,
    alphas_of,
    approximated,
    as_kohya,
    ranks_of,
    refuse_other_kinds,
    side_by_side,
)
from lora_engine.tools.resizing import NewSize, largest_rank, mean_and_spread, resized
from sd_contract.errors import OptionError
from sd_contract.loras.blocks import block_weights
from sd_contract.loras.facts import Made, checkpoint_metadata, lora_metadata, merged_from

SQUARED = (
    "kohya's formula counts each ratio twice and mixes what it adds up, or keeps the first file's alpha; --exact "
    "makes a LoRA that acts as these do together"
)


def merge(asked: Namespace, reporter: Reporter) -> None:
    """merge_lora.py and sdxl_merge_lora.py."""
    into = [asked.sd_model] if asked.sd_model else []
    refuse_output(asked.save_to, [*asked.models, *into])
    if asked.sd_model:
        _merge_into_base(asked, reporter)
        return
    shares = _shares(asked, NUMBERS[asked.precision], reporter)
    refuse_other_kinds([share.lora for share in shares], "made one")
    if asked.exact:
        tensors = side_by_side(shares, reporter)
    else:
        tensors = as_kohya(shares, reporter, concat=asked.concat, shuffle=asked.shuffle)
        reporter.warn(SQUARED)
    _save_merged(asked, tensors, [share.lora for share in shares], reporter)


def svd_merge(asked: Namespace, reporter: Reporter) -> None:
    """svd_merge_lora.py."""
    refuse_output(asked.save_to, asked.models)
    shares = _shares(asked, NUMBERS[asked.precision], reporter)
    refuse_other_kinds([share.lora for share in shares], "made one")
    tensors = approximated(
        shares,
        asked.new_rank,
        asked.new_conv_rank or asked.new_rank,
        reporter,
        clamp_quantile=asked.clamp_quantile,
        device=_device(asked.device),
    )
    _save_merged(asked, tensors, [share.lora for share in shares], reporter)


def resize(asked: Namespace, reporter: Reporter) -> None:
    """resize_lora.py."""
    refuse_output(asked.save_to, [asked.model])
    lora = open_lora(asked.model)
    refuse_other_kinds([lora], "resized")
    size = NewSize(
        rank=asked.new_rank,
        conv_rank=asked.new_conv_rank or asked.new_rank,
        method=asked.dynamic_method,
        parameter=asked.dynamic_param or 0.0,
    )
    tensors, told_of = resized(lora, size, reporter, _device(asked.device))
    for layer in told_of if asked.verbose else ():
        reporter.note(f"{layer.name} | rank {layer.rank}, alpha {layer.alpha:g}, length kept {layer.kept:.1%}")
    mean, spread = mean_and_spread(told_of)
    reporter.note(f"length kept: {mean:.2%} on average, spread {spread:.3f}")
    before = largest_rank(lora)
    how = f"dimension is resized from {before} to {size.rank}"
    if size.method:
        how = f"Dynamic resize with {size.method}: {size.parameter} from {before}"  # in kohya's words
    made = _made(asked, tensors, [lora], how=how)
    _save(asked.save_to, tensors, lora_metadata(made, lora.metadata), asked.save_precision or "float", reporter)


def extract(asked: Namespace, reporter: Reporter) -> None:
    """extract_lora_from_models.py."""
    refuse_output(asked.save_to, [asked.model_org, asked.model_tuned])
    original, tuned = inspect_file(asked.model_org), inspect_file(asked.model_tuned)
    _told_family(asked, original.family, reporter)
    wish = Extraction(
        rank=asked.dim,
        conv_rank=asked.conv_dim,
        clamp_quantile=asked.clamp_quantile,
        min_difference=asked.min_diff,
        loaded_as=NUMBERS.get(asked.load_precision),
        device=_device(asked.device),
    )
    tensors = extracted(original, tuned, wish, reporter)
    conv = {"conv_dim": str(asked.conv_dim), "conv_alpha": str(float(asked.conv_dim))} if asked.conv_dim else {}
    made = Made(
        title=asked.save_to.stem,
        saved_at=time.time(),
        family=original.family,
        ranks=[asked.dim],
        alphas=[asked.dim],
        v_prediction=asked.v_parameterization or tuned.v_prediction,
        network_arguments=conv,
        minimum=asked.no_metadata,
    )
    _save(asked.save_to, tensors, lora_metadata(made), asked.save_precision or "float", reporter)


def check(asked: Namespace, reporter: Reporter) -> None:
    """check_lora_weights.py: kohya's lines."""
    tensors, _ = read_tensors(asked.file)
    parts = ("lora_up", "lora_down", "lora_A", "lora_B", "oft_")
    weights = [name for name in tensors if any(part in name for part in parts)]
    reporter.say(f"number of LoRA modules: {len(weights)}")
    if asked.show_all_keys:
        weights += [name for name in tensors if name not in set(weights)]
        reporter.say(f"number of all modules: {len(weights)}")
    for name in weights:
        sizes = tensors[name].float().abs()
        shape = str(tuple(sizes.shape)).replace(", ", "-")
        reporter.say(f"{name},{shape},{sizes.mean()},{sizes.min()}")


def convert(asked: Namespace, reporter: Reporter) -> None:
    """convert_lora.py: numbers stay in their format unless another is asked for."""
    refuse_output(asked.save_to, [asked.model])
    lora = open_lora(asked.model, None if asked.to != "peft" else torch.float32)
    tensors = converted(lora, asked.to)
    precision = asked.save_precision
    if precision is None and asked.to == "peft":
        precision = _precision_of(asked.model)
    plain = converted(lora, "kohya")
    metadata = lora_metadata(_made(asked, plain, [lora]), lora.metadata)
    _save(asked.save_to, tensors, metadata, precision, reporter)


def _merge_into_base(asked: Namespace, reporter: Reporter) -> None:
    base = inspect_file(asked.sd_model)
    _told_family(asked, base.family, reporter)
    shares = _shares(asked, torch.float32, reporter)
    made = Made(
        title=asked.save_to.stem,
        saved_at=time.time(),
        family=base.family,
        ranks=(),
        alphas=(),
        merged_from=merged_from([base.path, *asked.models]),
        minimum=asked.no_metadata,
    )
    merge_into_file(
        base,
        shares,
        asked.save_to,
        dtype=NUMBERS.get(asked.save_precision),
        working=NUMBERS[asked.precision],
        metadata=checkpoint_metadata(made, metadata_of(base.path)),
        reporter=reporter,
    )
    reporter.note(f"saved: {asked.save_to}")


def _shares(asked: Namespace, dtype: torch.dtype, reporter: Reporter) -> list[Share]:
    reporter.phase("opening the LoRAs")
    weights = [block_weights(text) for text in asked.lbws]
    ratios = asked.ratios or [1.0] * len(asked.models)
    loras = open_loras(asked.models, dtype)
    return [
        Share(lora=lora, ratio=ratio, blocks=blocks) for lora, ratio, blocks in zip_longest(loras, ratios, weights)
    ]


def _save_merged(
    asked: Namespace, tensors: Mapping[str, Tensor], loras: Sequence[Lora], reporter: Reporter
) -> None:
    metadata = lora_metadata(_made(asked, tensors, loras, merged=merged_from(asked.models)))
    _save(asked.save_to, tensors, metadata, asked.save_precision or asked.precision, reporter)


def _made(
    asked: Namespace,
    tensors: Mapping[str, Tensor],
    loras: Sequence[Lora],
    *,
    how: str = "",
    merged: Sequence[str] = (),
) -> Made:
    return Made(
        title=asked.save_to.stem,
        saved_at=time.time(),
        family=next((lora.family for lora in loras if lora.family), None),
        ranks=ranks_of(tensors),
        alphas=alphas_of(tensors),
        v_prediction=any(lora.v_prediction for lora in loras),
        merged_from=merged,
        how=how,
        minimum=asked.no_metadata,
    )


def _save(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    precision: str | None,
    reporter: Reporter,
) -> None:
    dtype = NUMBERS[precision] if precision else None
    saved = {name: tensor if dtype is None else tensor.to(dtype) for name, tensor in tensors.items()}
    write_lora(path, saved, metadata)
    reporter.note(f"saved: {path}")


def _precision_of(path: Path) -> str:
    """The number format of the most tensors of a file."""
    kinds = [tensor.dtype for tensor in read_tensors(path)[0].values()]
    names = {dtype: name for name, dtype in NUMBERS.items()}
    return names.get(max(kinds, key=kinds.count), "float")


def _told_family(asked: Namespace, family: str, reporter: Reporter) -> None:
    for flag, meant in (("v2", "sd2"), ("sdxl", "sdxl")):
        if getattr(asked, flag, False) and family != meant:
            reporter.warn(f"--{flag} is set, but the file is an {family} model; it is taken as one")


def _device(name: str) -> str:
    """OptionError for a device that is not there."""
    try:
        torch.empty(0, device=name or "cpu")
    except (RuntimeError, AssertionError) as error:
        raise OptionError(f"--device {name} can't be used on this machine. Leave it out, or use cpu.") from error
    return name or "cpu"
