"""The captioners themselves, on models as small as their formats allow."""

from __future__ import annotations

import pickle
import re
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from tests.captioners import tiny
from train_tools.captioners.captioning_process import blip, deepbooru, florence, wd
from train_tools.captioners.captioning_process.file_name import name_in_words
from train_tools.captioners.registry import DEEPBOORU, ONNX, TRANSFORMERS
from train_tools.captioners.session import PictureError, Subject, opened
from train_tools.captioners.weights import missing_in
from train_tools.errors import StorageError
from train_tools.model.captioning import Detail, TagWords

SAID_ALWAYS = ("saber (fate)", "^_^", "1girl")


def test_a_wd_tagger_sees_bgr_from_0_to_255_and_tells_likelihoods(tmp_path, opening):
    """The model's likelihoods are the means of its channels as 255ths: anything else would be other tags."""
    tagger = wd.open_wd(opening(tiny.wd(tmp_path / "wd"), "wd-v3"))
    for colour, tag in (((255, 0, 0), "red rose"), ((0, 255, 0), "green grass"), ((0, 0, 255), "blue sky")):
        found = tagger.words(Subject(tmp_path, Image.new("RGB", (9, 9), colour)))
        assert found == (tag, *SAID_ALWAYS)


def test_a_likelihood_is_not_put_through_a_sigmoid(tmp_path, opening):
    """0.2 would become 0.55."""
    tagger = wd.open_wd(opening(tiny.wd(tmp_path / "wd"), "wd-v3", tags=TagWords(threshold=0.19)))
    grey = tagger.words(Subject(tmp_path, Image.new("RGB", (9, 9), (51, 48, 48))))
    assert grey == ("saber (fate)", "^_^", "1girl", "red rose")


def test_wd_pixels_are_padded_to_a_white_square(gradient):
    pixels = wd.pixels_of(gradient.image, 40)
    assert (pixels.shape, pixels.dtype) == ((1, 40, 40, 3), np.float32)
    assert (pixels[0, :10] == 255).all()
    assert (pixels[0, 30:] == 255).all()
    source = np.asarray(gradient.image)
    assert np.array_equal(pixels[0, 10:30], source[:, :, ::-1].astype(np.float32))


def test_a_wd_model_made_for_whole_batches_is_given_one(tmp_path, opening):
    tagger = wd.open_wd(opening(tiny.wd(tmp_path / "wd", batch=3), "wd-v3"))
    assert tagger.words(Subject(tmp_path, Image.new("RGB", (9, 9), (255, 0, 0)))) == ("red rose", *SAID_ALWAYS)


def test_a_wd_model_that_is_none_is_named(tmp_path, opening):
    folder = tiny.wd(tmp_path / "wd")
    (folder / "model.onnx").write_bytes(b"<html>")
    with pytest.raises(StorageError, match=r"model\.onnx can't be loaded"):
        wd.open_wd(opening(folder, "wd-v3"))
    tiny.wd(tmp_path / "wd", outputs=8)
    with pytest.raises(StorageError, match=r"tells 8 tags apart, and selected_tags\.csv beside it names 9"):
        wd.open_wd(opening(folder, "wd-v3"))


def test_transparency_lies_on_white_and_a_photograph_stands_upright(tmp_path):
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert opened(tmp_path / "clear.png").getpixel((0, 0)) == (255, 255, 255)
    lying = Image.new("RGB", (40, 20))
    exif = lying.getexif()
    exif[0x0112] = 6
    lying.save(tmp_path / "lying.jpg", exif=exif)
    assert opened(tmp_path / "lying.jpg").size == (20, 40)
    Image.fromarray(np.full((4, 4), 40_000, dtype=np.uint16)).save(tmp_path / "deep.png")
    assert opened(tmp_path / "deep.png").getpixel((0, 0)) == (156, 156, 156)
    (tmp_path / "page.jpg").write_bytes(b"<html>")
    with pytest.raises(PictureError, match="not a picture"):
        opened(tmp_path / "page.jpg")


def test_deepbooru_reads_its_weights_by_their_names_and_drops_ratings(tmp_path, opening, gradient):
    folder = tiny.deepbooru(tmp_path / "db", ["long_hair", "1girl", "rating:safe", "^_^"])
    assert missing_in(folder, DEEPBOORU) == ()
    everything = opening(folder, "deepbooru", tags=TagWords(threshold=0))
    found = deepbooru.open_deepbooru(everything, tiny.deepbooru_shape()).words(gradient)
    assert sorted(found) == ["1girl", "^_^", "long hair"]


def test_deepbooru_is_the_net_of_the_export():
    """Its convolutions in the export's order: 179, the head without bias, the second shortcut after its block."""
    with torch.device("meta"):
        net = deepbooru.DeepDanbooru(deepbooru.RESNET_CUSTOM_V3)
    convs = dict(net.names)
    assert list(convs) == [f"n_Conv_{number}" for number in range(179)]
    shapes = {name: (conv.in_channels, conv.out_channels, conv.stride[0]) for name, conv in convs.items()}
    assert shapes["n_Conv_1"] == (64, 256, 1)
    assert shapes["n_Conv_36"] == (512, 1024, 2)
    assert shapes["n_Conv_98"] == (256, 256, 2)
    assert shapes["n_Conv_100"] == (1024, 1024, 2)
    assert shapes["n_Conv_168"] == (2048, 4096, 2)
    assert shapes["n_Conv_178"] == (4096, 9176, 1)
    assert convs["n_Conv_178"].bias is None
    with torch.device("meta"):
        assert net(torch.empty(1, 512, 512, 3)).shape == (1, 9176)


