"""Event files, read back by TensorBoard itself."""

import os
import re
import subprocess
import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from lora_engine.job import read_job
from lora_engine.output.curves import Curves, new_folder
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.lora import train_lora
from sd_contract.attempt import Attempt
from sd_contract.curves import CurveFiles
from sd_contract.errors import OptionError
from sd_contract.events import StepDone, Tail, Warned
from tests.lora_engine.stopping import StopsAt

LOSSES = ["loss/current", "loss/average"]


def written(folder):
    """What lies in the one event file below a folder."""
    [file] = folder.rglob("events.out.tfevents.*")
    found = EventAccumulator(str(file.parent), size_guidance={"scalars": 0})
    found.Reload()
    return found


def points(folder):
    """Every curve as its points, (place, value)."""
    found = written(folder)
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def values(folder, curve):
    return [value for _, value in points(folder)[curve]]


@pytest.fixture
def train(tiny_model, dataset, tmp_path):
    """Trains six steps of two an epoch; the folder that this start made for its curves."""

    def run(*options, reporter=None):
        logs = tmp_path / "it's logs"
        before = set(logs.glob("*"))
        words = ["--pretrained_model_name_or_path", str(tiny_model), "--dataset_config", str(dataset)]
        words += ["--output_dir", str(tmp_path / "out"), "--output_name", "cat", "--logging_dir", str(logs)]
        words += ["--max_train_steps", "6", "--learning_rate", "1e-3", "--network_dim", "2", "--seed", "7"]
        train_lora(read_job([*words, *map(str, options)]), reporter or Reporter(None))
        [folder] = set(logs.glob("*")) - before
        return folder

    return run


def test_curves_are_those_of_sd_scripts(train, tmp_path):
    reporter = Reporter(Attempt(tmp_path))
    folder = train("--log_prefix", "cat_", "--lr_scheduler", "cosine", "--unet_lr", "2e-3", reporter=reporter)
    reporter.close()
    told = [event for event in Tail(tmp_path / "events.jsonl").events() if isinstance(event, StepDone)]

    assert re.fullmatch(r"cat_\d{14}", folder.name)
    assert [path.name for path in folder.iterdir()] == ["network_train"]
    found = points(folder)
    assert sorted(found) == sorted([*LOSSES, "loss/epoch_average", "lr/textencoder", "lr/unet"])
    assert found["loss/current"] == [(event.step, pytest.approx(event.loss)) for event in told]
    assert found["lr/unet"] == [(event.step, pytest.approx(event.learning_rate)) for event in told]
    assert values(folder, "lr/textencoder") == pytest.approx([event.learning_rate / 2 for event in told])
    pairs = [(a.loss + b.loss) / 2 for a, b in zip(told[::2], told[1::2], strict=True)]
    assert found["loss/epoch_average"] == [(n, pytest.approx(mean)) for n, mean in enumerate(pairs, 1)]
    assert found["loss/average"][-1] == (6, pytest.approx(pairs[-1]))


def test_an_epoch_that_is_cut_short_has_its_average(train):
    assert [place for place, _ in points(train("--max_train_steps", "3"))["loss/epoch_average"]] == [1, 2]


def test_a_resumed_run_goes_on_at_its_step(train, tmp_path):
    whole = points(train("--output_name", "whole"))
    halted = points(train(reporter=StopsAt(3)))
    resumed = points(train("--resume", tmp_path / "out" / "cat-step00000003-state"))

    assert [place for place, _ in resumed["loss/current"]] == [4, 5, 6]
    assert [place for place, _ in resumed["loss/epoch_average"]] == [2, 3]
    assert {tag: [*halted[tag], *resumed[tag]] for tag in whole} == whole


@pytest.mark.parametrize("optimizer", ["Prodigy", "DAdaptAdam", "DAdaptSGD", "DAdaptAdaGrad", "DAdaptLion"])
def test_an_optimizers_own_estimate_has_its_curve(train, optimizer):
    folder = train("--optimizer_type", optimizer, "--learning_rate", "0.5", "--max_train_steps", "2")

    found = points(folder)
    assert sorted(tag for tag in found if tag.startswith("lr/d*lr/")) == ["lr/d*lr/textencoder", "lr/d*lr/unet"]
    assert values(folder, "lr/unet") == [0.5, 0.5]
    assert all(0 < value < 0.5 for value in values(folder, "lr/d*lr/unet"))


def test_adafactor_tells_the_rate_that_it_may_use(train):
    folder = train("--optimizer_type", "AdaFactor", "--max_train_steps", "2")

    assert values(folder, "lr/unet") == pytest.approx([0.01, 0.01])


def test_blocks_and_faster_halves_have_curves_of_their_own(train):
    weights = ["down_lr_weight=" + ",".join(["0"] * 3 + ["1"] * 9), "up_lr_weight=" + ",".join(["0.5"] * 12)]
    folder = train("--network_args", *weights, "loraplus_unet_lr_ratio=4", "--max_train_steps", "1")

    rates = {tag: value for tag, [(_, value)] in points(folder).items() if tag.startswith("lr/")}
    blocks = {12: 1e-3, **dict.fromkeys((4, 5, 7, 8), 0.001), **dict.fromkeys(range(16, 25), 0.0005)}
    lower = {f"lr/unet_block{n}": pytest.approx(rate) for n, rate in blocks.items()}
    upper = {f"lr/unet_block{n} plus": pytest.approx(4 * rate) for n, rate in blocks.items()}
    assert rates == {"lr/textencoder": pytest.approx(1e-3), **lower, **upper}


