from __future__ import annotations

import json
import os
from datetime import UTC, datetime

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save, save_file

from sd_contract.errors import CheckpointError
from sd_contract.output.checkpoints import hashes
from sd_contract.tensors.tensor_files import data_sha256, file_sha256, read_header
from train_tools.checkpoints.edits import edit_metadata, edits_of, undo_edit
from train_tools.checkpoints.marks import paths_of
from train_tools.checkpoints.partings import room_of, twins_of
from train_tools.errors import ChangedMeanwhileError, NotFoundError, OptionValueError, StorageError
from train_tools.model.paths import RunPaths
from train_tools.runs.checkpoints import checkpoints_of

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def edit(checkpoint, **changes):
    return edit_metadata(checkpoint, changes, NOW)


def test_an_edited_file_has_other_metadata_and_the_same_tensors(train):
    checkpoint = train("cat-000002", ss_training_comment="old", ss_tag_frequency="{}")
    before, tensors = load_file(checkpoint.path), data_sha256(checkpoint.path)
    edit(checkpoint, ss_training_comment='новый "comment" 🐈\n', ss_tag_frequency=None)
    assert data_sha256(checkpoint.path) == tensors
    after = load_file(checkpoint.path)
    assert after.keys() == before.keys() and all((after[name] == before[name]).all() for name in before)
    with safe_open(checkpoint.path, "np") as file:
        metadata = file.metadata()
    assert metadata["ss_training_comment"] == 'новый "comment" 🐈\n'
    assert "ss_tag_frequency" not in metadata and metadata["ss_output_name"] == "cat"
    assert read_header(checkpoint.path).data_start % 8 == 0


def test_the_hashes_are_those_that_a_training_would_have_written(tmp_path, train):
    """Of a file that reaches into what old programs hash."""
    checkpoint = train("cat-000002")
    tensors = {"lora_unet_x.lora_up.weight": np.arange(400_000, dtype=np.float32)}
    save_file(tensors, checkpoint.path, {"ss_steps": "1", "sshs_model_hash": "wrong", "modelspec.title": "t"})
    edit(checkpoint, **{"ss_training_comment": "новый", "modelspec.title": "u"})
    metadata = read_header(checkpoint.path).metadata
    form = save(tensors, {"ss_steps": "1", "ss_training_comment": "новый"})
    (tmp_path / "form").write_bytes(form)
    wanted = hashes(form, read_header(tmp_path / "form").data_start)
    assert {key: metadata[key] for key in wanted} == wanted
    assert wanted["sshs_legacy_hash"] != "e3b0c442"  # of nothing


def test_each_edit_is_undone_bit_for_bit_the_last_first(train):
    checkpoint = train("cat-000002")
    states = [checkpoint.path.read_bytes()]
    for comment in ("one", "two"):
        edit(checkpoint, ss_training_comment=comment)
        states.append(checkpoint.path.read_bytes())
    assert [made.number for made in edits_of(checkpoint)] == [2, 1]
    assert edits_of(checkpoint)[0].changes == {"ss_training_comment": "two"}
    for state in (states[1], states[0]):
        undo_edit(checkpoint)
        assert checkpoint.path.read_bytes() == state
    with pytest.raises(NotFoundError, match="nothing is to be undone"):
        undo_edit(checkpoint)


def test_an_edit_costs_a_header_of_room_and_leaves_links_elsewhere_alone(train, tmp_path):
    checkpoint = train("cat-000002")
    elsewhere = tmp_path / "models-Lora.safetensors"
    os.link(checkpoint.path, elsewhere)
    content = elsewhere.read_bytes()
    edit(checkpoint, ss_training_comment="x")
    assert elsewhere.read_bytes() == content
    assert twins_of(checkpoint) != []
    assert room_of([checkpoint])[0] < 2 * checkpoint.path.stat().st_size + 3000


def test_the_edit_of_weights_that_are_others_now_is_not_undone(train):
    checkpoint = train("cat-000002")
    edit(checkpoint, ss_training_comment="x")
    again = train("cat-000002", weights=3.0)
    content = again.path.read_bytes()
    with pytest.raises(ChangedMeanwhileError, match="other weights"):
        undo_edit(again)
    assert again.path.read_bytes() == content
    assert [file.name for file in again.path.parent.glob(".*")] == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "Nothing is to be edited"),
        ({"ss_output_name": "cat"}, "says so already"),
        ({"gone": None}, "says so already"),
        ({"sshs_model_hash": "0" * 64}, "worked out from the file"),
        ({"ss_steps": "7"}, "tells the checkpoints"),
        ({"": "x"}, "no key"),
        ({"a\x1b": "x"}, "no key"),
        ({"k" * 300: "x"}, "no key"),
        ({"ss_training_comment": "x" * 1_000_001}, "1,000,001 characters"),
        ({"ss_output_name": "cat-000002"}, "final one"),
    ],
)
def test_what_can_not_be_edited_is_told_and_nothing_is_written(train, changes, told):
    checkpoint = train("cat-000002")
    before = checkpoint.path.read_bytes()
    with pytest.raises(OptionValueError, match=told):
        edit_metadata(checkpoint, changes, NOW)
    assert checkpoint.path.read_bytes() == before
    assert not paths_of(checkpoint).edits.exists()


def test_a_final_checkpoint_stays_final(train):
    checkpoint = train("cat")
    with pytest.raises(OptionValueError, match="final"):
        edit(checkpoint, ss_output_name="dog")
    edit(checkpoint, ss_training_comment="x")
    assert [each.final for each in checkpoints_of(RunPaths(checkpoint.path.parent))] == [True]


def test_text_that_no_file_can_hold_is_told(train):
    with pytest.raises(CheckpointError, match="not UTF-8"):
        edit(train("cat"), ss_training_comment="\ud800")


@pytest.mark.parametrize("cut", [1, 500, -3])
def test_a_damaged_file_is_told_and_left_as_it_is(train, cut):
    checkpoint = train("cat")
    content = checkpoint.path.read_bytes()
    checkpoint.path.unlink()
    checkpoint.path.write_bytes(content[:-cut] if cut > 0 else content + b"xxx")
    damaged = checkpoint.path.read_bytes()
    with pytest.raises(CheckpointError, match=r"cat\.safetensors"):
        edit(checkpoint, ss_training_comment="x")
    assert checkpoint.path.read_bytes() == damaged


def test_a_file_that_is_gone_is_told(train):
    checkpoint = train("cat")
    checkpoint.path.unlink()
    with pytest.raises(CheckpointError, match="does not exist"):
        edit(checkpoint, ss_training_comment="x")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"edited": "x"}', "\xff"])
def test_a_record_that_cannot_be_read_is_told(train, text):
    checkpoint = train("cat")
    before = file_sha256(checkpoint.path)
    edit(checkpoint, ss_training_comment="x")
    [record] = paths_of(checkpoint).edits.iterdir()
    assert json.loads(record.read_text())["sha256"] == before
    record.write_bytes(text.encode("latin-1"))
    with pytest.raises(StorageError, match=r"001\.json"):
        undo_edit(checkpoint)
