"""What the LoRA tools refuse, each in a sentence and without a file; and the scripts as people start them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lora_engine.tools.command_lines import PARSERS
from lora_engine.tools.lora_files import whole_file
from tests.lora_engine.tools.conftest import changes, farthest

SCRIPTS = Path(__file__).parents[3] / "sd_scripts" / "networks"


@pytest.fixture
def out(tmp_path):
    """A file that must not appear."""
    yield tmp_path / "out" / "new.safetensors"
    assert not list(tmp_path.glob("out/*"))


def changed(lora, tmp_path, change, name="changed"):
    tensors = load_file(lora)
    change(tensors)
    path = tmp_path / f"{name}.safetensors"
    save_file(tensors, path)
    return path


def spoil(tensors):
    next(tensor for key, tensor in tensors.items() if "lora_up" in key)[0, 0] = float("nan")


def lack(tensors):
    del tensors[next(key for key in tensors if "lora_up" in key)]


def misfit(tensors):
    key = next(key for key in tensors if "lora_up" in key)
    tensors[key] = torch.ones(tensors[key].shape[0], 7)


def dora(tensors):
    tensors["lora_unet_mid_block_attentions_0_proj_in.dora_scale"] = torch.ones(1, 16)


@pytest.mark.parametrize(
    ("change", "words"),
    [(spoil, "no numbers"), (lack, "lacks lora_up.weight"), (misfit, "does not fit itself"), (dora, "is DoRA")],
)
def test_a_spoilt_lora_is_told(change, words, lora_of, tool, out, tmp_path):
    lora = changed(lora_of(), tmp_path, change)
    tool("merge_lora", "--models", lora, "--exact", "--save_to", out, fails=words)
    tool("resize_lora", "--model", lora, "--save_to", out, fails=words)


def test_a_damaged_file_is_told(lora_of, tool, out, tmp_path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(lora_of().read_bytes()[:-10])
    tool("resize_lora", "--model", cut, "--save_to", out, fails="is cut short")
    tool("check_lora_weights", cut, fails="is cut short")
    cut.with_suffix(".pt").write_bytes(b"PK\x03\x04 nothing")
    tool("convert_lora", "--model", cut.with_suffix(".pt"), "--save_to", out, fails="no file of tensors")


def test_files_that_are_no_loras_are_told(tiny_models, tool, out, tmp_path):
    tool("resize_lora", "--model", tiny_models["sd1"], "--save_to", out, fails="is no LoRA")
    tool("resize_lora", "--model", tmp_path / "none.safetensors", "--save_to", out, fails="does not exist")
    tool("convert_lora", "--model", tmp_path / "none.pt", "--save_to", out, fails="does not exist")


def test_loras_of_other_families_are_told(tiny_models, lora_of, tool, out):
    sd1, sdxl = lora_of(), lora_of("sdxl")
    tool("merge_lora", "--models", sd1, sdxl, "--exact", "--save_to", out, fails="different base models")
    words = ("--models", sd1, "--save_to", out)
    tool("sdxl_merge_lora", "--sd_model", tiny_models["sdxl"], *words, fails="is a LoRA for SD1 models")
    tool("merge_lora", "--sd_model", lora_of(), *words[:1], lora_of(seed=3), *words[2:], fails="is a LoRA file")


def test_a_lora_for_a_wider_model_is_told(lora_of, tiny_models, tool, out, tmp_path):
    def widen(tensors):
        for key in [key for key in tensors if "lora_down" in key]:
            tensors[key] = torch.cat([tensors[key], tensors[key]], 1)

    wide = changed(lora_of(), tmp_path, widen)
    tool("merge_lora", "--sd_model", tiny_models["sd1"], "--models", wide, "--save_to", out, fails="does not fit")
    tool("merge_lora", "--models", wide, lora_of(), "--exact", "--save_to", out, fails="different shapes")


def test_inputs_are_never_overwritten(lora_of, tiny_models, tool, tmp_path):
    lora = tmp_path / "mine.safetensors"
    lora.write_bytes(lora_of().read_bytes())
    link = tmp_path / "link.safetensors"
    link.symlink_to(lora)
    before = lora.read_bytes()
    for target in (lora, link, tmp_path / "x" / ".." / "mine.safetensors"):
        tool("resize_lora", "--model", lora, "--save_to", target, fails="one of the files that are read")
    tool("merge_lora", "--models", lora, "--save_to", lora, fails="one of the files")
    words = ("--models", lora, "--sd_model", tiny_models["sd1"])
    tool("merge_lora", *words, "--save_to", tiny_models["sd1"], fails="one of the files")
    assert lora.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("merge_lora", ("--save_to", "x.safetensors"), "--models is missing"),
        ("merge_lora", ("--models", "a"), "--save_to is missing"),
        ("merge_lora", ("--models", "a", "--save_to", "x.ckpt"), "others are pickles"),
        ("merge_lora", ("--models", "a", "--ratios", 1, 2, "--save_to", "x.safetensors"), "2 for 1 models"),
        ("svd_merge_lora", ("--models", "a", "--new_rank", 0, "--save_to", "x.safetensors"), "at least 1"),
        ("svd_merge_lora", ("--models", "a", "--clamp_quantile", 2, "--save_to", "x.safetensors"), "at most 1"),
        (
            "resize_lora",
            ("--model", "a", "--save_to", "x.safetensors", "--dynamic_method", "sv_fro"),
            "20 is usual",
        ),
        (
            "resize_lora",
            ("--model", "a", "--save_to", "x.safetensors", "--dynamic_method", "sv_ratio", "--dynamic_param", 0.5),
            "at least 1",
        ),
        (
            "extract_lora_from_models",
            ("--model_org", "a", "--save_to", "x.safetensors"),
            "--model_tuned is missing",
        ),
    ],
)
def test_command_lines_that_make_no_sense_are_told_before_torch_loads(name, words, told, tool):
    tool(name, *words, fails=told)


def test_a_device_that_is_not_there_is_told(lora_of, tool, out):
    tool("resize_lora", "--model", lora_of(), "--device", "cuda:77", "--save_to", out, fails="can't be used")


def test_a_number_format_that_is_too_small_is_told(lora_of, tiny_models, tool, out, tmp_path):
    def enlarge(tensors):
        for key in tensors:
            if "lora_up" in key:
                tensors[key] *= 1e6

    large = changed(lora_of(), tmp_path, enlarge)
    tool(
        "merge_lora", "--models", large, "--exact", "--save_precision", "fp16", "--save_to", out, fails="infinite"
    )
    tool("merge_lora", "--sd_model", tiny_models["sd1"], "--models", large, "--save_to", out, fails="no numbers")


def test_a_folder_that_can_not_be_written_is_told(lora_of, tool, tmp_path):
    (tmp_path / "file").write_text("x")
    target = tmp_path / "file" / "new.safetensors"
    tool("resize_lora", "--model", lora_of(), "--save_to", target, fails="can't be written")


def test_a_file_that_breaks_off_leaves_what_was_there(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_text("before")
    with pytest.raises(RuntimeError), whole_file(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert (path.read_text(), len(list(tmp_path.iterdir()))) == ("before", 1)


def test_checking_lists_kohyas_lines(lora_of, tool):
    lora = lora_of()
    told = tool("check_lora_weights", lora).splitlines()
    tensors = load_file(lora)
    up = next(key for key in tensors if key.endswith("lora_up.weight"))
    shape = str(tuple(tensors[up].shape)).replace(", ", "-")
    assert told[0] == f"number of LoRA modules: {len(tensors) * 2 // 3}"
    assert f"{up},{shape},{tensors[up].abs().mean()},{tensors[up].abs().min()}" in told
    assert f"number of all modules: {len(tensors)}" in tool("check_lora_weights", lora, "-s")


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_every_script_starts_without_a_path_set(name):
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, SCRIPTS / f"{name}.py", "--help"], env=clean, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "usage:" in done.stdout) == (0, True), done.stderr


def test_a_script_merges_with_names_that_break_careless_code(awkward_name, lora_of, tmp_path):
    folder = tmp_path / awkward_name
    folder.mkdir()
    lora, out = folder / "a.safetensors", folder / f"{awkward_name[:60]}.safetensors"
    lora.write_bytes(lora_of().read_bytes())
    words = ["--models", lora, "--ratios", "-1", "--exact", "--save_to", out]
    done = subprocess.run(
        [sys.executable, SCRIPTS / "merge_lora.py", *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, f"saved: {out}" in done.stdout) == (0, True), done.stderr
    assert farthest(changes(out), {name: -change for name, change in changes(lora).items()}) < 1e-6
