import pytest

from sd_contract.errors import StateError
from sd_contract.output.states import (
    StateManifest,
    newest_state,
    read_manifest,
    remove_state,
    verify_state,
    write_state,
)


def manifest(step):
    return StateManifest(step=step, epoch=1, seed=7, session_id=1, started_at=2.5, checkpoints=("a", "b"))


def write(folder, step, content=b"numbers"):
    write_state(folder, manifest(step), {"x.bin": lambda path: path.write_bytes(content) and None})
    return folder


def test_a_state_reads_back_as_it_was_written(tmp_path):
    state = write(tmp_path / "it's [a] 状態", step=3)

    found = verify_state(state)
    assert (found.step, found.seed, found.checkpoints) == (3, 7, ("a", "b"))
    assert found.files["x.bin"].size_bytes == 7
    assert [path.name for path in tmp_path.iterdir()] == [state.name]


def test_a_state_takes_the_place_of_an_older_one(tmp_path):
    write(tmp_path / "state", step=1)
    write(tmp_path / "state", step=2)

    assert verify_state(tmp_path / "state").step == 2
    assert len(list(tmp_path.iterdir())) == 1


def test_what_can_not_be_written_leaves_nothing_behind(tmp_path):
    def full(path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_state(tmp_path / "state", manifest(1), {"x.bin": full})
    assert list(tmp_path.iterdir()) == []


def test_the_newest_that_verifies_wins(tmp_path):
    first, second = tmp_path / "001", tmp_path / "002"
    write(first / "step-00000009", step=9)
    write(second / "step-00000010", step=10)
    write(second / "step-00000011", step=11)
    (second / "step-00000011" / "x.bin").write_bytes(b"nombers")
    write(second / "step-00000012", step=12).rename(second / "step-00000012.tmp")
    (second / "notes.txt").write_text("mine")

    assert newest_state([first, second, tmp_path / "003"]) == second / "step-00000010"
    remove_state(second / "step-00000010")
    assert newest_state([first, second]) == first / "step-00000009"
    assert newest_state([tmp_path / "003"]) is None


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("manifest.json", b"{", "is damaged: its manifest.json can't be read"),
        ("manifest.json", b"[]", "is damaged: its manifest.json can't be read"),
        ("manifest.json", b'{"format": 2}', "has format 2; this version reads format 1"),
        ("x.bin", b"longer than it was", "is damaged: x.bin is not as it was written"),
    ],
)
def test_a_damaged_state_is_told(tmp_path, file, content, told):
    state = write(tmp_path / "state", step=1)
    (state / file).write_bytes(content)

    with pytest.raises(StateError, match=told):
        verify_state(state)


def test_what_is_no_state_is_told(tmp_path):
    with pytest.raises(StateError, match="gone does not exist"):
        read_manifest(tmp_path / "gone")
    with pytest.raises(StateError, match=r"is no state of a training: it has no manifest\.json"):
        read_manifest(tmp_path)
    (tmp_path / "train_state.json").write_text("{}")
    with pytest.raises(StateError, match="written by kohya's sd-scripts, whose states hold pickles"):
        read_manifest(tmp_path)


def test_a_missing_file_is_told(tmp_path):
    state = write(tmp_path / "state", step=1)
    (state / "x.bin").unlink()

    with pytest.raises(StateError, match=r"x\.bin can't be read \(No such file"):
        verify_state(state)
