from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from train_tools.jobs.kind import Launch
from train_tools.runs.pasted import pasted

WORDS = (
    "plain",
    "two words",
    "it's",
    'a "b"',
    "$HOME `x` \\ %PATH%",
    "кот 猫 🐈",
    "*?[a]",
    "",
    "-x=~/y",
    "a\nb",
    "!1",
)
TELL = "import json, os, sys; print(json.dumps([sys.argv[1:], os.getcwd(), os.environ['TOLD']]))"


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    folder = tmp_path / "it's a [folder] & more"
    folder.mkdir()
    return Launch(command=(sys.executable, "-c", TELL, *WORDS), folder=folder, environment={"TOLD": "a 'b' $HOME"})


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells")
@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh"])
def test_a_shell_gives_the_program_the_very_words_folder_and_variables(launch, shell, tmp_path):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    line = f"{pasted(launch)} && pwd"
    done = subprocess.run([program, "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    said, where = done.stdout.splitlines()
    assert json.loads(said) == [list(WORDS), str(launch.folder), "a 'b' $HOME"]
    assert where == str(tmp_path)


def test_secrets_are_left_out_of_the_environment(launch):
    secretive = Launch(
        command=("x",), folder=launch.folder, environment={"HF_TOKEN": "s3cr3t", "HF_HUB_OFFLINE": "1"}
    )
    assert "s3cr3t" not in pasted(secretive)
    assert "HF_HUB_OFFLINE=1" in pasted(secretive)


def test_powershell_gets_single_quotes_that_are_doubled_inside():
    launch = Launch(
        command=("C:\\py thon.exe", "it\u2019s", "a'b"),
        folder=Path("C:/a 'b'"),
        environment={"HF_HUB_OFFLINE": "1"},
    )
    assert pasted(launch, "win32") == (
        "Push-Location -LiteralPath 'C:/a ''b'''; $env:HF_HUB_OFFLINE = '1'; "
        "& 'C:\\py thon.exe' 'it\u2019\u2019s' 'a''b'; Pop-Location"
    )
