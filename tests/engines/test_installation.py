"""A checkout is fetched by git and gets an environment, both for real; its repository is one on this disk."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.kohya_checkout import lay_out
from train_tools.engines.installation import Source, install, packages_of, torch_as_here
from train_tools.errors import EngineNotUsableError

IDENTITY = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *IDENTITY, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With two tags, and a set-up that must never be run."""
    folder = lay_out(tmp_path / "it's a repository")
    (folder / ".git" / "HEAD").unlink()
    (folder / ".git").rmdir()
    (folder / "setup.py").write_text(f"open({str(tmp_path / 'hit')!r}, 'w').close()\n", encoding="utf-8")
    (folder / "requirements.txt").write_text("# nothing is needed\n-e .\n", encoding="utf-8")
    git(folder, "init", "-q", "-b", "main")
    for tag in ("v1", "v2"):
        (folder / "VERSION").write_text(tag, encoding="utf-8")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", tag)
        git(folder, "tag", tag)
    return folder


def source(repository: Path, ref: str = "v1") -> Source:
    return Source(ref=ref, url=str(repository), python=sys.executable)


def test_a_checkout_is_fetched_with_an_environment_of_its_own(repository, tmp_path):
    said: list[str] = []
    python = install(tmp_path / "engines" / "kohya", source(repository), said.append)
    checkout = tmp_path / "engines" / "kohya" / "sd-scripts"
    assert (checkout / "VERSION").read_text() == "v1"
    assert python.is_file()
    assert subprocess.check_output([python, "-c", "import sys; print(sys.prefix)"], text=True).strip() == str(
        python.parent.parent
    )
    assert not (tmp_path / "hit").exists()
    assert said[0] == f"Fetching {repository}"
    again: list[str] = []
    install(tmp_path / "engines" / "kohya", source(repository, "v2"), again.append)
    assert (checkout / "VERSION").read_text() == "v2"
    assert "Making an environment for it" not in again


@pytest.mark.parametrize("ref", ["v9", "", "--upload-pack=x", "a b", ";x"])
def test_what_can_not_be_fetched_is_told_with_the_steps_by_hand(repository, tmp_path, ref):
    with pytest.raises(EngineNotUsableError, match=r"is no branch, tag or commit|It broke off") as told:
        install(tmp_path / "kohya", source(repository, ref), lambda words: None)
    if ref == "v9":
        assert "train-tools engine add kohya --path" in str(told.value)


def test_without_a_connection_the_steps_by_hand_are_told(tmp_path):
    nowhere = Source(ref="main", url=str(tmp_path / "no repository"), python=sys.executable)
    with pytest.raises(EngineNotUsableError, match="is there a connection") as told:
        install(tmp_path / "kohya", nowhere, lambda words: None)
    assert "git clone" in str(told.value)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("torch\n-e .\n", "torch\n"),
        ("  -e  .\nx==1\n.\n", "x==1\n"),
        ("-e ./\n./local\n.[gpu]\n", ".[gpu]\n"),
        ("# -e .\n-r more.txt\n", "# -e .\n-r more.txt\n"),
    ],
)
def test_the_checkouts_own_setup_is_no_package(tmp_path, text, kept):
    (tmp_path / "requirements.txt").write_text(text, encoding="utf-8")
    assert packages_of(tmp_path) == kept


def test_pytorch_is_the_one_that_was_chosen_for_this_machine():
    words = torch_as_here()
    assert words[-1] == "torchvision"
    assert words[-2].startswith("torch")


def test_what_was_fetched_is_kept_when_a_package_can_not_be_installed(repository, tmp_path, monkeypatch):
    """Packages come from nowhere here: no index is asked."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (repository / "requirements.txt").write_text("no-such-package-anywhere==1\n", encoding="utf-8")
    git(repository, "commit", "-qam", "wants more")
    git(repository, "tag", "v3")
    place = tmp_path / "it's [a] place" / "kohya"
    with pytest.raises(EngineNotUsableError, match="no-such-package-anywhere") as told:
        install(place, source(repository, "v3"), lambda words: None)
    assert "what is done already is kept" in str(told.value)
    assert (place / "sd-scripts" / "train_network.py").is_file()
    assert "no-such-package-anywhere" in (place / "install.log").read_text(encoding="utf-8")
    again: list[str] = []
    install(place, source(repository, "v2"), again.append)
    assert again == ["Fetching what is new", "Checking out v2", "Installing its packages"]
    assert not (tmp_path / "hit").exists()


def test_a_fetch_that_broke_off_is_begun_again(repository, tmp_path):
    """An interrupted clone leaves no `.git`, or a whole one: git cleans up behind itself."""
    place = tmp_path / "kohya"
    with pytest.raises(EngineNotUsableError, match="It broke off"):
        install(place, source(tmp_path / "not yet there"), lambda words: None)
    python = install(place, source(repository), lambda words: None)
    assert python.is_file()


@pytest.mark.parametrize("url", ["file:///nowhere/at/all", "https://host.invalid/sd-scripts", "not an address"])
def test_an_address_that_leads_nowhere_is_told_with_the_steps_by_hand(tmp_path, url):
    place = tmp_path / "it's [a] place"
    with pytest.raises(EngineNotUsableError, match="is there a connection") as told:
        install(place, Source(ref="v0.9.1", url=url), lambda words: None)
    by_hand = [
        shlex.split(line.partition(", then")[0]) for line in str(told.value).splitlines() if line[:2] == "  "
    ]
    assert by_hand[0] == ["git", "clone", url, str(place / "sd-scripts")]
    assert by_hand[1][:3] == ["git", "-C", str(place / "sd-scripts")]
    assert by_hand[-1][:3] == ["train-tools", "engine", "add"]
    assert str(place / "sd-scripts") in by_hand[-1]
    assert not (place / "venv").exists()
