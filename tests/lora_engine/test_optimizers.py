"""Every optimizer that has no need of a GPU, on a problem whose answer is known."""

import pytest
import torch
from torch.nn import Parameter

from lora_engine.maths.optimizers import (
    RECIPES,
    ParameterGroup,
    make_optimizer,
    optimizer_name,
    refuse_missing_device,
    set_learning_rate,
    used_rates,
)
from sd_contract.errors import OptionError
from sd_contract.options import optimizer_arguments, settings_from
from sd_contract.options.groups import OPTIMIZERS
from sd_contract.options.optimizers import ARGUMENTS, SELF_TUNING

ON_CPU = [name for name in OPTIMIZERS if not RECIPES[name].needs_cuda]
GOAL = torch.tensor([[0.3, -0.2], [0.1, 0.4]])


def made(name, *texts, rate=None):
    weight = Parameter(torch.full((2, 2), 0.05))
    settings = settings_from({"optimizer_type": name, "optimizer_args": list(texts)})
    rate = (1.0 if name in SELF_TUNING else 0.02) if rate is None else rate
    group = ParameterGroup(part="unet", parameters=[weight], learning_rate=rate)
    return weight, make_optimizer(name, [group], optimizer_arguments(settings.optimizer))


def distance(weight):
    return (weight.detach() - GOAL).square().sum()


def steps(weight, optimizer, count):
    for _ in range(count):
        set_learning_rate(optimizer, 1.0)
        weight.grad = 2 * (weight.detach() - GOAL)
        optimizer.step()


def test_every_option_has_a_recipe_and_its_arguments():
    assert set(OPTIMIZERS) == set(RECIPES) == set(ARGUMENTS)


@pytest.mark.parametrize("name", ON_CPU)
def test_an_optimizer_comes_nearer_to_the_goal(name):
    weight, optimizer = made(name)
    before = distance(weight)
    steps(weight, optimizer, 200)

    assert distance(weight) < 0.5 * before


@pytest.mark.parametrize("name", ON_CPU)
def test_an_optimizer_takes_every_argument_that_is_offered(name):
    values = {
        "a number from 0 on": "0.01",
        "a number above 0": "0.5",
        "a number": "-0.8",
        "True or False": "False",
        "two numbers, as 0.9,0.999": "0.5,0.6",
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
    set_learning_rate(optimizer, 0.5)

    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.2]
    assert used_rates(optimizer, 1)[-1].known == 0.2


def test_eight_bits_without_a_gpu_are_an_error_that_names_the_way_out():
    with pytest.raises(OptionError, match=r'"AdamW8bit" needs an NVIDIA GPU, and none was found\. Use "AdamW"'):
        refuse_missing_device("AdamW8bit", torch.device("cpu"))


def test_the_metadata_tells_class_and_arguments():
    assert optimizer_name("AdamW", {"eps": 1e-7}) == "torch.optim.adamw.AdamW(eps=1e-07)"
    assert optimizer_name("Lion", {}) == "pytorch_optimizer.Lion"
