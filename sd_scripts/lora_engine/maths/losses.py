"""Losses, one number a sample, so that samples can be weighted and runs that share a batch kept apart."""

from __future__ import annotations

import torch
from torch import Tensor


def squared_error(prediction_BCHW: Tensor, target_BCHW: Tensor) -> Tensor:
    """The mean squared error of each sample, computed in float32 or better: B."""
    dtype = torch.promote_types(prediction_BCHW.dtype, torch.float32)
    difference = prediction_BCHW.to(dtype) - target_BCHW.to(dtype)
    return difference.square().flatten(1).mean(1)


def min_snr_weight(snr_B: Tensor, gamma: float, *, v_prediction: bool) -> Tensor:
    """The weight min(SNR, gamma) / SNR, for v-prediction / (SNR + 1) (Hang et al., arXiv 2303.09556)."""
    return snr_B.clamp(max=gamma) / (snr_B + 1.0 if v_prediction else snr_B)
