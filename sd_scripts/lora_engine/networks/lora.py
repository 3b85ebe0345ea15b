"""LoRA (Hu et al., arXiv 2106.09685) beside the linear and convolution layers of a U-Net and a text
encoder, with the names and file layout of kohya's networks.lora. Knows layers and tensors, not training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lora_engine.maths.streams import Streams
from lora_engine.networks.dropout import Dropout
from sd_contract.errors import CheckpointError
from sd_contract.networks import SD, NetworkPlan, Rank
from sd_contract.tensors.tensor_files import verify_safetensors
from sd_contract.tensors.tensor_names import ALPHA, DOWN, UP, Part, lora_name

TARGET_CLASSES: Mapping[Part, frozenset[str]] = {
    "text_encoder": frozenset({"CLIPAttention", "CLIPMLP"}),
    "unet": frozenset({"Transformer2DModel"}),
}
# What a LoRA with ranks for convolutions ("LoCon") goes beside as well.
CONVOLUTION_CLASSES = frozenset({"ResnetBlock2D", "Downsample2D", "Upsample2D"})

_FILE_NAMES = {"down": DOWN, "up": UP}


@dataclass(frozen=True)
class LoraWeights:
    """The trained weights of one layer as they stand in a file. The rank is the first side of `down`."""

    down: Tensor
    up: Tensor
    alpha: float


class LoraModule(nn.Module):
    """Takes a layer's place: its output plus multiplier * alpha / rank * up(down(input)).

    `down` is [rank, in] or, for a convolution, [rank, in, height, width]; `up` is [out, rank] or [out,
    rank, 1, 1]. With multiplier 0 the output is the layer's own to the last bit."""

    def __init__(
        self, name: str, base: nn.Linear | nn.Conv2d, weights: LoraWeights, dropout: Dropout | None = None
    ) -> None:
        super().__init__()
        self.name = name
        self.base = base
        self.dropout = dropout
        self.down = nn.Parameter(weights.down)
        self.up = nn.Parameter(weights.up)
        self.alpha = weights.alpha
        self.multiplier: float | Tensor = 1.0
        """Of all pictures of a batch, or of each."""

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def scale(self) -> float:
        return self.alpha / self.rank

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.base(x)
        silent = not isinstance(self.multiplier, Tensor) and self.multiplier == 0
        if silent or (self.dropout is not None and self.dropout.skips(self.name)):
            return y
        inner = self._down(x)
        if self.dropout is not None:
            inner = self.dropout.thinned(self.name, inner, ranks_last=isinstance(self.base, nn.Linear))
        if isinstance(self.multiplier, Tensor):
            return torch.addcmul(y, self._up(inner), _rows_of(self.multiplier, y), value=self.scale)
        return torch.add(y, self._up(inner), alpha=self.scale * self.multiplier)

    def added(self, x: Tensor) -> Tensor:
        """What it adds to its layer's output at strength 1, whatever the multiplier and dropout."""
        return self._up(self._down(x)) * self.scale

    @torch.no_grad()
    def weight_change(self) -> Tensor:
        """What the LoRA at strength 1 adds to the layer's weight, in the weight's shape."""
        change = self.up.flatten(1) @ self.down.flatten(1)
        return (change * self.scale).reshape(self.base.weight.shape)

    @torch.no_grad()
    def limit_norm(self, longest: float) -> Tensor:
        """Shrinks both weights so that the change they make is no longer than `longest` (kohya's
        scale_weight_norms). Returns the length it had, still on the device."""
        down, up = self.down.flatten(1).float(), self.up.flatten(1).float()
        norm = ((up.T @ up) * (down @ down.T)).sum().clamp(min=0).sqrt() * self.scale
        known = norm.clamp(min=longest / 2)
        root = (known.clamp(max=longest) / known).sqrt()
        self.down.mul_(root)
        self.up.mul_(root)
        return norm

    def _down(self, x: Tensor) -> Tensor:
        if isinstance(self.base, nn.Conv2d):
            return F.conv2d(x, self.down, None, self.base.stride, self.base.padding, self.base.dilation)
        return F.linear(x, self.down)

    def _up(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.up) if isinstance(self.base, nn.Conv2d) else F.linear(x, self.up)


