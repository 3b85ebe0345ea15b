"""A run that goes on from its state ends with the weights that it would have had anyway."""

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.pocket.blueprint import Blueprint, build
from benchmarks.pocket.single_file import save
from lora_engine.job import read_job
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.lora import train_lora
from sd_contract.attempt import Attempt
from sd_contract.errors import CheckpointError, StateError
from sd_contract.events import StepDone, Tail
from sd_contract.output.states import newest_state, read_manifest, verify_state
from tests.lora_engine.stopping import StopsAt

COURSE = ("--max_train_steps", "6", "--learning_rate", "1e-3", "--network_dim", "3", "--network_alpha", "0.7")


DRAWS = (
    *("--network_dropout", "0.2", "--network_args", "conv_dim=2", "rank_dropout=0.1", "module_dropout=0.2"),
    *("--noise_offset", "0.1", "--noise_offset_random_strength", "--multires_noise_iterations", "3"),
    *("--ip_noise_gamma", "0.1", "--ip_noise_gamma_random_strength", "--flip_aug", "--color_aug"),
    *("--shuffle_caption", "--caption_dropout_rate", "0.2", "--caption_tag_dropout_rate", "0.2"),
)
"""Options that draw something at each step."""
ESTIMATED = ("--learning_rate", "1")
"""For optimizers that find the rate themselves."""


class FileAsksAt(Reporter):
    """Somebody asks by the attempt's file while it does a certain step."""

    def __init__(self, attempt, step, mode):
        super().__init__(attempt)
        self._asking, self._at, self._how = attempt, step, mode

    def step_done(self, step, *facts):
        super().step_done(step, *facts)
        if step == self._at:
            self._asking.request_stop(self._how)


class FullDisk(Reporter):
    """From one step on until another no file takes a byte more, not even the log; perhaps a stop is asked for
    meanwhile."""

    def __init__(self, resource, attempt, full_from, room_from=None, stop_at=None):
        super().__init__(attempt)
        self.warned = []
        self._resource = resource
        self._full_from = full_from
        self._room_from = room_from
        self._stop_at = stop_at
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def warn(self, message):
        super().warn(message)
        self.warned.append(message)

    def step_done(self, step, *facts):
        super().step_done(step, *facts)
        if step == self._full_from:
            self._limit((1, self._limits[1]))
        if step == self._room_from:
            self.make_room()
        if step == self._stop_at:
            self.request_stop()

    def make_room(self):
        self._limit(self._limits)

    def _limit(self, soft_and_hard):
        self._resource.setrlimit(self._resource.RLIMIT_FSIZE, soft_and_hard)


@pytest.fixture
def full_disk(tmp_path):
    resource = pytest.importorskip("resource", reason="only Unix limits the size of files")
    made = []

    def make(*steps, **more):
        made.append(FullDisk(resource, Attempt(tmp_path), *steps, **more))
        return made[-1]

    yield make
    for disk in made:
        disk.make_room()
        disk.close()


@pytest.fixture(scope="module")
def families(tiny_models, tmp_path_factory):
    """A tiny model of each family; that of SD2 predicts velocity."""
    path = tmp_path_factory.mktemp("velocity") / "sd2.safetensors"
    save(build(Blueprint.of_width(8, "sd2").predicting("v_prediction"), seed=1), path, title="sd2")
    return {**tiny_models, "sd2": path}


@pytest.fixture
def train(tiny_model, dataset, tmp_path, capfd):
    def run(*options, name="lora", reporter=None, seed=("--seed", "7"), model=tiny_model):
        words = [*COURSE, *seed, "--pretrained_model_name_or_path", str(model)]
        words += ["--dataset_config", str(dataset), "--output_dir", str(tmp_path / "out"), "--output_name", name]
        reporter = reporter or Reporter(None)
        train_lora(read_job([*words, *map(str, options)]), reporter)
        return reporter

    return run


