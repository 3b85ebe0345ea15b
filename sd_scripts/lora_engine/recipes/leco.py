"""Training without images: a LoRA learns to say of one prompt what the base model says of others.

LECO (p1atdev; after Gandikota et al., arXiv 2303.07345) learns from half-denoised pictures, iLECO (TrainTrain)
from noise as it is, which takes a tenth of the time; sliders (Gandikota et al., arXiv 2311.12092) are LECO in
both directions. All three are one formula, see `Concept`.

Read from `train_concept` down. Shapes: B batch, C channels, H and W latent cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lora_engine.data.batches import Step
from lora_engine.families import Family, ImageSize, TextStates
from lora_engine.job import Job
from lora_engine.maths.losses import element_losses, huber_c, sample_means, timestep_weights
from lora_engine.maths.noise import NoiseSchedule, NoiseSource
from lora_engine.maths.precision import Precision
from lora_engine.output.pictures import new_scheduler
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.network import Tell
from lora_engine.recipes.network_learner import NetworkLearner
from lora_engine.recipes.run import Run
from sd_contract.attempt import Outcome
from sd_contract.errors import OptionError
from sd_contract.options import Settings
from sd_contract.options.groups import ILECO, LECO, SLIDER, ConceptOptions


def train_concept(job: Job, reporter: Reporter) -> Outcome:
    """Trains to the last step ("done") or until a stop is asked for ("cancelled", the LoRA saved as it is
    then). Raises a ContractError when something the user can change is wrong, Stopped when asked before the
    first step."""
    run = Run(job, reporter)
    run.announce(first_lines(job, run.device))
    model = run.load_model()
    vae = model.take_vae()

    reporter.phase("training")
    torch.manual_seed(job.seed)
    learner = ConceptLearner(job, model, run.precision, reporter.warn)
    return run.carry_through(learner, steps_to_do(job), vae if job.sample_prompts else None)


def first_lines(job: Job, device: torch.device) -> Iterator[str]:
    """What is going to be done, in the words of sd-scripts where it has some."""
    options = job.settings.concept
    yield f"accelerator device: {device}"
    yield "running training"
    yield f"  mode: {options.mode}"
    for original, target in zip(options.original_prompt, targets_of(options), strict=True):
        yield f"  {original!r} -> {target!r}"
    yield f"  batch size per device: {job.settings.dataset.train_batch_size}"
    yield f"  gradient accumulation steps = {job.settings.training.gradient_accumulation_steps}"
    yield f"  total optimization steps: {job.plan.total_steps}"
    yield f"  seed: {job.seed}"


def steps_to_do(job: Job) -> Iterator[Step]:
    """The steps of the run that an earlier attempt has not done, all of one epoch."""
    total = job.plan.total_steps
    for number in range(job.from_step + 1, total + 1):
        yield Step(number, 1, (), ends_epoch=number == total)


@dataclass(frozen=True)
class Concept:
    """The LoRA at strength s is to say of `original` what the base model says of

        ground + s * guidance * (towards - away)

    iLECO, s = 1: ground and towards are the target, away is the original; without guidance just the target.
    LECO, s = 1: ground is what is left in the concept's place, away the original, towards no prompt.
    Slider, s = 1 and -1: ground is the original, towards and away are the slider's ends."""

    original: TextStates
    ground: TextStates
    towards: TextStates
    away: TextStates


def targets_of(options: ConceptOptions) -> tuple[str, ...]:
    """What each original prompt is to mean, as far as it can be said in a prompt."""
    if options.mode == SLIDER:
        ends = zip(options.positive_prompt, options.negative_prompt, strict=True)
        return _one_each(tuple(f"{positive} ... {negative}" for positive, negative in ends), options)
    return _one_each(options.target_prompt or ("",), options)


def prompts_of(options: ConceptOptions) -> list[tuple[str, str, str, str]]:
    """The prompts of each `Concept`: original, ground, towards, away."""
    originals, targets = options.original_prompt, targets_of(options)
    if options.mode == ILECO:
        grounds, towards, away = targets, targets, originals
    elif options.mode == LECO:
        neutral = options.neutral_prompt
        grounds = targets if neutral is None else (neutral,) * len(originals)
        towards, away = ("",) * len(originals), originals
    else:
        grounds = originals
        towards, away = _one_each(options.positive_prompt, options), _one_each(options.negative_prompt, options)
    return list(zip(originals, grounds, towards, away, strict=True))


def _one_each(prompts: tuple[str, ...], options: ConceptOptions) -> tuple[str, ...]:
    return prompts * len(options.original_prompt) if len(prompts) == 1 else prompts


