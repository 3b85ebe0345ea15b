"""LoRAs with random weights for the tiny models, and the tools started as their scripts start them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lora_engine.families import load
from lora_engine.maths.streams import Streams
from lora_engine.networks.lora import LoraNetwork
from lora_engine.tools.command_lines import carry_out_tool
from lora_engine.tools.layers import Layer
from lora_engine.tools.lora_files import open_lora, write_lora
from sd_contract.base_models.base_model import inspect_trainable
from sd_contract.networks import LAYOUTS, NetworkPlan, Rank

VERSIONS = {"sd1": "sd_v1", "sd2": "sd_v2", "sdxl": "sdxl_base_v1-0"}


@pytest.fixture(scope="session")
def model_of(tiny_models):
    """A fresh model of a family; LoRAs are attached to it."""
    return lambda family: load(inspect_trainable(tiny_models[family]))


@pytest.fixture(scope="session")
def lora_of(model_of, tmp_path_factory) -> Callable[..., Path]:
    """A LoRA file for a family: random weights of about 0.3, one rank for all layers or another for wide ones."""
    folder = tmp_path_factory.mktemp("loras")

    def make(family="sd1", *, rank=2, alpha=1.0, conv=None, seed=0, name="", metadata=None) -> Path:
        path = folder / f"{name or f'{family}-{rank}-{alpha}-{conv}-{seed}'}.safetensors"
        if path.exists():
            return path
        model = model_of(family)
        plan = NetworkPlan(layout=LAYOUTS[family], rank=Rank(rank, alpha), large=conv and Rank(*conv))
        network = LoraNetwork.planned(model.unet, model.text_encoder, plan, streams=Streams(seed))
        for one in network.modules.values():
            for weight in (one.down, one.up):
                weight.data = 0.3 * torch.randn(weight.shape, generator=Streams(seed).generator("stir", one.name))
        told = {"ss_base_model_version": VERSIONS[family], "ss_tag_frequency": '{"10_zorb": {"zorb": 4}}'}
        write_lora(path, network.tensors(), told | (metadata or {}))
        return path

    return make


@pytest.fixture
def tool(capfd) -> Callable[..., str]:
    """Runs a tool and gives what it printed; `fails` names a part of the one sentence it ends with instead."""

    def run(name: str, *words: object, fails: str = "") -> str:
        code = carry_out_tool(name, [str(word) for word in words])
        out, err = capfd.readouterr()
        assert (code == 0) is not bool(fails), err or out
        if fails:
            assert err.startswith("error: ") and err.count("\n") == 1, err
            assert fails in err
        return out + err

    return run


def changes(path: Path) -> dict[str, torch.Tensor]:
    """What each layer of a file changes, worked out in 64 bits: alpha / rank * up @ down."""
    return {name: change_of(layer) for name, layer in open_lora(path, torch.float64).layers.items()}


def change_of(layer: Layer) -> torch.Tensor:
    up, down = layer.up.double().flatten(1), layer.down.double().flatten(1)
    return (layer.alpha / layer.down.shape[0] * up @ down).reshape(layer.up.shape[0], *layer.down.shape[1:])


def farthest(found, wanted) -> float:
    """The largest difference between two sets of changes of the same layers."""
    assert found.keys() == wanted.keys()
    return max(float((found[name] - wanted[name]).abs().max()) for name in wanted)


def raw(path: Path) -> dict[str, torch.Tensor]:
    return {name: tensor.double() for name, tensor in load_file(path).items()}
