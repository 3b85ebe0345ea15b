"""train_difference.py's recipe: what its modes train, which files they leave and what they refuse."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import sd_contract
from lora_engine.job import read_job, read_pair_job
from lora_engine.maths.precision import Precision
from lora_engine.maths.streams import Streams
from lora_engine.networks.lora import LoraNetwork
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.addift import STRENGTH, Addift
from lora_engine.recipes.difference import train_difference
from lora_engine.recipes.inputs import encode_images
from lora_engine.recipes.pairs import pair_steps
from lora_engine.recipes.run import load_model
from sd_contract.attempt import Attempt, Result, read_result
from sd_contract.errors import DatasetError, OptionError
from sd_contract.events import CheckpointSaved, StepDone, Tail
from sd_contract.tensors.tensor_files import verify_safetensors
from tests.lora_engine.lessons import POCKET

SCRIPT = Path(sd_contract.__file__).parent.parent / "train_difference.py"
QUICK = ("--max_train_steps", "2", "--learning_rate", "1e-2", "--network_dim", "2", "--seed", "7")
QUICK += ("--resolution", "64", "--train_batch_size", "2")
DIFFERENCE = ("--mode", "difference")
ADDIFT = ("--mode", "addift")
MULTI = ("--mode", "multi_addift")


def drawn(colour, size=(64, 64)):
    image = Image.new("RGB", size, "white")
    image.paste(colour, (16, 16, size[0] // 2, size[1] // 2))
    return image


@pytest.fixture
def pairs(tmp_path):
    """A folder of two pairs, one of them captioned, one numbered as the app numbers its images."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    drawn("red").save(folder / "box.png")
    drawn("blue").save(folder / "box_target.png")
    (folder / "box.txt").write_text("a box", encoding="utf-8")
    drawn("green").save(folder / "00003-0-tin.png")
    drawn("black", (128, 128)).save(folder / "00004-0-tin_target.png")
    return folder


@pytest.fixture
def words(tiny_model, tmp_path, pairs):
    files = ("--original_image", str(pairs / "box.png"), "--target_image", str(pairs / "box_target.png"))
    return [
        *(*QUICK, *files),
        *("--pretrained_model_name_or_path", str(tiny_model), "--output_dir", str(tmp_path / "out")),
    ]


@pytest.fixture
def many(words, tmp_path, pairs):
    """The same words with a dataset of several pairs instead of two files."""
    dataset = tmp_path / "pairs.toml"
    dataset.write_text(
        "[general]\ncaption_extension = '.txt'\n[[datasets]]\nresolution = 64\nbatch_size = 3\n"
        f"[[datasets.subsets]]\nimage_dir = '{pairs}'\nflip_aug = true\n",
        encoding="utf-8",
    )
    kept = words.index("--original_image")
    return [*words[:kept], *words[kept + 4 :], "--dataset_config", str(dataset)]


@pytest.fixture
def train(words, tmp_path, capfd):
    """Trains with these options and returns the tensors of the final file."""

    def run(*options, name="lora", file="", words=words):
        train_difference(read_pair_job([*words, "--output_name", name, *options]), Reporter(None))
        capfd.readouterr()
        return load_file(tmp_path / "out" / f"{file or name}.safetensors")

    return run


def apart(first, second):
    """How far the trained weights are apart, relative to their size."""
    assert first.keys() == second.keys()
    names = [name for name in first if not name.endswith(".alpha")]
    difference = torch.cat([(first[name] - second[name]).flatten() for name in names])
    return (difference.norm() / torch.cat([first[name].flatten() for name in names]).norm()).item()


@pytest.mark.parametrize("mode", [DIFFERENCE, ADDIFT], ids=["difference", "addift"])
def test_gradient_checkpointing_changes_nothing_but_memory(train, mode):
    """The strength of a LoRA has to last until the gradients are there: they compute the activations again."""
    plain = train(*mode, name="plain")

    assert apart(plain, train(*mode, "--gradient_checkpointing", name="saving")) < 1e-4
    assert apart(plain, train(*mode, "--seed", "8", name="other")) > 1e-3


def test_the_first_lora_stays_as_it_was_while_the_second_learns_on_top_of_it(train, tmp_path):
    both = train(*DIFFERENCE, "--diff_save_1st_pass", name="both")
    kept = tmp_path / "out" / "both_copy.safetensors"
    alone = train(*DIFFERENCE, "--diff_1st_pass_only", name="first", file="first_copy")

    assert apart(load_file(kept), alone) == 0
    assert apart(both, train(*DIFFERENCE, "--diff_load_1st_pass", str(kept), name="loaded")) == 0
    assert apart(both, alone) > 1e-2


def test_the_second_lora_learns_the_target_with_settings_of_its_own(train):
    smaller = train(*DIFFERENCE, "--second_pass_args", "network_dim=1", "max_train_steps=1", name="small")
    assert {tensor.shape[0] for name, tensor in smaller.items() if name.endswith("lora_down.weight")} == {1}


