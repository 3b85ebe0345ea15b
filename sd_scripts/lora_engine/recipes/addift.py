"""ADDifT, alternating direct difference training (TrainTrain): a LoRA learns the change from one image to another
straight from what the base model says of both, in tens of steps.

Read from `Addift` down. Shapes: B batch, C channels, H and W latent cells."""

from __future__ import annotations

import torch
from torch import Tensor

from lora_engine.data.batches import Batch
from lora_engine.recipes.pairs import PairLearner

STRENGTH = 0.25
"""Of the LoRA while it learns: at weight 1 it acts four times as strongly, which is what takes an image all the
way."""
PLACES = 10
"""Timesteps that take turns."""


class Addift(PairLearner):
    """Forwards, the LoRA at `STRENGTH` is to see in the noisy target what the base model sees in the noisy
    original: for the model with the LoRA, the target is already so. Backwards, at the opposite strength, the other
    way round. Both see the same noise at the same timestep."""

    def batch_loss(self, batch: Batch, number: int) -> Tensor:
        ratio = self.settings.difference.diff_alt_ratio
        backwards = number % 2 == 1 and ratio != 0
        sides = self.sides(batch)
        known, changed = sides.original, sides.target
        if backwards:
            known, changed = changed, known
        known_BCHW, changed_BCHW = self.clean(known), self.clean(changed)
        noise_BCHW = self.noise(batch, known_BCHW)
        if backwards and ratio < 0:
            known_BCHW = changed_BCHW = noise_BCHW
        t_B = self.precision.send(torch.full((len(batch.samples),), self._timestep(number // 2)))
        with torch.no_grad():
            self.network.multiplier = 0.0
            wanted_BCHW = self.predict(self.schedule.add(known_BCHW, noise_BCHW, t_B), t_B, batch, known)
        # The strength stays until the gradients are there: checkpointing computes the activations again for them.
        self.network.multiplier = -STRENGTH * abs(ratio) if backwards else STRENGTH
        with self.dropping_out(batch.samples[0].number):
            seen_BCHW = self.predict(self.schedule.add(changed_BCHW, noise_BCHW, t_B), t_B, batch, changed)
            loss = self.loss(seen_BCHW, wanted_BCHW, t_B, sides.mask)
            self.add_gradients(loss)
        self.network.multiplier = 1.0
        return loss.detach()

    def _timestep(self, turn: int) -> int:
        """Timesteps in equal distances from the lower to the upper end take turns, one for each two batches."""
        first, end = self.settings.noise.timesteps
        return min(int(first + (end - first) / PLACES * (turn % PLACES + 0.5)), 999)
