from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.jobs.patience import eventually
from train_tools.jobs.tree import COOKIE, ProcessTree, bearers, kill_bearers

SLEEP = "import time; time.sleep(60)"
APART = "import os; os.setsid(); " + SLEEP
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True);" + SLEEP
PARENT_OF = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]])"
Start = Callable[..., ProcessTree]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "run.log"


@pytest.fixture
def start(tmp_path: Path, log: Path) -> Iterator[Start]:
    """Starts `python -c` with arguments as a tree, and ends it after the test."""
    cookie = f"{tmp_path}/1"
    trees = []

    def started(*arguments: str, cookie: str = cookie) -> ProcessTree:
        with log.open("ab", buffering=0) as file:
            tree = ProcessTree(
                [sys.executable, "-c", *arguments],
                folder=tmp_path,
                environment=os.environ,
                stdin=subprocess.DEVNULL,
                log=file,
                cookie=cookie,
            )
        trees.append(tree)
        return tree

    yield started
    for tree in trees:
        kill_bearers(tree.cookie)
        tree.launcher.wait()


def test_a_tree_runs_in_its_folder_with_its_cookie_and_tells_its_code(start, log, tmp_path):
    tree = start(f"import os, sys; print(os.getcwd(), os.environ['{COOKIE}'], flush=True); sys.exit(3)")
    assert tree.wait(30) == 3
    assert log.read_text() == f"{tmp_path} {tree.cookie}\n"


def test_output_and_errors_are_appended_to_one_log(start, log):
    log.write_text("before\n")
    tree = start("import sys; print('out', flush=True); print('err', file=sys.stderr)")
    tree.wait(30)
    assert log.read_text() == "before\nout\nerr\n"


def test_waiting_for_a_tree_that_runs_ends_without_a_code(start):
    assert start(SLEEP).wait(0.05) is None


def test_a_command_that_is_not_there_is_an_os_error(tmp_path, log):
    with log.open("ab") as file, pytest.raises(OSError, match="no such program"):
        ProcessTree(
            ["/no such program"], folder=tmp_path, environment={}, stdin=subprocess.DEVNULL, log=file, cookie="x"
        )


def test_all_processes_of_a_tree_are_found_and_none_of_another(start, tmp_path):
    tree = start(PARENT_OF + "; " + SLEEP, SLEEP)
    other = start(SLEEP, cookie=f"{tmp_path}/11")
    eventually(lambda: len(bearers(tree.cookie)) == 2)
    assert other.launcher.pid not in [process.pid for process in bearers(tree.cookie)]
    other.kill()
    assert other.wait(30) == -signal.SIGKILL
    assert len(bearers(tree.cookie)) == 2


def test_a_process_is_found_also_while_it_begins_another_program(start):
    again = 'exec sh -c "$0" "$0"'
    tree = start("import os, sys; os.execvp('sh', ['sh', '-c', sys.argv[1], sys.argv[1]])", again)
    eventually(lambda: bearers(tree.cookie))
    assert [len(bearers(tree.cookie)) for _ in range(150)] == [1] * 150


def test_a_child_in_a_session_of_its_own_is_killed_after_its_launcher_is_dead(start):
    tree = start(PARENT_OF, APART)
    assert tree.wait(30) == 0
    [child] = eventually(lambda: bearers(tree.cookie))
    eventually(lambda: os.getsid(child.pid) == child.pid)
    tree.kill()
    assert bearers(tree.cookie) == []


def test_terminating_reaches_every_process_and_those_may_refuse(start, log):
    tree = start(PARENT_OF + "; " + SLEEP, STUBBORN)
    eventually(lambda: "deaf" in log.read_text())
    tree.terminate()
    assert tree.wait(30) == -signal.SIGTERM
    assert len(bearers(tree.cookie)) == 1
    tree.kill()
    assert bearers(tree.cookie) == []


def test_the_code_of_a_launcher_that_was_killed_is_not_lost(start):
    tree = start(SLEEP)
    kill_bearers(tree.cookie)
    assert tree.wait(30) == -signal.SIGKILL


def test_killing_a_tree_that_has_ended_does_nothing(start):
    tree = start("")
    assert tree.wait(30) == 0
    tree.kill()
    tree.terminate()
