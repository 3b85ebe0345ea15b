from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.app.test_lora_tools import LAYER, change
from tests.test_cli import POCKET, Say, command_line

TEXT = "lora_te_text_model_encoder_layers_0_mlp_fc1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loras") / "a, [b] 猫"
    folder.mkdir()
    numbers = np.random.default_rng(0)
    tensors = {}
    for layer, out in ((LAYER, 32), (TEXT, 128)):
        tensors[f"{layer}.lora_up.weight"] = numbers.normal(size=(out, 4)).astype(np.float32)
        tensors[f"{layer}.lora_down.weight"] = numbers.normal(size=(4, 32)).astype(np.float32)
        tensors[f"{layer}.alpha"] = np.array(2, np.float32)
    save_file(tensors, folder / "mine.safetensors", {"ss_base_model_version": "sd_v1"})
    return folder


@pytest.fixture(scope="module")
def say(folder: Path) -> Say:
    return command_line(folder.parent)


def test_a_lora_goes_into_a_base_model_and_comes_out_again(say, folder):
    mine, tuned, back = (folder / f"{name}.safetensors" for name in ("mine", "tuned", "back"))
    done = say("lora", "merge", mine, "--into", POCKET, "--ratio", "0.5", "--precision", "float", "--to", tuned)
    assert (done.code, f"Written: {tuned}" in done.out) == (0, True), done
    assert say("lora", "extract", POCKET, tuned, "--rank", "4", "--to", back, "--json").json["state"] == "done"
    assert np.abs(change(back) - 0.5 * change(mine)).max() < 1e-5
    assert "is there already" in say("lora", "merge", mine, "--into", POCKET, "--to", tuned).err


def test_what_a_lora_holds_is_told_and_drawn(say, folder):
    told = say("lora", "inspect", folder / "mine.safetensors", "--chart", folder / "chart.svg").out
    assert "LoRA for SD1: 2 layers" in told
    assert "Ranks (layers): 4 (2). Alphas: 2 (2)." in told
    assert (folder / "chart.svg").read_text(encoding="utf-8").startswith("<svg")
    facts = say("lora", "inspect", folder / "mine.safetensors", "--json").json
    assert [block["block"] for block in facts["blocks"]] == ["BASE", "IN01"]


def test_resizing_waits_in_the_queue_when_that_is_wished(say, folder):
    out = folder / "small.safetensors"
    said = say("lora", "resize", folder / "mine.safetensors", "--rank", "2", "--to", out, "--queue")
    assert (said.code, "queued" in said.out, out.exists()) == (0, True, False)
    assert say("work", "--quiet").code == 0
    assert {len(value) for name, value in load_file(out).items() if "lora_down" in name} == {2}


def test_a_conversion_that_fails_is_told(say, folder):
    (folder / "broken.pt").write_bytes(b"nothing")
    said = say("lora", "convert", folder / "broken.pt", "--to", folder / "x.safetensors")
    assert said.code == 1
    assert "holds tensors alone" in said.out + said.err
    assert say("lora", "convert", folder / "none.pt", "--to", folder / "x.safetensors").code == 1
