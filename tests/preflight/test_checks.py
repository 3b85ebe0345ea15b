"""Each check, on machines and amounts that this one has not got."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.app.conftest import POCKET, PROJECT, VERSION
from tests.preflight.conftest import USUAL
from train_tools.app.preflights import Preflights
from train_tools.errors import PreflightError
from train_tools.model.device import Device, DeviceKind
from train_tools.model.finding import Finding, Level
from train_tools.model.plan import Plan
from train_tools.model.preflight import Preflight
from train_tools.preflight.costs import costs
from train_tools.preflight.prospect import Prospect

CARD = Device(
    kind=DeviceKind.CUDA,
    name="RTX 3090",
    uuid="GPU-1",
    memory_bytes=24_000_000_000,
    free_bytes=23_000_000_000,
    capability=(8, 6),
)
OLD_CARD = replace(CARD, name="GTX 1080", capability=(6, 1))
WORKS = Finding(check="torch.compile", level=Level.OK, message="It works.")


@pytest.fixture
def on(desk) -> Callable[..., None]:
    """Puts another device into the machine."""

    def put_in(device: Device, compiles: Finding = WORKS) -> None:
        desk.app.grids._preflights = Preflights(
            desk.app.base_models.family_of, lambda: device, lambda engine: compiles, desk.app.checks.before_run
        )

    return put_in


@pytest.mark.parametrize(
    ("device", "precision", "level", "words"),
    [
        (CARD, "bf16", Level.OK, "It trains on RTX 3090"),
        (CARD, "fp16", Level.OK, "can calculate in bf16 as well"),
        (CARD, "no", Level.WARNING, "Set mixed_precision=bf16"),
        (OLD_CARD, "bf16", Level.STOP, "Set mixed_precision=fp16"),
        (OLD_CARD, "no", Level.WARNING, "Set mixed_precision=fp16"),
    ],
)
def test_a_number_format_is_one_that_the_card_has(desk, on, device, precision, level, words):
    on(device)
    assert desk.found(words, mixed_precision=precision).level is level


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        ({"optimizer_type": "AdamW8bit"}, "Set optimizer_type=AdamW."),
        ({"optimizer_type": "PagedAdamW32bit"}, "Set optimizer_type=AdamW."),
        ({"optimizer_type": "PagedLion8bit"}, "Set optimizer_type=Lion."),
        ({"xformers": "true"}, "Take xformers out"),
    ],
)
def test_what_needs_a_card_is_told_with_what_to_take_instead(desk, on, options, cure):
    assert desk.found(cure, **options).level is Level.STOP
    on(CARD)
    assert not any(cure in finding.cure for finding in desk.look(**options).findings)


def test_compiling_is_looked_at_only_where_it_is_wanted(desk, on):
    broken = replace(WORKS, level=Level.WARNING, message="No compiler here.")
    on(CARD, broken)
    assert desk.found("No compiler here", torch_compile="true").level is Level.WARNING
    assert not any("compiler" in finding.message for finding in desk.look().findings)


def test_runs_of_which_the_same_is_found_are_named_together(desk):
    preflight = desk.look(network_dim="8,64,128", seed="1,2")
    [of_64] = [finding for finding in preflight.findings if "network_dim = 64" in finding.message]
    assert (of_64.level, len(of_64.runs)) == (Level.WARNING, 2)
    [card] = [finding for finding in preflight.findings if finding.check == "device"]
    assert card.runs == ()


def test_one_cell_that_is_refused_is_told_beside_what_is_found_of_the_others(desk):
    preflight = desk.look(network_dim="64", clip_skip="1,99")
    [stop] = preflight.stops
    assert ("clip_skip = 99" in stop.message, len(stop.runs)) == (True, 1)
    assert any("network_dim = 64" in finding.message for finding in preflight.warnings)


def test_findings_that_stop_come_first():
    levels = (Level.OK, Level.STOP, Level.WARNING)
    preflight = Preflight.of((Finding(check="a", level=level, message=level) for level in levels), ("run",))
    assert [finding.level for finding in preflight.findings] == [Level.STOP, Level.WARNING, Level.OK]
    assert preflight.level is Level.STOP


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"network_dim": "64"}, "above 32"),
        ({"network_dim": "256"}, "above 128"),
        ({"unet_lr": "1e-8"}, "hardly learns"),
        ({"unet_lr": "0.5"}, "noise or no number"),
        ({"optimizer_type": "Prodigy", "text_encoder_lr": "1e-4"}, "Set learning_rate=1"),
        ({"optimizer_type": "ProdigyPlusScheduleFree", "unet_lr": "1e-4"}, "Set learning_rate=1"),
        ({"max_train_epochs": "1"}, "seldom enough to learn it"),
        ({"max_train_epochs": "900"}, "by heart"),
        ({"save_every_n_epochs": "11"}, "never comes"),
        ({"network_train_unet_only": "true", "text_encoder_lr": "1e-5"}, "no effect"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(desk, options, words):
    assert desk.found(words, **options).level is Level.WARNING


@pytest.mark.parametrize("optimizer", ["SGDNesterov", "Muon", "SGDScheduleFree"])
def test_a_rate_that_an_optimizer_of_small_steps_wants_is_none_that_is_too_high(desk, optimizer):
    found = desk.look(optimizer_type=optimizer, unet_lr="0.1").findings
    assert not any("noise or no number" in finding.message for finding in found)


def test_batches_of_several_sizes_want_linked_rates(desk):
    finding = desk.found("learn with the same rate", train_batch_size="1,4", unet_lr="1e-4")
    assert "'unet_lr==0.0001*train_batch_size'" in finding.cure
    linked = desk.look(train_batch_size="1,4", unet_lr="=1e-4*train_batch_size")
    assert not any("same rate" in each.message for each in linked.findings)


def test_how_often_an_image_is_seen_and_how_long_a_concept_is_told(desk):
    finding = desk.found("views of each concept", max_train_epochs="10")
    assert finding.message.startswith("80 steps: each of 2 images is seen about 40 times, and there are 80 views")


def test_the_cure_for_too_few_steps_cures_it(desk):
    finding = desk.found("For 100 views", max_train_epochs="1")
    epochs = finding.cure.partition("max_train_epochs=")[2].partition(",")[0]
    assert Level.WARNING not in desk.levels(max_train_epochs=epochs)


def test_regularisation_says_what_it_costs_and_what_of_it_is_unused(desk):
    folder = desk.regularisation / f"1_{desk.folder.name.partition('_')[2]}"
    folder.mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(folder / f"{number}.png")
    assert desk.found("takes twice as long").level is Level.OK
    for number in range(3, 20):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(folder / f"{number}.png")
    assert desk.found("of which only the first 8 are used").level is Level.WARNING


def test_sd2_without_its_text_encoder_is_told(desk, tmp_path):
    from benchmarks.pocket.blueprint import Blueprint, build
    from benchmarks.pocket.single_file import save

    path = tmp_path / "sd2.safetensors"
    save(build(Blueprint.of_width(8, "sd2")), path, title="sd2")
    chosen = {"pretrained_model_name_or_path": str(path), "resolution": "64,64"}
    finding = desk.found("text encoder is not trained", network_train_unet_only="true", **chosen)
    assert finding.level is Level.WARNING


@pytest.mark.parametrize(
    ("total", "free", "level"),
    [(24e9, 23e9, Level.OK), (24e9, 0.3e9, Level.WARNING), (0.3e9, 0.3e9, Level.STOP)],
)
def test_the_device_has_to_hold_what_a_run_takes(desk, on, total, free, level):
    on(replace(CARD, memory_bytes=int(total), free_bytes=int(free)))
    finding = desk.found("GB of memory", mixed_precision="bf16")
    assert (finding.check, finding.level, finding.cure != "") == ("memory", level, level is not Level.OK)


@pytest.mark.parametrize(("free", "level"), [(10**12, Level.OK), (1_100, Level.WARNING), (900, Level.STOP)])
def test_the_disk_has_to_hold_what_is_saved(free, level):
    plan = Plan(
        project="p",
        version="v",
        runs=(),
        total=0,
        images=1,
        pictures=0,
        seconds=None,
        seconds_from="",
        disk_bytes=1_000,
        free_bytes=free,
    )
    prospect = Prospect(
        plan=plan,
        engine=None,
        candidates=(),
        device=CARD,
        family_of=str,
        compiles=lambda: WORKS,
        of_dataset=lambda one: (),
    )
    assert [finding.level for finding in costs(prospect) if finding.check == "disk"] == [level]


def test_a_trainer_whose_environment_is_gone_stops(desk, tmp_path):
    entry = desk.app.engines._registry.all()["kohya"]
    desk.app.engines._registry.add(replace(entry, python=tmp_path / "gone" / "python"))
    finding = desk.found("its environment was moved or deleted", "kohya")
    assert (finding.check, finding.level) == ("trainer", Level.STOP)


@pytest.mark.parametrize("option", ["use_ema", "full_dreambooth"])
def test_what_nobody_trains_here_is_refused_with_the_reason(desk, option):
    finding = desk.found("is not offered", **{option: "true"})
    assert (finding.check, finding.level) == ("options", Level.STOP)


# submitting


def test_a_grid_that_would_be_stopped_is_queued_only_for_those_who_want_it_anyway(desk):
    wanted = {"pretrained_model_name_or_path": str(POCKET), "mixed_precision": "fp16"}
    with pytest.raises(PreflightError, match=r"fp16 works on graphics cards only.*--anyway"):
        desk.app.grids.submit(PROJECT, VERSION, wanted)
    assert desk.app.jobs.queue.waiting() == 0
    submission = desk.app.grids.submit(PROJECT, VERSION, wanted, anyway=True)
    assert len(submission.jobs) == 1
    assert [stop.check for stop in submission.preflight.stops] == ["precision"]


def test_warnings_come_with_the_submission(desk):
    wanted = {"pretrained_model_name_or_path": str(POCKET), "network_dim": "64", **USUAL}
    submission = desk.app.grids.submit(PROJECT, VERSION, wanted)
    assert [warning.check for warning in submission.preflight.warnings] == ["rank"]


def test_what_is_done_already_is_not_looked_at(desk, monkeypatch):
    monkeypatch.setattr("train_tools.app.readings.is_trained", lambda paths: True)
    assert not any(finding.check == "rank" for finding in desk.look(network_dim="64").findings)


@pytest.mark.parametrize(
    ("arguments", "is_told"), [("algo=lokr", False), ("algo=full", False), ("algo=loha", True)]
)
def test_a_rank_is_not_too_high_where_it_is_no_width(desk, arguments, is_told):
    findings = desk.look(network_module="lycoris.kohya", network_dim="10000", network_args=arguments).findings
    assert any(finding.check == "rank" for finding in findings) is is_told


def test_looking_changes_nothing(desk, tmp_path):
    def files() -> dict[Path, float]:
        projects = desk.app.outputs.projects
        return {path: path.stat().st_mtime for path in projects.rglob("*")}

    before = files()
    desk.look(network_dim="8,16")
    assert files() == before


def test_real_steps_are_tried_on_demand(desk):
    wanted = {"pretrained_model_name_or_path": str(POCKET), **USUAL, "network_dim": "2,8"}
    preflight = desk.app.grids.preflight(PROJECT, VERSION, wanted, probing=True)
    [trial] = [finding for finding in preflight.findings if finding.check == "trial"]
    assert trial.level is Level.OK
    assert "2 real steps took" in trial.message
    assert ["net-8" in name for name in trial.runs] == [True]
    assert desk.app.runs.checkpoints(PROJECT, VERSION) == ()


def test_captions_that_are_cut_and_what_a_look_has_seen_are_told_before_the_night(desk):
    [first, _] = sorted(desk.folder.glob("*.txt"))
    first.write_text(", ".join(["cat"] * 60))
    told = desk.found("more than 75 tokens")
    assert (told.level, told.remedy.arguments) == (Level.WARNING, {"values": {"max_token_length": 150}})
    assert told.runs == ()
    some = desk.found("more than 75 tokens", captions="as_written,class_only")
    assert len(some.runs) == 1
    assert not any("tokens" in each.message for each in desk.look(captions="class_only").findings)
    assert not any("flat colour" in each.message for each in desk.look().findings)
    desk.app.checks.look(PROJECT, VERSION)
    assert desk.found("flat colour").images


def test_a_dataset_that_cannot_be_told_keeps_nobody_from_a_preflight(desk):
    desk.app.versions.paths(PROJECT, VERSION).looks.parent.mkdir()
    desk.app.versions.paths(PROJECT, VERSION).looks.mkdir()
    assert desk.look().findings
