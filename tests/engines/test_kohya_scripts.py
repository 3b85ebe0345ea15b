"""Which script trains a base model: told by the names in its file. The names are those of published files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from benchmarks.pocket.blueprint import Blueprint, build
from benchmarks.pocket.single_file import save
from train_tools.engines.kohya.scripts import SCRIPTS, family_of, script_for
from train_tools.errors import BaseModelNotUsableError

ALL = tuple(script.name for script in SCRIPTS)
NAMES = {
    "flux": ("double_blocks.0.img_attn.qkv.weight", "single_blocks.0.linear1.weight"),
    "sd3": ("model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight",),
    "lumina": ("cap_embedder.0.weight", "noise_refiner.0.attention.qkv.weight"),
    "hunyuan_image": ("byt5_in.fc1.weight", "double_blocks.0.img_attn_q.weight"),
    "anima": ("llm_adapter.blocks.0.cross_attn.q_proj.weight", "blocks.0.self_attn.q_proj.weight"),
}


def model(folder: Path, names: tuple[str, ...]) -> Path:
    path = folder / "base.safetensors"
    save_file({name: np.zeros((2, 2), np.float16) for name in names}, path)
    return path


@pytest.mark.parametrize("family", NAMES)
def test_flow_models_are_trained_by_the_script_of_their_family(tmp_path, family):
    path = model(tmp_path, NAMES[family])
    assert family_of(path) == family
    assert script_for(path, ALL).name == f"{family}_train_network"


@pytest.mark.parametrize(
    ("family", "script"), [("sd1", "train_network"), ("sd2", "train_network"), ("sdxl", "sdxl_train_network")]
)
def test_stable_diffusion_is_told_by_its_text_encoders(tmp_path, family, script):
    path = tmp_path / "base.safetensors"
    save(build(Blueprint.of_width(8, family)), path, title=family)
    assert script_for(path, ALL).name == script


def test_a_family_that_the_checkout_is_too_old_for_is_told(tmp_path):
    path = model(tmp_path, NAMES["flux"])
    with pytest.raises(BaseModelNotUsableError, match="of the family FLUX, which the scripts of this checkout"):
        script_for(path, ("train_network", "sdxl_train_network"))


def test_a_script_may_be_said(tmp_path):
    path = model(tmp_path, ("something.new.weight",))
    assert script_for(path, ALL, "flux_train_network").name == "flux_train_network"
    with pytest.raises(BaseModelNotUsableError, match="unknown family"):
        script_for(path, ALL)


def test_a_file_that_changes_is_looked_at_again(tmp_path):
    assert family_of(model(tmp_path, NAMES["flux"])) == "flux"
    assert family_of(model(tmp_path, (*NAMES["sd3"], "x"))) == "sd3"
