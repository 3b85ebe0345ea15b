"""Every optimizer that has no need of a GPU, on a problem whose answer is known."""

import json

import pytest
import torch
from torch.nn import Parameter

from lora_engine.maths.optimizers import (
    ParameterGroup,
    load_optimizer,
    make_optimizer,
    optimizer_name,
    refuse_missing_device,
    set_learning_rates,
    set_training,
    used_rates,
)
from lora_engine.maths.schedules import Schedule
from lora_engine.output.trees import join, split
from sd_contract.errors import OptionError
from sd_contract.options import optimizer_arguments, settings_from
from sd_contract.options.groups import OPTIMIZERS
from sd_contract.options.known_optimizers import ALIASES, KNOWN
from sd_contract.options.optimizers import ARGUMENTS, SCHEDULE_FREE, SELF_TUNING

ON_CPU = [name for name in OPTIMIZERS if not KNOWN[name].needs_cuda]
ON_CUDA = [name for name in OPTIMIZERS if KNOWN[name].needs_cuda]
STEADY = Schedule(name="constant", total=1000)
FALLING = Schedule(name="inverse_sqrt", total=1000, timescale=1)
GOAL = torch.tensor([[0.3, -0.2], [0.1, 0.4]])


OWN_RATES = {"Adadelta": 1.0}
"""Of those that want another one than the rest."""


def made(name, *texts, rate=None):
    weight = Parameter(torch.full((2, 2), 0.05))
    settings = settings_from({"optimizer_type": name, "optimizer_args": list(texts)})
    rate = OWN_RATES.get(name, 1.0 if name in SELF_TUNING else 0.02) if rate is None else rate
    group = ParameterGroup(part="unet", parameters=[weight], learning_rate=rate)
    return weight, make_optimizer(name, [group], optimizer_arguments(settings.optimizer))


def made_of(name, arguments):
    weight = Parameter(torch.full((2, 2), 0.05))
    group = ParameterGroup(part="unet", parameters=[weight], learning_rate=0.02)
    return weight, make_optimizer(name, [group], arguments)


def distance(weight):
    return (weight.detach() - GOAL).square().sum()


def steps(weight, optimizer, count):
    for _ in range(count):
        set_learning_rates(optimizer, STEADY, 0)
        weight.grad = 2 * (weight.detach() - GOAL)
        optimizer.step()


def test_other_spellings_are_those_of_packages_and_stand_for_known_names():
    assert set(ALIASES.values()) <= set(OPTIMIZERS)
    for spelling, name in ALIASES.items():
        assert settings_from({"optimizer_type": spelling}).optimizer.optimizer == name


@pytest.mark.parametrize("name", ON_CPU)
def test_an_optimizer_comes_nearer_to_the_goal(name):
    weight, optimizer = made(name)
    before = distance(weight)
    steps(weight, optimizer, 200)

    assert distance(weight) < 0.5 * before


VARIANTS = [
    *((name,) for name in ON_CPU),
    ("AdaFactor", "warmup_init=True"),
    ("AdaFactor", "relative_step=False", "scale_parameter=False", "beta1=0.9"),
    ("Prodigy", "safeguard_warmup=True", "use_bias_correction=True"),
    ("DAdaptAdaGrad", "momentum=0.9"),
    ("DAdaptSGD", "momentum=0.9"),
]
LATE = 3
"""The step from which one of the weights has gradients, as one that module_dropout left out before."""


