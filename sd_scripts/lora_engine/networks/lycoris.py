"""Networks of LyCORIS (Yeh et al., arXiv 2309.14859) on a U-Net and a text encoder: attach, collect, save, load.

Formulas are in `kinds`, first values in `begun`; which layers are changed how, the plan says. Why the package
lycoris-lora is not used: doc/decisions/0013-lycoris.md."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from lora_engine.maths.streams import Streams
from lora_engine.networks.begun import new_leaves
from lora_engine.networks.dropout import Dropout
from lora_engine.networks.kinds import MAGNITUDE, MID, Leaves, bias_change_of, change_of, kind_of, weight_change
from lora_engine.networks.seats import Layer, SeatedLayer, as_convolution, as_layer, seated_layers
from lora_engine.networks.shown import read_layers
from sd_contract.errors import CheckpointError
from sd_contract.lycoris.plan import LycorisPlan, Wanted
from sd_contract.lycoris.tensors import SCALAR
from sd_contract.tensors.tensor_names import ALPHA, DOWN, UP, Part

SCALED = (UP, "hada_w1_a", "lokr_w1", "lokr_w1_a", "a2.weight", "b2.weight")
"""Leaves that the scalar is multiplied into."""
OF_SDXL = ("lora_te1_", "lora_unet_input_blocks_")
POINT = "/"
"""For the one in a leaf, which PyTorch does not allow in a parameter's name."""
ON_INPUT = "on_input"
CONSTANT = (ALPHA, ON_INPUT)
"""Leaves that are numbers to read and never learn."""
LIMITED: Mapping[str, tuple[str, ...]] = {
    "LoRA": (DOWN, MID, UP),
    "LoHa": ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"),
    "LoKr": ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"),
    "full": ("diff",),
    "IA3": ("weight",),
    "GLoRA": ("a2.weight", "b2.weight"),
    "OFT": ("oft_blocks",),
    "norm": (),
}
"""Leaves that are shrunk to shrink the change. They multiply each other, but for GLoRA's, which are added."""