@dataclass(frozen=True)
class _Place:
    """A layer that can carry a LoRA: where it hangs in the model and what its tensors are called."""

    part: Part
    parent: nn.Module
    attribute: str
    name: str
    layer: nn.Linear | nn.Conv2d
    is_convolution_block: bool
    other_name: str = ""
    as_convolution: bool = False
    """Files keep this linear layer's LoRA as that of a convolution of one pixel."""

    @property
    def has_large_kernel(self) -> bool:
        return isinstance(self.layer, nn.Conv2d) and self.layer.kernel_size != (1, 1)


class LoraNetwork:
    """All LoRA modules of one U-Net and, if given, one text encoder or a list of them."""

    def __init__(self, unet: nn.Module | None, text_encoder: nn.Module | None) -> None:
        roots: dict[Part, nn.Module | None] = {"text_encoder": text_encoder, "unet": unet}
        self._places = {place.name: place for part, root in roots.items() for place in _places(part, root)}
        self._other_names = {place.other_name: name for name, place in self._places.items() if place.other_name}
        self.modules: dict[str, LoraModule] = {}
        self.dropout: Dropout | None = None
        self._multiplier: float | Tensor = 1.0

    @classmethod
    def attach(
        cls,
        unet: nn.Module | None,
        text_encoder: nn.Module | None,
        *,
        rank: int,
        alpha: float,
        streams: Streams,
        dtype: torch.dtype = torch.float32,
    ) -> LoraNetwork:
        """A new LoRA of one rank beside every attention layer; a model given as None is left out. It changes
        nothing until trained."""
        plan = NetworkPlan(layout=SD, rank=Rank(rank, alpha), large=None)
        return cls.planned(unet, text_encoder, plan, streams=streams, dtype=dtype)

    @classmethod
    def planned(
        cls,
        unet: nn.Module | None,
        text_encoder: nn.Module | None,
        plan: NetworkPlan,
        *,
        streams: Streams,
        dropout: Dropout | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> LoraNetwork:
        """A new LoRA on the layers that the plan names, with its ranks."""
        network = cls(unet, text_encoder)
        network.dropout = dropout
        for place in network._places.values():
            if place.is_convolution_block and not plan.covers_convolutions:
                continue
            wanted = plan.rank_of(place.name, large_kernel=place.has_large_kernel)
            if wanted is not None:
                weights = new_weights(place.layer, place.name, wanted.rank, wanted.alpha, streams, dtype)
                network._put(place, weights)
        return network

    @classmethod
    def from_file(
        cls,
        path: Path,
        unet: nn.Module | None,
        text_encoder: nn.Module | None,
        *,
        dropout: Dropout | None = None,
        dtype: torch.dtype | None = None,
    ) -> LoraNetwork:
        """The LoRA of a file, in the number format of the layers it is attached to unless another is wanted.
        CheckpointError as in `load`."""
        network = cls(unet, text_encoder)
        network.dropout = dropout
        network.load(path)
        for module in network.modules.values() if dtype else ():
            module.down.data, module.up.data = module.down.data.to(dtype), module.up.data.to(dtype)
        return network

    def load(self, path: Path) -> None:
        """Takes over the LoRA of another file; a file of the same layers and ranks is only copied into place.
        CheckpointError when it is damaged, no LoRA, or made for another model; nothing is changed then."""
        self.take(read_lora(path), path)

    def has_places(self, names: Iterable[str]) -> bool:
        """Whether the model has layers of all these names that a LoRA can stand beside."""
        return all(self._other_names.get(name, name) in self._places for name in names)

    def take(self, weights: Mapping[str, LoraWeights], path: Path) -> None:
        """Takes over the weights that were read from a file, as `load` does."""
        weights = self._under_own_names(weights)
        for name in weights:
            if name not in self._places:
                raise CheckpointError(f"{path} has a LoRA for {name!r}, which this model does not have.")
        for name, layer_weights in weights.items():
            _check_fit(self._places[name].layer, layer_weights, name, path)
        if self._same_shapes(weights):
            for name, layer_weights in weights.items():
                _copy_into(self.modules[name], layer_weights)
            return
        self.detach()
        for name, layer_weights in weights.items():
            self._put(self._places[name], _like_layer(layer_weights, self._places[name].layer))

    @property
    def multiplier(self) -> float | Tensor:
        """How strongly the LoRA acts: 0 not at all, 1 as trained; or how strongly on each picture of a batch,
        which may hold them several times over."""
        return self._multiplier

    @multiplier.setter
    def multiplier(self, value: float | Tensor) -> None:
        self._multiplier = value
        for module in self.modules.values():
            module.multiplier = value

    def modules_of(self, part: Part | None = None) -> dict[str, LoraModule]:
        """The modules by name, of one part or of all."""
        return {name: one for name, one in self.modules.items() if part in (None, self._places[name].part)}

    def learning(self, part: Part | None = None) -> Iterator[tuple[str, nn.Parameter, bool]]:
        """Each weight with its layer's name and whether LoRA+ lets it learn faster."""
        for name, module in self.modules_of(part).items():
            yield name, module.down, False
            yield name, module.up, True

    def parameters(self, part: Part | None = None) -> list[nn.Parameter]:
        """The trainable weights, of one part or of all."""
        return [weight for module in self.modules_of(part).values() for weight in (module.down, module.up)]

    def weights(self) -> dict[str, nn.Parameter]:
        """The weights that training moves, by their names in a file."""
        return {
            f"{name}.{_FILE_NAMES[own]}": parameter
            for name, module in self.modules.items()
            for own, parameter in module.named_parameters(recurse=False)
        }

    def tensors(self, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
        """The content of a LoRA file: three tensors a layer, copied to the CPU in the number format
        wanted."""
        content: dict[str, Tensor] = {}
        for name, module in self.modules.items():
            numbers = dtype or module.down.dtype
            pixel = self._places[name].as_convolution
            content[f"{name}.{DOWN}"] = _copy(_with_pixel(module.down) if pixel else module.down, numbers)
            content[f"{name}.{UP}"] = _copy(_with_pixel(module.up) if pixel else module.up, numbers)
            content[f"{name}.{ALPHA}"] = torch.tensor(module.alpha, dtype=numbers)
        return content

    def merge(self) -> None:
        """Writes the LoRA, as strong as the multiplier says, into the layers' own weights and is gone."""
        for module in self.modules.values():
            weight = module.base.weight.data
            weight += (module.weight_change() * self.multiplier).to(weight.dtype)
        self.detach()

    def start_from(self, path: Path) -> list[str]:
        """Copies the weights of a file whose ranks are this network's. Returns what a user should know: layers
        that only one of both has, and alphas that differ, which change the strength. CheckpointError when a
        rank or a layer's size differs."""
        found = self._under_own_names(read_lora(path))
        shared = {name: weights for name, weights in found.items() if name in self.modules}
        if not shared:
            raise CheckpointError(f"{path} has no layer in common with the LoRA that is to be trained.")
        for name, weights in shared.items():
            self._check_ranks(name, weights, path)
        for name, weights in shared.items():
            module = self.modules[name]
            _copy_into(module, LoraWeights(weights.down, weights.up, module.alpha))
        other_alphas = [n for n, w in shared.items() if w.alpha != self.modules[n].alpha]
        counts = (
            (len(self.modules) - len(shared), "layers begin anew, since it lacks them"),
            (len(found) - len(shared), "of its layers are left out, since they are not trained"),
            (len(other_alphas), "layers have another alpha, so they act with another strength"),
        )
        return [f"{path}: {count} {what}" for count, what in counts if count]

    def limit_norms(self, longest: float) -> Tensor:
        """Shrinks every layer's change to this length; returns the lengths before, still on the device."""
        return torch.stack([module.limit_norm(longest) for module in self.modules.values()])

    def detach(self) -> None:
        """Puts the layers back that the modules took the place of."""
        for name in self.modules:
            place = self._places[name]
            setattr(place.parent, place.attribute, place.layer)
        self.modules = {}

    def _under_own_names(self, weights: Mapping[str, LoraWeights]) -> dict[str, LoraWeights]:
        """The weights by the names used here, those of layers that are here in the layers' shape."""
        named = {self._other_names.get(name, name): found for name, found in weights.items()}
        return {
            name: _reshaped(found, self._places[name].layer) if name in self._places else found
            for name, found in named.items()
        }

    def _check_ranks(self, name: str, weights: LoraWeights, path: Path) -> None:
        _check_fit(self._places[name].layer, weights, name, path)
        if weights.down.shape[0] != self.modules[name].rank:
            raise CheckpointError(
                f"{path}: {name!r} has rank {weights.down.shape[0]}, rank {self.modules[name].rank} is asked for. "
                "Set dim_from_weights, or network_dim to the file's."
            )

    def _same_shapes(self, weights: Mapping[str, LoraWeights]) -> bool:
        return weights.keys() == self.modules.keys() and all(
            self.modules[name].down.shape == one.down.shape for name, one in weights.items()
        )

    def _put(self, place: _Place, weights: LoraWeights) -> None:
        module = LoraModule(place.name, place.layer, weights, self.dropout)
        module.multiplier = self._multiplier
        module.train(place.layer.training)
        setattr(place.parent, place.attribute, module)
        self.modules[place.name] = module


def new_weights(
    layer: nn.Linear | nn.Conv2d,
    name: str,
    rank: int,
    alpha: float,
    streams: Streams,
    dtype: torch.dtype = torch.float32,
) -> LoraWeights:
    """A LoRA that changes nothing yet: `down` Kaiming-uniform (a = sqrt 5), drawn for this layer's name,
    `up` 0."""
    kernel = layer.kernel_size if isinstance(layer, nn.Conv2d) else ()
    width = layer.in_channels if isinstance(layer, nn.Conv2d) else layer.in_features
    down = torch.empty(rank, width, *kernel)
    if layer.weight.device.type != "meta":
        nn.init.kaiming_uniform_(down, a=math.sqrt(5), generator=streams.generator("init", name))
    up = torch.zeros(layer.weight.shape[0], rank, *(1 for _ in kernel))
    device = layer.weight.device
    return LoraWeights(down.to(device, dtype), up.to(device, dtype), alpha)


def read_lora(path: Path) -> dict[str, LoraWeights]:
    """The weights of a LoRA file by layer name. CheckpointError when it is damaged or holds anything else."""
    from safetensors.torch import load_file

    verify_safetensors(path)
    return group_tensors(load_file(path), path)


def group_tensors(tensors: Mapping[str, Tensor], path: Path) -> dict[str, LoraWeights]:
    """The weights by layer name. A missing alpha is the rank, as all programs that load LoRAs agree."""
    leaves: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name, _, leaf = key.partition(".")
        if leaf not in (DOWN, UP, ALPHA):
            raise CheckpointError(f"{path} holds {key!r}, which belongs to no plain LoRA.")
        leaves.setdefault(name, {})[leaf] = tensor
    if not leaves:
        raise CheckpointError(f"{path} holds no tensors.")
    return {name: weights_of(name, found, path) for name, found in leaves.items()}


def weights_of(name: str, leaves: Mapping[str, Tensor], path: Path) -> LoraWeights:
    """A layer's weights of its tensors. CheckpointError when one is missing."""
    if DOWN not in leaves or UP not in leaves:
        raise CheckpointError(f"{path}: {name!r} lacks {DOWN} or {UP}.")
    down = leaves[DOWN]
    alpha = float(leaves[ALPHA]) if ALPHA in leaves else float(down.shape[0])
    return LoraWeights(down, leaves[UP], alpha)


def _places(part: Part, root: nn.Module | None) -> Iterator[_Place]:
    levels = levels_of_sdxl(root) if part == "unet" and root is not None else ()
    for path, module in root.named_modules() if root is not None else ():
        assert not isinstance(module, LoraModule), f"{path} already carries a LoRA; detach it first"
        kind = type(module).__name__
        is_convolution_block = part == "unet" and kind in CONVOLUTION_CLASSES
        if kind not in TARGET_CLASSES[part] and not is_convolution_block:
            continue
        for inner_path, layer in module.named_modules():
            if isinstance(layer, (nn.Linear, nn.Conv2d)):
                parent_path, _, attribute = inner_path.rpartition(".")
                name = lora_name(part, f"{path}.{inner_path}", levels)
                yield _Place(
                    part=part,
                    parent=module.get_submodule(parent_path),
                    attribute=attribute,
                    name=name,
                    layer=layer,
                    is_convolution_block=is_convolution_block,
                    other_name=lora_name(part, f"{path}.{inner_path}") if levels else "",
                    as_convolution=not levels
                    and isinstance(layer, nn.Linear)
                    and attribute in ("proj_in", "proj_out"),
                )


def levels_of_sdxl(unet: Any) -> tuple[bool, ...]:
    """Which levels of SDXL's U-Net have attention; nothing for other families, whose files use diffusers'
    names."""
    config = getattr(unet, "config", None)
    if config is None or config.get("addition_embed_type") != "text_time":
        return ()
    return tuple(kind.startswith("CrossAttn") for kind in config["down_block_types"])


def _rows_of(strengths: Tensor, y: Tensor) -> Tensor:
    """One strength for each row of a batch that holds the pictures as often as it is longer than they are many."""
    return strengths.repeat(y.shape[0] // len(strengths)).view(-1, *[1] * (y.ndim - 1))


def _with_pixel(tensor: Tensor) -> Tensor:
    return tensor[..., None, None]


def _reshaped(weights: LoraWeights, layer: nn.Linear | nn.Conv2d) -> LoraWeights:
    """The weights with as many sides as the layer's: files keep the LoRA of a linear layer as that of a
    convolution of one pixel, or the other way round."""
    sides = layer.weight.ndim
    down, up = (_with_sides(tensor, sides) for tensor in (weights.down, weights.up))
    return LoraWeights(down, up, weights.alpha)


def _with_sides(tensor: Tensor, sides: int) -> Tensor:
    if tensor.ndim == 4 and sides == 2 and tensor.shape[2:] == (1, 1):
        return tensor[..., 0, 0]
    return _with_pixel(tensor) if tensor.ndim == 2 and sides == 4 else tensor


def _check_fit(layer: nn.Linear | nn.Conv2d, weights: LoraWeights, name: str, path: Path) -> None:
    wanted = (layer.weight.shape[0], *layer.weight.shape[1:])
    found = (weights.up.shape[0], *weights.down.shape[1:])
    if found != wanted or weights.up.shape[1] != weights.down.shape[0]:
        raise CheckpointError(
            f"{path}: {name!r} is made for a layer of shape {found}, this model's is {wanted}. "
            "It was trained on another kind of base model."
        )


def _like_layer(weights: LoraWeights, layer: nn.Linear | nn.Conv2d) -> LoraWeights:
    """The weights where the layer is, in its number format; copied, since the memory of a file's tensors
    lies at odd addresses, which changes the last bits of products."""
    down, up = (tensor.to(layer.weight, copy=True) for tensor in (weights.down, weights.up))
    return LoraWeights(down, up, weights.alpha)


@torch.no_grad()
def _copy_into(module: LoraModule, weights: LoraWeights) -> None:
    module.down.copy_(weights.down)
    module.up.copy_(weights.up)
    module.alpha = weights.alpha


def _copy(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.detach().to("cpu", dtype, copy=True).contiguous()
