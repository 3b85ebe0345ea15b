import numpy as np
import pytest
from safetensors.numpy import save_file

from train_tools.errors import NotFoundError, OptionValueError
from train_tools.previews.embeddings import embeddings_in, named_in


def embedding(path, value=1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"emb_params": np.full((2, 8), value, np.float32)}, path)
    return path


def test_words_are_whole_names_in_whatever_case(tmp_path):
    for name in ("bad", "bad-hands 5", "кот"):
        embedding(tmp_path / "below" / f"{name}.safetensors")
    found = embeddings_in(tmp_path)
    assert [one.name for one in found] == ["bad-hands 5", "bad", "кот"]
    assert [one.name for one in named_in(["BAD", "(КОТ:1.1)"], found)] == ["bad", "кот"]
    assert named_in(["badly, nobad"], found) == ()


def test_the_same_word_in_another_file_is_another_signature(tmp_path):
    first = embeddings_in(embedding(tmp_path / "a" / "x.safetensors").parent)[0]
    other = embeddings_in(embedding(tmp_path / "b" / "x.safetensors", 2.0).parent)[0]
    assert first.signature != other.signature and first.signature.startswith("x ")


def test_pickles_are_refused_once_they_are_used_and_a_safe_twin_goes_first(tmp_path):
    (tmp_path / "old.pt").write_bytes(b"\x80\x02")
    (found,) = embeddings_in(tmp_path)
    with pytest.raises(OptionValueError, match=r"old.pt .* is a pickle, which can run any code"):
        _ = found.signature
    embedding(tmp_path / "old.safetensors")
    assert embeddings_in(tmp_path)[0].signature.startswith("old ")


def test_a_broken_file_and_a_missing_folder_are_sentences(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(OptionValueError, match="The embedding 'x' can't be used"):
        _ = embeddings_in(tmp_path)[0].signature
    with pytest.raises(NotFoundError, match="does not exist"):
        embeddings_in(tmp_path / "gone")
