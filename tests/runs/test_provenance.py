from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.contract.source import ROOT
from tests.faults.stand_in import StandInEngine
from train_tools.engines.bundled import BundledEngine
from train_tools.runs.provenance import code_sha256, commit_of, installed_packages, provenance_of, python_of

GIT = ("git", "-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> str:
    done = subprocess.run([*GIT, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A trainer's folder in a checkout."""
    folder = tmp_path / "checkout [1]" / "scripts"
    (folder / "inner").mkdir(parents=True)
    (folder / "train.py").write_bytes(b"a = 1\nb = 2\n")
    (folder / "inner" / "loss.py").write_bytes(b"c = 3\n")
    git(folder.parent, "init", "-q", "-b", "main")
    git(folder.parent, "add", ".")
    git(folder.parent, "commit", "-qm", "first")
    return folder


def test_installed_packages_are_told_without_importing_them():
    found = dict(installed_packages())
    assert found["torch"] == version("torch")
    assert found["numpy"] == version("numpy")
    script = (
        "import sys; from train_tools.runs.provenance import *; print(dict(installed_packages())['torch']);"
        "assert not {'torch', 'numpy', 'diffusers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == version("torch")


def test_the_commit_is_that_of_the_checkout_around_the_code(code):
    assert commit_of(code) == commit_of(code.parent) == git(code, "rev-parse", "HEAD")


def test_the_commit_is_found_on_a_branch_detached_packed_and_in_a_worktree(code, tmp_path):
    commit = git(code, "rev-parse", "HEAD")
    git(code, "pack-refs", "--all")
    assert commit_of(code) == commit
    git(code, "checkout", "-q", "--detach")
    assert commit_of(code) == commit
    git(code, "worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    (tmp_path / "tree" / "scripts" / "train.py").write_text("a = 4\n")
    git(tmp_path / "tree", "commit", "-qam", "second")
    assert commit_of(tmp_path / "tree" / "scripts") == git(tmp_path / "tree", "rev-parse", "HEAD") != commit


def test_code_that_was_only_unpacked_inside_of_a_checkout_has_no_commit(code):
    unpacked = code / "extensions" / "trainer" / "scripts"
    unpacked.mkdir(parents=True)
    assert commit_of(unpacked) == ""


def test_a_broken_checkout_has_no_commit(code):
    (code.parent / ".git" / "HEAD").unlink()
    assert commit_of(code) == ""


def test_the_hash_is_that_of_names_and_texts_of_the_code(code):
    first = code_sha256(code)
    (code / "readme.md").write_text("no code")
    for folder in ("__pycache__", ".venv", "venv"):
        (code / folder).mkdir()
        (code / folder / "x.py").write_text("no code of ours")
    (code / "train.py").write_bytes(b"a = 1\r\nb = 2\r\n")
    assert code_sha256(code) == first
    (code / "train.py").write_bytes(b"a = 1\nb = 3\n")
    changed = code_sha256(code)
    (code / "train.py").rename(code / "other.py")
    assert len({first, changed, code_sha256(code)}) == 3


def test_code_that_moves_from_one_file_to_the_next_is_other_code(code):
    (code / "x.py").write_bytes(b"d = 4\n")
    (code / "y.py").write_bytes(b"e = 5\n")
    first = code_sha256(code)
    (code / "x.py").write_bytes(b"d = 4\ne = 5\n")
    (code / "y.py").write_bytes(b"")
    assert code_sha256(code) != first


def test_another_environment_is_read_from_its_folder(tmp_path):
    packages = tmp_path / "lib" / "python3.10" / "site-packages"
    for name, version_ in (("torch", "2.1.0+cu118"), ("huggingface_hub", "0.24.5"), ("unheard_of", "1")):
        folder = packages / f"{name}-{version_}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version_}\n")
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.10.6\n")
    assert dict(installed_packages(tmp_path)) == {"huggingface-hub": "0.24.5", "torch": "2.1.0+cu118"}
    assert python_of(tmp_path) == "3.10.6"


def test_an_environment_that_is_gone_tells_nothing(tmp_path):
    assert (dict(installed_packages(tmp_path / "gone")), python_of(tmp_path / "gone")) == ({}, "")


def test_an_engine_is_known_by_its_own_code():
    bundled, stand_in = provenance_of(BundledEngine()), provenance_of(StandInEngine(0.0))
    assert bundled.engine_sha256 == code_sha256(ROOT / "sd_scripts")
    assert stand_in.engine_sha256 != bundled.engine_sha256
    assert bundled.engine_commit == commit_of(ROOT)
    assert bundled.python == ".".join(map(str, sys.version_info[:3]))
