"""What holds for the whole tree: what is packed, what files are called, what a start costs."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib

import pytest

from tests.contract.source import PACKAGES, ROOT, modules

HEAVY = {"torch", "gradio", "PIL", "numpy", "diffusers", "transformers", "fastapi", "pandas", "sqlite3"}
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc"}


def packed() -> dict[str, str]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]


def test_every_package_is_listed_where_it_is_packed():
    with_code = {
        file.parent
        for name in ("train_tools", "sd_scripts")
        for file in (ROOT / name).rglob("__init__.py")
        if file.parent.parent in (ROOT, ROOT / "sd_scripts")
    }
    assert {ROOT / folder for folder in packed().values()} == with_code
    assert set(packed()) == set(PACKAGES)


def test_every_folder_with_modules_is_a_package():
    folders = {file.parent for name, file in modules().items() if file.parent != ROOT / "sd_scripts"}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_every_module_begins_with_what_it_holds():
    silent = [name for name, file in modules().items() if not file.read_text(encoding="utf-8").startswith('"""')]
    assert silent == []


def test_no_file_has_a_name_that_says_nothing():
    tests = (ROOT / "tests").rglob("*.py")
    files = [*modules().values(), *tests]
    assert [file for file in files if file.stem in VAGUE or file.parent.name in VAGUE] == []


@pytest.mark.parametrize("module", ["train_tools.cli", "train_tools.jobs.supervisor", "train_tools.terminal"])
def test_a_start_does_not_wait_for_what_it_may_never_need(module):
    script = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    heavy = HEAVY - ({"sqlite3"} if module.endswith("supervisor") else set())
    assert loaded_by(script) & heavy == set()


def test_building_the_app_does_not_load_what_calculates_or_draws():
    script = "import sys, train_tools.app; print(*{name.split('.')[0] for name in sys.modules})"
    assert loaded_by(script) & {"torch", "gradio", "diffusers", "transformers", "fastapi", "pandas"} == set()


def loaded_by(script: str) -> set[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "sd_scripts")))}
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    return set(finished.stdout.split())
