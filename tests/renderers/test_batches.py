"""Pictures that the bundled renderer paints at the same time: which they are, and that none minds its company."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lora_engine.families import load
from sd_contract.base_models.base_model import inspect_trainable
from tests.lora_engine.lycoris_files import LycorisNetworks, parts_of
from tests.renderers.scene import POCKET, pocket, write_lora
from tests.renderers.test_diffusers import PICTURE, full_lora
from train_tools.errors import TrainToolsError
from train_tools.previews.renderer import RenderRequest, WantedPicture
from train_tools.renderers.diffusers_process import DiffusersPainter
from train_tools.renderers.session import PictureError

SMALL = replace(PICTURE, width_px=64, height_px=64, steps=3, sampler="euler_a")


@pytest.fixture(scope="module")
def model():
    return load(inspect_trainable(POCKET))


@pytest.fixture(scope="module")
def lora(tmp_path_factory) -> Path:
    return full_lora(tmp_path_factory.mktemp("loras") / "zorb.safetensors")


@pytest.fixture
def painter_of(model):
    """Makes painters with the same model, which is itself again afterwards."""
    made = []

    def make(kind=DiffusersPainter, device="cpu", **more):
        request = RenderRequest(base=pocket(), folder=POCKET.parent, wanted=(), **more)
        made.append(kind(model, torch.device(device), request))
        return made[-1]

    yield make
    for painter in made:
        painter.use(None)


def painted(painter, *pictures):
    images = painter.paint(pictures, lambda: False)
    return [image if isinstance(image, PictureError) else np.asarray(image) for image in images]


def sizes_of(painter, pictures):
    wanted = [WantedPicture(picture=picture, file=Path("x.png"), checkpoint=None) for picture in pictures]
    return [len(batch) for batch in painter.batches(wanted)]


def test_a_picture_is_the_same_to_the_last_bit_alone_and_in_any_company(painter_of, lora):
    painter = painter_of()
    painter.use(lora)
    one = replace(SMALL, weight=0.5)
    others = [replace(SMALL, weight=weight, seed=seed) for weight, seed in ((1.0, 5), (0.0, 6), (-0.5, 7))]
    (alone,) = painted(painter, one)
    together = painted(painter, *others, one)
    assert (together[3] == alone).all()
    assert not (together[0] == alone).all()
    painter.use(None)
    (base,) = painted(painter, replace(others[1], weight=0.0))
    assert (base == together[1]).all()


def test_prompts_of_different_length_are_no_hindrance(painter_of, lora):
    painter = painter_of()
    painter.use(lora)
    long = replace(SMALL, prompt="a red circle BREAK on white")
    (alone,), both = painted(painter, long), painted(painter, SMALL, long)
    assert (both[1] == alone).all()


def test_small_pictures_that_are_sampled_alike_are_painted_together(painter_of):
    painter = painter_of()
    assert sizes_of(painter, [replace(SMALL, seed=seed) for seed in range(6)]) == [4, 2]
    assert sizes_of(painter, [SMALL, replace(SMALL, steps=4), replace(SMALL, prompt="x")]) == [2, 1]
    assert sizes_of(painter, [replace(SMALL, width_px=256, seed=seed) for seed in range(3)]) == [1, 1, 1]
    on_gpu = painter_of(device="meta")
    assert sizes_of(on_gpu, [replace(SMALL, width_px=512, height_px=512)] * 5) == [4, 1]
    assert sizes_of(on_gpu, [replace(SMALL, width_px=1024, height_px=1024)] * 2) == [1, 1]


def test_weights_of_a_kind_that_changes_the_model_itself_are_painted_one_after_the_other(
    painter_of, lora, tmp_path
):
    file = LycorisNetworks(parts_of(load(inspect_trainable(POCKET))), "LoKr").save(tmp_path / "x.safetensors")
    painter = painter_of()
    pictures = [replace(SMALL, weight=weight, seed=seed) for seed in (1, 2) for weight in (0.5, 1.0)]
    painter.use(file)
    assert sizes_of(painter, pictures) == [2, 2]
    painter.use(lora)
    assert sizes_of(painter, pictures) == [4]


def test_a_picture_that_can_not_be_painted_does_not_take_its_company_along(painter_of, tmp_path):
    other = tmp_path / "wide.safetensors"
    save_file({"emb_params": torch.zeros(1, 1000)}, other)
    painter = painter_of(embeddings={"wide 1": other})
    painter.use(None)
    fine, failed = painted(painter, SMALL, replace(SMALL, prompt="a wide", embeddings=("wide 1",)))
    assert isinstance(fine, np.ndarray)
    assert "made for text encoders of width 1000" in str(failed)
    painter.use(write_lora(tmp_path / "x.safetensors", strength=float("nan")))
    told = [str(each) for each in painted(painter, SMALL, replace(SMALL, weight=2.0))]
    assert "x.safetensors gives no picture at weight 0.7" in told[0] and "at weight 2" in told[1]


class SmallGpu(DiffusersPainter):
    """It has memory for one picture at a time, and none for large ones."""

    def _painted(self, pictures, stopped):
        if len(pictures) > 1 or pictures[0].width_px > 100:
            raise torch.OutOfMemoryError
        return super()._painted(pictures, stopped)


def test_a_gpu_with_little_memory_paints_one_after_the_other(painter_of):
    painter = painter_of(SmallGpu)
    painter.use(None)
    assert len(painted(painter, SMALL, replace(SMALL, seed=9))) == 2
    assert sizes_of(painter, [SMALL] * 3) == [1, 1, 1]
    with pytest.raises(TrainToolsError, match="too little free memory for a picture of 128x64"):
        painted(painter, replace(SMALL, width_px=128))
