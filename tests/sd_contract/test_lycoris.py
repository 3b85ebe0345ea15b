"""Which layers a network of LyCORIS changes, and how."""

import pytest

from sd_contract.errors import OptionError
from sd_contract.lycoris.plan import Seat, lycoris_plan, refuse_misfitting_sizes
from sd_contract.lycoris.tensors import blocks_of_butterfly, split, tensor_shapes
from sd_contract.networks import Rank
from sd_contract.options import settings_from
from sd_contract.options.lycoris import Lycoris


def plan(*arguments, **options):
    values = {"network_module": "lycoris.kohya", "network_dim": 8, **options}
    return lycoris_plan(settings_from({**values, "network_args": list(arguments)}))


def seat(path, *classes, part="unet", kind="linear"):
    """A layer inside modules of these classes, one a step of its path, itself last."""
    words = path.split(".")
    depths = range(len(words) - len(classes) + 1, len(words) + 1)
    within = tuple((".".join(words[:depth]), name) for depth, name in zip(depths, classes, strict=True))
    return Seat(part=part, path=path, kind=kind, within=within)


QUERY = seat("down.0.attn1.to_q", "Transformer2DModel", "Attention", "Linear")
WIDE = seat("down.1.conv1", "ResnetBlock2D", "Conv2d", kind="convolution")
FIRST = seat("conv_in", "Conv2d", kind="convolution")
NORM = seat("down.0.norm", "Transformer2DModel", "GroupNorm", kind="norm")
TEXT = seat("text_model.0.fc1", "CLIPMLP", "Linear", part="text_encoder")


def test_convolutions_have_the_common_rank_unless_they_have_their_own():
    assert plan().wanted(WIDE).rank == Rank(8, 1.0)
    assert plan("conv_dim=4", network_alpha=2).wanted(WIDE).rank == Rank(4, 2.0)
    assert plan("conv_alpha=0", "conv_dim=4").wanted(WIDE).rank == Rank(4, 4.0)
    assert plan("conv_dim=4").wanted(QUERY).rank == Rank(8, 1.0)


@pytest.mark.parametrize(
    ("preset", "changed"),
    [
        ("full", [QUERY, WIDE, FIRST, TEXT]),
        ("full-lin", [QUERY, TEXT]),
        ("attn-mlp", [QUERY, TEXT]),
        ("attn-only", [QUERY]),
        ("unet-only", [QUERY, WIDE, FIRST]),
        ("unet-transformer-only", [QUERY]),
        ("unet-convblock-only", [WIDE, FIRST]),
        ("locon", [QUERY, WIDE, TEXT]),
    ],
)
def test_presets_change_what_they_say(preset, changed):
    wanted = plan(f"preset={preset}")

    assert [one for one in (QUERY, WIDE, FIRST, TEXT, NORM) if wanted.wanted(one)] == changed


def test_norms_are_changed_when_asked_for():
    assert plan("train_norm=True").wanted(NORM).method is None


@pytest.fixture
def preset(tmp_path):
    """A function that writes a preset and says how `network_args` names it."""

    def written(text):
        path = tmp_path / "ä preset.toml"
        path.write_text(text, encoding="utf-8")
        return f"preset={path}"

    return written


def test_maps_of_a_file_give_layers_ways_of_their_own(preset):
    wanted = plan(
        preset(
            'unet_target_module = ["Transformer2DModel", "ResnetBlock2D"]\n'
            'unet_target_name = ["conv_in"]\nexclude_name = [".*attn2"]\n'
            '[module_algo_map]\nCrossAttention = {algo = "lokr", factor = 4}\n'
            "ResnetBlock2D = {dim = 2, alpha = 1}\n"
            '[name_algo_map]\nconv_in = {algo = "full"}\n'
        ),
        "algo=loha",
        "train_norm=True",
    )
    query, other = wanted.wanted(QUERY), seat("down.0.ff.net", "Transformer2DModel", "FeedForward", "Linear")

    assert (query.method.algo, query.method.factor, query.rank) == ("lokr", 4, Rank(8, 1.0))
    assert (wanted.wanted(WIDE).method.algo, wanted.wanted(WIDE).rank) == ("loha", Rank(2, 1.0))
    assert wanted.wanted(FIRST).method.algo == "full"
    assert wanted.wanted(other).method.algo == "loha"
    assert wanted.wanted(seat("down.0.attn2.to_q", "Transformer2DModel", "Attention", "Linear")) is None
    assert wanted.wanted(TEXT) is None