def test_the_mask_and_the_way_back_change_what_is_learnt(train):
    plain = train(*ADDIFT, name="plain")

    assert apart(plain, train(*ADDIFT, "--diff_use_diff_mask", name="masked")) > 1e-3
    assert apart(plain, train(*ADDIFT, "--diff_revert_original_target", name="back")) > 1e-3


def test_steps_forwards_and_backwards_have_mirrored_strengths_and_ask_the_base_model_about_the_other_side(
    words, capfd
):
    """Recorded at each prediction: the LoRA's strength, and the timestep, which both directions share."""
    job = read_pair_job([*words, *ADDIFT, "--diff_alt_ratio", "0.5", "--max_train_steps", "4"])
    learner, seen = recorded(job)
    for step in pair_steps(job, learner.streams, 0, 4, draws_a_pair=2):
        learner.learn(step)

    assert [strength for strength, _, _ in seen] == [0, STRENGTH, 0, -STRENGTH / 2] * 2
    assert [t for _, t, _ in seen] == [50] * 4 + [150] * 4
    sides = [side for _, _, side in seen]
    assert sides[:4] == ["original", "target", "target", "original"]


def recorded(job):
    """An ADDifT learner, and what each of its predictions was asked with."""
    precision = Precision.chosen("no", torch.device("cpu"))
    model = load_model(job, torch.device("cpu"), precision)
    encoded = encode_images(job, model, None, Reporter(None))
    learner, seen = Addift(job, model, encoded, precision, print), []
    predict, sides_of = learner.predict, learner.sides
    sides = {}

    def watched(noisy, t, batch, pictures):
        side = "original" if pictures is sides["last"].original else "target"
        seen.append((learner.network.multiplier, int(t[0]), side))
        return predict(noisy, t, batch, pictures)

    def remembered(batch):
        sides["last"] = sides_of(batch)
        return sides["last"]

    learner.predict, learner.sides = watched, remembered
    return learner, seen


def test_pairs_are_found_by_their_names_and_drawn_alike(many, train):
    job = read_pair_job([*many, *MULTI])
    (collected,) = job.datasets
    names = {item.image.name: job.targets[item.image] for item in collected.items}

    assert {name: target.image.name for name, target in names.items()} == {
        "box.png": "box_target.png",
        "00003-0-tin.png": "00004-0-tin_target.png",
    }
    assert {target.placement.bucket for target in names.values()} == {(64, 64)}
    assert [target.caption for target in names.values()] == ["", "a box"]
    for step in pair_steps(job, Streams(3), 0, 4, draws_a_pair=2):
        assert [len(batch.samples) for batch in step.batches] == [3]
    plain = train(*MULTI, words=many, name="plain")
    assert apart(plain, train(*MULTI, "--diff_use_diff_mask", words=many, name="masked")) > 1e-3
    assert apart(plain, train(*ADDIFT, words=many, name="prompted")) > 1e-4


@pytest.mark.parametrize("mode", [DIFFERENCE, ADDIFT], ids=["difference", "addift"])
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(train, tmp_path, mode):
    states = tmp_path / "states"
    options = (*mode, "--max_train_steps", "3", "--state_dir", str(states), "--state_every_n_steps", "1")
    whole = train(*options, name="whole")
    newest = sorted(states.iterdir())[-1]

    resumed = train(*mode, "--max_train_steps", "3", "--resume", str(newest), name="again")
    assert apart(whole, resumed) == 0


@pytest.mark.parametrize(("family", "mode"), [("sd2", DIFFERENCE), ("sdxl", ADDIFT)], ids=["sd2", "sdxl"])
def test_other_families_are_trained_in_their_u_net_alone(train, tiny_models, family, mode):
    tensors = train(*mode, "--pretrained_model_name_or_path", str(tiny_models[family]))

    assert all(name.startswith("lora_unet_") for name in tensors)
    assert any(tensor.any() for name, tensor in tensors.items() if name.endswith("lora_up.weight"))


@pytest.mark.parametrize("mode", [DIFFERENCE, ADDIFT], ids=["difference", "addift"])
def test_the_lora_takes_an_original_towards_its_target_and_at_weight_minus_one_away_from_it(train, pairs, mode):
    """Measured on the pocket model: what it makes of the noisy original at once. doc/modes.md has pictures
    counted."""
    options = ("--pretrained_model_name_or_path", str(POCKET), "--max_train_steps", "30", "--network_dim", "4")
    train(*mode, *options, "--network_alpha", "4", "--learning_rate", "2e-3", "--train_batch_size", "1", name="x")
    job = read_pair_job([*pair_words(pairs), *mode, *options, "--output_dir", str(pairs)])
    learner, _ = recorded(job)
    batch = next(pair_steps(job, learner.streams, 0, 1)).batches[0]
    sides = learner.sides(batch)
    original, target = learner.clean(sides.original), learner.clean(sides.target)
    noise, t = learner.noise(batch, original), torch.full((1,), 500)
    noisy = learner.schedule.add(original, noise, t)
    learner.network.detach()
    lora = LoraNetwork.from_file(pairs.parent / "out" / "x.safetensors", learner.model.unet, None)

    @torch.no_grad()
    def moved(weight):
        lora.multiplier = 0.0
        plain = learner.model.predict(noisy, t, learner.prompt, sides.original.sizes)
        lora.multiplier = weight
        changed = learner.model.predict(noisy, t, learner.prompt, sides.original.sizes)
        way = target - original
        return torch.cosine_similarity((plain - changed).flatten(), way.flatten(), dim=0).item()

    assert moved(1.0) > 0.2
    assert moved(-1.0) < -0.2


