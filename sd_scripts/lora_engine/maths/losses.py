"""Losses, one number a sample, so that samples can be weighted and runs that share a batch kept apart."""

from __future__ import annotations

import torch
from torch import Tensor


def squared_error(prediction_BCHW: Tensor, target_BCHW: Tensor, mask_B1HW: Tensor | None = None) -> Tensor:
    """The mean squared error of each sample, computed in float32 or better: B. A mask weighs its cells; the mean
    is over all of them, so that a small mask makes a small loss."""
    dtype = torch.promote_types(prediction_BCHW.dtype, torch.float32)
    error_BCHW = (prediction_BCHW.to(dtype) - target_BCHW.to(dtype)).square()
    if mask_B1HW is not None:
        error_BCHW = error_BCHW * mask_B1HW
    return error_BCHW.flatten(1).mean(1)


def min_snr_weight(snr_B: Tensor, gamma: float, *, v_prediction: bool) -> Tensor:
    """The weight min(SNR, gamma) / SNR, for v-prediction / (SNR + 1) (Hang et al., arXiv 2303.09556)."""
    return snr_B.clamp(max=gamma) / (snr_B + 1.0 if v_prediction else snr_B)
