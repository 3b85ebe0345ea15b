"""Networks of LyCORIS in the recipe: resuming, going on from files, what options do, and what one run leaves to
the next."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from lora_engine.job import read_job
from lora_engine.networks.dropout import DropoutShares
from lora_engine.networks.lycoris import LycorisNetwork
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.lora import train_lora
from sd_contract.errors import CheckpointError, OptionError
from sd_contract.loras.names import UNET, diffusers_name
from sd_contract.tensors.tensor_files import verify_safetensors
from tests.lora_engine.networks.conftest import WAYS, attach, plan, rank_for, stir
from tests.lora_engine.pipelines import noise_of

DROPOUTS = ("dropout=0.1", "rank_dropout=0.1", "module_dropout=0.1")


@pytest.fixture
def train(tiny_model, dataset, tmp_path, capfd):
    """Trains a network of these arguments and returns the tensors of its file."""

    def run(arguments, *options, name="lora", steps=4, rank=2, module="lycoris.kohya"):
        words = ["--pretrained_model_name_or_path", tiny_model, "--dataset_config", dataset, "--seed", 7]
        words += ["--output_dir", tmp_path / "out", "--output_name", name, "--max_train_steps", steps]
        words += ["--network_module", module, "--network_dim", rank, "--learning_rate", 1e-3]
        words += [*(["--network_args", *arguments] if arguments else []), *options]
        train_lora(read_job([str(word) for word in words]), Reporter(None))
        return load_file(tmp_path / "out" / f"{name}.safetensors")

    return run


def assert_equal(first, second):
    assert first.keys() == second.keys()
    assert [name for name, tensor in first.items() if not torch.equal(tensor, second[name])] == []


@pytest.mark.parametrize(
    "way", ["locon rs, scalar", "doha", "lokr both", "full, norms", "ia3", "glora", "boft", "dylora"]
)
def test_a_resumed_run_ends_as_an_uninterrupted_one(train, tmp_path, way):
    arguments, states = (*WAYS[way], *DROPOUTS), ("--state_dir", tmp_path / "states", "--state_every_n_steps", 2)
    whole = train(arguments, *states, rank=rank_for(way))
    resumed = train(
        arguments, "--resume", tmp_path / "states" / "step-00000002", rank=rank_for(way), name="resumed"
    )

    assert_equal(whole, resumed)


def test_locon_on_the_same_layers_is_kohyas_lora_to_the_last_bit(train):
    assert_equal(train(("preset=attn-mlp",)), train((), module="networks.lora", name="plain"))


def test_runs_in_one_process_leave_nothing_to_each_other(train, tmp_path):
    first = train(("algo=loha",))
    other = tmp_path / "preset.toml"
    other.write_text(
        'unet_target_name = ["conv_in"]\nexclude_name = ["mid.*"]\n[module_algo_map]\nAttention={dim=1}'
    )
    train((f"preset={other}", "algo=lokr", "train_norm=True"), name="between")

    assert_equal(first, train(("algo=loha",), name="again"))


@pytest.mark.parametrize("way", ["doha", "oft", "dylora"])
def test_gradient_checkpointing_changes_nothing_but_memory(train, way):
    arguments = (*WAYS[way], *DROPOUTS)
    plain, checked = (
        train(arguments, steps=2),
        train(arguments, "--gradient_checkpointing", steps=2, name="checked"),
    )

    for name, tensor in plain.items():
        torch.testing.assert_close(checked[name], tensor, rtol=1e-3, atol=1e-5)


def test_bf16_trains_nearly_the_same(train):
    plain, mixed = train(("algo=loha",)), train(("algo=loha",), "--mixed_precision", "bf16", name="mixed")

    apart = torch.stack([(mixed[name] - tensor).norm() for name, tensor in plain.items()]).norm()
    begun = train(("algo=loha",), "--max_train_steps", 1, "--learning_rate", 1e-12, name="begun")
    moved = torch.stack([(begun[name] - tensor).norm() for name, tensor in plain.items()]).norm()
    assert 0 < apart < 0.5 * moved


def test_the_file_says_which_network_it_is_and_how_it_is_known(train, tmp_path):
    train(("algo=lokr", "factor=2", "preset=attn-mlp"))
    metadata = verify_safetensors(tmp_path / "out" / "lora.safetensors").metadata

    assert metadata["ss_network_module"] == "lycoris.kohya"
    assert json.loads(metadata["ss_network_args"]) == {"algo": "lokr", "factor": "2", "preset": "attn-mlp"}
    assert len(metadata["sshs_model_hash"]) == 64


def test_a_preset_without_the_text_encoder_leaves_it_alone(train):
    assert not any(name.startswith("lora_te") for name in train(("preset=unet-only",), steps=1))


def test_a_run_goes_on_from_a_file_of_its_kind(train, tmp_path):
    arguments = ("algo=loha", "use_scalar=True")
    first = train(arguments)
    weights = ("--network_weights", tmp_path / "out" / "lora.safetensors")
    again = train(arguments, *weights, "--learning_rate", 1e-12, steps=1, name="again")
    taken = train((), *weights, "--dim_from_weights", "--learning_rate", 1e-12, steps=1, name="taken")

    for name, tensor in first.items():
        torch.testing.assert_close(again[name], tensor, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(taken[name], tensor, rtol=1e-5, atol=1e-6)
    with pytest.raises(CheckpointError, match=r"Set dim_from_weights, or the method and the ranks"):
        train(("algo=loha",), *weights, rank=3, name="other")
    with pytest.raises(CheckpointError, match="Set dim_from_weights, or the method and the ranks"):
        train(("algo=lokr",), *weights, name="other")


def test_other_alphas_and_missing_layers_are_told(models, tmp_path):
    model = models()
    network = attach(model, plan("algo=loha", "preset=unet-only", alpha=2.0))
    save_file(network.tensors(), tmp_path / "x.safetensors")
    network.detach()
    told = attach(model, plan("algo=loha", "preset=attn-mlp")).start_from(tmp_path / "x.safetensors")

    assert [text.partition("safetensors: ")[2] for text in told] == [
        "12 layers begin anew, since it lacks them",
        "90 of its layers are left out, since they are not trained",
        "192 layers have another alpha, so they act with another strength",
    ]


def test_lora_plus_speeds_the_upper_halves_of_locon(train):
    slow = train(("preset=attn-mlp",), "--optimizer_type", "SGDNesterov", steps=1)
    fast = train(
        ("preset=attn-mlp", "loraplus_lr_ratio=4"), "--optimizer_type", "SGDNesterov", steps=1, name="fast"
    )

    moved = [name for name in slow if name.endswith("lora_up.weight") and slow[name].norm() > 0]
    assert moved
    for name in moved:
        torch.testing.assert_close(fast[name], 4 * slow[name])


@pytest.mark.parametrize(
    "way", ["locon tucker", "dora", "loha tucker, scalar", "lokr both", "full, norms", "ia3", "glora"]
)
def test_a_change_is_shrunk_to_the_length_asked_for(models, way):
    network = attach(models(), plan(*WAYS[way]))
    before = network.limit_norms(1e9)
    longest = before.median().item()
    network.limit_norms(longest)

    torch.testing.assert_close(network.limit_norms(1e9), before.clamp(max=longest), rtol=1e-4, atol=1e-7)


def test_what_turns_is_limited_in_what_makes_it_turn(models):
    network = attach(models(), plan("algo=diag-oft"))
    network.limit_norms(0.01)

    assert max(one.learning["oft_blocks"].norm() for one in network.modules.values()) <= 0.0101


@pytest.mark.parametrize(
    "shares", [DropoutShares(inner=0.5), DropoutShares(rank=0.5), DropoutShares(module=0.5)], ids=str
)
def test_dropouts_silence_something_while_training_and_nothing_else(models, shares):
    model = models()
    network = attach(model, plan("algo=lokr", "train_norm=True"), shares=shares)
    with torch.no_grad():
        whole = noise_of(model)
        network.dropout.position = 3
        first, second = noise_of(model), noise_of(model)
        network.dropout.position = None

        assert torch.equal(first, second)
        assert not torch.allclose(first, whole, atol=1e-4)
        assert torch.equal(noise_of(model), whole)


def test_dylora_moves_one_block_of_ranks_at_a_time(models):
    model = models()
    network = attach(model, plan("algo=dylora", "block_size=2", rank=6))
    seen = set()
    for position in range(8):
        network.dropout.position = position
        noise_of(model).square().mean().backward()
        down = network.modules["lora_unet_conv_in"].learning["lora_down.weight"]
        seen.add(tuple(int(rank) for rank in down.grad.flatten(1).norm(dim=1).nonzero().flatten()))
        down.grad = None

    assert seen == {(0, 1), (2, 3), (4, 5)}


def test_multiplier_0_is_the_base_to_the_last_bit(models):
    model = models()
    with torch.no_grad():
        before = noise_of(model)
        network = attach(model, plan("dora_wd=True", "train_norm=True"), stirred=False)
        torch.testing.assert_close(noise_of(model), before, rtol=1e-4, atol=1e-5)
        stir(network)
        network.multiplier = 0.0
        assert torch.equal(noise_of(model), before)
        network.detach()
        assert torch.equal(noise_of(model), before)


@pytest.mark.parametrize("way", WAYS)
def test_a_new_network_changes_nothing(models, way):
    model = models()
    with torch.no_grad():
        before = noise_of(model)
        attach(model, plan(*WAYS[way], rank=rank_for(way)), stirred=False)
        torch.testing.assert_close(noise_of(model), before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("algo=boft",), "boft can't split a layer of 8 outputs with rank 1: it needs 2 at least"),
        (("preset=gone.toml",), "preset gone.toml can't be read"),
    ],
)
def test_what_the_model_can_not_take_is_refused_before_it_is_loaded(
    tiny_model, dataset, tmp_path, arguments, told
):
    words = ["--pretrained_model_name_or_path", tiny_model, "--dataset_config", dataset, "--output_dir", tmp_path]
    words += ["--network_module", "lycoris.kohya", "--network_dim", 1, "--network_args", *arguments]
    with pytest.raises(OptionError, match=told.replace("(", r"\(")):
        read_job([str(word) for word in words])


def test_a_preset_that_names_nothing_here_is_an_error(train, tmp_path):
    preset = tmp_path / "preset.toml"
    preset.write_text('unet_target_module = ["MMDoubleStreamBlock"]\n', encoding="utf-8")
    with pytest.raises(OptionError, match="names no layer of this model"):
        train((f"preset={preset}",))


def test_sdxl_files_with_diffusers_names_are_read(models, tmp_path):
    model = models("sdxl")
    network = attach(model, plan("algo=loha"))
    tensors = network.tensors()
    named = {}
    for key, tensor in tensors.items():
        layer, _, leaf = key.partition(".")
        other = UNET + diffusers_name(layer.removeprefix(UNET)) if layer.startswith(UNET) else layer
        named[f"{other}.{leaf}"] = tensor
    save_file(named, tmp_path / "x.safetensors")
    network.detach()

    assert any("down_blocks" in name for name in named)
    assert_equal(
        LycorisNetwork.from_file(tmp_path / "x.safetensors", model.unet, model.text_encoder).tensors(), tensors
    )
