from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_files import data_sha256, read_header, verify_safetensors
from train_tools.checkpoints.lora_folder import Card, deliver, plain_stem, stem_for
from train_tools.errors import NotFoundError, OptionValueError, StorageError

CARD = Card(
    description="a <b>cat</b>", family="SD1", activation_text="zorb, red", preferred_weight=0.8, notes="кот 🐈"
)
FULL = """
import resource, signal, sys
from pathlib import Path
from train_tools.checkpoints.lora_folder import Card, deliver
from train_tools.model.checkpoint import Checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
source = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
checkpoint = Checkpoint(run="r", path=source, size_bytes=0, modified=0, epoch=1, step=1, final=True)
deliver(checkpoint, Path(sys.argv[2]), "cat", Card(), None)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "it's models" / "Lora"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 8), (200, 0, 0)).save(tmp_path / "1.png")
    return tmp_path / "1.png"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_copy_has_its_own_name_a_card_and_a_picture(train, folder, picture):
    checkpoint = train("cat-000002")
    made = deliver(checkpoint, folder, "zorb", CARD, picture)
    assert names(folder) == ["zorb.json", "zorb.preview.png", "zorb.safetensors"]
    assert (made.path, made.linked, made.was_there) == (folder / "zorb.safetensors", False, False)
    assert verify_safetensors(made.path).metadata["ss_output_name"] == "zorb"
    assert data_sha256(made.path) == data_sha256(checkpoint.path)
    assert read_header(checkpoint.path).metadata["ss_output_name"] == "cat"
    assert json.loads((folder / "zorb.json").read_text(encoding="utf-8")) == {
        "description": "a <b>cat</b>",
        "sd version": "SD1",
        "activation text": "zorb, red",
        "preferred weight": 0.8,
        "notes": "кот 🐈",
    }
    assert (folder / "zorb.preview.png").read_bytes() == picture.read_bytes()


def test_a_link_takes_no_room_and_says_what_the_webui_calls_it(train, folder):
    checkpoint = train("cat-000002")
    made = deliver(checkpoint, folder, "zorb", CARD, None, link=True)
    assert made.linked and made.path.samefile(checkpoint.path)
    assert "'cat'" in made.notes[0] and "<lora:zorb:1>" in made.notes[0]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="a second disk is wanted")
def test_on_another_disk_a_link_is_a_copy_and_says_so(train):
    checkpoint, other = train("cat"), Path("/dev/shm") / f"train-tools-lora-{os.getpid()}"
    if other.parent.stat().st_dev == checkpoint.path.stat().st_dev:
        pytest.skip("/dev/shm is the same disk")
    other.mkdir()
    try:
        made = deliver(checkpoint, other, "zorb", CARD, None, link=True)
        assert not made.linked and "links don't reach" in made.notes[0]
        assert names(other) == ["zorb.json", "zorb.safetensors"]
    finally:
        for file in other.iterdir():
            file.unlink()
        other.rmdir()


def test_the_same_copy_twice_is_one(train, folder):
    checkpoint = train("cat-000002")
    first = deliver(checkpoint, folder, "zorb", CARD, None)
    again = deliver(checkpoint, folder, "zorb", CARD, None)
    assert again.was_there and again.path == first.path
    assert names(folder) == ["zorb.json", "zorb.safetensors"]


@pytest.mark.parametrize("taken", ["zorb.safetensors", "sub/deep/Zorb.pt", "zorb.json", "zorb.preview.png"])
def test_nothing_is_written_over_and_no_name_is_there_twice(train, folder, picture, taken):
    (folder / taken).parent.mkdir(parents=True, exist_ok=True)
    (folder / taken).write_text("mine")
    made = deliver(train("cat"), folder, "zorb", CARD, picture)
    assert made.path.name == "zorb-2.safetensors"
    assert verify_safetensors(made.path).metadata["ss_output_name"] == "zorb-2"
    assert (folder / taken).read_text() == "mine"
    assert [name for name in names(folder) if "zorb-2" in name and "." in name] == [
        "zorb-2.json",
        "zorb-2.preview.png",
        "zorb-2.safetensors",
    ]
    assert len(names(folder)) == 4


def test_a_name_tells_other_weights_apart_and_fits_into_a_prompt(train):
    first = stem_for(train("cat, v1.5 <b>:1-000002"), "-net-8")
    assert first != stem_for(train("cat, v1.5 <b>:1-000002", weights=2.0), "-net-8")
    assert not set(".,<>:/") & set(first)
    assert first.startswith("cat_ v1_5 _b_1-000002-net-8-")
    assert len(stem_for(train("к" * 80)).encode()) <= 120
    assert plain_stem("../../etc/passwd") == "etc_passwd" and plain_stem("...") == "lora"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_copy_that_does_not_fit_leaves_nothing(train, folder):
    said = subprocess.run(
        [sys.executable, "-c", FULL, str(train("cat").path), str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Could not write cat.safetensors" in said.stderr
    assert names(folder) == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_what_a_killed_copy_left_is_gone_after_the_next_try(train, folder):
    checkpoint = train("cat")
    killed = FULL.replace("SIG_IGN", "SIG_DFL")  # the system ends it in the middle of its writing
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", killed, checkpoint.path, folder], env=environment, check=False)
    assert len(names(folder)) == 1 and names(folder)[0].endswith(".part")
    deliver(checkpoint, folder, "cat", CARD, None)
    assert names(folder) == ["cat.json", "cat.safetensors"]


def test_what_is_no_picture_is_left_out(train, folder, tmp_path):
    (tmp_path / "1.png").write_text("<svg onload=alert(1)>")
    assert deliver(train("cat"), folder, "zorb", CARD, tmp_path / "1.png").beside == (folder / "zorb.json",)


def test_a_folder_that_is_not_there_is_not_made(train, folder):
    with pytest.raises(NotFoundError, match="plugged in"):
        deliver(train("cat"), folder / "gone", "zorb", CARD, None)
    assert names(folder) == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_written_is_told(train, folder):
    folder.chmod(0o555)
    with pytest.raises(StorageError, match="permissions"):
        deliver(train("cat"), folder, "zorb", CARD, None)
    folder.chmod(0o755)


def test_a_damaged_file_is_not_spread(train, folder):
    checkpoint = train("cat")
    content = checkpoint.path.read_bytes()
    checkpoint.path.write_bytes(content[:-8])
    with pytest.raises(CheckpointError, match="cut short"):
        deliver(checkpoint, folder, "zorb", CARD, None)
    assert names(folder) == []


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 11.0])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(OptionValueError, match="no weight"):
        Card(preferred_weight=weight)