def pair_words(pairs):
    files = ("--original_image", str(pairs / "box.png"), "--target_image", str(pairs / "box_target.png"))
    return *QUICK[:-2], "--train_batch_size", "1", *files


def test_networks_of_lycoris_can_be_both_loras(train):
    loha = ("--network_module", "lycoris.kohya", "--network_args", "algo=loha", "preset=attn-mlp")
    tensors = train(*DIFFERENCE, *loha)

    assert any("hada_w1_a" in name for name in tensors)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "mode = ileco is trained by train_leco"),
        ((*DIFFERENCE, "--second_pass_args", "vae=x"), "vae is the same in both passes"),
        ((*DIFFERENCE, "--second_pass_args", "network_dim"), "Write name=value"),
        ((*DIFFERENCE, "--second_pass_args", "network_dim=x"), "second_pass_args: network_dim = x"),
        ((*DIFFERENCE, "--original_prompt", "a", "b"), "takes one original_prompt"),
        ((*DIFFERENCE, "--diff_1st_pass_only", "--diff_load_1st_pass", "x"), "leave nothing to train"),
        ((*DIFFERENCE, "--diff_target_name", ""), "diff_target_name is empty"),
    ],
)
def test_a_mistake_is_told(words, options, told):
    with pytest.raises(OptionError, match=told):
        read_pair_job([*words, *(options or ("--mode", "ileco"))])


def test_options_of_other_modes_are_told_to_have_no_effect(words):
    job = read_pair_job([*words, *ADDIFT, "--max_train_epochs", "2", "--second_pass_args", "network_dim=1"])

    assert "max_train_epochs has no effect in mode addift: 2 steps are trained" in job.warnings
    assert "second_pass_args has no effect in mode addift" in job.warnings


def test_images_that_are_no_pair_are_named(many, pairs):
    (pairs / "box_target.png").rename(pairs / "crate_target.png")

    with pytest.raises(DatasetError, match=r"2 images are no pair: box\.png, crate_target\.png"):
        read_pair_job([*many, *MULTI])


def test_pairs_are_not_cut_differently(many):
    with pytest.raises(DatasetError, match="would cut the images of a pair differently"):
        read_pair_job([*many, *MULTI, "--face_crop_aug_range", "1.0,2.0"])


def test_files_are_not_overwritten_unless_that_is_wanted(train, words):
    train(*ADDIFT)

    with pytest.raises(OptionError, match=r"lora\.safetensors lies in .* already"):
        read_pair_job([*words, *ADDIFT, "--output_name", "lora"])
    assert train(*ADDIFT, "--save_overwrite")


def test_scripts_that_train_on_images_say_which_one_trains_on_pairs(words):
    with pytest.raises(OptionError, match=r"mode = addift is trained by train_difference\.py"):
        read_job([*words, *ADDIFT])


def test_the_script_tells_its_story_and_leaves_the_files_of_both_passes(words, tmp_path):
    attempt = Attempt(tmp_path / "attempt")
    attempt.folder.mkdir()
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRAIN_TOOLS_EVENTS": str(attempt.events)}
    options = ("--output_name", "blue", "--save_every_n_steps", "1", "--diff_save_1st_pass")
    ended = subprocess.run(
        [sys.executable, SCRIPT, *words, *options], env=environment, capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stderr
    files = ("blue_copy.safetensors", "blue_3steps.safetensors", "blue.safetensors")
    assert read_result(attempt) == Result(outcome="done", step=4, total_steps=4, files=files)
    events = list(Tail(attempt.events).events())
    assert [event.step for event in events if isinstance(event, StepDone)] == [1, 2, 3, 4]
    assert [event.step for event in events if isinstance(event, CheckpointSaved)] == [2, 3, 4]
    assert "  box.png -> box_target.png\n" in ended.stdout
    metadata = verify_safetensors(tmp_path / "out" / "blue.safetensors").metadata
    assert (metadata["ss_mode"], metadata["modelspec.resolution"]) == ("difference", "64x64")
    assert json.loads(metadata["ss_original_prompt"]) == []
