from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from train_tools.health.webui import Running, options_in, running_webuis, webui_above, webui_findings
from train_tools.model.finding import Level


@pytest.fixture
def webui(tmp_path, awkward_name) -> Path:
    folder = tmp_path / awkward_name
    (folder / "models" / "Lora").mkdir(parents=True)
    (folder / "webui-user.sh").write_text('#!/bin/bash\n#export COMMANDLINE_ARGS="--lowvram"\n')
    return folder


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("webui-user.sh", 'export COMMANDLINE_ARGS="--medvram --xformers"\n', ("--medvram", "--xformers")),
        ("webui-user.sh", "COMMANDLINE_ARGS='--no-half'\n", ("--no-half",)),
        ("webui-user.sh", '#export COMMANDLINE_ARGS="--lowvram"\n', ()),
        ("webui-user.sh", 'install_dir="/home/кот"\n', ()),
        (
            "webui-user.bat",
            "@echo off\r\nset PYTHON=\r\nset COMMANDLINE_ARGS=--lowvram --ckpt-dir=C:\\m --api\r\ncall x.bat\r\n",
            ("--lowvram", "--ckpt-dir", "--api"),
        ),
        ("webui-user.bat", "rem set COMMANDLINE_ARGS=--lowvram\r\n", ()),
        (
            "webui-user.bat",
            'set "COMMANDLINE_ARGS=--gradio-auth me:geheim --no-half"',
            ("--gradio-auth", "--no-half"),
        ),
        ("webui-user.sh", 'export COMMANDLINE_ARGS="--broken \'quote"\n', ("--broken",)),
    ],
)
def test_options_are_read_from_its_settings(tmp_path, name, text, options):
    file = tmp_path / name
    file.write_bytes(text.encode("utf-8"))
    assert options_in(file) == options


def test_a_webui_is_found_above_its_folders_of_models(webui):
    assert webui_above(webui / "models" / "Lora") == webui
    assert webui_above(webui) == webui
    assert webui_above(webui.parent) is None


def test_options_that_hurt_are_told_with_file_and_cure(webui):
    (webui / "webui-user.bat").write_text("set COMMANDLINE_ARGS=--lowvram --no-half --api\n")
    lowvram, no_half = webui_findings([webui / "models" / "Lora", webui], [])
    assert (lowvram.level, no_half.level) == (Level.WARNING, Level.WARNING)
    assert str(webui / "webui-user.bat") in lowvram.message
    assert "LoRAs are then not applied" in lowvram.message
    assert "--no-half-vae" in no_half.cure


def test_nothing_hurtful_is_nothing_to_tell(webui):
    assert list(webui_findings([webui], [])) == []
    (none,) = webui_findings([], [])
    assert (none.level, "No WebUI runs" in none.message) == (Level.OK, True)


def test_one_that_runs_is_found_with_its_options_and_without_their_values(webui):
    (webui / "launch.py").write_text("import sys; print(1, flush=True); sys.stdin.read()")
    words = [sys.executable, "launch.py", "--medvram", "--gradio-auth", "me:geheim", "--theme=dark"]
    with subprocess.Popen(words, cwd=webui, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        (found,) = [each for each in running_webuis() if each.pid == process.pid]
    assert found == Running(pid=process.pid, folder=webui, options=("--medvram", "--gradio-auth", "--theme"))
    told, hurts = webui_findings([], [found])
    assert "with --medvram, --gradio-auth, --theme" in told.message
    assert "geheim" not in told.message
    assert (hurts.level, "--medvram" in hurts.message) == (Level.WARNING, True)


def test_our_own_launcher_is_no_webui(tmp_path):
    (tmp_path / "launch.py").write_text("import sys; print(1, flush=True); sys.stdin.read()")
    words = [sys.executable, "launch.py"]
    with subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert process.pid not in {each.pid for each in running_webuis()}
