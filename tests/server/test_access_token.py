import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from train_tools.server.access_token import find_token

ASK = """
import sys, pathlib
from train_tools.server.access_token import find_token
print(find_token(pathlib.Path(sys.argv[1])))
"""


def test_the_token_is_kept_between_starts_for_this_user_only(tmp_path: Path) -> None:
    token = find_token(tmp_path / "state")
    assert len(token) >= 32
    assert find_token(tmp_path / "state") == token
    assert os.name != "posix" or stat.S_IMODE((tmp_path / "state" / "token").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "short", "ключ" * 8])
def test_a_damaged_token_file_is_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content, encoding="utf-8")
    (tmp_path / "token").chmod(0o600)
    assert len(find_token(tmp_path)) >= 32


@pytest.mark.skipif(os.name != "posix", reason="file modes are a matter of POSIX")
def test_a_token_that_others_could_read_is_replaced(tmp_path: Path) -> None:
    token = find_token(tmp_path)
    (tmp_path / "token").chmod(0o644)
    assert find_token(tmp_path) != token


def asked_with(token: str, folder: Path) -> subprocess.CompletedProcess[str]:
    search = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "TRAIN_TOOLS_TOKEN": token, "PYTHONPATH": search}
    return subprocess.run(
        [sys.executable, "-c", ASK, str(folder)], env=environment, capture_output=True, text=True, check=False
    )


def test_the_environment_may_give_the_token(tmp_path: Path) -> None:
    assert asked_with("one-of-my-own-making", tmp_path).stdout.strip() == "one-of-my-own-making"
    assert not (tmp_path / "token").exists()


def test_a_guessable_token_is_refused_in_words(tmp_path: Path) -> None:
    refused = asked_with("1234", tmp_path)
    assert refused.returncode and "At least 16" in refused.stderr
