from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.engines.kohya_checkout import COMMIT, engine_of, lay_out
from tests.options.answers import MIDDLE, OLDEST
from train_tools.engines.kohya.checkout import Checkout
from train_tools.errors import EngineNotUsableError


@pytest.fixture
def folder(tmp_path: Path, awkward_name: str) -> Path:
    return lay_out(tmp_path / awkward_name)


def test_a_folder_without_the_scripts_is_no_checkout(tmp_path):
    with pytest.raises(EngineNotUsableError, match="it has no train_network"):
        _ = Checkout(tmp_path).scripts


def test_its_scripts_modules_and_arguments_are_those_that_lie_there(folder):
    checkout = Checkout(folder)
    assert checkout.scripts == ("train_network", "sdxl_train_network")
    assert checkout.network_modules == ("networks.lora",)
    assert checkout.network_arguments("networks.lora") == {"conv_dim", "conv_alpha", "rank_dropout"}
    assert checkout.network_arguments("lycoris.kohya") == frozenset()


def test_its_content_is_that_of_the_code_that_trains(folder):
    checkout = Checkout(folder)
    before = checkout.content
    (folder / "README.md").write_text("new")
    (folder / "tools").mkdir()
    (folder / "tools" / "merge.py").write_text("new")
    assert checkout.content == before
    script = folder / "library" / "stand_in.py"
    script.write_bytes(script.read_bytes().replace(b"\n", b"\r\n"))
    assert checkout.content == before
    script.write_bytes(script.read_bytes() + b"# changed\n")
    assert checkout.content != before


def test_a_changed_file_of_the_same_size_and_another_time_is_seen(folder):
    checkout = Checkout(folder)
    before = checkout.content
    script = folder / "train_network.py"
    text = script.read_bytes()
    script.write_bytes(text[:-1] + b" ")
    status = script.stat()
    os.utime(script, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert checkout.content != before


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def head(folder: Path) -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    return found.stdout.strip()


def test_the_commit_is_read_without_asking_git(tmp_path):
    folder = lay_out(tmp_path / "one")
    assert Checkout(folder).commit == COMMIT
    (folder / ".git" / "HEAD").unlink()
    (folder / ".git").rmdir()
    assert Checkout(folder).commit == ""
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    assert Checkout(folder).commit == head(folder)
    git(folder, "pack-refs", "--all")
    assert Checkout(folder).commit == head(folder)
    git(folder, "worktree", "add", str(tmp_path / "two"))
    assert Checkout(tmp_path / "two").commit == head(folder)


@pytest.mark.parametrize("text", ["", "ref: refs/heads/none", "ref: ../../../etc/passwd", "garbage", "\0"])
def test_a_damaged_repository_has_no_commit(tmp_path, text):
    folder = lay_out(tmp_path / "one")
    (folder / ".git" / "HEAD").write_text(text)
    assert Checkout(folder).commit == ""


def test_environments_are_found_where_people_put_them(tmp_path):
    folder = lay_out(tmp_path / "kohya_ss" / "sd-scripts")
    assert list(Checkout(folder).pythons()) == []
    outer, inner = (place / "venv" / "bin" for place in (folder.parent, folder))
    for place in (outer, inner):
        place.mkdir(parents=True)
        (place / "python").touch()
    assert [python.resolve() for python in Checkout(folder).pythons()] == [inner / "python", outer / "python"]


@pytest.mark.parametrize(("commit", "kind"), [(OLDEST, "float"), (MIDDLE, "floats")])
def test_several_checkouts_stand_side_by_side_each_with_its_options(tmp_path, commit, kind):
    engine = engine_of(lay_out(tmp_path / "kohya-old", commit), tmp_path, "kohya-old")
    assert engine.options["text_encoder_lr"].spec.type == kind
    assert engine.options["script"].spec.choices == ("train_network", "sdxl_train_network")


def test_a_script_that_does_not_answer_is_left_out_while_another_does(tmp_path):
    folder = lay_out(tmp_path / "half")
    (folder / "sdxl_train_network.py").write_text("raise RuntimeError('half installed')\n")
    assert engine_of(folder, tmp_path).options["script"].spec.choices == ("train_network",)
    (folder / "train_network.py").write_text("raise RuntimeError('half installed')\n")
    with pytest.raises(EngineNotUsableError, match="half installed"):
        _ = engine_of(folder, tmp_path).options
