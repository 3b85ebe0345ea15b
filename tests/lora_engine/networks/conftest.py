"""Networks of LyCORIS beside the layers of tiny models."""

from __future__ import annotations

import pytest
import torch

from lora_engine.families import load
from lora_engine.maths.streams import Streams
from lora_engine.networks.dropout import Dropout, DropoutShares
from lora_engine.networks.lycoris import LycorisNetwork
from sd_contract.base_models.base_model import inspect_trainable
from sd_contract.lycoris.plan import lycoris_plan
from sd_contract.options import settings_from

WAYS = {
    "locon": (),
    "locon tucker": ("use_tucker=True",),
    "locon rs, scalar": ("rs_lora=True", "use_scalar=True"),
    "dora": ("dora_wd=True",),
    "dora on output": ("dora_wd=True", "wd_on_output=True"),
    "loha": ("algo=loha",),
    "loha tucker, scalar": ("algo=loha", "use_tucker=True", "use_scalar=True"),
    "doha": ("algo=loha", "dora_wd=True"),
    "lokr": ("algo=lokr",),
    "lokr factor": ("algo=lokr", "factor=2", "unbalanced_factorization=True"),
    "lokr both": ("algo=lokr", "decompose_both=True", "use_tucker=True"),
    "lokr whole": ("algo=lokr", "full_matrix=True", "use_scalar=True"),
    "full, norms": ("algo=full", "train_norm=True"),
    "ia3": ("algo=ia3", "preset=ia3"),
    "ia3 everywhere": ("algo=ia3",),
    "glora": ("algo=glora", "use_scalar=True"),
    "oft": ("algo=diag-oft",),
    "oft constrained": ("algo=diag-oft", "constraint=0.001", "rescaled=True"),
    "boft": ("algo=boft", "rescaled=True"),
    "dylora": ("algo=dylora", "block_size=2"),
}
"""`network_args` that between them use every method and every argument that shapes one."""


def plan(*arguments, module="lycoris.kohya", rank=2, alpha=1.0, **options):
    values = {"network_module": module, "network_dim": rank, "network_alpha": alpha, **options}
    return lycoris_plan(settings_from({**values, "network_args": list(arguments)}))


def rank_for(way):
    """BOFT needs a rank that splits the widths 8, 12 and 16."""
    return 6 if way == "boft" else 2


@pytest.fixture
def models(tiny_models):
    """A function that loads the tiny model of a family in a number format."""

    def loaded(family="sd1", dtype=torch.float32):
        return load(inspect_trainable(tiny_models[family]), dtype=dtype)

    return loaded


def attach(model, wanted, *, dtype=torch.float32, seed=0, stirred=True, shares=None):
    streams = Streams(seed)
    dropout = Dropout(shares or DropoutShares(), streams)
    network = LycorisNetwork.planned(
        model.unet, model.text_encoder, wanted, streams=streams, dropout=dropout, dtype=dtype
    )
    if stirred:
        stir(network, seed)
    return network


@torch.no_grad()
def stir(network, seed=0, much=0.05):
    """Moves every weight, so that none is 0 any more."""
    for number, weight in enumerate(network.parameters()):
        draw = torch.randn(weight.shape, generator=Streams(seed).generator("stir", number))
        weight.add_(much * draw.to(weight.dtype))
