"""Every optimizer and schedule on a small LoRA problem: the loss falls in 50 steps, and going on from a state ends
with the same bits. Those that have two places for their weights are tried on a base model in test_averages.py."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from lora_engine.maths.optimizers import (
    ParameterGroup,
    load_optimizer,
    make_optimizer,
    set_learning_rates,
    set_training,
)
from lora_engine.maths.schedules import course_of
from lora_engine.maths.streams import Streams
from lora_engine.networks.lora import LoraModule, new_weights
from lora_engine.output.trees import join, split
from sd_contract.options import optimizer_arguments, settings_from
from sd_contract.options.groups import OPTIMIZERS, SCHEDULER_CLASSES, SCHEDULERS
from sd_contract.options.known_optimizers import KNOWN
from tests.lora_engine.test_schedules import OF_TORCH

STEPS, HALF = 50, 20
RATE = 1e-2
RATES = {"Adadelta": 1.0, "CAME": 2e-3, "Lamb": 1e-2, "SGDNesterov": 0.5, "SGDScheduleFree": 2.0}
"""Of those that want another one; 1 where the optimizer finds its own."""
MORE = {
    "AdaFactor": ("relative_step=False", "scale_parameter=False"),
    **{name: ("d0=1e-3",) for name, known in KNOWN.items() if "d0" in known.arguments},
    **{name: ("d0=1e-3", "growth_rate=1.05") for name, known in KNOWN.items() if "growth_rate" in known.arguments},
    "DAdaptAdaGrad": ("d0=1e-2", "growth_rate=1.05"),
    "DAdaptSGD": ("d0=1e-2", "growth_rate=1.1"),
}
"""50 steps are few for those that begin with very small ones, and then make them much larger."""
OF_COURSES = {"piecewise_constant": {"step_rules": "1:20,0.5:40,0.1"}, **OF_TORCH}


class Student:
    """Three frozen layers, each with a LoRA of rank 4, and what they are to do instead."""

    def __init__(self, options) -> None:
        torch.manual_seed(0)
        shapes = ((24, 32), (32, 32), (32, 8))
        layers = [nn.Linear(*shape) for shape in shapes]
        with torch.no_grad():
            self.inputs = torch.randn(64, 24)
            changes = [torch.randn(w, 4) @ torch.randn(4, n) * 0.05 for n, w in shapes]
            taught = [layer.weight + change for layer, change in zip(layers, changes, strict=True)]
            self.wanted = self.through([lambda x, w=w: x @ w.T for w in taught])
        for layer in layers:
            layer.requires_grad_(False)
        named = enumerate(layers)
        self.loras = [LoraModule(f"{n}", one, new_weights(one, f"{n}", 4, 4.0, Streams(1))) for n, one in named]
        settings = settings_from(options)
        self.weights = [weight for lora in self.loras for weight in (lora.down, lora.up)]
        rate = settings.optimizer.learning_rate
        groups = [
            ParameterGroup(part="text_encoder", parameters=self.weights[:2], learning_rate=rate),
            ParameterGroup(part="unet", parameters=self.weights[2:], learning_rate=rate),
        ]
        arguments = optimizer_arguments(settings.optimizer)
        self.optimizer = make_optimizer(settings.optimizer.optimizer, groups, arguments)
        self.course = course_of(settings, STEPS)

    def through(self, layers):
        *inner, last = layers
        x = self.inputs
        for layer in inner:
            x = torch.tanh(layer(x))
        return last(x)

    def loss(self):
        return (self.through(self.loras) - self.wanted).square().mean()

    def train(self, first, last):
        for step in range(first, last):
            set_learning_rates(self.optimizer, self.course, step)
            self.loss().backward()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)

    def saved_loss(self):
        set_training(self.optimizer, training=False)
        found = self.loss().item()
        set_training(self.optimizer, training=True)
        return found

    def bits(self):
        return [weight.detach().numpy().tobytes() for weight in self.weights]


def prove(**options):
    """The share of the loss that 50 steps take off; going on from a state in between changes no bit."""
    whole, resumed = Student(options), Student(options)
    before = whole.loss().item()
    whole.train(0, HALF)
    tensors, rest = split(whole.optimizer.state_dict())
    kept = {name: tensor.clone() for name, tensor in tensors.items()}
    with torch.no_grad():
        for mine, theirs in zip(resumed.weights, whole.weights, strict=True):
            mine.copy_(theirs)
    load_optimizer(resumed.optimizer, join(kept, json.loads(json.dumps(rest))))
    whole.train(HALF, STEPS)
    resumed.train(HALF, STEPS)
    assert resumed.bits() == whole.bits()
    return 1 - whole.saved_loss() / before


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if not KNOWN[name].needs_cuda])
def test_an_optimizer_lowers_the_loss_and_goes_on_from_its_state(name):
    rate = RATES.get(name, 1.0 if KNOWN[name].finds_rate else RATE)
    taken = prove(optimizer_type=name, learning_rate=rate, optimizer_args=list(MORE.get(name, ())))
    assert taken > 0.2


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_schedule_lowers_the_loss_and_goes_on_from_its_state(name):
    optimizer = "AdaFactor" if name == "adafactor" else "AdamW"
    given = [f"{argument}={value}" for argument, value in OF_COURSES.get(name, {}).items()]
    options = {"lr_scheduler": name, "lr_scheduler_args": given, "lr_warmup_steps": 5, "lr_decay_steps": 10}
    taken = prove(optimizer_type=optimizer, learning_rate=RATE, **options)
    assert taken > (0.001 if name == "adafactor" else 0.2)  # its own steps are tiny where weights begin with 0


@pytest.mark.parametrize("name", SCHEDULER_CLASSES)
def test_a_class_of_schedules_lowers_the_loss_and_goes_on_from_its_state(name):
    scale = RATE if name in ("CyclicLR", "OneCycleLR") else 1
    given = {n: v * scale if n in ("base_lr", "max_lr") else v for n, v in OF_COURSES[name].items()}
    given |= {"total_steps": STEPS} if name == "OneCycleLR" else {}
    arguments = [f"{argument}={value}" for argument, value in given.items()]
    assert prove(learning_rate=RATE, lr_scheduler_type=name, lr_scheduler_args=arguments) > 0.05
