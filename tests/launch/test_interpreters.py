"""Which Python is taken, asked of small programs that say what a Python would."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest


def write_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def write_python(path: Path, version: str, **facts: bool) -> list[str]:
    """A stand-in for a Python: answers every call with what it is."""
    said = {"path": str(path), "version": version, "ordinary": True, "has_venv": True, "has_pip": True} | facts
    write_program(path, f"cat <<'END'\n{json.dumps(said)}\nEND")
    return [str(path)]


def test_the_first_fitting_python_is_taken(launch, tmp_path):
    commands = [write_python(tmp_path / name, version) for name, version in [("a b", "3.13.0"), ("c", "3.11.9")]]
    found, _ = launch.first_fit(commands)
    assert found.path == str(tmp_path / "a b")


def test_programs_that_do_not_answer_are_passed_over(launch, tmp_path):
    shim = write_program(tmp_path / "shim", "echo 'command not found' >&2; exit 127")
    chatter = write_program(tmp_path / "chatter", "echo hello")
    good = write_python(tmp_path / "good", "3.12.1")
    found, unfit = launch.first_fit([[str(shim)], [str(chatter)], [str(tmp_path / "missing")], good])
    assert found.version == "3.12.1"
    assert unfit == []


@pytest.mark.parametrize(
    ("version", "facts"),
    [
        ("3.10.13", {}),
        ("3.14.0", {}),
        ("3.12.1", {"ordinary": False}),
        ("3.12.1", {"has_venv": False, "has_pip": False}),
    ],
)
def test_a_python_that_cannot_run_the_app_is_not_taken(launch, tmp_path, version, facts):
    found, unfit = launch.first_fit([write_python(tmp_path / "python", version, **facts)])
    assert found is None
    assert [python.version for python in unfit] == [version]


def test_an_embedded_python_without_venv_will_do(launch, tmp_path):
    found, _ = launch.first_fit([write_python(tmp_path / "python", "3.11.9", has_venv=False)])
    assert found.version == "3.11.9"


def test_a_real_python_says_what_it_is(launch):
    python = launch.probe([sys.executable])
    assert python.version == sys.version.split()[0]
    assert python.ordinary


def test_the_running_python_comes_first_then_path_then_pyenv(launch, tmp_path, monkeypatch):
    on_path = write_python(tmp_path / "bin" / "python3.12", "3.12.1")
    of_pyenv = write_python(tmp_path / "pyenv" / "versions" / "3.13.0" / "bin" / "python", "3.13.0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    commands = list(launch.python_commands(launch.Venv(tmp_path / ".venv")))
    assert commands == [[sys._base_executable], on_path, of_pyenv]


FETCH = """
import launch
try:
    print("taken:", launch.fetch_interpreter(launch.Venv(launch.PROJECT / ".venv"), []))
except launch.LaunchError as problem:
    print("stopped:", problem)
"""


@pytest.fixture
def fetch(project, tmp_path):
    """The command that offers to fetch a Python; a uv on PATH notes its arguments and delivers one."""
    write_python(tmp_path / "delivered", "3.11.9")
    deliver = f'mkdir -p "$5/cpython/bin" && cp "{tmp_path}/delivered" "$5/cpython/bin/python3.11"'
    write_program(tmp_path / "bin" / "uv", f'echo "$@" > "{tmp_path}/uv-was-run"; {deliver}')
    environment = project.environment | {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    return {"args": [sys.executable, "-c", FETCH], "cwd": project.folder, "env": environment}


def answer_at_terminal(command: dict, words: bytes) -> str:
    """What the command prints to a user who types the words."""
    user, process = pty.openpty()
    os.write(user, words)
    with subprocess.Popen(**command, stdin=process, stdout=process, stderr=process) as running:
        os.close(process)
        printed = b"".join(iter(lambda: read_terminal(user), b""))
        running.wait()
    os.close(user)
    return printed.decode()


def read_terminal(user: int) -> bytes:
    try:
        return os.read(user, 4096)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_uv_fetches_a_python_into_the_environment_after_a_yes(fetch, project, tmp_path):
    assert "taken: Python 3.11.9" in answer_at_terminal(fetch, b"y\n")
    assert str(project.venv / "interpreter") in (tmp_path / "uv-was-run").read_text()


@pytest.mark.parametrize("words", [b"\n", b"n\n", b"\x04"], ids=["enter", "no", "end of input"])
def test_uv_fetches_nothing_without_a_yes(fetch, tmp_path, words):
    assert "stopped: Train Tools needs" in answer_at_terminal(fetch, words)
    assert not (tmp_path / "uv-was-run").exists()


def test_uv_is_not_even_offered_away_from_a_terminal(fetch, tmp_path):
    done = subprocess.run(**fetch, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert "[y/N]" not in done.stdout
    assert "Install one" in done.stdout
    assert not (tmp_path / "uv-was-run").exists()
