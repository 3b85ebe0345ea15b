from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.runs.records import OPTIONS, record
from train_tools.errors import StorageError
from train_tools.files import read_toml
from train_tools.runs.record import read_record, write_record


def test_a_record_is_read_as_it_was_written(run):
    write_record(run, record())
    found = read_record(run)
    assert found == record()
    assert found.run.spec.fingerprint == record().run.spec.fingerprint
    assert [type(value) for value in found.run.options.values()] == [type(value) for value in OPTIONS.values()]


def test_a_record_says_its_fingerprint_for_people(run):
    write_record(run, record())
    assert read_toml(run.record)["fingerprint"] == record().run.spec.fingerprint


def test_an_option_without_a_value_is_one_that_is_not_set(run):
    made = record()
    write_record(run, replace(made, run=replace(made.run, options={**OPTIONS, "unet_lr": None})))
    assert read_record(run) == record()


def test_a_missing_record_is_told(version):
    with pytest.raises(StorageError, match=r"Could not read .*run\.toml"):
        read_record(version.run("nothing"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("format = 1", "format = 2", "written by a newer Train Tools"),
        ("format = 1", 'format = "one"', "is not a whole run record"),
        ("format = 1\n", "", "'format' is missing"),
        (r"\[identity\]", "[other]", "'identity' is missing"),
        (r"\[dataset\]\n.*", "", "'dataset' is missing"),
        ("name = .*", "name = ", "is not valid TOML"),
    ],
)
def test_a_damaged_or_newer_record_is_told_with_the_file(run, old, new, told):
    write_record(run, record())
    text = run.record.read_text(encoding="utf-8")
    changed = re.sub(old, new, text, count=1)
    assert changed != text
    run.record.write_text(changed, encoding="utf-8")
    with pytest.raises(StorageError, match=told) as refusal:
        read_record(run)
    assert str(run.record) in str(refusal.value)


@pytest.mark.parametrize("key", ["options", "varied", "identity", "dataset", "base_model"])
def test_a_table_that_is_something_else_is_told(run, key):
    run.record.write_text(f"format = 1\n{key} = 3\n" + whole_without(key), encoding="utf-8")
    with pytest.raises(StorageError, match="is not a whole run record"):
        read_record(run)


def whole_without(key: str) -> str:
    scalars = 'name = "n"\ngrid = "g"\nengine = "e"\ncontract = 1\nsteps = 1\nwork = 1.0\ncreated = 2026-01-01\n'
    tables = {"dataset": 'sha256 = "d"', "base_model": 'sha256 = "b"', "options": "", "varied": "", "identity": ""}
    return scalars + "".join(f"[{name}]\n{text}\n" for name, text in tables.items() if name != key)
