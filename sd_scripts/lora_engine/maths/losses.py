"""Losses, element by element, and the weights of timesteps, one number a sample: so that samples can be masked and
weighted, and runs that share a batch kept apart. Shapes: B batch, C channels, H and W latent cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sd_contract.options import LossOptions

# What an SNR is limited to where a weight divides by it, or by which weights grow without end.
LARGEST_SNR = 1000.0


def element_losses(
    prediction_BCHW: Tensor, target_BCHW: Tensor, kind: str = "l2", c_B: Tensor | None = None
) -> Tensor:
    """How far off each element is, in float32 or better: BCHW. `c_B` is where huber and smooth_l1, the
    pseudo-Huber losses of sd-scripts, turn from square to straight."""
    dtype = torch.promote_types(prediction_BCHW.dtype, torch.float32)
    difference = prediction_BCHW.to(dtype) - target_BCHW.to(dtype)
    if kind == "l2":
        return difference.square()
    if kind == "l1":
        return difference.abs()
    assert c_B is not None, f"{kind} needs c"
    c_B111 = c_B.to(dtype)[:, None, None, None]
    straight = 2.0 * ((difference.square() + c_B111.square()).sqrt() - c_B111)
    return straight * c_B111 if kind == "huber" else straight


def sample_means(losses_BCHW: Tensor, mask_B1HW: Tensor | None = None) -> Tensor:
    """The mean loss of each sample: B. A mask weighs its cells; the mean is over all of them, so that a small mask
    makes a small loss."""
    weighed = losses_BCHW if mask_B1HW is None else losses_BCHW * mask_B1HW
    return weighed.flatten(1).mean(1)


def huber_c(options: LossOptions, t_B: Tensor, alpha_bar_B: Tensor) -> Tensor:
    """The c of each sample's Huber loss at its timestep, by `huber_schedule`: B."""
    return HUBER_SCHEDULES[options.huber_schedule](options, t_B, alpha_bar_B)


def _snr_schedule(options: LossOptions, t_B: Tensor, alpha_bar_B: Tensor) -> Tensor:
    sigma_B = ((1.0 - alpha_bar_B) / alpha_bar_B).sqrt()
    return (1.0 - options.huber_c) / (1.0 + sigma_B).square() + options.huber_c


def _exponential_schedule(options: LossOptions, t_B: Tensor, alpha_bar_B: Tensor) -> Tensor:
    return torch.pow(torch.full_like(alpha_bar_B, options.huber_c), t_B / 1000.0) * options.huber_scale


def _constant_schedule(options: LossOptions, t_B: Tensor, alpha_bar_B: Tensor) -> Tensor:
    return torch.full_like(alpha_bar_B, options.huber_c * options.huber_scale)


HUBER_SCHEDULES: Mapping[str, Callable[[LossOptions, Tensor, Tensor], Tensor]] = {
    "snr": _snr_schedule,
    "exponential": _exponential_schedule,
    "constant": _constant_schedule,
}


def timestep_weights(options: LossOptions, snr_B: Tensor, *, v_prediction: bool) -> Tensor:
    """The product of all weights that the options give to a timestep's loss: B."""
    weights_B = torch.ones_like(snr_B)
    if options.min_snr_gamma:
        weights_B = weights_B * min_snr_weight(snr_B, options.min_snr_gamma, v_prediction=v_prediction)
    if options.scale_v_pred_loss_like_noise_pred and v_prediction:
        weights_B = weights_B * noise_like_weight(snr_B)
    if options.v_pred_like_loss and not v_prediction:
        weights_B = weights_B * (1.0 + options.v_pred_like_loss / noise_like_weight(snr_B))
    if options.debiased_estimation_loss:
        weights_B = weights_B * debiased_weight(snr_B, v_prediction=v_prediction)
    return weights_B


def min_snr_weight(snr_B: Tensor, gamma: float, *, v_prediction: bool) -> Tensor:
    """The weight min(SNR, gamma) / SNR, for v-prediction / (SNR + 1) (Hang et al., arXiv 2303.09556)."""
    return snr_B.clamp(max=gamma) / (snr_B + 1.0 if v_prediction else snr_B)


def noise_like_weight(snr_B: Tensor) -> Tensor:
    """What turns the loss of a v-prediction into that of the noise: SNR / (SNR + 1), SNR limited to 1000."""
    limited = snr_B.clamp(max=LARGEST_SNR)
    return limited / (limited + 1.0)


def debiased_weight(snr_B: Tensor, *, v_prediction: bool) -> Tensor:
    """1 / sqrt(SNR), for v-prediction 1 / (SNR + 1), SNR limited to 1000 (Yu et al., arXiv 2310.08442)."""
    limited = snr_B.clamp(max=LARGEST_SNR)
    return 1.0 / (limited + 1.0) if v_prediction else limited.rsqrt()
