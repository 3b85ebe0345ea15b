"""The whole way with the real trainer and renderer: a new concept is learnt, and previews show it."""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from benchmarks.pocket.measure import colour_share, zorb_score
from lora_engine.families import sd1
from lora_engine.networks.lora import LoraNetwork
from sd_contract.base_models.base_model import inspect_trainable
from tests.end_to_end.conftest import DEMO, POCKET, RATES_THAT_TEACH, CommandLine

SEEDS = "1,2,3,4,5,6,7,8"
MARGIN = 0.4


@pytest.fixture(scope="module")
def trained(command_line: CommandLine) -> Any:
    """One run of the demo's better setting, with its previews."""
    command_line.make_version("zorb", [DEMO / "dataset"], "--width", "64", "--height", "64", "--repeats", "5")
    return command_line.json(
        "submit", "zorb", "v1", "--wait", "--base-model", str(POCKET), *RATES_THAT_TEACH,
        "--set", "network_dim=16", "--set", "network_alpha=16", "--set", "train_batch_size=4",
        "--set", "lr_warmup_steps=20", "--set", "max_train_epochs=8", "--set", "save_every_n_epochs=4",
    )  # fmt: skip


PREVIEWS = (
    "zorb", "v1", "--prompt", "a zorb on a white background", "--weights", "0,0.5,1", "--seeds", SEEDS,
    "--size", "64", "--steps", "15", "--guidance", "5",
)  # fmt: skip


@pytest.fixture(scope="module")
def rendered(trained: Any, command_line: CommandLine) -> Any:
    return command_line.json("preview", *PREVIEWS)


def test_the_concept_grows_with_the_weight(rendered: Any, command_line: CommandLine) -> None:
    """Means over 8 seeds, of the last checkpoint: the share of a zorb's colours, and at full weight the zorb
    itself, of which half a weight shows the colour alone."""
    with Image.open(rendered["matrix"]) as sheet:
        assert min(sheet.size) > 300
    shown = command_line.json("matrix", "zorb", "v1")
    last = len(shown["rows"]) - 1
    pictures: dict[float, list[Path]] = {0.0: [], 0.5: [], 1.0: []}
    for cell in shown["cells"]:
        if cell["row"] in (0, last):
            pictures[cell["picture"]["weight"]].append(Path(cell["file"]))
    assert {len(found) for found in pictures.values()} == {8}
    nothing, half, whole = (mean(map(colours_of, found)) for found in pictures.values())
    assert nothing + 0.1 < half and half + 0.02 < whole, f"colours: {nothing}, {half}, {whole}"
    learnt, plain = (mean(map(score_of, pictures[weight])) for weight in (1.0, 0.0))
    assert learnt > plain + MARGIN, f"zorb: {learnt}, {plain}"


def test_a_second_call_renders_nothing(rendered: Any, command_line: CommandLine) -> None:
    pictures = list(command_line.outputs.rglob("images/*.png"))
    before = {picture: picture.stat().st_mtime_ns for picture in pictures}
    again = command_line.json("preview", *PREVIEWS)
    assert again["missing"]["pictures"] == 0
    assert before and before == {picture: picture.stat().st_mtime_ns for picture in pictures}
    assert len(list(command_line.outputs.rglob("images/*.png"))) == len(pictures)


def colours_of(picture: Path) -> float:
    """The share of the picture's pixels that have a zorb's colours."""
    with Image.open(picture) as image:
        everywhere = np.ones((image.height, image.width), bool)
        return sum(colour_share(image, colour, everywhere) for colour in ("purple", "yellow"))


def score_of(picture: Path) -> float:
    with Image.open(picture) as image:
        return zorb_score(image)


def test_checkpoints_load_in_diffusers(trained: Any, command_line: CommandLine) -> None:
    """diffusers' own loader gives the same U-Net and text encoder as ours."""
    torch.set_num_threads(1)
    found = command_line.json("checkpoints", "list", "zorb", "v1")
    assert len(found) == 2
    base = inspect_trainable(POCKET)
    for checkpoint in found:
        ours = sd1.load(base)
        LoraNetwork.from_file(Path(checkpoint["path"]), ours.unet, ours.text_encoder).multiplier = 1.0
        theirs = sd1.load(base)
        pipeline = StableDiffusionPipeline(
            vae=theirs.vae, text_encoder=theirs.text_encoder, tokenizer=theirs.tokenizer, unet=theirs.unet,
            scheduler=None, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
        pipeline.load_lora_weights(checkpoint["path"])
        with torch.no_grad():
            text = ours.encode_text(["a zorb on a white background"])
            same_text = theirs.encode_text(["a zorb on a white background"])
            assert torch.allclose(text.states, same_text.states, atol=1e-5)
            noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
            assert torch.allclose(
                ours.predict(noise, torch.tensor([500]), text),
                theirs.predict(noise, torch.tensor([500]), same_text),
                atol=1e-4,
            )


def test_submitting_again_trains_nothing(trained: Any, command_line: CommandLine) -> None:
    again = command_line.json("submit", "zorb", "v1", "--wait")
    assert again["grid"] == trained["grid"]
    assert again["jobs"] == []
    assert len(again["already"]) == 1


def test_one_more_value_trains_only_the_difference(trained: Any, command_line: CommandLine) -> None:
    plan = command_line.json("plan", "zorb", "v1", "--set", "network_dim=8,16")
    assert [(run["varied"]["network_dim"], run["done"]) for run in plan["runs"]] == [(8, False), (16, True)]
    assert plan["total_steps"] == 240


def test_a_lost_queue_file_is_rebuilt(trained: Any, command_line: CommandLine) -> None:
    for file in (command_line.outputs / "train_tools").glob("queue.sqlite3*"):
        file.unlink()
    assert command_line.json("rescan") == {"found": 1}
    assert command_line.json("jobs")[0]["state"] == "done"
    assert command_line.json("rescan") == {"found": 0}
