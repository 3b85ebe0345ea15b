"""A LoRA of what sets a tuned model apart from the one it was made from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lora_engine.families.weights import open_file
from lora_engine.output.reporting import Reporter
from lora_engine.tools.base_files import refuse_other_family, shapes_of, weight_of_target
from lora_engine.tools.merging import Tensors, put
from lora_engine.tools.progress import told
from lora_engine.tools.truncation import Spectrum
from sd_contract.base_models.base_model import BaseModel
from sd_contract.errors import CheckpointError
from sd_contract.loras.targets import Target, targets
from sd_contract.tensors.tensor_names import part_of


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """How much of the difference is kept. `conv_rank` is for convolutions with kernels wider than 1; None leaves
    residual blocks out. Text encoders none of whose numbers differ by more than `min_difference` are left out.
    `loaded_as` is the number format the models are read in."""

    rank: int = 4
    conv_rank: int | None = None
    clamp_quantile: float = 0.99
    min_difference: float = 0.01
    loaded_as: torch.dtype | None = None
    device: str = "cpu"


def extracted(original: BaseModel, tuned: BaseModel, wish: Extraction, reporter: Reporter) -> Tensors:
    """The LoRA of rank `wish.rank` nearest to tuned - original; alpha is the rank. CheckpointError when the models
    are of different families or widths, or nothing differs."""
    refuse_other_family(original, tuned)
    layers = targets(original, shapes_of(original.path))
    others = targets(tuned, shapes_of(tuned.path))
    _refuse_other_shapes(original, tuned, layers, others)
    wanted = [name for name, target in layers.items() if _wanted(target, wish)]
    first, second = open_file(original.path), open_file(tuned.path)

    def difference(name: str) -> Tensor:
        weight = _loaded(weight_of_target(second, others[name]), wish)
        return weight.float() - _loaded(weight_of_target(first, layers[name]), wish).float()

    text = [name for name in wanted if part_of(name) == "text_encoder"]
    if text and not any(float(difference(name).abs().max()) > wish.min_difference for name in text):
        reporter.note("the text encoders are the same in both; only the U-Net is extracted")
        wanted = [name for name in wanted if name not in set(text)]
    tensors: Tensors = {}
    largest = 0.0
    for name in told(wanted, reporter, "extracting"):
        change = difference(name)
        largest = max(largest, float(change.abs().max()))
        _put_layer(tensors, name, layers[name], change, wish)
    if largest == 0:
        raise CheckpointError(
            f"{tuned.path} has the same weights as {original.path}: there is nothing to extract."
        )
    return tensors


def _wanted(target: Target, wish: Extraction) -> bool:
    return wish.conv_rank is not None or not target.in_convolution_block


def _put_layer(tensors: Tensors, name: str, target: Target, change: Tensor, wish: Extraction) -> None:
    wide = target.has_large_kernel and wish.conv_rank is not None
    rank = min(wish.conv_rank or wish.rank if wide else wish.rank, *change.shape[:2])
    up, down = Spectrum.of(change.flatten(1).to(wish.device)).factors(rank, wish.clamp_quantile)
    down = down.cpu().reshape(rank, *change.shape[1:])
    put(tensors, name, up.cpu(), down[..., None, None] if target.as_convolution else down, rank)


def _loaded(weight: Tensor, wish: Extraction) -> Tensor:
    return weight if wish.loaded_as is None else weight.to(wish.loaded_as)


def _refuse_other_shapes(
    original: BaseModel, tuned: BaseModel, layers: dict[str, Target], others: dict[str, Target]
) -> None:
    for name, target in layers.items():
        if name not in others or others[name].shape != target.shape:
            found = others[name].shape if name in others else "missing"
            raise CheckpointError(
                f"{name!r} is {target.shape} in {original.path.name} and {found} in {tuned.path.name}: the models "
                "are of different kinds."
            )
