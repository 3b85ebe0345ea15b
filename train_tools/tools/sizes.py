"""How large the file of a tool will be, told by the headers of what it is made of. Without torch, and without
reading weights: where those decide what is kept, this is the most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

from sd_contract.base_models.base_model import PICKLED_SUFFIXES, inspect
from sd_contract.loras.facts import family_of_lora
from sd_contract.loras.names import key_of
from sd_contract.loras.targets import Target, targets
from sd_contract.tensors.pickled_files import read_shapes
from sd_contract.tensors.tensor_files import read_header
from sd_contract.tensors.tensor_names import DOWN, UP
from train_tools.errors import OptionValueError
from train_tools.model.lora_tool import ConvertWish, ExtractWish, MergeWish, ResizeWish, ToolWish

BYTES = {"float": 4, "fp16": 2, "bf16": 2}
FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True)
class Layer:
    """A layer of a LoRA: `down` is (rank, in, ...), `up` (out, rank, ...)."""

    down: tuple[int, ...]
    up: tuple[int, ...]

    @property
    def rank(self) -> int:
        return self.down[0]

    @property
    def is_convolution(self) -> bool:
        return len(self.down) == 4

    @property
    def has_large_kernel(self) -> bool:
        return self.is_convolution and self.down[2:] != (1, 1)

    @property
    def most(self) -> int:
        """No change of this shape has a higher rank."""
        return min(prod(self.down[1:]), self.up[0])

    def at(self, rank: int) -> Layer:
        return replace(self, down=(rank, *self.down[1:]), up=(self.up[0], rank, *self.up[2:]))

    @property
    def numbers(self) -> int:
        return prod(self.down) + prod(self.up)


def about_bytes(wish: ToolWish) -> int:
    """Raises CheckpointError or BaseModelError for a file that can't be read, OptionValueError for a folder where
    a file belongs."""
    if isinstance(wish, ConvertWish):
        return _converted(wish)
    if isinstance(wish, MergeWish) and wish.into:
        return _base_model(wish.into, wish.precision)
    return sum(layer.numbers for layer in _made(wish)) * BYTES[wish.precision or "float"]


def _made(wish: MergeWish | ResizeWish | ExtractWish) -> Iterator[Layer]:
    if isinstance(wish, MergeWish):
        return _merged(wish)
    return _resized(wish) if isinstance(wish, ResizeWish) else _extracted(wish)


def _merged(wish: MergeWish) -> Iterator[Layer]:
    """Ranks add up; another one is filled with zeros where there is not as much."""
    together: dict[str, list[Layer]] = defaultdict(list)
    for model in wish.models:
        for name, layer in _layers(model).items():
            together[name].append(layer)
    for first, *others in together.values():
        rank = sum(layer.rank for layer in (first, *others))
        if wish.rank is not None:
            wanted = wish.conv_rank or wish.rank if first.has_large_kernel else wish.rank
            rank = min(wanted, first.most)
        yield first.at(rank)


def _resized(wish: ResizeWish) -> Iterator[Layer]:
    for layer in _layers(wish.model).values():
        wanted = wish.conv_rank or wish.rank if layer.is_convolution else wish.rank
        yield layer.at(min(wanted, layer.most))


def _extracted(wish: ExtractWish) -> Iterator[Layer]:
    base = inspect(_file(wish.original))
    for target in targets(base, _shapes(wish.original)).values():
        if wish.conv_rank is not None or not target.in_convolution_block:
            yield _beside(target, wish)


def _beside(target: Target, wish: ExtractWish) -> Layer:
    wide = target.has_large_kernel and wish.conv_rank
    layer = Layer(down=(1, *target.shape[1:]), up=(target.shape[0], 1))
    return layer.at(min(wish.conv_rank or wish.rank if wide else wish.rank, *target.shape[:2]))


def _converted(wish: ConvertWish) -> int:
    """Numbers keep their format unless another is asked for; for PEFT all layers have one rank."""
    if wish.precision is None and (wish.scheme != "peft" or _is_pickle(wish.model)):
        return _file(wish.model).stat().st_size
    layers = list(_layers(wish.model).values())
    if wish.scheme == "peft":
        rank = max((layer.rank for layer in layers), default=0)
        layers = [layer.at(rank) for layer in layers]
    return sum(layer.numbers for layer in layers) * (BYTES[wish.precision] if wish.precision else _own(wish.model))


def _own(path: Path) -> int:
    """Bytes of a number, as most have them."""
    kinds = [entry.dtype for entry in read_header(path).tensors.values()]
    return FLOATS.get(max(kinds, key=kinds.count, default="F32"), 4)


def _base_model(path: Path, precision: str | None) -> int:
    if precision is None:
        return _file(path).stat().st_size
    return sum(map(prod, _shapes(path).values())) * BYTES[precision]


def _layers(path: Path) -> dict[str, Layer]:
    """Those of the plain kinds; of others no tool but the merge into a base model makes anything."""
    shapes = _shapes(path)
    is_sdxl = family_of_lora(shapes, {} if _is_pickle(path) else read_header(path).metadata) == "sdxl"
    leaves: dict[str, dict[str, tuple[int, ...]]] = defaultdict(dict)
    for name, shape in shapes.items():
        if key := key_of(name, is_sdxl=is_sdxl):
            leaves[key.layer][key.leaf] = shape
    plain = {layer: found for layer, found in leaves.items() if {DOWN, UP} <= found.keys()}
    if not plain:
        raise OptionValueError(f"{path.name} holds no LoRA that can be made another of.")
    return {layer: Layer(down=found[DOWN], up=found[UP]) for layer, found in plain.items()}


def _shapes(path: Path) -> Mapping[str, tuple[int, ...]]:
    return read_shapes(path) if _is_pickle(path) else read_header(_file(path)).shapes


def _is_pickle(path: Path) -> bool:
    return _file(path).suffix.lower() in PICKLED_SUFFIXES


def _file(path: Path) -> Path:
    if path.is_dir():
        raise OptionValueError(f"{path} is a folder. Name a single file.")
    return path