class Trial:
    """An optimizer at work on three weights in two groups; the last joins in late."""

    def __init__(self, name, *texts):
        self.weights = [Parameter(torch.full(shape, 0.05)) for shape in ((6, 1), (2, 3), (3, 2))]
        settings = settings_from({"optimizer_type": name, "optimizer_args": list(texts)})
        rate = 1.0 if name in SELF_TUNING else 0.02
        groups = [
            ParameterGroup(part="unet", parameters=weights, learning_rate=rate)
            for weights in (self.weights[:1], self.weights[1:])
        ]
        self.optimizer = make_optimizer(name, groups, optimizer_arguments(settings.optimizer))

    def go(self, first, last):
        goal = torch.arange(6.0) / 10
        for step in range(first, last + 1):
            set_learning_rates(self.optimizer, FALLING, step)
            present = self.weights if step >= LATE else self.weights[:-1]
            for weight in present:
                weight.grad = 2 * (weight.detach() - goal.view(weight.shape)) + 0.1 * step
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)

    def state(self):
        """The optimizer's state as it comes back from a file."""
        tensors, rest = split(self.optimizer.state_dict())
        return join(tensors, json.loads(json.dumps(rest)))

    def bits(self):
        return [weight.detach().numpy().tobytes() for weight in self.weights]


@pytest.mark.parametrize("saved_after", [1, 2, 5])
@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_an_optimizer_goes_on_from_its_state_to_the_bit(variant, saved_after):
    whole, before, after = Trial(*variant), Trial(*variant), Trial(*variant)
    whole.go(1, 9)
    before.go(1, saved_after)
    for mine, theirs in zip(after.weights, before.weights, strict=True):
        mine.data.copy_(theirs.data)
    load_optimizer(after.optimizer, before.state())
    after.go(saved_after + 1, 9)

    assert after.bits() == whole.bits()


@pytest.mark.parametrize("name", ON_CPU)
def test_an_optimizer_takes_every_argument_that_is_offered(name):
    values = {
        "a number from 0 on": "0.01",
        "a number above 0": "0.5",
        "a number": "-0.8",
        "True or False": "False",
        "a whole number from 1 on": "3",
        "two numbers, as 0.9,0.999": "0.5,0.6",
        "three numbers, as 0.9,0.999,0.9999": "0.5,0.6,0.7",
    }
    texts = [f"{argument}={values[kind]}" for argument, (kind, _) in ARGUMENTS[name].items()]
    weight, optimizer = made(name, *texts)
    before = weight.detach().clone()
    steps(weight, optimizer, 2)

    assert not torch.equal(weight, before)


def test_the_sign_of_the_gradient_is_all_that_lion_follows():
    weight, optimizer = made("Lion", "weight_decay=0.0")
    steps(weight, optimizer, 1)

    torch.testing.assert_close(weight.detach(), 0.05 + 0.02 * (GOAL - 0.05).sign())


def test_sgd_looks_ahead_with_momentum_unless_told_otherwise():
    weight, optimizer = made("SGDNesterov")
    steps(weight, optimizer, 1)

    torch.testing.assert_close(weight.detach(), 0.05 - 0.02 * 1.9 * 2 * (0.05 - GOAL))


def test_adafactor_chooses_its_own_rate_unless_told_otherwise():
    weight, optimizer = made("AdaFactor", rate=123.0)
    steps(weight, optimizer, 1)
    assert (weight.detach() - 0.05).abs().max() < 0.01
    assert used_rates(optimizer, 1)[-1].known == 0.01

    weight, optimizer = made("AdaFactor", "relative_step=False", "scale_parameter=False", rate=0.02)
    steps(weight, optimizer, 1)
    torch.testing.assert_close((weight.detach() - 0.05).square().mean().sqrt().item(), 0.02, rtol=1e-3, atol=0)
    assert used_rates(optimizer, 1)[-1].known == 0.02


def test_warming_adafactor_up_implies_the_relative_step():
    _, optimizer = made("AdaFactor", "warmup_init=True", "relative_step=False")

    assert optimizer.param_groups[0]["lr"] is None
    assert used_rates(optimizer, 100)[-1].known == pytest.approx(1e-4)


def test_prodigy_finds_the_size_of_its_steps():
    weight, optimizer = made("Prodigy", "d_coef=2.0", "use_bias_correction=True", "safeguard_warmup=True")
    first = used_rates(optimizer, 1)[-1].known
    steps(weight, optimizer, 100)

    assert used_rates(optimizer, 100)[-1].known > 100 * first


