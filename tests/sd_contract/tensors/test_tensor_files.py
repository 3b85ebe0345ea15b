import hashlib
import json
import struct

import pytest

from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_files import data_sha256, file_sha256, read_header, verify_safetensors


def record(begin, end, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def content(header, data=b""):
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    return struct.pack("<Q", len(text)) + text + data


@pytest.fixture
def written(tmp_path):
    def write(raw):
        path = tmp_path / "a model.safetensors"
        path.write_bytes(raw)
        return path

    return write


def test_a_whole_file_says_what_it_holds(written):
    header = {"__metadata__": {"k": "v"}, "b": record(8, 16), "a": record(0, 8, (2, 1))}

    read = verify_safetensors(written(content(header, bytes(16))))

    assert read.metadata == {"k": "v"}
    assert read.shapes == {"b": (2,), "a": (2, 1)}


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "is no safetensors file: it has only 0 bytes"),
        (b"PK\x03\x04zip", "is no safetensors file"),
        (struct.pack("<Q", 2**60) + b"{}", "ask for a header of 1152921504606846976 bytes"),
        (struct.pack("<Q", 500) + b"{}", "is cut short: 10 bytes, the header alone needs 508"),
        (content(b"{not json"), "its header can't be read"),
        (content(b"[" * 100_000), "its header can't be read"),
        (content(b"\xff\xfe"), "its header can't be read"),
        (content(b"[1]"), "its header can't be read"),
        (content({"a": {"dtype": "F32"}}), "its header can't be read"),
        (content({"a": record(-8, 0)}), "-8 is not a count"),
        (content({"a": record(True, 8)}), "True is not a count"),
        (content({"__metadata__": {"k": 1}}), "metadata that is not text"),
        (content({"a": record(0, 8)}, bytes(4)), "is cut short"),
        (content({"a": record(0, 8)}, bytes(12)), "has bytes too many"),
        (content({"a": record(0, 4)}, bytes(4)), "the place of tensor 'a' does not fit"),
        (content({"a": record(0, 8), "b": record(4, 12)}, bytes(12)), "tensor 'b' does not fit"),
        (content({"a": record(0, 8), "b": record(16, 24)}, bytes(24)), "tensor 'b' does not fit"),
        (content({"a": record(0, 8, dtype="F1")}, bytes(8)), "numbers of type 'F1'"),
    ],
)
def test_a_damaged_file_is_told_apart(written, raw, told):
    path = written(raw)

    with pytest.raises(CheckpointError) as caught:
        verify_safetensors(path)

    assert str(caught.value).startswith(str(path))
    assert told in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"gone\.safetensors does not exist"):
        read_header(tmp_path / "gone.safetensors")
    with pytest.raises(CheckpointError, match=r"is a folder; a single .safetensors file is wanted"):
        read_header(tmp_path)


def test_the_data_hash_does_not_depend_on_the_metadata(written):
    plain = data_sha256(written(content({"a": record(0, 8)}, b"12345678")))
    told = data_sha256(written(content({"__metadata__": {"k": "v"}, "a": record(0, 8)}, b"12345678")))

    assert plain == told == hashlib.sha256(b"12345678").hexdigest()


def test_a_remembered_hash_is_forgotten_when_the_file_changes(written, tmp_path):
    path = written(b"one")
    assert file_sha256(path, tmp_path / "cache") == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"other")

    assert file_sha256(path, tmp_path / "cache") == hashlib.sha256(b"other").hexdigest()
    assert file_sha256(path, tmp_path / "cache") == file_sha256(path)
