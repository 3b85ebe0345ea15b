from __future__ import annotations

from pathlib import Path

import pytest

from train_tools.engines.registry import Registered, Registry
from train_tools.errors import AlreadyExistsError, NameNotAllowedError, NotFoundError, StorageError


def entry(name: str = "kohya", folder: str = "/checkouts/it's [a] 猫") -> Registered:
    return Registered(name=name, folder=Path(folder), python=Path("/venv/bin/python"))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "state")


def test_none_is_registered_at_first(registry):
    assert registry.all() == {}


def test_what_is_added_is_there_in_its_order(registry):
    registry.add(entry("kohya-2025-06"))
    registry.add(entry("kohya", "/other"))
    assert list(Registry(registry.file.parent).all()) == ["kohya-2025-06", "kohya"]
    assert registry.get("kohya-2025-06") == entry("kohya-2025-06")


def test_a_name_of_another_folder_is_not_taken_over(registry):
    registry.add(entry())
    registry.add(entry())
    with pytest.raises(AlreadyExistsError, match="The engine 'kohya' is"):
        registry.add(entry(folder="/other"))


@pytest.mark.parametrize("name", ["bundled", "", "Kohya", "a b", "../x", "-x", "x" * 41, "кохья"])
def test_names_are_plain_and_never_ours(registry, name):
    with pytest.raises(NameNotAllowedError):
        registry.add(entry(name))


def test_what_is_removed_is_gone_and_its_neighbours_stay(registry):
    registry.add(entry("one"))
    registry.add(entry("two"))
    assert registry.remove("one").name == "one"
    assert list(registry.all()) == ["two"]
    with pytest.raises(NotFoundError, match=r"There is no engine 'one'\. Added are: two"):
        registry.remove("one")


def test_code_is_allowed_one_engine_at_a_time(registry):
    registry.add(entry("one"))
    registry.add(entry("two"))
    registry.allow("one", "my.networks")
    registry.allow("one", "my.networks")
    assert (registry.get("one").allowed, registry.get("two").allowed) == (("my.networks",), ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("format = 9", "newer Train Tools"),
        ("form", "not valid TOML"),
        ('format = 1\n[engines.kohya]\nfolder = "/x"', "is not whole"),
        ("format = 1\n[engines]\nkohya = 1", "is not whole"),
        ('format = 1\n[engines."../x"]\nfolder = "/x"\npython = "/y"', "is not whole"),
    ],
)
def test_a_damaged_file_is_told(registry, text, told):
    registry.file.parent.mkdir(parents=True)
    registry.file.write_text(text, encoding="utf-8")
    with pytest.raises(StorageError, match=told):
        registry.all()