def test_learning_rates_differ_between_groups():
    slow, fast = (
        ParameterGroup(part="unet", parameters=[Parameter(torch.zeros(2))], learning_rate=rate)
        for rate in (0.1, 0.4)
    )
    optimizer = make_optimizer("AdamW", [slow, fast], {})
    set_learning_rates(optimizer, FALLING, 3)

    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.2]
    assert used_rates(optimizer, 1)[-1].known == 0.2


@pytest.mark.parametrize("name", ON_CUDA)
def test_what_needs_a_gpu_is_refused_in_words_without_one(name):
    with pytest.raises(OptionError, match=f'"{name}" needs an NVIDIA GPU, and none was found'):
        refuse_missing_device(name, torch.device("cpu"))


@pytest.mark.parametrize("name", ON_CPU)
def test_what_an_optimizer_remembers_is_as_much_as_the_table_says(name):
    weights = [Parameter(torch.randn(shape)) for shape in ((16, 768), (768, 16))]
    group = ParameterGroup(part="unet", parameters=weights, learning_rate=1e-3)
    optimizer = make_optimizer(name, [group], {})
    for weight in weights:
        weight.grad = torch.randn_like(weight)
    optimizer.step()
    tensors = [value for kept in optimizer.state.values() for value in kept.values() if torch.is_tensor(value)]
    found = sum(tensor.numel() * tensor.element_size() for tensor in tensors) / (2 * 16 * 768)

    assert found == pytest.approx(KNOWN[name].state_bytes, rel=0.05, abs=0.3)


@pytest.mark.parametrize("name", sorted(SCHEDULE_FREE))
def test_schedule_free_weights_are_saved_at_their_average(name):
    weight, optimizer = made(name)
    steps(weight, optimizer, 20)
    trained = weight.detach().clone()
    assert set_training(optimizer, training=False)

    assert not torch.equal(weight, trained)
    set_training(optimizer, training=True)
    torch.testing.assert_close(weight.detach(), trained)


def test_a_class_of_ones_own_is_used_as_it_is():
    weight, optimizer = made_of("torch.optim.ASGD", {"lambd": 0.0})
    steps(weight, optimizer, 1)

    assert type(optimizer).__name__ == "ASGD"
    assert optimizer_name("torch.optim.ASGD", {"lambd": 0.0}) == "torch.optim.ASGD(lambd=0.0)"
    with pytest.raises(OptionError, match="can't be made with optimizer_args"):
        made_of("torch.optim.ASGD", {"nonsense": 1})
    with pytest.raises(OptionError, match="needs the package nowhere"):
        refuse_missing_device("nowhere.Optimizer", torch.device("cpu"))


def test_d_adapted_adan_finds_the_size_of_its_steps_and_is_limited_in_it():
    weight, optimizer = made("DAdaptAdan", "growth_rate=1.5", "d0=0.001")
    steps(weight, optimizer, 5)
    assert used_rates(optimizer, 5)[-1].known <= 0.001 * 1.5**5

    weight, optimizer = made("DAdaptAdan")
    steps(weight, optimizer, 100)
    assert used_rates(optimizer, 100)[-1].known > 1e-4


@pytest.mark.parametrize("name", ["Muon", "AdaMuon"])
def test_what_moves_matrices_refuses_other_weights(name):
    group = ParameterGroup(part="unet", parameters=[Parameter(torch.zeros(3))], learning_rate=0.02)
    with pytest.raises(OptionError, match="moves matrices, and this network has weights that are none"):
        make_optimizer(name, [group], {})


def test_eight_bits_without_a_gpu_are_an_error_that_names_the_way_out():
    with pytest.raises(OptionError, match=r'"AdamW8bit" needs an NVIDIA GPU, and none was found\. Use "AdamW"'):
        refuse_missing_device("AdamW8bit", torch.device("cpu"))


def test_the_metadata_tells_class_and_arguments():
    assert optimizer_name("AdamW", {"eps": 1e-7}) == "torch.optim.adamw.AdamW(eps=1e-07)"
    assert optimizer_name("Lion", {}) == "pytorch_optimizer.Lion"
