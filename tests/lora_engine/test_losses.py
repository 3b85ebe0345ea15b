"""Losses and weights against the numbers and formulas that sd-scripts' users know."""

import pytest
import torch

from lora_engine.maths.losses import (
    debiased_weight,
    element_losses,
    huber_c,
    min_snr_weight,
    noise_like_weight,
    sample_means,
    timestep_weights,
)
from lora_engine.maths.noise import NoiseSchedule
from sd_contract.options import LossOptions

SCHEDULE = NoiseSchedule(torch.device("cpu"))
T = torch.tensor([0, 250, 999])
SNR = SCHEDULE.snr(T)


def close(found, wanted):
    torch.testing.assert_close(found, torch.tensor(wanted), rtol=0.003, atol=0)


def test_min_snr_limits_the_weight_of_easy_timesteps():
    close(min_snr_weight(SNR, 5.0, v_prediction=False), [0.00425, 1, 1])
    close(min_snr_weight(SNR, 5.0, v_prediction=True), [0.00425, 0.674, 0.00466])


def test_the_debiased_rule_weighs_noisy_timesteps_more():
    close(debiased_weight(SNR, v_prediction=False), [0.0316, 0.696, 14.6])
    close(debiased_weight(SNR, v_prediction=True), [1 / 1001, 1 / 3.066, 1 / 1.00468])


def test_huber_c_falls_with_the_noise():
    close(huber_c(LossOptions(loss_type="huber"), T, SCHEDULE.alpha_bar[T]), [0.950, 0.413, 0.1037])


def test_huber_c_can_fall_exponentially_or_stay():
    falling = LossOptions(loss_type="huber", huber_schedule="exponential", huber_c=0.1, huber_scale=2.0)
    constant = LossOptions(loss_type="huber", huber_schedule="constant", huber_c=0.1, huber_scale=2.0)

    close(huber_c(falling, T, SCHEDULE.alpha_bar[T]), [2.0, 2 * 0.1**0.25, 2 * 0.1**0.999])
    close(huber_c(constant, T, SCHEDULE.alpha_bar[T]), [0.2, 0.2, 0.2])


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("l2", 9.0), ("l1", 3.0), ("huber", 2 * 0.5 * (9.25**0.5 - 0.5)), ("smooth_l1", 2 * (9.25**0.5 - 0.5))],
)
def test_each_kind_of_loss_follows_its_formula(kind, wanted):
    prediction, target = torch.full((2, 4, 2, 2), 5.0), torch.full((2, 4, 2, 2), 2.0)

    losses = element_losses(prediction, target, kind, torch.tensor([0.5, 0.5]))

    torch.testing.assert_close(losses, torch.full((2, 4, 2, 2), wanted))


def test_a_loss_is_one_number_a_sample_and_never_in_half_precision():
    prediction, target = torch.zeros(2, 4, 2, 2, dtype=torch.bfloat16), torch.ones(2, 4, 2, 2)
    target[1] = 3

    losses = sample_means(element_losses(prediction, target))

    assert losses.dtype == torch.float32
    assert losses.tolist() == [1.0, 9.0]


def test_weights_multiply_and_fit_what_the_model_predicts():
    both = LossOptions(min_snr_gamma=5.0, debiased_estimation_loss=True, scale_v_pred_loss_like_noise_pred=True)

    noise, velocity = (timestep_weights(both, SNR, v_prediction=v) for v in (False, True))

    products = [min_snr_weight(SNR, 5.0, v_prediction=v) * debiased_weight(SNR, v_prediction=v) for v in (0, 1)]
    torch.testing.assert_close(noise, products[0])
    torch.testing.assert_close(velocity, products[1] * noise_like_weight(SNR))


def test_a_share_of_the_velocity_loss_can_be_added():
    weights = timestep_weights(LossOptions(v_pred_like_loss=0.5), SNR, v_prediction=False)

    close(weights, [1 + 0.5 * 1.001, 1 + 0.5 * 3.066 / 2.066, 1 + 0.5 * 1.00468 / 0.00468])


def test_without_options_all_timesteps_weigh_the_same():
    assert timestep_weights(LossOptions(), SNR, v_prediction=False).tolist() == [1, 1, 1]


@pytest.mark.parametrize("v_prediction", [False, True])
def test_pure_noise_gives_no_weight_that_is_not_a_number(v_prediction):
    snr = NoiseSchedule(torch.device("cpu"), zero_terminal_snr=True).snr(T)
    options = LossOptions(min_snr_gamma=5.0, debiased_estimation_loss=True)

    assert timestep_weights(options, snr, v_prediction=v_prediction).isfinite().all()