def assert_equal_weights(first, second):
    first, second = load_file(first), load_file(second)
    assert first.keys() == second.keys()
    assert [name for name, tensor in first.items() if not torch.equal(tensor, second[name])] == []


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--lr_scheduler", "cosine", "--lr_warmup_steps", "2", "--cache_latents"),
        ("--gradient_accumulation_steps", "2", "--flip_aug", "--shuffle_caption", "--noise_offset", "0.1"),
        ("--mixed_precision", "bf16"),
    ],
)
def test_a_stopped_run_goes_on_at_its_exact_step(train, tmp_path, options):
    train(*options, name="whole")
    stopped = train(*options, name="halted", reporter=StopsAt(3))
    resumed = train(*options, "--resume", tmp_path / "out" / "halted-step00000003-state", name="halted")

    assert stopped.files == ["halted-step00000003.safetensors"]
    assert resumed.files == ["halted.safetensors"]
    assert_equal_weights(tmp_path / "out" / "whole.safetensors", tmp_path / "out" / "halted.safetensors")


@pytest.mark.parametrize(
    ("family", "optimizer", "options"),
    [
        ("sd2", "Prodigy", ESTIMATED),
        ("sd1", "Prodigy", (*ESTIMATED, "--optimizer_args", "safeguard_warmup=True", "use_bias_correction=True")),
        ("sdxl", "DAdaptation", ESTIMATED),
        ("sd2", "AdaFactor", ()),
        ("sdxl", "AdaFactor", ("--optimizer_args", "relative_step=False", "scale_parameter=False")),
        ("sdxl", "Lion", ()),
        ("sd2", "SGDNesterov", ("--lr_scheduler", "linear")),
    ],
)
def test_whatever_is_trained_goes_on_at_its_exact_step(train, families, tmp_path, family, optimizer, options):
    run = ("--optimizer_type", optimizer, *options, *DRAWS)
    train(*run, "--state_dir", tmp_path / "states", "--state_every_n_steps", "3", model=families[family])
    train(*run, "--resume", tmp_path / "states" / "step-00000003", name="resumed", model=families[family])

    assert_equal_weights(tmp_path / "out" / "lora.safetensors", tmp_path / "out" / "resumed.safetensors")


@pytest.mark.parametrize(("mode", "asked_at", "last"), [("epoch", 3, 4), ("epoch", 2, 2), ("step", 3, 3)])
def test_a_stop_waits_for_the_end_of_the_epoch_when_that_is_what_is_asked(train, tmp_path, mode, asked_at, last):
    train(name="whole")
    (tmp_path / "attempt").mkdir()
    reporter = FileAsksAt(Attempt(tmp_path / "attempt"), asked_at, mode)
    train(name="halted", reporter=reporter)
    reporter.close()
    train("--resume", tmp_path / "out" / f"halted-step{last:08d}-state", name="halted")

    assert reporter.step == last
    assert_equal_weights(tmp_path / "out" / "whole.safetensors", tmp_path / "out" / "halted.safetensors")


def test_a_stop_after_the_epoch_lets_the_run_begin(train, tmp_path):
    (tmp_path / "attempt").mkdir()
    attempt = Attempt(tmp_path / "attempt")
    attempt.request_stop("epoch")
    reporter = Reporter(attempt)
    train(reporter=reporter)
    reporter.close()

    assert reporter.step == 2


def test_a_drawn_seed_is_kept(train, tmp_path):
    train(name="a", reporter=StopsAt(3), seed=())
    state = tmp_path / "out" / "a-step00000003-state"
    train("--resume", state, name="b", seed=())
    train("--seed", read_manifest(state).seed, name="c", seed=())

    assert_equal_weights(tmp_path / "out" / "b.safetensors", tmp_path / "out" / "c.safetensors")


def test_the_newest_two_states_are_kept_in_a_folder_of_their_own(train, tmp_path):
    states = tmp_path / "it's a state"
    train("--state_dir", states, "--state_every_n_steps", "1")

    assert sorted(state.name for state in states.iterdir()) == ["step-00000004", "step-00000005"]
    assert newest_state([states]).name == "step-00000005"
    (states / "step-00000005" / "network.safetensors").write_bytes(b"torn")
    assert newest_state([states]).name == "step-00000004"
    train("--resume", states / "step-00000004", name="again")
    assert_equal_weights(tmp_path / "out" / "lora.safetensors", tmp_path / "out" / "again.safetensors")


