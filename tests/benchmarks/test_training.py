from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.pocket.blueprint import Blueprint, build
from benchmarks.pocket.scenes import draw_scene
from benchmarks.pocket.single_file import load, save
from benchmarks.pocket.training.autoencoder import (
    AutoencoderLessons,
    encoded,
    normalise_latents,
    reconstruction_db,
    start_as_pyramid,
    teach_autoencoder,
)
from benchmarks.pocket.training.course import Course, draws, follow
from benchmarks.pocket.training.denoiser import DenoiserLessons, teach_denoiser
from benchmarks.pocket.training.optimizer import Muon, MuonWithAdamW
from benchmarks.pocket.words import tokenizer

SMALL = replace(Blueprint.of_width(8), autoencoder_widths=(8, 8, 8, 8))


def silent(line):
    pass


def interrupt(line):
    raise KeyboardInterrupt(line)


def course(folder, name="denoiser", steps=4, say=silent):
    return Course(name=name, steps=steps, seed=1, folder=folder, save_every=3, say=say)


def learn_to_swap(folder, say=silent, steps=6):
    """Learn the matrix that swaps two numbers; gives it and the course's outcome."""
    layer = torch.nn.Linear(2, 2)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)

    def loss(chance):
        pairs = torch.randn(8, 2, generator=chance.torch)
        return (layer(pairs) - pairs.flip(1)).square().mean()

    outcome = follow(
        course(folder, "swap", steps, say),
        layer,
        MuonWithAdamW(layer, matrix_rate=0.3, other_rate=0.1),
        loss=loss,
        pace=lambda done: 1 - done,
        longest_average=lambda done: 0.5,
    )
    return layer.weight.detach(), outcome


def test_draws_depend_on_seed_stream_and_position_alone():
    places = [(1, "noise", 3), (2, "noise", 3), (1, "order", 3), (1, "noise", 4)]
    seeds = [draws(*place).torch.initial_seed() for place in places]

    assert len(set(seeds)) == 4
    assert draws(*places[0]).torch.initial_seed() == seeds[0]


def test_a_course_learns_what_its_loss_asks_for(tmp_path):
    weight, outcome = learn_to_swap(tmp_path, steps=60)

    assert outcome.last_loss < 0.1 * outcome.first_loss
    assert torch.allclose(weight, torch.tensor([[0.0, 1.0], [1.0, 0.0]]), atol=0.2)


def test_a_course_taken_up_again_ends_like_one_that_ran_through(tmp_path):
    straight, _ = learn_to_swap(tmp_path / "straight")

    with pytest.raises(KeyboardInterrupt, match="swap: step 3 of 6"):
        learn_to_swap(tmp_path / "cut", say=interrupt)
    taken_up, outcome = learn_to_swap(tmp_path / "cut")

    assert outcome.steps == 6
    assert torch.equal(straight, taken_up)


def test_a_kept_course_refuses_other_settings(tmp_path):
    learn_to_swap(tmp_path, steps=3)

    with pytest.raises(ValueError, match=r"made with steps 3, not 9; use the same or another --workshop"):
        learn_to_swap(tmp_path, steps=9)


def test_muon_moves_every_direction_of_a_matrix_alike():
    matrix = torch.nn.Parameter(torch.zeros(4, 4))
    matrix.grad = torch.diag(torch.tensor([100.0, 10.0, 1.0, 5.0]))
    Muon([matrix], lr=1.0).step()

    strengths = torch.linalg.svdvals(matrix.detach())
    assert strengths.max() / strengths.min() < 4  # the gradient's own ratio is 100


def test_the_autoencoder_starts_with_the_right_colours():
    autoencoder = build(SMALL).autoencoder
    before = reconstruction_db(autoencoder)
    start_as_pyramid(autoencoder)

    assert reconstruction_db(autoencoder) > before + 2


def test_latents_come_out_normal_and_pictures_unchanged():
    autoencoder = build(SMALL).autoencoder
    start_as_pyramid(autoencoder)
    rng = np.random.default_rng(1)
    scenes = [draw_scene(rng).pixels for _ in range(64)]
    with torch.no_grad():
        before = autoencoder.decode(encoded(autoencoder, scenes[:2])).sample
        normalise_latents(autoencoder, seed=1, pictures=128)
        after = autoencoder.decode(encoded(autoencoder, scenes[:2])).sample

    latents = encoded(autoencoder, scenes) * autoencoder.config.scaling_factor
    assert torch.allclose(before, after, atol=1e-3)
    assert latents.mean((0, 2, 3)).abs().max() < 0.4
    assert (latents.std((0, 2, 3)) - 1).abs().max() < 0.4


def test_a_few_steps_teach_every_network_and_the_file_loads(tmp_path):
    networks = build(SMALL, seed=1)
    teach_autoencoder(
        networks.autoencoder,
        AutoencoderLessons(batch=2),
        course(tmp_path, "autoencoder", 3),
        course(tmp_path, "decoder", 2),
    )
    outcome = teach_denoiser(
        networks, tokenizer(), DenoiserLessons(batch=16, scenes=32), course(tmp_path, "denoiser", 24)
    )
    save(networks, tmp_path / "small.safetensors", title="small")

    assert outcome.last_loss < outcome.first_loss
    found = load(tmp_path / "small.safetensors").unet.conv_out.weight
    assert found.any()  # it began at zero
    assert torch.equal(found.half(), networks.unet.conv_out.weight.half())


def test_only_words_of_the_captions_are_taught(tmp_path):
    networks = build(SMALL, seed=1)
    words = tokenizer()
    teach_denoiser(networks, words, DenoiserLessons(batch=4, scenes=32), course(tmp_path, "denoiser", 3))

    table = networks.text_encoder.get_input_embeddings().weight.detach().abs()
    taught = words.convert_tokens_to_ids("background</w>")
    untaught = words.convert_tokens_to_ids("cathedral</w>")
    assert torch.allclose(table[untaught], torch.full((8,), 0.3))
    assert not torch.allclose(table[taught], torch.full((8,), 0.3))
