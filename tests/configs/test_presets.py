from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sd_contract.modes import second_pass
from sd_contract.options import settings_from
from train_tools.configs.presets import Presets, shipped_presets
from train_tools.errors import AlreadyExistsError, NameNotAllowedError, NotFoundError, StorageError
from train_tools.grids.cells import cells_of
from train_tools.grids.expressions import grid_of
from train_tools.model.grid import Formula, Rules
from train_tools.model.paths import DEFAULTS, OutputsPaths
from train_tools.model.preparation import Preparation
from train_tools.model.project import VersionSettings
from train_tools.options.bundled import bundled_options
from train_tools.projects.settings import read_settings
from train_tools.projects.store import ProjectStore

SHIPPED = shipped_presets()
TABLE = bundled_options()
SETTINGS = VersionSettings(
    preparation=Preparation(width_px=768, height_px=512, mirrored_copies=True),
    options={"network_dim": 8, "text_encoder_lr": Formula("unet_lr/2"), "optimizer_args": ("eps=1e-8",)},
    axes={"unet_lr": (1e-4, 5e-5)},
    rules=Rules(seeds=2),
)


@pytest.fixture
def outputs(tmp_path: Path) -> OutputsPaths:
    return OutputsPaths(tmp_path / "outputs")


@pytest.fixture
def presets(outputs: OutputsPaths) -> Presets:
    return Presets(outputs)


def options_of(name: str) -> dict[str, object]:
    return dict(next(preset for preset in SHIPPED if preset.name == name).options)


def test_there_is_one_for_each_family_subject_and_amount_of_memory():
    names = {preset.name for preset in SHIPPED}
    assert {
        f"{family}-{subject}-{memory}gb"
        for family in ("sd1", "sd2", "sdxl")
        for subject in ("character", "style", "object")
        for memory in (8, 12, 24)
    } | {"sd-multitrain", "sd-webui-train-tools", "traintrain", "kohya-tutorial", "lora-guide-2023"} | {
        *("traintrain-ileco", "traintrain-difference", "traintrain-difference-2nd-pass"),
        *("traintrain-addift-action", "traintrain-addift-style"),
        *("ileco-replace", "ileco-erase", "slider", "difference"),
    } == names


@pytest.mark.parametrize("preset", SHIPPED, ids=lambda preset: preset.name)
def test_a_preset_that_came_along_can_be_trained_and_says_why_in_a_sentence(preset):
    [cell] = cells_of(TABLE, grid_of(TABLE, preset.options, preset.axes, {}, preset.rules))
    settings = settings_from(cell)
    assert settings.rank >= settings.alpha or settings.mode == "ileco"
    assert preset.problem == ""
    assert preset.why.endswith(".")
    assert preset.why.count(". ") == 0


def test_presets_keep_what_guides_and_other_programs_say():
    """S0-10, S0-11, S0-14, S0-17; S1-38, S1-46; S2-16; S3-28, S3-29, S3-35 to S3-37; S4-15, S4-17."""
    first = options_of("sd-multitrain")
    assert (first["unet_lr"], first["text_encoder_lr"], first["optimizer_type"]) == (1e-4, (5e-5,), "AdamW8bit")
    assert first["network_alpha"] == first["network_dim"] / 2
    second = options_of("sd-webui-train-tools")
    assert (second["max_train_epochs"], second["save_every_n_epochs"], second["network_dim"]) == (20, 2, 128)
    assert (second["optimizer_args"], second["seed"]) == (("weight_decay=0.1", "betas=0.9,0.99"), 23)
    assert (second["min_bucket_reso"], second["max_bucket_reso"], second["max_token_length"]) == (320, 960, 150)
    third = options_of("traintrain")
    assert (third["network_dim"], third["network_alpha"], third["max_train_steps"]) == (16, 8.0, 1000)
    erased = options_of("traintrain-ileco")
    assert (erased["mode"], erased["network_dim"], erased["network_alpha"]) == ("ileco", 4, 8.0)
    second = second_pass(settings_from(options_of("traintrain-difference-2nd-pass")))
    assert (second.rank, second.optimizer.learning_rate, second.training.max_train_steps) == (4, 1e-4, 500)
    strong = second_pass(settings_from(options_of("difference")))
    assert (strong.rank, strong.network.network_strength) == (4, 2.0)
    action, style = options_of("traintrain-addift-action"), options_of("traintrain-addift-style")
    assert (action["min_timestep"], action["max_timestep"], action["max_train_steps"]) == (500, 1000, 30)
    assert (style["min_timestep"], style["max_timestep"]) == (200, 400)
    tutorial = options_of("kohya-tutorial")
    assert (tutorial["noise_offset"], tutorial["adaptive_noise_scale"]) == (0.02, 0.002)
    assert (tutorial["network_dim"] <= 32, tutorial["debiased_estimation_loss"]) == (True, True)
    guide = options_of("lora-guide-2023")
    assert (guide["unet_lr"], guide["lr_scheduler"]) == (Formula("learning_rate"), "cosine_with_restarts")
    assert (guide["max_train_epochs"], guide["save_every_n_epochs"], guide["network_dim"]) == (10, 1, 128)