def test_states_lie_beside_the_files_where_sd_scripts_puts_them(train, tmp_path):
    options = ("--save_every_n_epochs", "1", "--save_every_n_steps", "4", "--save_state")
    train(*options, "--save_last_n_epochs_state", "1")

    states = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert states == ["lora-000002-state", "lora-state", "lora-step00000004-state"]
    assert verify_state(tmp_path / "out" / "lora-000002-state").step == 4


def test_the_state_of_the_end_alone_can_be_asked_for(train, tmp_path):
    train("--save_every_n_epochs", "1", "--save_state_on_train_end")
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()] == ["lora-state"]

    train("--resume", tmp_path / "out" / "lora-state", "--max_train_steps", "8", name="longer")
    assert (tmp_path / "out" / "longer.safetensors").exists()


def test_the_average_goes_on_where_it_was(train, tmp_path, capfd):
    train(name="whole")
    whole = capfd.readouterr().err.replace("\r", "\n").splitlines()[-1]
    train(name="halted", reporter=StopsAt(3))
    capfd.readouterr()
    train("--resume", tmp_path / "out" / "halted-step00000003-state", name="halted")
    resumed = capfd.readouterr().err.replace("\r", "\n").splitlines()[-1]

    assert "6/6" in whole
    assert resumed.split("|")[-1].split(" ")[1] == "6/6"
    assert resumed.rpartition("avr_loss=")[2] == whole.rpartition("avr_loss=")[2]


def test_other_options_are_told(train, tmp_path, capfd):
    train(reporter=StopsAt(3))
    train("--resume", tmp_path / "out" / "lora-step00000003-state", "--learning_rate", "1e-4", "--save_state")

    warned = [line for line in capfd.readouterr().err.splitlines() if line.startswith("warning")]
    assert warned == [
        "warning: the run goes on with other options than it began with: learning_rate was 0.001, is 0.0001"
    ]


def test_a_state_that_can_not_be_gone_on_from_is_refused(train, tmp_path):
    train("--save_state_on_train_end")
    state = tmp_path / "out" / "lora-state"

    with pytest.raises(StateError, match="at step 6, and the run has 6 steps: nothing is left to train"):
        train("--resume", state)
    with pytest.raises(StateError, match=r"is of another network or optimizer .*weights in the state"):
        train("--resume", state, "--max_train_steps", "8", "--network_dim", "2")
    (state / "optimizer.safetensors").write_bytes(b"torn")
    with pytest.raises(StateError, match=r"lora-state is damaged: optimizer\.safetensors is not as it was"):
        train("--resume", state, "--max_train_steps", "8")


def test_a_state_that_can_not_be_written_is_a_warning_and_the_training_goes_on(train, full_disk, tmp_path):
    train(name="undisturbed")
    disk = full_disk(3, room_from=4)
    train("--state_dir", tmp_path / "states", "--state_every_n_steps", "1", reporter=disk)

    [told] = disk.warned
    assert "step-00000003 can't be written: File too large" in told
    assert "The LoRA and the states saved before are safe; make room for the next one." in told
    assert states_in(tmp_path / "states") == ["step-00000004", "step-00000005"]
    told = [event.step for event in Tail(Attempt(tmp_path).events).events() if isinstance(event, StepDone)]
    assert told[-3:] == [4, 5, 6]
    assert_equal_weights(tmp_path / "out" / "undisturbed.safetensors", tmp_path / "out" / "lora.safetensors")


def test_the_last_good_state_outlives_a_disk_that_stays_full(train, full_disk, tmp_path):
    train(name="undisturbed")
    disk = full_disk(3, stop_at=4)
    with pytest.raises(CheckpointError, match=r"lora-step00000004\.safetensors can't be written: File too large"):
        train("--state_dir", tmp_path / "states", "--state_every_n_steps", "1", reporter=disk)
    disk.make_room()

    assert ["step-0000000" in told for told in disk.warned] == [True] * 3
    assert states_in(tmp_path / "states") == ["step-00000001", "step-00000002"]
    train("--resume", newest_state([tmp_path / "states"]))
    assert_equal_weights(tmp_path / "out" / "undisturbed.safetensors", tmp_path / "out" / "lora.safetensors")


def states_in(folder):
    return sorted(path.name for path in folder.iterdir())
