"""train_leco.py's recipe: what its methods train and what it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import sd_contract
from lora_engine.families import ImageSize
from lora_engine.job import read_job, read_prompt_job
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.leco import train_concept
from sd_contract.attempt import Attempt, Result, read_result
from sd_contract.errors import OptionError
from sd_contract.events import StepDone, Tail
from sd_contract.tensors.tensor_files import verify_safetensors
from tests.lora_engine.lessons import POCKET, Easel

SCRIPT = Path(sd_contract.__file__).parent.parent / "train_leco.py"
QUICK = ("--max_train_steps", "2", "--learning_rate", "1e-2", "--network_dim", "2", "--seed", "7")
RED = ("--original_prompt", "a red circle")
ILECO = (*RED, "--target_prompt", "a blue circle")
LECO = (*RED, "--mode", "leco", "--denoise_steps", "3")
SLIDER = (*RED, "--mode", "slider", "--denoise_steps", "3")
SLIDER += ("--positive_prompt", "large", "--negative_prompt", "small")


@pytest.fixture
def words(tiny_model, tmp_path):
    return [*QUICK, "--pretrained_model_name_or_path", str(tiny_model), "--output_dir", str(tmp_path / "out")]


@pytest.fixture
def train(words, tmp_path, capfd):
    """Trains with these options and returns the tensors of the final file."""

    def run(*options, name="lora"):
        train_concept(
            read_prompt_job([*words, "--output_name", name, "--save_overwrite", *options]), Reporter(None)
        )
        return load_file(tmp_path / "out" / f"{name}.safetensors")

    return run


def difference(first, second):
    """How far the trained weights are apart, relative to their size."""
    assert first.keys() == second.keys()
    names = [name for name in first if not name.endswith(".alpha")]
    apart = torch.cat([(first[name] - second[name]).flatten() for name in names])
    return (apart.norm() / torch.cat([first[name].flatten() for name in names]).norm()).item()


@pytest.mark.parametrize("method", [ILECO, LECO, SLIDER], ids=["ileco", "leco", "slider"])
def test_gradient_checkpointing_changes_nothing_but_memory(train, method):
    """The strength of the LoRA has to last until the gradients are there: they compute the activations again."""
    plain = train(*method)

    assert difference(plain, train(*method, "--gradient_checkpointing")) < 1e-4
    assert difference(plain, train(*method, "--seed", "8")) > 1e-3


def test_no_guidance_and_the_same_words_leave_nothing_to_learn(train):
    tensors = train(*RED, "--target_prompt", "a red circle")

    assert all(not tensor.any() for name, tensor in tensors.items() if name.endswith("lora_up.weight"))


def test_the_options_of_a_method_change_what_is_learnt(train):
    plain = train(*ILECO)

    for options in (("--fixed_noise",), ("--prompt_guidance", "1"), ("--train_batch_size", "2")):
        assert difference(plain, train(*ILECO, *options)) > 1e-3, options


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_every_family_is_trained_in_its_u_net_alone(train, tiny_models, family):
    tensors = train(*ILECO, "--pretrained_model_name_or_path", str(tiny_models[family]))

    assert tensors
    assert all(name.startswith("lora_unet_") for name in tensors)
    assert any(tensor.any() for name, tensor in tensors.items() if name.endswith("lora_up.weight"))


def test_network_element_and_type_choose_the_layers(train):
    crossing = train(*ILECO, "--network_element", "CrossAttention")
    own = train(*ILECO, "--network_element", "SelfAttention")
    everywhere = train(*ILECO, "--network_type", "c3lier")

    assert crossing and all("attn2" in name for name in crossing)
    assert own and all("attn1" in name for name in own)
    assert any("resnets" in name for name in everywhere)
    assert crossing.keys() | own.keys() < everywhere.keys()


def test_blocks_are_left_out_of_loha_too_and_strength_is_in_the_file(train):
    weak = train(*ILECO, "--network_type", "loha", "--network_blocks", "M00", "--network_alpha", "2")
    strong = train(
        *ILECO,
        "--network_type",
        "loha",
        "--network_blocks",
        "M00",
        "--network_alpha",
        "2",
        "--network_strength",
        "3",
    )

    assert weak and all("mid_block" in name for name in weak)
    assert any("hada_w1_a" in name for name in weak)
    for name, tensor in strong.items():
        assert torch.equal(tensor, weak[name] * (3 if name.endswith(".alpha") else 1)), name


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(train, tmp_path):
    whole = train(*ILECO, "--max_train_steps", "4", "--save_every_n_steps", "2", "--save_state", name="whole")
    state = tmp_path / "out" / "whole_2steps-state"

    assert difference(whole, train(*ILECO, "--max_train_steps", "4", "--resume", str(state), name="again")) == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "option 'original_prompt' is missing"),
        ((*RED, "--target_prompt", "a", "b"), "target_prompt has 2 prompts for 1 of original_prompt"),
        ((*RED, "--mode", "slider"), "Set positive_prompt and negative_prompt"),
        ((*RED, "--positive_prompt", "large"), "Give as many of each"),
        ((*RED, "--resolution", "100"), "multiples of 64"),
        ((*RED, "--network_train_text_encoder_only"), "changes the U-Net alone"),
    ],
)
def test_a_mistake_is_told(words, options, told):
    with pytest.raises(OptionError, match=told):
        read_prompt_job([*words, *options])


def test_no_step_in_the_range_of_timesteps_is_told(train):
    with pytest.raises(OptionError, match="no step lies from min_timestep = 990"):
        train(*LECO, "--min_timestep", "990")


def test_scripts_that_train_on_images_say_which_one_trains_on_prompts(words, dataset):
    with pytest.raises(OptionError, match=r"mode = ileco is trained by train_leco\.py"):
        read_job([*words, "--dataset_config", str(dataset), *RED, "--mode", "ileco"])


def test_the_script_tells_its_story_and_its_files_say_what_they_change(words, tmp_path):
    attempt = Attempt(tmp_path / "attempt")
    attempt.folder.mkdir()
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRAIN_TOOLS_EVENTS": str(attempt.events)}
    options = ("--output_name", "blue", "--save_every_n_steps", "1", "--logging_save_csv", *ILECO)
    ended = subprocess.run(
        [sys.executable, SCRIPT, *words, *options], env=environment, capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stderr
    files = ("blue_1steps.safetensors", "blue.safetensors")
    assert read_result(attempt) == Result(outcome="done", step=2, total_steps=2, files=files)
    assert [event.step for event in Tail(attempt.events).events() if isinstance(event, StepDone)] == [1, 2]
    assert "  'a red circle' -> 'a blue circle'\n" in ended.stdout
    metadata = verify_safetensors(tmp_path / "out" / "blue.safetensors").metadata
    assert json.loads(metadata["ss_original_prompt"]) == ["a red circle"]
    assert json.loads(metadata["ss_target_prompt"]) == ["a blue circle"]
    assert (metadata["ss_mode"], metadata["modelspec.resolution"]) == ("ileco", "64x64")
    rows = [line.split(",") for line in (tmp_path / "out" / "blue.csv").read_text(encoding="utf-8").splitlines()]
    assert rows[0] == ["network_dim", "2"]
    assert rows[8] == ["Step", "Loss", "unet"]
    assert [row[0] for row in rows[9:]] == ["1", "2"]
    assert float(rows[9][2]) == 1e-2


def test_ileco_takes_a_prompt_to_what_another_means(tmp_path, capfd):
    """Measured on the pocket model, at noise it has not seen; doc/modes.md has pictures counted."""
    options = ("--network_dim", "4", "--network_alpha", "8", "--learning_rate", "2e-3", "--lr_scheduler", "cosine")
    options += ("--max_train_steps", "40", "--train_batch_size", "2", "--seed", "1", "--output_name", "blue")
    words = ("--pretrained_model_name_or_path", str(POCKET), "--output_dir", str(tmp_path), *options, *ILECO)
    train_concept(read_prompt_job(words), Reporter(None))
    easel = Easel.of(POCKET)
    noise = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    sizes, t = [ImageSize.uncropped(64, 64)] * 2, torch.full((2,), 800)

    @torch.no_grad()
    def said(colour):
        text = easel.model.encode_text([f"a {colour} circle"] * 2)
        return easel.model.predict(noise, t, text, sizes)

    before = {colour: said(colour) for colour in ("red", "blue")}
    easel.use(tmp_path / "blue.safetensors")
    apart = (before["red"] - before["blue"]).norm()
    assert (said("red") - before["blue"]).norm() < 0.6 * apart