class LycorisLayer(nn.Module):
    """Takes a layer's place: computes as if its weight were W + multiplier * change.

    `constants` are the leaves that never learn. DyLoRA's `block` is how many ranks come and go together."""

    def __init__(
        self,
        name: str,
        base: Layer,
        leaves: Leaves,
        constants: Leaves,
        dropout: Dropout | None = None,
        block: int | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.kind = kind_of(name, {leaf: one for leaf, one in {**leaves, **constants}.items() if leaf != SCALAR})
        self.base = base
        self.constants = constants
        self.dropout = dropout
        self.block = block
        self.multiplier = 1.0
        for leaf, tensor in leaves.items():
            self.register_parameter(leaf.replace(".", POINT), nn.Parameter(tensor))

    @property
    def learning(self) -> dict[str, nn.Parameter]:
        """The weights that training moves, the scalar among them."""
        own = self.named_parameters(recurse=False)
        return {name.replace(POINT, "."): weight for name, weight in own}

    @property
    def leaves(self) -> dict[str, Tensor]:
        """The layer's tensors as they stand in a file."""
        leaves: dict[str, Tensor] = {**self.learning}
        scalar = leaves.pop(SCALAR, None)
        if scalar is not None:
            leaves.update({leaf: leaves[leaf] * scalar for leaf in SCALED if leaf in leaves})
        return {**leaves, **self.constants}

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.base(x)
        if self.multiplier == 0 or (self.dropout is not None and self.dropout.skips(self.name)):
            return y
        added = self.added(x)
        if self.dropout is not None:
            ranks_last = not isinstance(self.base, (nn.Conv2d, nn.GroupNorm))
            added = self.dropout.thinned(self.name, added, ranks_last=ranks_last)
        return torch.add(y, added, alpha=self.multiplier)

    def change(self) -> Tensor:
        """What is added to the layer's weight at strength 1."""
        with torch.autocast(self.base.weight.device.type, enabled=False):
            return self._change(self.leaves)

    @torch.no_grad()
    def limit_norm(self, longest: float) -> Tensor | None:
        """Shrinks the change to this length (kohya's scale_weight_norms): of rotations what makes them, with DoRA
        what its lengths are applied to. Returns the length it had; None for norms, which stay as they are."""
        leaves = self.leaves
        limited = [leaf for leaf in LIMITED[self.kind.name] if leaf in leaves]
        if not limited:
            return None
        degree = 1 if self.kind.name == "GLoRA" else len(limited)
        plain = {name: leaf for name, leaf in leaves.items() if name != MAGNITUDE}
        measured = leaves["oft_blocks"] if self.kind.name == "OFT" else self._change(plain)
        length: Tensor = torch.linalg.vector_norm(measured.float())
        known = length.clamp(min=longest / 2)
        root = (known.clamp(max=longest) / known) ** (1 / degree)
        for leaf in limited:
            self.learning[leaf].mul_(root)
        return length

    def added(self, x: Tensor) -> Tensor:
        """What the change makes of the input at strength 1. It is computed again for the gradients instead of
        being kept."""
        leaves = self.leaves
        if DOWN in leaves and MAGNITUDE not in leaves:
            return self._through_ranks(x, leaves)
        change = checkpoint(self.change, use_reentrant=False, preserve_rng_state=False)
        return _applied(self.base, x, change, bias_change_of(leaves))

    def _change(self, leaves: Leaves) -> Tensor:
        weight = self.base.weight.detach()
        numbers = next(leaf.dtype for name, leaf in leaves.items() if name not in CONSTANT)
        return weight_change(self.kind, leaves, weight.to(numbers))

    def _through_ranks(self, x: Tensor, leaves: Leaves) -> Tensor:
        """A product of narrow matrices, one after the other: the change itself is never made."""
        rank = leaves[DOWN].shape[0]
        kept = self._kept_ranks(rank)
        down, up = _grown(leaves[DOWN][:kept], self.block), _grown(leaves[UP].transpose(0, 1)[:kept], self.block)
        up = up.transpose(0, 1)
        scale = float(leaves[ALPHA]) / rank * math.sqrt(rank / kept)
        if MID in leaves:
            inner = _applied(self.base, F.conv2d(x, down), leaves[MID], None)
        else:
            inner = _applied(self.base, x, down, None)
        return scale * (F.conv2d(inner, up) if up.ndim == 4 else F.linear(inner, up))

    def _kept_ranks(self, rank: int) -> int:
        if self.block is None or self.dropout is None:
            return rank
        return self.block * self.dropout.blocks(self.name, rank // self.block)


class LycorisNetwork:
    """All changed layers of one U-Net and, if given, one text encoder or a list of them."""

    def __init__(
        self, unet: nn.Module | None, text_encoder: nn.Module | None, dropout: Dropout | None = None
    ) -> None:
        self.dropout = dropout
        self.modules: dict[str, LycorisLayer] = {}
        self._seats = seated_layers(unet, text_encoder)
        self._is_sdxl = any(name.startswith(OF_SDXL) for name in self._seats)
        self._multiplier = 1.0

    @classmethod
    def planned(
        cls,
        unet: nn.Module | None,
        text_encoder: nn.Module | None,
        plan: LycorisPlan,
        *,
        streams: Streams,
        dropout: Dropout | None = None,
        dtype: torch.dtype = torch.float32,
        takes: Callable[[str], bool] = lambda name: True,
    ) -> LycorisNetwork:
        """A new network on the layers that the plan names, those of them that are taken. OptionError when a method
        can't split one of them."""
        network = cls(unet, text_encoder, dropout)
        for name, seat in network._seats.items():
            wanted = plan.wanted(seat.seat)
            if wanted is not None and takes(name):
                leaves = new_leaves(seat.layer, name, wanted, streams, dtype)
                network._put(seat, leaves, _constants(wanted), _block(wanted))
        return network

    @classmethod
    def from_file(
        cls,
        path: Path,
        unet: nn.Module | None,
        text_encoder: nn.Module | None,
        *,
        dropout: Dropout | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> LycorisNetwork:
        """The network of a file. CheckpointError when it is damaged, of no kind that is known here, or made for
        another model."""
        network = cls(unet, text_encoder, dropout)
        for name, leaves in network._read(path).items():
            seat = network._seats.get(name)
            if seat is None:
                raise CheckpointError(f"{path} has a change for {name!r}, which this model does not have.")
            _check_fit(seat, leaves, path)
            constants = {leaf: tensor for leaf, tensor in leaves.items() if leaf in CONSTANT}
            weights = {leaf: tensor for leaf, tensor in leaves.items() if leaf not in CONSTANT}
            network._put(seat, _placed(weights, seat.layer, dtype), constants, None)
        return network

    @property
    def multiplier(self) -> float:
        """How strongly the network acts: 0 not at all, 1 as trained."""
        return self._multiplier

    @multiplier.setter
    def multiplier(self, value: float) -> None:
        self._multiplier = value
        for module in self.modules.values():
            module.multiplier = value

    def modules_of(self, part: Part | None = None) -> dict[str, LycorisLayer]:
        """The changed layers by name, of one part or of all."""
        return {name: one for name, one in self.modules.items() if part in (None, self._seats[name].seat.part)}

    def learning(self, part: Part | None = None) -> Iterator[tuple[str, nn.Parameter, bool]]:
        """Each weight with its layer's name and whether LoRA+ lets it learn faster, which LyCORIS does with the
        upper halves of LoCon alone."""
        for name, module in self.modules_of(part).items():
            for leaf, weight in module.learning.items():
                yield name, weight, leaf == UP

    def parameters(self, part: Part | None = None) -> list[nn.Parameter]:
        """The trainable weights, of one part or of all."""
        return [weight for _, weight, _ in self.learning(part)]

    def weights(self) -> dict[str, nn.Parameter]:
        """The weights that training moves, by their names in a file, and the scalars."""
        return {
            f"{name}.{leaf}": weight
            for name, module in self.modules.items()
            for leaf, weight in module.learning.items()
        }

    @torch.no_grad()
    def tensors(self, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
        """The content of a file, copied to the CPU in the number format wanted."""
        content: dict[str, Tensor] = {}
        for name, module in self.modules.items():
            for leaf, tensor in module.leaves.items():
                kept = as_convolution(leaf, tensor) if self._seats[name].as_convolution else tensor
                numbers = dtype or next(iter(module.learning.values())).dtype
                content[f"{name}.{leaf}"] = kept.detach().to("cpu", numbers, copy=True).contiguous()
        return content

    def start_from(self, path: Path) -> list[str]:
        """Copies the tensors of a file of the same methods and ranks. Returns what a user should know: layers that
        only one of both has, and alphas that differ, which change the strength. CheckpointError when nothing is
        shared, or a layer's tensors differ."""
        found = self._read(path)
        shared = {name: leaves for name, leaves in found.items() if name in self.modules}
        if not shared:
            raise CheckpointError(f"{path} has no layer in common with the network that is to be trained.")
        for name, leaves in shared.items():
            _check_alike(name, self.modules[name], leaves, path)
        for name, leaves in shared.items():
            _copy_into(self.modules[name], leaves)
        others = [name for name, leaves in shared.items() if not _same_constants(self.modules[name], leaves)]
        counts = (
            (len(self.modules) - len(shared), "layers begin anew, since it lacks them"),
            (len(found) - len(shared), "of its layers are left out, since they are not trained"),
            (len(others), "layers have another alpha, so they act with another strength"),
        )
        return [f"{path}: {count} {what}" for count, what in counts if count]

    def limit_norms(self, longest: float) -> Tensor:
        """Shrinks every layer's change to this length; returns the lengths before, still on the device."""
        lengths = [module.limit_norm(longest) for module in self.modules.values()]
        return torch.stack([length for length in lengths if length is not None] or [torch.zeros(())])

    def detach(self) -> None:
        """Puts the layers back that the modules took the place of."""
        for name in self.modules:
            seat = self._seats[name]
            setattr(seat.parent, seat.attribute, seat.layer)
        self.modules = {}

    def _put(self, seat: SeatedLayer, leaves: Leaves, constants: Leaves, block: int | None) -> None:
        module = LycorisLayer(seat.name, seat.layer, leaves, constants, self.dropout, block)
        module.multiplier = self._multiplier
        module.train(seat.layer.training)
        setattr(seat.parent, seat.attribute, module)
        self.modules[seat.name] = module

    def _read(self, path: Path) -> dict[str, dict[str, Tensor]]:
        """The leaves of a file by layer, in the shapes that layers have here. CheckpointError as `read_layers`."""
        read = read_layers(path, is_sdxl=self._is_sdxl)
        for name, leaves in read.items():
            if name in self._seats:
                layer = self._seats[name].layer
                read[name] = {leaf: as_layer(leaf, tensor, layer) for leaf, tensor in leaves.items()}
        return read


def _constants(wanted: Wanted) -> dict[str, Tensor]:
    method, rank = wanted.method, wanted.rank
    if method is None or method.algo == "full":
        return {}
    if method.algo == "ia3":
        return {ON_INPUT: torch.tensor(int(method.train_on_input))}
    if method.algo in ("diag-oft", "boft"):
        return {ALPHA: torch.tensor(method.constraint)}
    return {ALPHA: torch.tensor(rank.alpha * rank.rank**0.5 if method.rs_lora else rank.alpha)}


def _block(wanted: Wanted) -> int | None:
    return wanted.method.block_size if wanted.method and wanted.method.algo == "dylora" else None


def _grown(ranks: Tensor, block: int | None) -> Tensor:
    """DyLoRA (Valipour et al., arXiv 2210.07558): of the ranks that take part only the last block learns."""
    return ranks if block is None else torch.cat([ranks[:-block].detach(), ranks[-block:]])


def _applied(layer: Layer, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """What a layer of this kind with other weights makes of the input."""
    if isinstance(layer, nn.Linear):
        return F.linear(x, weight, bias)
    if isinstance(layer, nn.Conv2d):
        return F.conv2d(x, weight, bias, layer.stride, layer.padding, layer.dilation, layer.groups)
    return _normed(layer, x, weight, bias)


def _normed(layer: nn.LayerNorm | nn.GroupNorm, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Weighted by hand: PyTorch's own group norm (2.13, on a CPU) crashes when its weight learns and its input,
    which lies in memory channels last, does not."""
    if isinstance(layer, nn.LayerNorm):
        normed = F.layer_norm(x, list(layer.normalized_shape), eps=layer.eps)
    else:
        normed = F.group_norm(x, layer.num_groups, eps=layer.eps)
        weight = weight.reshape(-1, *(1 for _ in x.shape[2:]))
        bias = None if bias is None else bias.reshape(weight.shape)
    added = normed * weight.to(normed.dtype)
    return added if bias is None else added + bias.to(normed.dtype)


def _placed(leaves: Leaves, layer: Layer, dtype: torch.dtype) -> dict[str, Tensor]:
    return {leaf: tensor.to(layer.weight.device, dtype, copy=True) for leaf, tensor in leaves.items()}


def _check_fit(seat: SeatedLayer, leaves: Leaves, path: Path) -> None:
    weight = seat.layer.weight
    hollow = {leaf: tensor.to("meta") if tensor.ndim else tensor for leaf, tensor in leaves.items()}
    try:
        change_of(kind_of(seat.name, leaves), hollow, torch.empty_like(weight, device="meta", dtype=torch.float32))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except ValueError as error:
        raise CheckpointError(
            f"{path}: {seat.name!r} does not fit the layer here, whose shape is {tuple(weight.shape)}: {error}. "
            "It was trained on another kind of base model."
        ) from error


def _check_alike(name: str, module: LycorisLayer, leaves: Leaves, path: Path) -> None:
    wanted = {leaf: tuple(tensor.shape) for leaf, tensor in module.learning.items() if leaf != SCALAR}
    found = {leaf: tuple(tensor.shape) for leaf, tensor in leaves.items() if leaf not in CONSTANT}
    if wanted != found:
        raise CheckpointError(
            f"{path}: {name!r} has {_shapes(found)}; asked for is {_shapes(wanted)}. Set dim_from_weights, or "
            "the method and the ranks of the file."
        )


def _shapes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{leaf} {'x'.join(map(str, shape)) or 1}" for leaf, shape in sorted(shapes.items()))


def _same_constants(module: LycorisLayer, leaves: Leaves) -> bool:
    return all(float(value) == float(leaves.get(leaf, value)) for leaf, value in module.constants.items())


@torch.no_grad()
def _copy_into(module: LycorisLayer, leaves: Leaves) -> None:
    for leaf, weight in module.learning.items():
        weight.copy_(torch.ones(()) if leaf == SCALAR else leaves[leaf])