class ConceptLearner(NetworkLearner):
    """The LoRA and all that one step without images needs to improve it."""

    def __init__(self, job: Job, model: Family, precision: Precision, tell: Tell) -> None:
        super().__init__(job, model, precision, tell)
        self.options = self.settings.concept
        self.noise = NoiseSource(self.streams, self.settings.noise)
        self.schedule = NoiseSchedule(precision.device, zero_terminal_snr=self.settings.noise.zero_terminal_snr)
        self.batch_size = self.settings.dataset.train_batch_size
        width, height = self.settings.resolution or (job.base.resolution, job.base.resolution)
        self.sizes = [ImageSize.uncropped(width, height)] * self.batch_size
        cell = job.base.latent_factor
        self.shape_BCHW = (self.batch_size, job.base.unet["in_channels"], height // cell, width // cell)
        self.strengths = (1.0, -1.0) if self.options.mode == SLIDER else (1.0,)
        self.sampler = new_scheduler("ddim", job.base)
        self.sampler.set_timesteps(self.options.denoise_steps, device=precision.device)
        self.places = places_to_learn_from(self.settings, self.sampler.timesteps.tolist())
        self.nothing, self.concepts = self._encoded()
        if precision.device.type == "cuda":
            model.text_encoder.to("cpu")

    def step_loss(self, step: Step) -> Tensor:
        """Lets the gradients of a step's batches add up. Returns their mean loss, on the device."""
        share = self.settings.training.gradient_accumulation_steps
        batches = range((step.number - 1) * share, step.number * share)
        return torch.stack([self._backward(number) for number in batches]).mean()

    def _backward(self, number: int) -> Tensor:
        """The concepts take turns. The network's multiplier stays until the gradients are there, since
        checkpointing computes the activations again for them."""
        concept = self.concepts[number % len(self.concepts)]
        x_BCHW, t_B = self._latents(number, concept)
        ground_BCHW, change_BCHW = self._base_says(concept, x_BCHW, t_B)
        losses = []
        for strength in self.strengths:
            self.network.multiplier = strength
            with self.dropping_out(number * self.batch_size):
                prediction_BCHW = self._predict(x_BCHW, t_B, concept.original)
                loss = self._loss(prediction_BCHW, ground_BCHW + strength * change_BCHW, t_B)
                self.add_gradients(loss / len(self.strengths))
            losses.append(loss.detach())
        self.network.multiplier = 1.0
        return torch.stack(losses).mean()

    @torch.no_grad()
    def _latents(self, number: int, concept: Concept) -> tuple[Tensor, Tensor]:
        """What the model is asked about: noise, at any timestep; or with LECO and sliders, what has become of
        it by a step of the sampling."""
        samples = range(number * self.batch_size, (number + 1) * self.batch_size)
        drawn = range(self.batch_size) if self.options.fixed_noise else samples
        x_BCHW = self.precision.send(self.noise.noise(drawn, torch.zeros(self.shape_BCHW)))
        if self.options.mode == ILECO:
            return x_BCHW, self.precision.send(self.noise.timesteps(samples))
        place = self.streams.random("denoising", number).choice(self.places)
        return self._denoised(x_BCHW, place, concept), self.sampler.timesteps[place].expand(self.batch_size)

    def _denoised(self, x_BCHW: Tensor, steps: int, concept: Concept) -> Tensor:
        """Noise after so many steps towards the original prompt: with LECO towards what has been learnt of it by
        now, with sliders, which are learnt in both directions, towards what the base model makes of it."""
        self.network.multiplier = 0.0 if self.options.mode == SLIDER else 1.0
        for t in self.sampler.timesteps[:steps]:
            without, with_prompt = (self._predict(x_BCHW, t, text) for text in (self.nothing, concept.original))
            guided = without + self.options.denoise_guidance * (with_prompt - without)
            x_BCHW = self.sampler.step(guided, t, x_BCHW, return_dict=False)[0]
        return x_BCHW

    @torch.no_grad()
    def _base_says(self, concept: Concept, x_BCHW: Tensor, t_B: Tensor) -> tuple[Tensor, Tensor]:
        """The ground that is learnt, and the change to it at strength 1; both as a `Concept` tells."""
        self.network.multiplier = 0.0
        ground_BCHW = self._predict(x_BCHW, t_B, concept.ground)
        if not self.options.guidance:
            return ground_BCHW, torch.zeros_like(ground_BCHW)
        towards, away = (self._predict(x_BCHW, t_B, text) for text in (concept.towards, concept.away))
        return ground_BCHW, self.options.guidance * (towards - away)

    def _predict(self, x_BCHW: Tensor, t: Tensor, text: TextStates) -> Tensor:
        texts = TextStates.joined([text] * self.batch_size)
        with self.precision.autocast():
            prediction = self.model.predict(
                x_BCHW.to(self.precision.dtype), t.expand(self.batch_size), texts, self.sizes
            )
        return prediction.float()

    def _loss(self, prediction_BCHW: Tensor, target_BCHW: Tensor, t_B: Tensor) -> Tensor:
        options, is_v = self.settings.loss, self.job.base.v_prediction
        c_B = huber_c(options, t_B, self.schedule.alpha_bar[t_B])
        losses_B = sample_means(element_losses(prediction_BCHW, target_BCHW, options.loss_type, c_B))
        return (losses_B * timestep_weights(options, self.schedule.snr(t_B), v_prediction=is_v)).mean()

    @torch.no_grad()
    def _encoded(self) -> tuple[TextStates, list[Concept]]:
        """What the text encoders say of no prompt, and of all others; of each once."""
        prompts = prompts_of(self.options)
        model, states = self.settings.model, {}
        for prompt in ("", *(prompt for row in prompts for prompt in row)):
            with self.precision.autocast():
                states[prompt] = self.model.encode_text(
                    [prompt],
                    model.clip_skip,
                    max_token_length=model.max_token_length,
                    weighted=model.weighted_captions,
                )
        return states[""], [Concept(*(states[prompt] for prompt in row)) for row in prompts]


def places_to_learn_from(settings: Settings, timesteps: Sequence[int]) -> list[int]:
    """The steps of a sampling before which it is interrupted, those of `min_timestep` to `max_timestep` alone;
    never the first, where nothing has been denoised. OptionError when there are none."""
    low, high = settings.noise.timesteps
    places = [place for place, t in enumerate(timesteps) if place and low <= t < max(high, low + 1)]
    if not places and settings.concept.mode != ILECO:
        raise OptionError(
            f"denoise_steps = {settings.concept.denoise_steps}: no step lies from min_timestep = {low} to "
            f"max_timestep = {high}. Set more steps or a wider range."
        )
    return places
