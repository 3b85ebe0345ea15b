"""Training on pairs of images that differ in one thing, which the LoRA learns and nothing else.

Difference (TrainTrain's "copy machine"): a first LoRA learns to paint the original and nothing but it; under it, a
second one learns to paint the target. The first explains all that both have in common, so the second is left with
the change, and is what is kept. ADDifT is in `addift`.

Read from `train_difference` down. Shapes: B batch, C channels, H and W latent cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from lora_engine.data.batches import Batch, Step
from lora_engine.families import Family
from lora_engine.job import Job, without_text_encoder
from lora_engine.maths.precision import Precision
from lora_engine.maths.streams import Streams
from lora_engine.networks.frozen import FrozenNetwork
from lora_engine.output.progress import Figures
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.addift import Addift
from lora_engine.recipes.inputs import Encoded, encode_images, refuse_broken_latents
from lora_engine.recipes.network import Tell, attach_network
from lora_engine.recipes.pairs import PairLearner, pair_steps
from lora_engine.recipes.run import Run
from sd_contract.attempt import Outcome
from sd_contract.modes import second_pass
from sd_contract.options import Settings
from sd_contract.options.groups import DIFFERENCE


def train_difference(job: Job, reporter: Reporter) -> Outcome:
    """Trains to the last step ("done") or until a stop is asked for ("cancelled", the LoRA saved as it is
    then). Raises a ContractError when something the user can change is wrong, Stopped when asked before the
    first step."""
    run = Run(job, reporter)
    run.announce(first_lines(job, run.device))
    model = run.load_model()

    reporter.phase("encoding the images")
    vae = model.vae if job.sample_prompts else None
    encoded = encode_images(job, model, run.cache_folder, reporter)
    refuse_broken_latents(encoded)

    reporter.phase("training")
    torch.manual_seed(job.seed)
    learner: Addift | TwoPasses
    if job.settings.mode == DIFFERENCE:
        learner = TwoPasses(job, model, encoded, run.precision, reporter.warn)
        steps = learner.steps()
    else:
        learner = Addift(job, model, encoded, run.precision, reporter.warn)
        steps = pair_steps(job, learner.streams, 0, job.plan.total_steps, draws_a_pair=2)
    return run.carry_through(learner, steps, vae)


def first_lines(job: Job, device: torch.device) -> Iterator[str]:
    """What is going to be done, in the words of sd-scripts where it has some."""
    yield f"accelerator device: {device}"
    yield "running training"
    yield f"  mode: {job.settings.mode}"
    for collected in job.datasets:
        for item in collected.items:
            yield f"  {item.image.name} -> {job.targets[item.image].image.name}"
    batch_sizes = ", ".join(str(collected.dataset.batch_size) for collected in job.datasets)
    yield f"  batch size per device: {batch_sizes}"
    yield f"  gradient accumulation steps = {job.settings.training.gradient_accumulation_steps}"
    if job.plan.first_pass:
        yield f"  steps of the first pass: {job.plan.first_pass}"
    yield f"  total optimization steps: {job.plan.total_steps}"
    yield f"  seed: {job.seed}"


class Copying(PairLearner):
    """Learns to see one side of the pairs: the noise in it is to be predicted, as in any training on images."""

    def __init__(
        self, job: Job, model: Family, encoded: Encoded, precision: Precision, tell: Tell, *, of_targets: bool
    ) -> None:
        super().__init__(job, model, encoded, precision, tell)
        self.of_targets = of_targets

    def batch_loss(self, batch: Batch, number: int) -> Tensor:
        sides, samples = self.sides(batch), [sample.number for sample in batch.samples]
        pictures = sides.target if self.of_targets else sides.original
        x0_BCHW = self.clean(pictures)
        noise_BCHW = self.noise(batch, x0_BCHW)
        t_B = self.precision.send(self.draws.noise.timesteps(samples))
        is_v = self.job.base.v_prediction
        wanted_BCHW = self.schedule.velocity(x0_BCHW, noise_BCHW, t_B) if is_v else noise_BCHW
        with self.dropping_out(samples[0]):
            seen_BCHW = self.predict(self.schedule.add(x0_BCHW, noise_BCHW, t_B), t_B, batch, pictures)
            loss = self.loss(seen_BCHW, wanted_BCHW, t_B, sides.mask if self.of_targets else None)
            self.add_gradients(loss)
        return loss.detach()


class TwoPasses:
    """The first LoRA until its pass is over, then the second on top of it, frozen. Learns, and is saved, as the
    one whose turn it is."""

    def __init__(self, job: Job, model: Family, encoded: Encoded, precision: Precision, tell: Tell) -> None:
        self.model = model
        self.copier: FrozenNetwork | None = None
        self._job = job
        self._first_steps = job.plan.first_pass
        self._ingredients = (model, encoded, precision, tell)
        if job.settings.difference.diff_load_1st_pass:
            self.copier = FrozenNetwork(self._loaded(job.settings))
            self.current = self._second()
        else:
            self.current = self._first()
        if 0 < self._first_steps < job.from_step:
            self._begin_second()

    def steps(self) -> Iterator[Step]:
        """Those of both passes that an earlier attempt has not done."""
        first, total, streams = self._first_steps, self._job.plan.total_steps, Streams(self._job.seed)
        own, common = second_pass(self._job.settings).dataset, self._job.settings.dataset
        size = None if own == common else own.train_batch_size
        return chain(
            pair_steps(self._job, streams, 0, first),
            pair_steps(self._job, streams, first, total - first, batch_size=size),
        )

    def learn(self, step: Step) -> Figures:
        """Moves the LoRA whose turn it is once."""
        if step.number == self._first_steps + 1 and self._first_steps:
            self._begin_second()
        before = self._first_steps if step.number > self._first_steps else 0
        return self.current.learn(replace(step, number=step.number - before))

    def state(self) -> dict[str, Any]:
        """What `take_up` needs to go on from here."""
        return {**self.current.state(), **({"copier": dict(self.copier.weights)} if self.copier else {})}

    def take_up(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state. KeyError or ValueError when it is of other networks or another optimizer."""
        if self.copier:
            self.copier.take_up(state["copier"])
        self.current.take_up(state)

    def tensors(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """The content of the file of the LoRA whose turn it is."""
        return self.current.tensors(dtype)

    @contextmanager
    def as_saved(self) -> Iterator[None]:
        """As `NetworkLearner` has it; the second LoRA is saved, and painted with, without the first."""
        strength = self.copier.multiplier if self.copier else 1.0
        with self.current.as_saved():
            if self.copier:
                self.copier.multiplier = 0.0
            try:
                yield
            finally:
                if self.copier:
                    self.copier.multiplier = strength

    @property
    def is_sound(self) -> bool:
        return self.current.is_sound

    def _first(self) -> Copying:
        plan = replace(self._job.plan, total_steps=self._first_steps)
        return Copying(replace(self._job, plan=plan), *self._ingredients, of_targets=False)

    def _begin_second(self) -> None:
        self.copier = FrozenNetwork(self.current.network)
        self.current = self._second()

    def _second(self) -> Copying:
        plan = replace(self._job.plan, total_steps=self._job.plan.total_steps - self._first_steps)
        settings = without_text_encoder(second_pass(self._job.settings))
        own = replace(self._job, settings=settings, plan=plan)
        return Copying(own, *self._ingredients, of_targets=True)

    def _loaded(self, settings: Settings) -> Any:
        model, _, _, tell = self._ingredients
        file = settings.difference.diff_load_1st_pass
        network = replace(settings.network, network_weights=file, dim_from_weights=True)
        return attach_network(replace(settings, network=network), model, Streams(self._job.seed), tell)
