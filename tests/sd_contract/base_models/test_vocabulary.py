import json

import pytest

from sd_contract.base_models.vocabulary import END, byte_symbols, find_vocabulary
from sd_contract.errors import BaseModelError


@pytest.fixture
def hub(tmp_path):
    """The environment of a machine whose Hugging Face cache is empty."""
    return {"HF_HUB_CACHE": str(tmp_path / "hub")}


def tokenizer(folder):
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({"a": 0, "b": 1, "ab": 2}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\na b\n", encoding="utf-8")
    return folder


def test_every_byte_has_a_symbol_of_its_own():
    assert len(set(byte_symbols())) == 256
    assert byte_symbols()[0] == "!"


def test_the_installed_data_file_gives_clips_vocabulary(hub):
    vocabulary = find_vocabulary(environment=hub)

    assert (len(vocabulary.ids), len(vocabulary.merges)) == (49408, 48894)
    assert [vocabulary.ids[token] for token in ("a</w>", "circle</w>", END)] == [320, 7117, 49407]


def test_a_named_folder_comes_first(hub, tmp_path):
    named, model = tokenizer(tmp_path / "named"), tokenizer(tmp_path / "model" / "tokenizer")
    (named / "vocab.json").write_text('{"named": 0}', encoding="utf-8")

    assert find_vocabulary(named, model.parent, environment=hub).ids == {"named": 0}
    assert find_vocabulary(None, model.parent, environment=hub).merges == (("a", "b"),)


def test_kohyas_cache_layout_is_read(hub, tmp_path):
    tokenizer(tmp_path / "cache" / "openai_clip-vit-large-patch14")

    assert find_vocabulary(tmp_path / "cache", environment=hub).ids["ab"] == 2


def test_the_hub_cache_is_read_without_the_network(hub, tmp_path):
    tokenizer(tmp_path / "hub" / "models--openai--clip-vit-large-patch14" / "snapshots" / "abc")

    assert find_vocabulary(environment=hub).ids["ab"] == 2


def test_where_it_was_looked_for_is_told(hub, tmp_path):
    with pytest.raises(BaseModelError, match=r"no vocab.json and merges.txt in .*named.*pip install --no-deps"):
        find_vocabulary(tmp_path / "named", environment=hub, carriers=("no-such-distribution",))
