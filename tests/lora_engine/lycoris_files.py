"""LoRA files of all kinds with random weights, as LyCORIS itself writes them; and models with its networks on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

KINDS: Mapping[str, Mapping[str, Any]] = {
    "LoCon": {"network_module": "locon"},
    "LoCon with a kernel between": {"network_module": "locon", "use_tucker": True},
    "LoHa": {"network_module": "loha"},
    "LoHa with a kernel between": {"network_module": "loha", "use_tucker": True},
    "LoKr": {"network_module": "lokr"},
    "LoKr with a factor": {"network_module": "lokr", "factor": 2},
    "LoKr with a kernel between": {"network_module": "lokr", "use_tucker": True},
    "LoKr of two pairs": {"network_module": "lokr", "decompose_both": True, "lora_dim": 1, "conv_lora_dim": 1},
    "LoKr of whole matrices": {"network_module": "lokr", "full_matrix": True},
    "full": {"network_module": "full"},
    "norms": {"network_module": "locon", "train_norm": True},
    "IA3": {"network_module": "ia3"},
    "GLoRA": {"network_module": "glora"},
    "OFT": {"network_module": "diag-oft"},
    "OFT held back": {"network_module": "diag-oft", "constraint": 0.001},
    "OFT rescaled": {"network_module": "diag-oft", "rescaled": True},
    "DoRA": {"network_module": "locon", "weight_decompose": True},
    "DoRA of inputs": {"network_module": "locon", "weight_decompose": True, "wd_on_out": False},
    "DoRA of LoHa": {"network_module": "loha", "weight_decompose": True},
    "DoRA of LoKr": {"network_module": "lokr", "weight_decompose": True, "wd_on_out": False},
}
TARGETS = ("Transformer2DModel", "ResnetBlock2D", "Downsample2D", "CLIPAttention", "CLIPMLP", "Layers")
RANK = 2


class Layers(nn.Module):
    """One layer of each sort that networks are made for."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.linear = nn.Linear(12, 24)
        self.pixel = nn.Conv2d(8, 16, 1)
        self.kernel = nn.Conv2d(16, 8, 3, padding=1, bias=False)
        self.layer_norm = nn.LayerNorm(12)
        self.group_norm = nn.GroupNorm(4, 16)

    def answers(self) -> list[Tensor]:
        """What each layer makes of the same noise."""
        draws = torch.Generator().manual_seed(2)
        inputs = [
            torch.randn(2, *shape, generator=draws) for shape in ((12,), (8, 5, 5), (16, 5, 5), (12,), (16, 5))
        ]
        return [layer(x) for layer, x in zip(self.children(), inputs, strict=True)]


class LycorisNetworks:
    """LyCORIS' networks of one kind on modules by their prefix, with random weights."""

    def __init__(
        self, parts: Mapping[str, nn.Module], kind: str, *, alpha: float = RANK, strength: float = 0.2
    ) -> None:
        settings = {"lora_dim": RANK, "conv_lora_dim": RANK, "alpha": alpha, "conv_alpha": alpha, **KINDS[kind]}
        self._networks = [_network(part, prefix, settings) for prefix, part in parts.items()]
        for network in self._networks:
            _stir(network, strength)

    def save(self, path: Path) -> Path:
        """The file that LyCORIS would write; to be called before anything else."""
        tensors = [_tensors(lora) for network in self._networks for lora in network.loras]
        save_file(
            {
                name: one.detach().clone(memory_format=torch.contiguous_format)
                for leaves in tensors
                for name, one in leaves.items()
            },
            path,
        )
        return path

    def merge(self) -> None:
        """Puts everything into the modules' weights, at full strength."""
        with torch.no_grad():
            for network in self._networks:
                network.merge_to(1.0)

    def apply(self, strength: float) -> None:
        """Lets the networks act beside the layers, as they do while they are trained."""
        for lora in (lora for network in self._networks for lora in network.loras):
            lora.apply_to()
            lora.multiplier = strength


def parts_of(model: Any) -> dict[str, nn.Module]:
    """A model's parts by the prefix that their layers have in files."""
    if not isinstance(model.text_encoder, nn.ModuleList):
        return {"lora_unet": model.unet, "lora_te_text_model": model.text_encoder}
    first, second = model.text_encoder
    return {"lora_unet": model.unet, "lora_te1_text_model": first, "lora_te2": second}


def _network(part: nn.Module, prefix: str, settings: Mapping[str, Any]) -> Any:
    from lycoris import LycorisNetwork

    logging.getLogger("LyCORIS").setLevel(logging.ERROR)
    LycorisNetwork.apply_preset({"lora_prefix": prefix, "enable_conv": True, "target_module": list(TARGETS)})
    return LycorisNetwork(part, warn_on_unmatched=False, **settings)


def _stir(network: Any, strength: float) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for lora in network.loras:
            for name, weight in lora.named_parameters():
                drawn = strength * torch.randn(weight.shape, generator=generator)
                weight.copy_(weight + drawn if name in ("dora_scale", "rescale") else drawn)


def _tensors(lora: Any) -> dict[str, Tensor]:
    found = lora.state_dict()
    if lora.name == "full":  # which says how far its weight is from the layer's, as if it had taken its place
        found = {"diff": lora.weight} | ({} if lora.bias is None else {"diff_b": lora.bias})
    return {f"{lora.lora_name}.{leaf}": tensor for leaf, tensor in found.items()}
