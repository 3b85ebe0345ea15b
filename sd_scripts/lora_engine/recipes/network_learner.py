"""What every recipe improves a network with: its optimizer, the course of its learning rate, the move of the
weights. Knows nothing of what a step learns from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lora_engine.data.batches import Step
from lora_engine.families import Family
from lora_engine.job import Job
from lora_engine.maths.averages import average_of
from lora_engine.maths.optimizers import (
    UsedRate,
    load_optimizer,
    make_optimizer,
    set_learning_rates,
    set_training,
    used_rates,
)
from lora_engine.maths.precision import Precision
from lora_engine.maths.schedules import course_of
from lora_engine.maths.streams import Streams
from lora_engine.output.progress import Figures
from lora_engine.recipes.network import (
    Tell,
    attach_network,
    keep_small,
    merge_base_weights,
    parameter_groups,
)
from sd_contract.curves import LIMITED_LAYERS, LONGEST_LAYER, MEAN_LAYER, estimate_curve, rate_curve
from sd_contract.networks import network_plan
from sd_contract.options import optimizer_arguments
from sd_contract.tensors.tensor_names import ALPHA, Part


class NetworkLearner(ABC):
    """A network on a model, and its optimizer. A recipe's own learner adds `step_loss`."""

    def __init__(self, job: Job, model: Family, precision: Precision, tell: Tell) -> None:
        self.job = job
        self.settings = job.settings
        self.model = model
        self.precision = precision
        self.streams = Streams(job.seed)
        merge_base_weights(self.settings, model)
        self.network = attach_network(self.settings, model, self.streams, tell)
        keep_small(self.settings, model, precision)
        plan = network_plan(self.settings, job.base.family)
        self.groups = parameter_groups(self.settings, self.network, plan)
        self.optimizer = make_optimizer(
            self.settings.optimizer.optimizer, self.groups, optimizer_arguments(self.settings.optimizer)
        )
        self.course = course_of(self.settings, job.plan.total_steps)
        self.average = average_of(self.network.weights(), self.settings.training.ema_decay)
        self.scaler = precision.scaler()

    @abstractmethod
    def step_loss(self, step: Step) -> Tensor:
        """Lets a step's gradients add up. Returns its mean loss, on the device."""

    def learn(self, step: Step) -> Figures:
        """Moves the network once. Returns the step's mean loss and what else there is to tell of it, without
        waiting for the device."""
        set_learning_rates(self.optimizer, self.course, step.number - 1)
        loss = self.step_loss(step)
        self._move()
        rates, norms = used_rates(self.optimizer, step.number), self._limit_norms()
        if self.average:
            self.average.follow(self.network.weights(), step.number)
        return Figures(
            loss=loss,
            learning_rate=rates[-1].known,
            curves={**self._rate_curves(rates), **norms},
        )

    def add_gradients(self, loss: Tensor) -> None:
        """Adds those of one of the batches that share a step."""
        accumulated = loss / self.settings.training.gradient_accumulation_steps
        torch.autograd.backward(self.scaler.scale(accumulated))

    @contextmanager
    def dropping_out(self, position: int) -> Iterator[None]:
        """Dropout at a place in its streams, until the gradients are there: checkpointing computes the activations
        again for them."""
        if self.network.dropout is not None:
            self.network.dropout.position = position
        yield
        if self.network.dropout is not None:
            self.network.dropout.position = None

    def state(self) -> dict[str, Any]:
        """What `take_up` needs to go on from here."""
        return {
            "network": dict(self.network.weights()),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            **({"average": self.average.weights} if self.average else {}),
        }

    def take_up(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state. KeyError or ValueError when it is not of this network and optimizer; nothing
        promised about the learner then."""
        self._take_weights(state["network"])
        load_optimizer(self.optimizer, state["optimizer"])
        if self.average:
            self.average.weights = dict(state.get("average") or self.average.weights)
        self.scaler.load_state_dict(state["scaler"])

    def weights_as_saved(self) -> dict[str, Tensor]:
        """What is saved of the network, unrounded and on the CPU: what another learner can begin with."""
        with self.as_saved():
            return {name: weight.detach().cpu().clone() for name, weight in self.network.weights().items()}

    def begin_with(self, weights: Mapping[str, Tensor]) -> None:
        """Goes on from the network that another learner has made, with an optimizer that knows nothing of it.
        ValueError when it is another network."""
        self._take_weights(weights)
        self.average = average_of(self.network.weights(), self.settings.training.ema_decay)

    def _take_weights(self, saved: Mapping[str, Tensor]) -> None:
        weights = self.network.weights()
        if {name: weight.shape for name, weight in weights.items()} != {n: t.shape for n, t in saved.items()}:
            raise ValueError(f"{len(saved)} weights in the state, {len(weights)} here, or of other shapes")
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(saved[name])

    @contextmanager
    def as_saved(self) -> Iterator[None]:
        """Puts the weights where they are saved, painted with and validated: of schedule-free optimizers and with
        `ema_decay` that is their average. Afterwards they are back to the bit."""
        weights = self.network.weights()
        kept = {name: weight.detach().clone() for name, weight in weights.items()} if self._has_average else {}
        with torch.no_grad():
            set_training(self.optimizer, training=False)
            for name, average in (self.average.weights if self.average else {}).items():
                weights[name].copy_(average)
        try:
            yield
        finally:
            with torch.no_grad():
                set_training(self.optimizer, training=True)
                for name, weight in kept.items():
                    weights[name].copy_(weight)

    def tensors(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """The content of the LoRA's file, as strong as `network_strength` says."""
        strength = self.settings.network.network_strength
        with self.as_saved():
            tensors = self.network.tensors(dtype)
        return {
            name: tensor * strength if name.endswith(f".{ALPHA}") and strength != 1 else tensor
            for name, tensor in tensors.items()
        }

    @property
    def _has_average(self) -> bool:
        return self.average is not None or callable(getattr(self.optimizer, "eval", None))

    @property
    def is_sound(self) -> bool:
        """Whether all weights of the LoRA are numbers; others must not be saved."""
        finite = torch.stack([weight.isfinite().all() for weight in self.network.weights().values()])
        return bool(finite.all())

    def _move(self) -> None:
        longest = self.settings.optimizer.max_grad_norm
        if longest:
            self.scaler.unscale_(self.optimizer)
            trained = [parameter for group in self.groups for parameter in group.parameters]
            torch.nn.utils.clip_grad_norm_(trained, longest)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def _rate_curves(self, rates: Sequence[UsedRate]) -> dict[str, float | Tensor]:
        named = [(name, rate) for group, rate in zip(self.groups, rates, strict=True) for name in group.names]
        scaled = {estimate_curve(name): rate.scaled for name, rate in named if rate.scaled is not None}
        return {**{rate_curve(name): rate.rate for name, rate in named}, **scaled}

    def _limit_norms(self) -> dict[str, Tensor]:
        """Shrinks what has grown too long; says how many layers had, and how long they are now."""
        longest = self.settings.network.scale_weight_norms
        if not longest:
            return {}
        before = self.network.limit_norms(longest)
        now = before.clamp(max=longest)
        return {LIMITED_LAYERS: (before > longest).sum(), LONGEST_LAYER: now.max(), MEAN_LAYER: now.mean()}

    def _trains(self, part: Part) -> bool:
        return any(group.part == part for group in self.groups)
