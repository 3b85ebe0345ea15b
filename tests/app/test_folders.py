from pathlib import Path

import pytest

from train_tools.app import App, open_app
from train_tools.errors import NotFoundError


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    """A home with a folder, a model, a note and something hidden; a folder outside of it."""
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    (home / ".secret").mkdir()
    (home / "b.SafeTensors").write_bytes(b"12")
    (home / "a note.txt").write_text("x")
    (tmp_path / "outside").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    return open_app(tmp_path / "outputs")


def names(listing) -> list[str]:
    return [each.name for each in listing.entries]


def test_without_a_path_the_roots_are_shown_each_once(app: App, tmp_path: Path) -> None:
    app.settings.change({"models.folders": [str(tmp_path / "home")], "page.folders": [str(tmp_path / "outside")]})
    assert set(names(app.folders.listed(None))) == {
        str(app.outputs.folder.resolve()),
        str(tmp_path / "home"),
        str(tmp_path / "outside"),
    }


def test_a_folder_shows_folders_first_and_the_files_that_are_asked_for(app: App, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert names(app.folders.listed(home)) == ["models", "a note.txt", "b.SafeTensors"]
    found = app.folders.listed(home, [".safetensors"])
    assert names(found) == ["models", "b.SafeTensors"]
    assert found.entries[1].size_bytes == 2
    assert found.parent is None and app.folders.listed(home / "models").parent == home


def test_a_files_path_shows_where_it_lies(app: App, tmp_path: Path) -> None:
    assert app.folders.listed(tmp_path / "home" / "b.SafeTensors").path == tmp_path / "home"


@pytest.mark.parametrize("place", ["outside", "home/../outside", "home/escape", "", "home/none"])
def test_what_lies_below_no_root_is_not_shown(app: App, tmp_path: Path, place: str) -> None:
    (tmp_path / "home" / "escape").symlink_to(tmp_path / "outside")
    with pytest.raises(NotFoundError):
        app.folders.listed(tmp_path / place)
