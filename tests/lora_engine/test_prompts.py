"""Prompts as WebUIs read them, on the pocket model."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lora_engine.families import load
from lora_engine.families.prompts import Inversion, encode_prompts, read_inversion
from lora_engine.output.pictures import together
from sd_contract.base_models.base_model import inspect_trainable
from sd_contract.errors import CheckpointError

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"
EIGHT = "a red circle on a white background, "


@pytest.fixture(scope="module")
def model():
    return load(inspect_trainable(POCKET))


@torch.inference_mode()
def states(model, prompt, **how):
    (text,) = encode_prompts(model, [prompt], **how)
    return text.states[0]


def test_a_plain_prompt_is_what_a_caption_is(model):
    expected = model.encode_text(["a red circle"]).states[0]
    assert torch.equal(states(model, "a red circle"), expected)
    assert torch.equal(states(model, ""), model.encode_text([""]).states[0])


def test_break_begins_another_chunk(model):
    both = states(model, "a red circle BREAK blue")
    assert len(both) == 2 * 77
    assert torch.allclose(both, torch.cat([states(model, "a red circle"), states(model, "blue")]), atol=1e-5)
    assert len(states(model, "a BREAKER")) == 77


def test_a_long_prompt_is_cut_behind_its_last_comma(model):
    found = states(model, EIGHT * 10)
    assert len(found) == 2 * 77
    kept = states(model, EIGHT * 9 + "BREAK " + EIGHT)
    assert torch.allclose(found, kept, atol=1e-5)


def test_a_long_prompt_without_commas_is_cut_after_75_tokens(model):
    found = states(model, "red " * 80)
    parts = torch.cat([states(model, "red " * 75), states(model, "red " * 5)])
    assert torch.allclose(found, parts, atol=1e-5)


def test_stress_makes_a_word_weigh_more_and_keeps_the_mean(model):
    plain, stressed = states(model, "a red circle"), states(model, "a (red:1.5) circle")
    assert float(stressed.mean()) == pytest.approx(float(plain.mean()), rel=1e-4)
    ratio = (stressed / plain).median(dim=-1).values
    assert float(ratio[2] / ratio[1]) == pytest.approx(1.5, rel=1e-4)
    assert torch.equal(states(model, r"a \(red\)"), model.encode_text(["a (red)"]).states[0])
    lighter = (states(model, "a [red] circle") / plain).median(dim=-1).values
    assert float(lighter[2] / lighter[1]) == pytest.approx(1 / 1.1, rel=1e-4)


def test_prompts_of_different_length_are_not_put_into_one_batch(model):
    pictures = [encode_prompts(model, ["a", "b"])] * 3
    assert [len(text) for text in together(pictures)] == [6]
    pictures = [encode_prompts(model, ["a", "b BREAK c"])] * 3
    assert [len(text) for text in together(pictures)] == [3, 3]


def test_an_inversion_takes_its_words_place_with_all_its_vectors(model):
    tokens = model.tokenizer("red circle", add_special_tokens=False).input_ids
    vectors = model.text_encoder.get_input_embeddings().weight[tokens].detach().clone()
    inversion = Inversion("Zorb-1", (vectors,))
    found = states(model, "a zorb-1 here", inversions=[inversion])
    assert torch.allclose(found, states(model, "a red circle here"), atol=1e-6)
    assert torch.equal(states(model, "a red circle here"), model.encode_text(["a red circle here"]).states[0])


def test_an_inversion_is_not_torn_apart_at_the_end_of_a_chunk(model):
    inversion = Inversion("zorb", (torch.zeros(4, 32),))
    assert len(states(model, "red " * 73 + "zorb", inversions=[inversion])) == 2 * 77
    assert len(states(model, "red " * 71 + "zorb", inversions=[inversion])) == 77


def test_an_inversion_for_another_kind_of_model_is_told(model, tmp_path):
    file = tmp_path / "x.safetensors"
    save_file({"clip_l": torch.zeros(2, 768), "clip_g": torch.zeros(2, 1280)}, file)
    with pytest.raises(
        CheckpointError, match="'x' is made for text encoders of width 1280, 768; this model's have 32"
    ):
        read_inversion(file, "x", model)
    save_file({"emb_params": torch.ones(32)}, file)
    assert len(read_inversion(file, "x", model)) == 1