def test_less_memory_is_asked_of_smaller_cards():
    small, large = options_of("sdxl-style-8gb"), options_of("sdxl-style-24gb")
    assert (small["network_train_unet_only"], small["train_batch_size"]) == (True, 1)
    assert "text_encoder_lr" not in small
    assert (large["text_encoder_lr"], large["train_batch_size"]) == ((2e-5,), 4)


def test_a_version_is_kept_and_found_again(presets, awkward_name):
    name = awkward_name[:50]
    presets.save(name, SETTINGS, "For my cat.")
    [own] = [preset for preset in presets.all() if not preset.shipped]
    assert own == presets.find(name.upper())
    assert (own.name, own.why, own.options, own.axes) == (
        name,
        "For my cat.",
        SETTINGS.options,
        SETTINGS.axes,
    )
    assert (own.size_px, own.rules) == ((768, 512), Rules(seeds=2))
    presets.delete(name)
    assert presets.all() == SHIPPED


def test_one_s_own_is_replaced_only_when_asked(presets):
    presets.save("Cat", SETTINGS)
    with pytest.raises(AlreadyExistsError, match="--replace"):
        presets.save("cat", SETTINGS)
    presets.save("cat", replace(SETTINGS, options={"network_dim": 4}), replacing=True)
    assert [(own.name, own.options) for own in presets.all() if not own.shipped] == [("Cat", {"network_dim": 4})]


def test_those_that_came_along_stay(presets):
    with pytest.raises(AlreadyExistsError, match="came with Train Tools"):
        presets.save("SD1-character-8gb", SETTINGS, replacing=True)
    with pytest.raises(NotFoundError, match="can't be deleted"):
        presets.delete("sd1-character-8gb")


def test_what_is_not_there_is_told(presets):
    presets.save("cat", SETTINGS)
    with pytest.raises(NotFoundError, match="There are cat, and those that came along: sd1-character-8gb"):
        presets.find("nothing")
    with pytest.raises(NotFoundError, match="no preset 'nothing' of your own"):
        presets.delete("nothing")
    with pytest.raises(NameNotAllowedError, match="preset name"):
        presets.save("../x", SETTINGS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("format = 9", "has format 9"),
        ("format = ", "not valid TOML"),
        ("[axes]\nnetwork_dim = 8\n", "network_dim = 8 in .axes."),
    ],
)
def test_a_broken_one_is_listed_with_its_problem_and_hides_no_other(presets, outputs, text, says):
    presets.save("good", SETTINGS)
    (outputs.presets / "broken.toml").write_text(text)
    assert [preset.name for preset in presets.all()][:2] == ["broken", "good"]
    with pytest.raises(StorageError, match=says):
        presets.find("broken")


def test_new_versions_begin_with_my_defaults(presets, outputs):
    store = ProjectStore(outputs)
    store.create("cat")
    store.create_version("cat", "before")
    presets.save(DEFAULTS, SETTINGS)
    version = store.create_version("cat", "after")
    assert read_settings(version.paths) == SETTINGS
    assert read_settings(store.open_version("cat", "before").paths) != SETTINGS
    presets.delete(DEFAULTS)
    assert read_settings(store.create_version("cat", "later").paths).options["network_dim"] == 32


def test_defaults_that_can_not_be_read_are_told_and_nothing_is_made(presets, outputs):
    store = ProjectStore(outputs)
    store.create("cat")
    presets.save(DEFAULTS, SETTINGS)
    outputs.defaults.write_text("[preparation]\nwidth_px = 'wide'\n")
    with pytest.raises(StorageError, match=r"my defaults.*width_px"):
        store.create_version("cat", "v1")
    assert store.versions("cat") == ()
