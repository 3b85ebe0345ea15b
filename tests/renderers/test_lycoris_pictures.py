"""Pictures with files that LyCORIS wrote, against those of the base model that LyCORIS itself merged them into."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lora_engine.families import load
from sd_contract.base_models.base_model import inspect_trainable
from tests.lora_engine.lycoris_files import LycorisNetworks, parts_of
from tests.renderers.scene import POCKET, pixels_of, pocket, render
from tests.renderers.test_diffusers import PICTURE
from train_tools.previews.renderer import RenderRequest, WantedPicture
from train_tools.renderers.diffusers import DiffusersRenderer
from train_tools.renderers.diffusers_process import DiffusersPainter

KINDS = ("LoHa", "LoKr", "DoRA")
LARGEST_DIFFERENCE = 1
"""Of 255 levels. Measured: 0 for LoHa and LoKr, 1 for DoRA."""
STRENGTH = 0.2


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    """A picture of each kind at weight 1 and one of the base model, rendered in one process."""
    folder = tmp_path_factory.mktemp("lycoris")
    wanted = [WantedPicture(picture=replace(PICTURE, weight=0.0), file=folder / "base.png", checkpoint=None)]
    for kind in KINDS:
        networks = LycorisNetworks(parts_of(load(inspect_trainable(POCKET))), kind, strength=STRENGTH)
        lora = networks.save(folder / f"{kind}.safetensors")
        for weight in (1.0, 0.5):
            picture = replace(PICTURE, weight=weight)
            wanted.append(WantedPicture(picture=picture, file=folder / f"{kind}-{weight:g}.png", checkpoint=lora))
    request = RenderRequest(base=pocket(), folder=folder, wanted=tuple(wanted), device="cpu")
    rendering = render(DiffusersRenderer(), request, folder)
    assert rendering.code == 0, rendering.output
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_equals_that_of_the_base_model_that_lycoris_merged(rendered, kind):
    merged = load(inspect_trainable(POCKET))
    LycorisNetworks(parts_of(merged), kind, strength=STRENGTH).merge()
    request = RenderRequest(base=pocket(), folder=rendered, wanted=())
    painter = DiffusersPainter(merged, torch.device("cpu"), request)
    painter.use(None)
    (theirs,) = painter.paint([replace(PICTURE, weight=0.0)], lambda: False)
    ours, half, base = (
        pixels_of(rendered / f"{name}.png").astype(int) for name in (f"{kind}-1", f"{kind}-0.5", "base")
    )
    assert np.abs(ours - np.asarray(theirs).astype(int)).max() <= LARGEST_DIFFERENCE
    assert np.abs(ours - base).max() > 20
    assert np.abs(half - base).max() > 8 and np.abs(half - ours).max() > 8
