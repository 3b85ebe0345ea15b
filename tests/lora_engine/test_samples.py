"""Pictures painted while a training runs."""

import re

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from lora_engine.families import load
from lora_engine.job import read_job
from lora_engine.output.pictures import SCHEDULERS, new_scheduler, paint, prompts_of
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.lora import train_lora
from sd_contract.attempt import Attempt
from sd_contract.errors import OptionError
from sd_contract.events import ImageRendered, Tail
from sd_contract.options.groups import SAMPLERS
from sd_contract.sample_prompts import SamplePrompt


@pytest.fixture
def train(tiny_model, dataset, tmp_path, capfd):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a red square --s 2 --d 5\na blue square --n red --s 1 --w 72 --l 1\n", encoding="utf-8")
    attempt = Attempt(tmp_path / "attempt")
    attempt.folder.mkdir()

    def run(*options, name="lora"):
        words = ["--pretrained_model_name_or_path", tiny_model, "--dataset_config", dataset, "--network_dim", "2"]
        words += [
            "--output_dir",
            tmp_path / "out",
            "--output_name",
            name,
            "--max_train_epochs",
            "2",
            "--seed",
            "7",
        ]
        words += ["--learning_rate", "1e-3"]
        if "--sample_prompts" not in options:
            words += ["--sample_prompts", prompts]
        job = read_job([*map(str, words), *options])
        reporter = Reporter(attempt)
        train_lora(job, reporter)
        reporter.close()
        events = Tail(attempt.events).events()
        return [tmp_path / "out" / event.file for event in events if isinstance(event, ImageRendered)]

    return run


def size_of(file):
    with Image.open(file) as image:
        return image.size


def when(files):
    """The files' names without their times."""
    return [re.sub(r"_\d{14}", "_T", file.name) for file in files]


def test_each_prompt_is_painted_after_each_epoch_and_at_first(train):
    files = train("--sample_every_n_epochs", "1", "--sample_every_n_steps", "1", "--sample_at_first")

    assert when(files) == [
        *("lora_e000000_00_T_5.png", "lora_e000000_01_T.png"),
        *("lora_e000001_00_T_5.png", "lora_e000001_01_T.png"),
        *("lora_e000002_00_T_5.png", "lora_e000002_01_T.png"),
    ]
    assert [size_of(file) for file in files[:2]] == [(64, 64), (72, 64)]
    assert files[0].parent.name == "sample"
    assert files[0].read_bytes() != files[4].read_bytes()


def test_steps_have_names_of_their_own_and_samples_change_nothing(train, tmp_path):
    files = train("--sample_every_n_steps", "3", name="sampled")
    train(name="plain")

    assert when(files) == ["sampled_000003_00_T_5.png", "sampled_000003_01_T.png"]
    sampled, plain = (load_file(tmp_path / "out" / f"{name}.safetensors") for name in ("sampled", "plain"))
    assert [name for name, tensor in plain.items() if not torch.equal(tensor, sampled[name])] == []


def test_samples_without_prompts_are_refused(train):
    with pytest.raises(OptionError, match=r"no prompts\. Set sample_prompts to a file of prompts"):
        train("--sample_at_first", "--sample_prompts", "")


@pytest.mark.parametrize("sampler", sorted({name.removeprefix("k_") for name in SAMPLERS}))
def test_every_sampler_paints(tiny_base, sampler):
    model = load(tiny_base)
    wanted = SamplePrompt(prompt="a", width_px=64, height_px=64, steps=4, sampler=sampler)
    with torch.no_grad():
        text = model.encode_text(prompts_of("a", "", 7.5))
        first, again = (paint(model, model.vae, text, wanted, 3, torch.device("cpu")) for _ in range(2))

    assert first.shape == (3, 64, 64)
    assert first.isfinite().all()
    assert torch.equal(first, again)


def test_an_unknown_sampler_is_told(tiny_base):
    with pytest.raises(OptionError, match=f"no sampler 'magic'. Use one of: {', '.join(SCHEDULERS)[:20]}"):
        new_scheduler("magic", tiny_base)
