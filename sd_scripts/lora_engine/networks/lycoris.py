"""Networks of LyCORIS (Yeh et al., arXiv 2309.14859) on a U-Net and a text encoder: attach, collect, save, load.

Formulas are in `formulas`, first values in `begun`; which layers are changed how, the plan says. Why the package
lycoris-lora is not used: doc/decisions/0012-lycoris.md."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from lora_engine.maths.streams import Streams
from lora_engine.networks.begun import new_leaves
from lora_engine.networks.dropout import Dropout
from lora_engine.networks.formulas import (
    CONSTANT,
    ON_INPUT,
    Leaves,
    bias_change,
    formula_of,
    weight_change,
)
from lora_engine.networks.seats import Layer, SeatedLayer, as_convolution, as_layer, seated_layers
from sd_contract.errors import CheckpointError
from sd_contract.lycoris import LycorisPlan, Wanted
from sd_contract.lycoris_tensors import MID, SCALAR
from sd_contract.tensors.tensor_files import verify_safetensors
from sd_contract.tensors.tensor_names import ALPHA, DOWN, UP, Part

SCALED = (UP, "hada_w1_a", "lokr_w1", "lokr_w1_a", "a2.weight", "b2.weight")
"""Leaves that the scalar is multiplied into."""


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
        self.base = base
        self.constants = constants
        self.dropout = dropout
        self.block = block
        self.multiplier = 1.0
        for leaf, tensor in leaves.items():
            self.register_parameter(_registered(leaf), nn.Parameter(tensor))

    @property
    def learning(self) -> dict[str, nn.Parameter]:
        """The weights that training moves, the scalar among them."""
        own = self.named_parameters(recurse=False)
        return {name.replace("/", "."): weight for name, weight in own}

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
        added = self._added(x)
        if self.dropout is not None:
            ranks_last = not isinstance(self.base, (nn.Conv2d, nn.GroupNorm))
            added = self.dropout.thinned(self.name, added, ranks_last=ranks_last)
        return torch.add(y, added, alpha=self.multiplier)

    def change(self) -> Tensor:
        """What is added to the layer's weight at strength 1."""
        with torch.autocast(self.base.weight.device.type, enabled=False):
            return weight_change(self.leaves, self.base.weight.detach())

    @torch.no_grad()
    def limit_norm(self, longest: float) -> Tensor | None:
        """Shrinks the change to this length (kohya's scale_weight_norms): of rotations what makes them, with DoRA
        what its lengths are applied to. Returns the length it had; None for norms, which stay as they are."""
        leaves = self.leaves
        formula = formula_of(leaves)
        assert formula is not None
        limited, degree = formula.limited_in(leaves)
        if not limited:
            return None
        plain = {name: leaf for name, leaf in leaves.items() if name != "dora_scale"}
        turns = "oft_blocks" in leaves
        measured = leaves["oft_blocks"] if turns else weight_change(plain, self.base.weight.detach())
        length: Tensor = torch.linalg.vector_norm(measured.float())
        known = length.clamp(min=longest / 2)
        root = (known.clamp(max=longest) / known) ** (1 / degree)
        for leaf in limited:
            self.learning[leaf].mul_(root)
        return length

    def _added(self, x: Tensor) -> Tensor:
        """What the change makes of the input. It is computed again for the gradients instead of being kept."""
        leaves = self.leaves
        if DOWN in leaves and "dora_scale" not in leaves:
            return self._through_ranks(x, leaves)
        if _is_costly(leaves):
            change = checkpoint(self.change, use_reentrant=False, preserve_rng_state=False)
        else:
            change = self.change()
        return _applied(self.base, x, change, bias_change(leaves))

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
        self._other_names = {seat.other_name: name for name, seat in self._seats.items() if seat.other_name}
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
    ) -> LycorisNetwork:
        """A new network on the layers that the plan names. OptionError when a method can't split one of them."""
        network = cls(unet, text_encoder, dropout)
        for name, seat in network._seats.items():
            wanted = plan.wanted(seat.seat)
            if wanted is not None:
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
        return torch.stack([length for length in lengths if length is not None])

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
        """The leaves of a file by the names used here, in the shapes that layers have here."""
        read: dict[str, dict[str, Tensor]] = {}
        for name, leaves in read_leaves(path).items():
            own = self._other_names.get(name, name)
            seat = self._seats.get(own)
            read[own] = {leaf: as_layer(leaf, one, seat.layer) for leaf, one in leaves.items()} if seat else leaves
        return read


def read_leaves(path: Path) -> dict[str, dict[str, Tensor]]:
    """The tensors of a network's file by layer. CheckpointError when it is damaged or holds anything else."""
    from safetensors.torch import load_file

    verify_safetensors(path)
    read: dict[str, dict[str, Tensor]] = {}
    for key, tensor in load_file(path).items():
        name, _, leaf = key.partition(".")
        read.setdefault(name, {})[leaf] = tensor
    for name, leaves in read.items():
        if formula_of(leaves) is None:
            raise CheckpointError(
                f"{path}: {name!r} holds {', '.join(leaves)}, which is of no network known here."
            )
    if not read:
        raise CheckpointError(f"{path} holds no tensors.")
    return read


def _is_costly(leaves: Leaves) -> bool:
    """Whether much is made on the way to the change, or the change itself is as large as the weight."""
    return "diff" not in leaves and "w_norm" not in leaves


def _registered(leaf: str) -> str:
    """PyTorch allows no point in a parameter's name."""
    return leaf.replace(".", "/")


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
    """Weighted by hand: PyTorch's own group norm (2.13, on a CPU) crashes when its weight learns, its input does not
    and lies in memory channels last."""
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
    try:
        with torch.no_grad():
            fits = weight_change({n: t.float() for n, t in leaves.items()}, weight.cpu()).shape == weight.shape
    except (RuntimeError, KeyError, ZeroDivisionError):
        fits = False
    if not fits:
        raise CheckpointError(
            f"{path}: {seat.name!r} does not fit a layer of shape {tuple(weight.shape)}. It is damaged, or was "
            "trained on another kind of base model."
        )


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
