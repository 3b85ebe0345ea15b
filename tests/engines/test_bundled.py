"""The bundled engine against the contract it shares with its trainer, and against the trainer itself."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from sd_contract.attempt import EVENTS_VARIABLE, read_result
from sd_contract.datasets import collect, read_dataset_config
from sd_contract.options.settings import read_settings
from sd_contract.steps import plan_steps
from tests.engines.conformance import OPTIONS, POCKET, EngineConformance, files_of
from tests.faults.stand_in import StandInEngine
from train_tools.engines.bundled import BundledEngine
from train_tools.errors import BaseModelNotUsableError, OptionValueError
from train_tools.jobs.kind import Exit
from train_tools.model.dataset import Dataset
from train_tools.model.paths import AttemptPaths
from train_tools.runs.checkpoints import checkpoints_of, publish_all
from train_tools.runs.costs import checkpoint_bytes

LENGTHS = st.fixed_dictionaries(
    {"train_batch_size": st.integers(1, 9)},
    optional={
        "max_train_epochs": st.integers(1, 12),
        "max_train_steps": st.integers(1, 200),
        "gradient_accumulation_steps": st.integers(1, 4),
        "save_every_n_epochs": st.integers(1, 5),
    },
)


class TestStandInEngine(EngineConformance):
    @classmethod
    def engine(cls):
        return StandInEngine(0.01)


class TestBundledEngine(EngineConformance):
    @classmethod
    def engine(cls):
        return BundledEngine()

    def test_the_config_is_read_back_with_the_values_that_were_given(self, files):
        BundledEngine().write(files)
        read = read_settings(["--config_file", str(files.paths.config)])
        assert {name: read.get(name) for name in OPTIONS} == OPTIONS
        assert read.output.output_name == "it's-v 1"
        assert read.captions.caption_extension == ".txt"

    def test_the_dataset_is_read_back_with_the_folders_that_were_given(self, files, version):
        BundledEngine().write(files)
        read = read_settings(["--config_file", str(files.paths.config)])
        [dataset] = read_dataset_config(files.paths.dataset, read).datasets
        assert (dataset.resolution, dataset.batch_size) == ((64, 64), 2)
        assert {(subset.image_dir, subset.num_repeats, subset.is_reg) for subset in dataset.subsets} == {
            (version.processed / "2_zorb", 2, False),
            (version.processed / "1_red circle", 1, False),
            (version.regularisation / "1_zorb", 1, True),
        }
        assert all(subset.shuffle_caption for subset in dataset.subsets)

    def test_what_is_trained_on_is_what_the_dataset_shows(self, files, dataset):
        BundledEngine().write(files)
        read = read_settings(["--config_file", str(files.paths.config)])
        [described] = read_dataset_config(files.paths.dataset, read).datasets
        items = collect(described).items
        shown = {image.path: image.caption for folder in dataset.folders for image in folder.images}
        trained = {item.image: item.caption for item in items if not item.subset.is_reg}
        assert trained.keys() == shown.keys()
        assert [trained[path] for path in sorted(shown) if shown[path]] == [
            shown[p] for p in sorted(shown) if shown[p]
        ]
        assert sum(item.repeats for item in items if not item.subset.is_reg) == dataset.images_per_epoch

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(options=LENGTHS)
    def test_steps_are_those_that_the_trainer_plans(self, files, dataset, options):
        engine = BundledEngine()
        engine.write(replace(files, options={**bare(OPTIONS), **options}))
        read = read_settings(["--config_file", str(files.paths.config)])
        [described] = read_dataset_config(files.paths.dataset, read).datasets
        plan = plan_steps(read, [collect(described)])
        count = engine.count_steps({**bare(OPTIONS), **options}, dataset)
        assert (count.steps, count.epochs) == (plan.total_steps, plan.epochs)

    @pytest.mark.parametrize(
        ("options", "checkpoints"),
        [
            ({"max_train_epochs": 3}, 1),
            ({"max_train_epochs": 3, "save_every_n_epochs": 1}, 3),
            ({"max_train_epochs": 4, "save_every_n_epochs": 2}, 2),
            ({"max_train_epochs": 9, "save_every_n_epochs": 1, "save_last_n_epochs": 2}, 3),
            ({"max_train_epochs": 2, "save_every_n_steps": 5}, 1 + 12 // 5),
            ({"max_train_epochs": 2, "save_every_n_steps": 4}, 1 + 12 // 4),
            ({"max_train_steps": 7, "save_every_n_epochs": 1}, 2),
        ],
    )
    def test_checkpoints_are_counted_as_the_trainer_writes_them(self, version, dataset, options, checkpoints):
        small = replace(dataset, folders=dataset.folders[:1], regularisation=())
        [folder] = small.folders
        assert folder.repeats * len(folder.images) == 2
        count = BundledEngine().count_steps({"train_batch_size": 1, **options}, six_steps_an_epoch(small))
        assert count.checkpoints == checkpoints

    def test_it_starts_the_script_through_accelerate_without_the_network(self, files, attempt):
        launch = BundledEngine(python="/venv/bin/python").launch(files, files_of(attempt))
        assert launch.command[:3] == ("/venv/bin/python", "-m", "accelerate.commands.launch")
        script = next(Path(word) for word in launch.command if word.endswith("train_network.py"))
        assert script.is_file()
        after = launch.command[launch.command.index(str(script)) + 1 :]
        assert dict(zip(after[::2], after[1::2], strict=True)) == {
            "--config_file": str(files.paths.config),
            "--dataset_config": str(files.paths.dataset),
            "--output_dir": str(files_of(attempt).output),
            "--state_dir": str(files_of(attempt).states),
        }
        assert launch.environment["HF_HUB_OFFLINE"] == "1"

    @pytest.mark.parametrize(
        ("name", "told"), [("gone.safetensors", "does not exist"), ("lora.safetensors", "base model")]
    )
    def test_a_file_that_it_can_not_train_is_told(self, tmp_path, name, told):
        save_file({"lora_unet_x.lora_down.weight": np.zeros((4, 4), np.float32)}, tmp_path / "lora.safetensors")
        with pytest.raises(BaseModelNotUsableError, match=told):
            BundledEngine().check_base_model(tmp_path / name)

    def test_options_that_contradict_each_other_are_told(self, dataset):
        options = {"network_train_unet_only": True, "network_train_text_encoder_only": True}
        with pytest.raises(OptionValueError, match="nothing would be trained"):
            BundledEngine().count_steps(options, dataset)

    @pytest.mark.parametrize("resolution", ["63", "64,100", "4"])
    def test_a_resolution_that_can_not_be_trained_is_told_before_anything_is_queued(self, dataset, resolution):
        with pytest.raises(OptionValueError, match="both sides must be multiples of 8"):
            BundledEngine().count_steps({"resolution": resolution}, dataset)

    def test_a_silent_end_is_told_with_what_was_seen(self, attempt):
        said = [
            BundledEngine().judge(attempt, exit_, None).message
            for exit_ in (Exit(code=137), Exit(code=None), Exit(code=127, reason="no python"))
        ]
        assert "exit code 137" in said[0]
        assert "its end was not seen" in said[1]
        assert said[2] == "no python"

    def test_the_trainer_trains_what_was_written_and_leaves_what_was_counted(self, files, attempt, dataset):
        engine = BundledEngine()
        options = {**OPTIONS, "max_train_epochs": 2}
        engine.write(replace(files, options=options))
        output = AttemptPaths(attempt.folder).output
        launch = engine.launch(files, files_of(attempt))
        environment = {**os.environ, **launch.environment, EVENTS_VARIABLE: str(attempt.events)}
        finished = subprocess.run(
            launch.command,
            cwd=launch.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr.decode()[-2000:]
        assert publish_all(output, files.paths) == []
        count = engine.count_steps(options, dataset)
        checkpoints = checkpoints_of(files.paths)
        assert [checkpoint.name for checkpoint in checkpoints] == ["it's-v 1-000001", "it's-v 1"]
        assert len(checkpoints) == count.checkpoints
        assert (checkpoints[-1].step, checkpoints[-1].final) == (count.steps, True)
        assert read_result(attempt).total_steps == count.steps
        for checkpoint in checkpoints:
            assert checkpoint.size_bytes == pytest.approx(checkpoint_bytes(options, POCKET), rel=0.05)


def bare(options: dict[str, object]) -> dict[str, object]:
    """The options without those that say how long to train."""
    return {
        name: value for name, value in options.items() if name not in ("max_train_epochs", "save_every_n_epochs")
    }


def six_steps_an_epoch(dataset: Dataset) -> Dataset:
    return replace(dataset, folders=tuple(replace(folder, repeats=3) for folder in dataset.folders))