def test_names_may_be_patterns_as_of_files(preset):
    wanted = plan(preset('use_fnmatch = true\nunet_target_name = ["*.to_[qk]"]\n'))

    assert wanted.wanted(QUERY)
    assert wanted.wanted(seat("down.0.to_v", "Linear")) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("unet_target_modul = []", "Did you mean 'unet_target_module'?"),
        ("enable_conv = 1", "true or false is wanted"),
        ('unet_target_name = "a"', "a list of names is wanted"),
        ('module_algo_map = {Attention = "lokr"}', "a table of tables is wanted"),
        ('unet_target_name = ["*.a"]', "is no regular expression"),
        ("a = ", "is not TOML"),
        ('module_algo_map = {Attention = {algo = "loha", factor = 4}}', "factor means nothing to algo=loha"),
        ("module_algo_map = {Attention = {rank = 4}}", "which can't be used. Names are dim, alpha, algo"),
        ("module_algo_map = {Attention = {dim = 0}}", "a whole number from 1 on is wanted"),
    ],
)
def test_a_mistake_in_a_file_is_named(preset, text, told):
    with pytest.raises(OptionError) as caught:
        plan(preset(text))
    assert told in str(caught.value)


def test_a_preset_that_is_not_there_is_an_error():
    with pytest.raises(OptionError, match="Did you mean 'attn-mlp'"):
        plan("preset=attn_mlp")
    with pytest.raises(OptionError, match="can't be read"):
        plan("preset=gone.toml")


def test_ranks_have_to_split_as_the_methods_want(tiny_sizes):
    with pytest.raises(OptionError, match="DyLoRA trains 3 ranks at a time, which rank 8 is no multiple of"):
        plan("algo=dylora", "block_size=3")
    with pytest.raises(OptionError, match="boft can't split a layer of 320 outputs with rank 8: it needs 10"):
        refuse_misfitting_sizes(plan("algo=boft"), tiny_sizes)


@pytest.fixture
def tiny_sizes():
    class Base:
        unet = {"block_out_channels": [320, 640]}
        text_encoder = {"hidden_size": 768}

    return Base()


@pytest.mark.parametrize(
    ("width", "factor", "wanted"),
    [
        *((128, -1, (8, 16)), (250, -1, (10, 25)), (1024, -1, (32, 32)), (360, -1, (18, 20)), (127, -1, (1, 127))),
        *((320, 8, (8, 40)), (320, 40, (8, 40)), (250, 4, (2, 125)), (360, 16, (15, 24)), (4, 8, (2, 2))),
    ],
)
def test_widths_are_split_as_lycoris_splits_them(width, factor, wanted):
    assert split(width, factor) == wanted


def test_butterflies_need_an_even_block_and_a_power_of_two():
    assert blocks_of_butterfly(320, 16) == (10, 32)
    assert blocks_of_butterfly(320, 20) == (20, 16)
    with pytest.raises(OptionError, match="a width that is even"):
        blocks_of_butterfly(9, 4)


@pytest.mark.parametrize(
    ("method", "rank", "shape", "numbers"),
    [
        (Lycoris(), 4, (320, 640), 4 * 960),
        (Lycoris(), 4, (320, 640, 3, 3), 4 * (320 + 640 * 9)),
        (Lycoris(use_tucker=True), 4, (320, 640, 3, 3), 4 * 960 + 16 * 9),
        (Lycoris(dora_wd=True), 4, (320, 640), 4 * 960 + 640),
        (Lycoris(dora_wd=True, wd_on_output=True), 4, (320, 640), 4 * 960 + 320),
        (Lycoris(algo="loha"), 4, (320, 640), 2 * 4 * 960),
        (Lycoris(algo="lokr"), 4, (320, 640), 16 * 20 + 4 * (20 + 32)),
        (Lycoris(algo="lokr", decompose_both=True), 4, (320, 640), 4 * (16 + 20) + 4 * (20 + 32)),
        (Lycoris(algo="lokr", factor=8), 1000, (320, 640), 8 * 8 + 40 * 80),
        (Lycoris(algo="full"), 4, (320, 640), 320 * 640),
        (Lycoris(algo="ia3"), 4, (320, 640), 320),
        (Lycoris(algo="glora"), 4, (320, 640), 4 * 640 * 2 + 4 * 960),
        (Lycoris(algo="diag-oft"), 8, (320, 640), 40 * 8 * 8),
        (Lycoris(algo="boft"), 10, (320, 640), 6 * 32 * 10 * 10),
        (Lycoris(algo="dylora"), 4, (320, 640), 4 * 960),
    ],
)
def test_each_method_has_as_many_weights_as_its_formula_says(method, rank, shape, numbers):
    def product(sides):
        return 1 if not sides else sides[0] * product(sides[1:])

    assert sum(map(product, tensor_shapes(method, rank, shape).values())) == numbers