def test_limited_layers_are_counted_and_measured(train, capfd):
    folder = train("--scale_weight_norms", "0.001", "--learning_rate", "0.01", "--max_train_steps", "3")

    scaled, longest = values(folder, "max_norm/keys_scaled"), values(folder, "max_norm/max_key_norm")
    mean = values(folder, "norm/avg_key_norm")
    assert scaled[0] > 0
    assert all(count == int(count) <= 192 + 12 for count in scaled)
    assert longest == pytest.approx([0.001] * 3)
    assert all(0 < value <= 0.001 for value in mean)
    line = capfd.readouterr().err.replace("\r", "\n").splitlines()[-1]
    assert re.search(
        rf", Average key norm={mean[-1]:.3g}, Keys Scaled={scaled[-1]:.3g}, avr_loss=[\d.e-]+\]", line
    )


def test_options_stand_beside_the_curves_when_asked(train, tmp_path):
    found = written(train("--log_config", "--max_train_steps", "1"))

    session = found.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    options = HParamsPluginData.FromString(session).session_start_info.hparams
    assert (options["network_dim"].number_value, options["optimizer_type"].string_value) == (2, "AdamW")
    assert str(tmp_path / "out") not in [value.string_value for value in options.values()]
    assert "hparams" not in written(train("--max_train_steps", "1")).summary_metadata


def as_process(preparation, words):
    """The script in a process of its own, which says at its end whether it has loaded what writes curves."""
    program = (
        f"import sys; {preparation}\nfrom train_network import train; from lora_engine.session import carry_out\n"
        "print('exit code:', carry_out(train, sys.argv[1:], {}))\n"
        "print('tensorboardX loaded:', 'tensorboardX' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_nothing_is_written_or_loaded_without_a_folder(tiny_model, dataset, tmp_path):
    words = ["--pretrained_model_name_or_path", tiny_model, "--dataset_config", dataset, "--max_train_steps", "1"]
    ended = as_process("", [*words, "--output_dir", tmp_path / "out"])

    assert "tensorboardX loaded: False" in ended.stdout, ended.stderr
    assert list(tmp_path.rglob("events.out*")) == []


def test_a_missing_package_is_told_before_the_model_is_loaded(tiny_model, dataset, tmp_path):
    words = ["--pretrained_model_name_or_path", tiny_model, "--dataset_config", dataset, "--max_train_steps", "1"]
    words += ["--output_dir", tmp_path / "out", "--logging_dir", tmp_path / "logs"]
    ended = as_process("sys.modules['tensorboardX'] = None", words)

    assert "exit code: 1" in ended.stdout
    assert ended.stderr.startswith("error: logging_dir needs the package tensorboardX, which can't be loaded")
    assert "loading the base model" not in ended.stdout


def test_a_folder_that_can_not_be_written_to_is_told_first(tiny_model, dataset, tmp_path):
    (tmp_path / "file").touch()
    words = ["--pretrained_model_name_or_path", tiny_model, "--dataset_config", dataset, "--output_dir", tmp_path]
    with pytest.raises(OptionError, match=r"logging_dir = .*file: files can't be written there"):
        read_job([*map(str, words), "--logging_dir", str(tmp_path / "file")])


def test_runs_that_start_in_the_same_second_have_folders_of_their_own(tmp_path):
    wanted = tmp_path / "deep" / "20260304050607"

    assert [new_folder(wanted).name for _ in range(3)] == [wanted.name, f"{wanted.name}-2", f"{wanted.name}-3"]


def curves(folder, reporter, **settings):
    return Curves(CurveFiles(folder=folder, prefix="", tracker="t", **settings), {}, reporter)


def test_points_can_be_read_while_the_run_goes_on(tmp_path):
    file = curves(tmp_path / "logs", Reporter(None), flush_s=0.0, suffix=".cat")
    file.add(1, {"loss/current": 0.5})

    assert points(tmp_path / "logs") == {"loss/current": [(1, 0.5)]}
    assert next(tmp_path.rglob("events.out*")).suffix == ".cat"
    file.close()
    file.close()


def test_curves_that_can_not_be_written_are_a_warning(tmp_path):
    (tmp_path / "logs").touch()
    reporter = Reporter(Attempt(tmp_path))
    file = curves(tmp_path / "logs", reporter)
    file.add(1, {"loss/current": 0.5})
    file.close()
    reporter.close()

    warned = [event.message for event in Tail(tmp_path / "events.jsonl").events() if isinstance(event, Warned)]
    assert warned == ["curves can't be written: File exists. The training goes on without them."]


def test_curves_that_find_no_room_on_the_disk_are_a_warning(tmp_path):
    pytest.importorskip("resource", reason="no limit for files on this system")
    program = """
import resource, sys
from pathlib import Path
from lora_engine.output.curves import Curves
from lora_engine.output.reporting import Reporter
from sd_contract.curves import CurveFiles

file = Curves(CurveFiles(folder=Path(sys.argv[1]), prefix="", tracker="t", flush_s=0.0), {}, Reporter(None))
resource.setrlimit(resource.RLIMIT_FSIZE, (150, 150))
for step in range(1, 9):
    file.add(step, {"loss/current": 0.5})
file.close()
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)

    assert ended.returncode == 0
    assert ended.stderr == "warning: curves can't be written: File too large. The training goes on without them.\n"
    assert points(tmp_path)["loss/current"][0] == (1, 0.5)
