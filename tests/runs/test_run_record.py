from __future__ import annotations

import re
import shutil
from dataclasses import replace

import pytest

from tests.contract.source import ROOT
from tests.runs.records import MADE_WITH, OPTIONS, ORIGIN, record
from train_tools.errors import StorageError
from train_tools.files import read_toml
from train_tools.model.paths import RunPaths
from train_tools.runs.record import FORMAT, read_record, write_record


def test_a_record_is_read_as_it_was_written(run):
    write_record(run, record())
    found = read_record(run)
    assert found == record()
    assert found.run.spec.fingerprint == record().run.spec.fingerprint
    assert [type(value) for value in found.run.options.values()] == [type(value) for value in OPTIONS.values()]


@pytest.mark.parametrize("number", [1, 2])
def test_records_of_every_format_are_read(run, number):
    shutil.copy(ROOT / "tests" / "golden" / "runs" / f"format-{number}.toml", run.record)
    found = read_record(run)
    newer = {"made_with": MADE_WITH, "dataset_files": "dataset/manifests/dddddddddddd.json", "origin": ORIGIN}
    assert found == record(**(newer if number > 1 else {"made_with": None, "dataset_files": "", "origin": None}))


def test_a_record_is_written_as_the_golden_one_of_its_format(run):
    write_record(run, record())
    golden = ROOT / "tests" / "golden" / "runs" / f"format-{FORMAT}.toml"
    assert run.record.read_text(encoding="utf-8") == golden.read_text(encoding="utf-8")


def test_a_record_is_never_written_again(run):
    write_record(run, record())
    before = run.record.read_bytes()
    write_record(run, record(grid="another", steps=7))
    assert run.record.read_bytes() == before


def test_a_damaged_record_and_one_of_another_run_give_way(run):
    run.record.write_text("format = 2\nname =")
    write_record(run, record())
    assert read_record(run) == record()
    write_record(run, record(dataset="e" * 64))
    assert read_record(run).run.spec.dataset == "e" * 64


def test_a_run_is_called_what_its_folder_is_called_now(run):
    write_record(run, record())
    run.folder.rename(run.folder.with_name("renamed"))
    assert read_record(RunPaths(run.folder.with_name("renamed"))).run.name == "renamed"


def test_a_secret_is_not_written(run):
    made = record()
    options = {**OPTIONS, "wandb_api_key": "s3cr3t"}
    spec = replace(made.run.spec, options={**made.run.spec.options, "huggingface_token": "s3cr3t"})
    write_record(run, replace(made, run=replace(made.run, options=options, spec=spec)))
    assert "s3cr3t" not in run.record.read_text(encoding="utf-8")


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
        ("format = 2", "format = 3", "written by a newer Train Tools"),
        ("format = 2", 'format = "one"', "is not a whole run record"),
        ("format = 2\n", "", "'format' is missing"),
        (r"\[identity\]", "[other]", "'identity' is missing"),
        (r"\[dataset\]\nsha256.*\nfiles.*", "", "'dataset' is missing"),
        (r"\[made_with\]\n", "[made_with]\ncolour = 3\n", "is not a whole run record"),
        ('how = "clone"', 'how = "magic"', "is not a whole run record"),
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
