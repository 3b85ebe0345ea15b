"""What a tool's file will weigh, held against what the engine's tools write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lora_engine.tools.command_lines import carry_out_tool
from sd_contract.tensors.tensor_files import read_header
from train_tools.errors import OptionValueError
from train_tools.model.lora_tool import ConvertWish, ExtractWish, MergeWish, ResizeWish, ToolWish
from train_tools.tools.command_lines import call_for
from train_tools.tools.sizes import about_bytes

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"
HEADERS = 200_000
"""What a file holds besides numbers stays below this here."""


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tuned.safetensors"
    numbers = np.random.default_rng(0)
    changed = {
        name: (each + numbers.normal(0, 0.05, each.shape)).astype(each.dtype)
        for name, each in load_file(POCKET).items()
    }
    save_file(changed, path)
    return path


def made(wish: ToolWish, output: Path) -> Path:
    call = call_for(wish)
    assert carry_out_tool(call.script, [*call.words, "--save_to", str(output)]) == 0
    return output


def within(path: Path) -> int:
    """Bytes of numbers, without the header."""
    header = read_header(path)
    return header.file_size - header.data_start


@pytest.fixture(scope="module")
def loras(tuned: Path) -> tuple[Path, Path]:
    """Of different ranks, one of them with convolutions."""
    small = made(ExtractWish(original=POCKET, tuned=tuned, rank=4), tuned.with_name("small.safetensors"))
    large = made(
        ExtractWish(original=POCKET, tuned=tuned, rank=6, conv_rank=3), tuned.with_name("large.safetensors")
    )
    return small, large


WISHES: dict[str, ToolWish] = {
    "extract": ExtractWish(original=Path("POCKET"), tuned=Path("TUNED"), rank=4),
    "extract convolutions": ExtractWish(
        original=Path("POCKET"), tuned=Path("TUNED"), rank=6, conv_rank=3, precision="bf16"
    ),
    "merge": MergeWish(models=(Path("SMALL"), Path("LARGE")), precision="fp16"),
    "merge at a rank": MergeWish(models=(Path("SMALL"), Path("LARGE")), rank=8, conv_rank=2),
    "merge into a model": MergeWish(models=(Path("SMALL"),), into=Path("POCKET")),
    "resize": ResizeWish(model=Path("LARGE"), rank=5, conv_rank=2),
    "convert": ConvertWish(model=Path("LARGE"), scheme="kohya-diffusers", precision="fp16"),
    "convert for PEFT": ConvertWish(model=Path("LARGE"), scheme="peft"),
}


@pytest.mark.parametrize("what", sorted(WISHES))
def test_a_file_is_as_large_as_was_told(what: str, tuned: Path, loras: tuple[Path, Path], tmp_path: Path) -> None:
    files = {"POCKET": POCKET, "TUNED": tuned, "SMALL": loras[0], "LARGE": loras[1]}
    wish = WISHES[what]
    named = {
        field: tuple(files[str(each)] for each in value) if field == "models" else files[str(value)]
        for field, value in vars(wish).items()
        if field in ("models", "model", "into", "original", "tuned") and value
    }
    wish = replace(wish, **named)  # type: ignore[arg-type]
    told = about_bytes(wish)
    got = made(wish, tmp_path / "made.safetensors")
    alphas = sum(entry.shape == () for entry in read_header(got).tensors.values()) * 4
    assert within(got) - alphas <= told <= within(got) + HEADERS
    if not (isinstance(wish, MergeWish) and wish.into):
        assert told <= within(got)


def test_what_is_no_lora_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionValueError, match="is a folder"):
        about_bytes(MergeWish(models=(tmp_path,)))
    with pytest.raises(OptionValueError, match="holds no LoRA"):
        about_bytes(ResizeWish(model=POCKET, rank=4))
