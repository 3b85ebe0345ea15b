import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from train_tools.app import open_app
from train_tools.ui.page import STATIC
from train_tools.ui.screens import SCREENS

CATALOGUES = {file.stem: json.loads(file.read_text("utf-8")) for file in (STATIC / "words").glob("*.json")}
PLURALS = {"en": {"one", "other"}, "ru": {"one", "few", "many", "other"}, "ja": {"other"}, "zh-CN": {"other"}}
"""Which forms a language has for whole numbers, by Unicode's plural rules."""
USED = re.compile(r"""\bt\(\s*"([\w.]+)\"""")


def keys(section: Mapping[str, object], above: str = "") -> Iterator[str]:
    """Of every sentence; its plural forms are one."""
    for name, value in section.items():
        if isinstance(value, Mapping) and "other" not in value:
            yield from keys(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def sentence(catalogue: Mapping[str, object], key: str) -> object:
    for name in key.split("."):
        catalogue = catalogue[name]  # type: ignore[assignment]
    return catalogue


def holes(said: object) -> set[str]:
    said = said["other"] if isinstance(said, Mapping) else said
    return set(re.findall(r"\{(\w+)\}", str(said)))


@pytest.mark.parametrize("language", sorted(PLURALS))
def test_every_language_says_the_same_sentences(language: str) -> None:
    english, spoken = CATALOGUES["en"], CATALOGUES[language]
    assert sorted(keys(spoken)) == sorted(keys(english))
    for key in keys(english):
        assert holes(sentence(spoken, key)) == holes(sentence(english, key)), key
        if isinstance(said := sentence(spoken, key), Mapping):
            assert set(said) == PLURALS[language], key


def scripts() -> list[Path]:
    return sorted(STATIC.rglob("*.js"))


def test_every_sentence_that_a_script_asks_for_is_there() -> None:
    known = set(keys(CATALOGUES["en"]))
    asked = {(key, script.name) for script in scripts() for key in USED.findall(script.read_text("utf-8"))}
    assert asked
    assert {(key, name) for key, name in asked if key not in known} == set()


def test_the_page_and_its_addresses_know_the_same_screens() -> None:
    place = (STATIC / "base" / "place.js").read_text("utf-8")
    told = re.search(r"SCREENS = (\[.*?\]);", place)
    assert told is not None
    assert tuple(json.loads(told[1])) == SCREENS


def test_every_setting_has_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    app = open_app(tmp_path / "outputs")
    settings = app.settings.all()
    app.jobs.queue.close()
    wanted = {f"settings.of.{each.key}.{what}" for each in settings for what in ("name", "help", *each.choices)}
    wanted |= {f"settings.of.{each.key.split('.')[0]}.title" for each in settings if "." in each.key}
    assert wanted - set(keys(CATALOGUES["en"])) == set()