def test_deepbooru_pixels_are_fitted_in_with_the_edges_stretched(gradient):
    pixels = deepbooru.pixels_of(gradient.image, 40).numpy()
    assert pixels.shape == (40, 40, 3)
    source = np.asarray(gradient.image, dtype=np.float32) / 255
    assert np.allclose(pixels[10:30], source)
    assert np.allclose(pixels[:10], source[:1])
    assert np.allclose(pixels[30:], source[-1:])


class Code:
    def __reduce__(self):
        return (print, ("code of a stranger ran",))


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, opening, capfd):
    folder = tmp_path / "db"
    folder.mkdir()
    torch.save({"tags": ["a"], "n_Conv_0.weight": Code()}, folder / deepbooru.FILE)
    with pytest.raises(StorageError, match="could be code, so it was not opened"):
        deepbooru.open_deepbooru(opening(folder, "deepbooru"))
    (folder / deepbooru.FILE).write_bytes(pickle.dumps(Code(), protocol=2))
    with pytest.raises(StorageError):
        deepbooru.open_deepbooru(opening(folder, "deepbooru"))
    assert "stranger" not in capfd.readouterr().out


def test_weights_of_another_net_are_refused(tmp_path, opening):
    folder = tiny.deepbooru(tmp_path / "db", ["a"])
    with pytest.raises(StorageError, match=r"no DeepDanbooru: .* weights are missing or too many"):
        deepbooru.open_deepbooru(opening(folder, "deepbooru"))
    with zipfile.ZipFile(folder / deepbooru.FILE, "w"):
        pass
    with pytest.raises(StorageError, match="Delete it and fetch it again"):
        deepbooru.open_deepbooru(opening(folder, "deepbooru"))


@pytest.mark.parametrize(
    ("make", "open_captioner", "name"),
    [(tiny.blip, blip.open_blip, "blip"), (tiny.blip_2, blip.open_blip_2, "blip-2")],
)
def test_blip_writes_the_same_words_for_the_same_picture(tmp_path, opening, gradient, make, open_captioner, name):
    folder = make(tmp_path / name)
    assert missing_in(folder, TRANSFORMERS) == ()
    captioner = open_captioner(opening(folder, name))
    said = captioner.words(gradient)
    assert set(re.findall(r"\w+", said.lower())) <= set(tiny.WORDS)
    assert open_captioner(opening(folder, name)).words(gradient) == said


@pytest.mark.parametrize(
    ("make", "open_captioner", "name", "side"),
    [
        (tiny.blip, blip.open_blip, "blip", 32),
        (tiny.blip_2, blip.open_blip_2, "blip-2", 32),
        (tiny.florence, florence.open_florence, "florence-2", 64),
    ],
)
def test_models_see_the_picture_as_their_processor_says(tmp_path, opening, make, open_captioner, name, side):
    """RGB from 0 to 1, less CLIP's means, in CLIP's deviations."""
    captioner = open_captioner(opening(make(tmp_path / name), name))
    seen = []
    first = next(part for part in captioner._transformer.model.modules() if isinstance(part, torch.nn.Conv2d))
    first.register_forward_pre_hook(lambda part, inputs: seen.append(inputs[0]))
    captioner.words(Subject(tmp_path, Image.new("RGB", (20, 40), (0, 51, 255))))
    assert seen[0].shape[1:] == (3, side, side)
    expected = [(0 - 0.48145466) / 0.26862954, (0.2 - 0.4578275) / 0.26130258, (1 - 0.40821073) / 0.27577711]
    assert seen[0][0, :, 5, 5].tolist() == pytest.approx(expected, abs=1e-5)


def test_florence_is_asked_for_its_task_alone(tmp_path, opening, gradient):
    folder = tiny.florence(tmp_path / "florence")
    assert missing_in(folder, TRANSFORMERS) == ()
    for detail in Detail:
        said = florence.open_florence(opening(folder, "florence-2", detail=detail)).words(gradient)
        assert "<s>" not in said
        assert "</s>" not in said
        assert "<pad>" not in said


def test_a_folder_of_another_model_is_named(tmp_path, opening):
    folder = tiny.blip(tmp_path / "blip")
    with pytest.raises(StorageError, match="can't be loaded as Florence2ForConditionalGeneration"):
        florence.open_florence(opening(folder, "florence-2"))
    (folder / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(StorageError, match="can't be loaded as BlipForConditionalGeneration"):
        blip.open_blip(opening(folder, "blip"))


def test_files_of_the_tagger_are_those_that_are_looked_for(tmp_path):
    assert missing_in(tiny.wd(tmp_path / "wd"), ONNX) == ()
    assert missing_in(tmp_path, ONNX) == ("model.onnx", "selected_tags.csv")


@pytest.mark.parametrize(
    ("stem", "words"),
    [
        ("red_haired cat (3)", "red haired cat"),
        ("cat_003", "cat"),
        ("cat-2", "cat"),
        ("кот", "кот"),
        ("00012", ""),
        ("r2d2 droid", "r2d2 droid"),
    ],
)
def test_a_file_name_is_a_tag_without_its_number(stem, words):
    assert name_in_words(stem) == words
