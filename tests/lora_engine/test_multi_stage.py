"""Training in stages: what each trains on, which files they leave, where a run goes on (S0-31 to S0-36)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import sd_contract
from lora_engine.errors import Stopped
from lora_engine.job import read_job
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.lora import train_lora
from lora_engine.recipes.multi_stage import train_stages
from lora_engine.staged_job import read_staged_job
from sd_contract.attempt import Attempt, read_result
from sd_contract.errors import DatasetError, OptionError, StateError
from sd_contract.events import CheckpointSaved, StepDone, Tail
from sd_contract.output.states import newest_state
from sd_contract.tensors.tensor_files import file_sha256, verify_safetensors
from tests.lora_engine.stopping import StopsAt

SCRIPT = Path(sd_contract.__file__).parent.parent / "train_multi_stage.py"
CONCEPTS = ("--concept_a_keywords", "red, white", "--concept_b_keywords", "blue", "--max_train_epochs", "2")
FILES = ["lora_base.safetensors", "lora_concept_A.safetensors", "lora_concept_B.safetensors"]


@pytest.fixture
def words(tiny_models, dataset, tmp_path):
    """The command line of a run of 2 + 1 + 1 steps: four images of two shapes, in batches of two."""

    def of(*options, family="sd1", concepts=CONCEPTS):
        return [
            *("--pretrained_model_name_or_path", str(tiny_models[family]), "--dataset_config", str(dataset)),
            *("--output_dir", str(tmp_path / "out"), "--output_name", "lora", "--seed", "7"),
            *("--learning_rate", "1e-2", "--network_dim", "2", "--network_train_unet_only", *concepts),
            *map(str, options),
        ]

    return of


def files(tmp_path):
    return sorted(path.name for path in (tmp_path / "out").glob("*.safetensors"))


def tensors(tmp_path, stage):
    return load_file(tmp_path / "out" / f"lora_{stage}.safetensors")


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_two_concepts_make_exactly_three_files_each_other_than_the_rest(words, tmp_path, family):
    assert train_stages(read_staged_job(words(family=family)), Reporter(None)) == "done"
    assert files(tmp_path) == FILES
    base, first, second = (tensors(tmp_path, stage) for stage in ("base", "concept_A", "concept_B"))
    assert base.keys() == first.keys() == second.keys()
    assert not (equal(base, first) or equal(base, second) or equal(first, second))


def test_the_script_tells_of_the_division_first_and_of_the_steps_of_all_stages(words, tmp_path):
    events = tmp_path / "attempt" / "events.jsonl"
    events.parent.mkdir()
    run = subprocess.run(
        [sys.executable, SCRIPT, *words()],
        env={**os.environ, "TRAIN_TOOLS_EVENTS": str(events)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = run.stdout.splitlines()
    told = lines.index("  concept A (red, white): 2 images: red.png, white.png")
    assert lines[told + 1 : told + 3] == [
        "  concept B (blue): 1 image: blue.png",
        "  no keyword: 1 image, in the base alone: green.png",
    ]
    assert told < lines.index("loading the base model")
    written = (tmp_path / "out" / "lora_concepts.txt").read_text(encoding="utf-8")
    assert "concept A (red, white): 2 images: red.png, white.png\n" in written

    happened = list(Tail(events).events())
    steps = [event for event in happened if isinstance(event, StepDone)]
    saved = [(event.file, event.step, event.epoch) for event in happened if isinstance(event, CheckpointSaved)]
    total = steps[0].total_steps
    assert [event.step for event in steps] == list(range(1, total + 1))
    assert {event.total_steps for event in steps} == {total}
    assert [file for file, _, _ in saved] == FILES
    assert (saved[-1][1], saved[-1][2]) == (total, 2)
    result = read_result(Attempt(events.parent))
    assert (result.outcome, result.step, list(result.files)) == ("done", total, FILES)


def test_each_file_tells_what_it_was_trained_on_and_what_it_comes_from(words, tmp_path):
    train_stages(read_staged_job(words("--training_comment", "mine")), Reporter(None))
    base, first, second = (verify_safetensors(tmp_path / "out" / name).metadata for name in FILES)
    autov2 = file_sha256(tmp_path / "out" / FILES[0], None)[:10]
    assert base["ss_training_comment"] == "mine; multi-stage: base"
    assert second["ss_training_comment"] == f"mine; multi-stage: base {autov2} -> concept_B"
    assert base["ss_session_id"] == first["ss_session_id"] == second["ss_session_id"]
    assert [each["ss_seed"] for each in (base, first, second)] == ["7", "8", "9"]
    assert [each["ss_stage"] for each in (base, first, second)] == ["base", "concept_A", "concept_B"]
    assert first["ss_stage_keywords"] == "red, white"
    assert [each["ss_num_train_images"] for each in (base, first, second)] == ["4", "2", "1"]
    assert "a blue square" in json.loads(second["ss_tag_frequency"])["images"]
    assert "a red square" not in json.loads(second["ss_tag_frequency"])["images"]


def test_a_concept_goes_on_from_the_base_as_a_training_of_its_own_would(words, dataset, tmp_path):
    """With a new optimizer and course, at a rate and seed of its own, on its images alone."""
    train_stages(read_staged_job(words("--stage2_lr_scale", 0.5, "--lr_scheduler", "cosine")), Reporter(None))
    for name in ("green.png", "blue.png"):
        (dataset.parent / "images" / name).unlink()
    on_its_own = [word for word in words("--lr_scheduler", "cosine", concepts=()) if word != "lora"]
    place = on_its_own.index("--output_name") + 1
    on_its_own[place:place] = ["alone"]
    options = ["--network_weights", tmp_path / "out" / FILES[0], "--learning_rate", "5e-3", "--seed", "8"]
    train_lora(read_job([*on_its_own, *map(str, options), "--max_train_epochs", "1"]), Reporter(None))
    assert equal(load_file(tmp_path / "out" / "alone.safetensors"), tensors(tmp_path, "concept_A"))


def test_a_run_goes_on_after_the_last_whole_stage(words, tmp_path):
    """To the bit as though nothing had happened; what was done is not done again."""
    states = tmp_path / "states"
    train_stages(read_staged_job(words()), Reporter(None))
    whole = [tensors(tmp_path, stage) for stage in ("concept_A", "concept_B")]
    shutil.rmtree(tmp_path / "out")

    more = words("--state_dir", states, "--max_train_epochs", "4")
    assert train_stages(read_staged_job(more), StopsAt(1)) == "cancelled"
    assert newest_state([states]) is None
    assert "lora_base-step00000001.safetensors" in files(tmp_path)
    shutil.rmtree(tmp_path / "out")

    assert train_stages(read_staged_job(words("--state_dir", states)), StopsAfter(FILES[1])) == "cancelled"
    assert files(tmp_path) == FILES[:2]
    (tmp_path / "out" / FILES[1]).unlink()
    resumed = read_staged_job(words("--state_dir", states, "--resume", newest_state([states])))
    assert resumed.done == 2
    reporter = Reporter(None)
    assert train_stages(resumed, reporter) == "done"
    assert files(tmp_path) == [FILES[0], FILES[2]]
    assert reporter.files == FILES
    assert equal(tensors(tmp_path, "concept_B"), whole[1])
    metadata = [verify_safetensors(tmp_path / "out" / name).metadata for name in (FILES[0], FILES[2])]
    assert metadata[0]["ss_session_id"] == metadata[1]["ss_session_id"]


class StopsAfter(Reporter):
    """Is asked to stop while it saves a certain file."""

    def __init__(self, file):
        super().__init__(None)
        self._last = file

    def saved(self, file, *facts):
        super().saved(file, *facts)
        if file == self._last:
            self.request_stop()


def test_without_a_folder_for_states_a_stop_leaves_one_beside_the_files(words, tmp_path):
    train_stages(read_staged_job(words()), StopsAfter(FILES[0]))
    resumed = read_staged_job(words("--resume", tmp_path / "out" / "lora_base-state"))
    assert resumed.done == 1
    with pytest.raises(Stopped):
        train_stages(read_staged_job(words()), stopped_reporter())


def stopped_reporter():
    reporter = Reporter(None)
    reporter.request_stop()
    return reporter


def test_a_state_that_fits_no_more_is_refused(words, tmp_path):
    train_stages(read_staged_job(words()), StopsAfter(FILES[0]))
    state = tmp_path / "out" / "lora_base-state"
    with pytest.raises(StateError, match="where no stage ends now"):
        read_staged_job(words("--resume", state, "--max_train_epochs", "6"))
    train_lora(read_job(words("--save_state_on_train_end", "--max_train_epochs", 1, concepts=())), Reporter(None))
    with pytest.raises(StateError, match="is of another kind of training"):
        read_staged_job(words("--resume", tmp_path / "out" / "lora-state"))


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        (("--concept_b_keywords", "purple"), DatasetError, "concept B: no caption holds 'purple'"),
        (("--concept_b_keywords", "blue, red"), OptionError, "'red' is a keyword of concept A and of concept B"),
        (("--concept_b_keywords", ""), OptionError, "option 'concept_b_keywords' is missing"),
        (("--max_train_epochs", "1"), OptionError, "can't be shared by two stages"),
        (("--mode", "lora"), OptionError, "is trained by train_network.py or sdxl_train_network.py"),
    ],
)
def test_what_can_not_be_divided_is_told_before_the_first_stage(words, tmp_path, options, error, told):
    with pytest.raises(error, match=told):
        read_staged_job(words(*options))
    assert list((tmp_path / "out").glob("*")) == []


def test_the_options_change_nothing_in_other_modes(words):
    told = read_job(words()).warnings
    assert "concept_a_keywords has no effect in mode lora" in told
    with pytest.raises(OptionError, match=r"mode = multi_stage is trained by train_multi_stage\.py"):
        read_job(words("--mode", "multi_stage"))
