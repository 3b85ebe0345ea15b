from __future__ import annotations

import pytest

from tests.captioners.hub import SHA, Hub, serving
from train_tools.base_models.web import Web
from train_tools.captioners.fetching import fetch
from train_tools.captioners.registry import BY_NAME, CAPTIONERS
from train_tools.captioners.weights import repository_of, state_of, words_for
from train_tools.errors import DownloadError, NotFoundError, OptionValueError
from train_tools.model.captioning import Chosen

WD = Chosen(name="wd-v3")
REPOSITORY = "SmilingWolf/wd-swinv2-tagger-v3"
FILES = {
    "model.onnx": b"weights" * 100,
    "selected_tags.csv": b"tag_id,name\n",
    "README.md": b"#",
    "x.py": b"import",
}


def fill(folder, *names):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


@pytest.fixture
def models(tmp_path):
    return tmp_path / "models" / "taggers"


@pytest.fixture
def hub(monkeypatch):
    hub = Hub(REPOSITORY, FILES)
    with serving(hub) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield hub


def fetched(models, hub, **more):
    folder = state_of(WD, models).folder
    return folder, fetch(BY_NAME["wd-v3"], repository_of(WD), folder, web=Web(tokens={}), **more)


def test_what_is_missing_is_named_with_repository_files_and_folder(models):
    state = state_of(WD, models)
    assert (state.place, state.missing) == (None, ("model.onnx", "selected_tags.csv"))
    told = words_for(BY_NAME["wd-v3"], state)
    for part in (REPOSITORY, "model.onnx, selected_tags.csv", str(models / "SmilingWolf--wd-swinv2-tagger-v3")):
        assert part in told
    assert "--download" in told


def test_files_are_found_in_our_folder_before_the_cache(models, tmp_path):
    cache = tmp_path / "hf home" / "hub" / "models--SmilingWolf--wd-swinv2-tagger-v3"
    cached = fill(cache / "snapshots" / SHA, *FILES)
    assert state_of(WD, models).place == cached
    other = fill(cache / "snapshots" / "f00", *FILES)
    fill(cache / "refs").joinpath("main").write_text("f00\n")
    assert state_of(WD, models).place == other
    own = fill(models / "SmilingWolf--wd-swinv2-tagger-v3", "model.onnx")
    assert state_of(WD, models).place == other
    (own / "selected_tags.csv").write_bytes(b"x")
    assert state_of(WD, models).place == own


def test_the_cache_lies_where_huggingface_hub_puts_it(tmp_path, monkeypatch):
    from huggingface_hub.constants import default_cache_path

    from train_tools.captioners.weights import _hub_cache

    assert str(_hub_cache({"HF_HUB_CACHE": "/a"})) == "/a"
    assert str(_hub_cache({"HF_HOME": "/b"})) == "/b/hub"
    assert str(_hub_cache({"XDG_CACHE_HOME": "/c"})) == "/c/huggingface/hub"
    assert default_cache_path.endswith("/hub")


def test_a_model_in_parts_wants_all_of_them(tmp_path):
    folder = tmp_path / "blip-2"
    whole = ("config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors.index.json")
    fill(folder, *whole, "model-00001-of-00002.safetensors")
    with pytest.raises(NotFoundError, match=r"lacks model-00002-of-00002\.safetensors"):
        state_of(Chosen(name="blip-2", model=str(folder)), tmp_path)
    (folder / "model-00002-of-00002.safetensors").write_bytes(b"x")
    assert state_of(Chosen(name="blip-2", model=str(folder)), tmp_path).place == folder


@pytest.mark.parametrize("model", ["nothing", "../../etc", "a/b/c", "a/..", "https://x/y", "a b/c"])
def test_a_model_is_a_repository_or_a_whole_path(models, model):
    with pytest.raises(OptionValueError, match="whole path of a folder, or a repository"):
        state_of(Chosen(name="wd-v3", model=model), models)


def test_a_captioner_nobody_knows_is_refused(models):
    with pytest.raises(OptionValueError, match="There are: wd-v3, deepbooru"):
        state_of(Chosen(name="wd"), models)
    with pytest.raises(OptionValueError, match="needs no model"):
        state_of(Chosen(name="file-name", model="a/b"), models)


def test_only_wanted_files_are_fetched_and_never_code(models, hub):
    told = []
    folder, whole = fetched(models, hub, progress=lambda file, done, total: told.append((file, done, total)))
    assert whole
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "selected_tags.csv"]
    assert (folder / "model.onnx").read_bytes() == FILES["model.onnx"]
    assert told[-1] == ("selected_tags.csv", 712, 712)
    assert state_of(WD, models).place == folder
    before = len(hub.asked)
    assert fetched(models, hub)[1]
    assert len(hub.asked) == before + 1, "what is there is not asked for again"


def test_a_file_that_is_not_what_the_repository_says_is_not_kept(models, hub):
    hub.wrong_sha256 = True
    with pytest.raises(DownloadError, match="sha256"):
        fetched(models, hub)
    assert state_of(WD, models).place is None


def test_a_stopped_download_leaves_no_file_of_that_name(models, hub):
    folder, whole = fetched(models, hub, stopped=lambda: True)
    assert not whole
    assert not (folder / "model.onnx").exists()


@pytest.mark.parametrize(
    ("listing", "words"),
    [
        (
            {"sha": SHA, "siblings": [{"rfilename": "pytorch_model.bin"}]},
            "no model for wd-v3: it has no model.onnx",
        ),
        ({"error": "x"}, "does not say which files"),
        (["a"], "something else than a list"),
    ],
)
def test_a_repository_of_another_kind_is_named(models, hub, listing, words):
    hub.listing = listing
    with pytest.raises(DownloadError, match=words):
        fetched(models, hub)


def test_without_a_network_it_is_said_what_to_do(models, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match=r"can't be reached: .*dataset captioners"):
        fetched(models, None)


def test_pickles_are_wanted_of_nobody_but_deepbooru():
    names = ["config.json", "pytorch_model.bin", "model.safetensors", "tokenizer.json", "preprocessor_config.json"]
    for captioner in CAPTIONERS:
        wanted = captioner.files.wanted([*names, "modeling.py", "model.onnx", "selected_tags.csv"])
        assert not [name for name in wanted if name.endswith((".bin", ".py", ".ckpt"))]
