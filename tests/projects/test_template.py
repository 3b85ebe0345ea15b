from __future__ import annotations

from sd_contract.options import check
from train_tools.model.paths import VersionPaths
from train_tools.model.project import VersionSettings
from train_tools.projects.settings import settings_in
from train_tools.projects.template import new_version_record, read_demo, template_folder


def test_the_template_spells_out_the_defaults_of_preparation_and_previews(tmp_path):
    settings = settings_in(new_version_record(), VersionPaths(tmp_path).record)
    assert settings.preparation == VersionSettings().preparation
    assert settings.previews == VersionSettings().previews


def test_the_templates_options_are_ones_the_bundled_engine_takes():
    for name, value in new_version_record()["options"].items():
        assert check(name, value) == value


def test_the_demo_names_pictures_a_base_model_and_a_grid():
    demo = read_demo()
    assert demo.base_model.is_file()
    assert any(demo.dataset.glob("*.png"))
    assert demo.dataset.is_relative_to(template_folder())
    assert all(len(values) > 1 for values in demo.axes.values())
