import math

import pytest
import torch
from diffusers import DDPMScheduler
from transformers import get_scheduler

from lora_engine.maths.losses import min_snr_weight, squared_error
from lora_engine.maths.noise import NoiseSchedule, draw_noise, draw_timesteps
from lora_engine.maths.schedules import COURSES, learning_rate_factor
from lora_engine.maths.streams import Streams

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def reference():
    return DDPMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
    )


def test_noise_is_added_as_in_diffusers(reference):
    x0, noise, t = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8), torch.tensor([0, 500, 999])
    schedule = NoiseSchedule(CPU)

    torch.testing.assert_close(schedule.add(x0, noise, t), reference.add_noise(x0, noise, t))
    torch.testing.assert_close(schedule.velocity(x0, noise, t), reference.get_velocity(x0, noise, t))


def test_signal_to_noise_falls_from_1175_to_almost_nothing():
    snr = NoiseSchedule(CPU).snr(torch.tensor([0, 250, 500, 750, 999]))

    assert [float(f"{value:.3g}") for value in snr] == [1180.0, 2.07, 0.382, 0.0595, 0.00468]


def test_min_snr_limits_the_weight_of_easy_timesteps():
    snr = NoiseSchedule(CPU).snr(torch.tensor([0, 250, 999]))

    epsilon = min_snr_weight(snr, 5.0, v_prediction=False)
    velocity = min_snr_weight(snr, 5.0, v_prediction=True)

    torch.testing.assert_close(epsilon, torch.tensor([0.00425, 1, 1]), rtol=0.002, atol=0)
    torch.testing.assert_close(velocity, torch.tensor([0.00425, 0.674, 0.00466]), rtol=0.002, atol=0)


def test_a_loss_is_one_number_a_sample_and_never_in_half_precision():
    prediction, target = torch.zeros(2, 4, 2, 2, dtype=torch.bfloat16), torch.ones(2, 4, 2, 2)
    target[1] = 3

    losses = squared_error(prediction, target)

    assert losses.dtype == torch.float32
    assert losses.tolist() == [1.0, 9.0]


def test_noise_of_a_sample_does_not_depend_on_its_batch():
    streams = Streams(3)
    together, alone = draw_noise(streams, [4, 5], (4, 2, 2)), draw_noise(streams, [5], (4, 2, 2))

    assert torch.equal(together[1], alone[0])
    assert torch.equal(draw_timesteps(streams, [4, 5])[1:], draw_timesteps(streams, [5]))


def test_a_noise_offset_shifts_each_channel_and_no_other_draw():
    streams = Streams(3)
    plain, shifted = draw_noise(streams, [1], (4, 8, 8)), draw_noise(streams, [1], (4, 8, 8), offset=0.1)

    shift = (shifted - plain)[0]
    assert torch.allclose(shift, shift[:, :1, :1].expand(4, 8, 8), atol=1e-6)
    assert len(set(shift[:, 0, 0].tolist())) == 4


def test_timesteps_cover_the_whole_range():
    drawn = draw_timesteps(Streams(0), range(5000))

    assert (drawn.min() < 5, drawn.max() > 994) == (True, True)
    assert abs(drawn.float().mean() - 499.5) < 15


@pytest.mark.parametrize("name", COURSES)
@pytest.mark.parametrize("warmup", [0, 3])
def test_learning_rates_follow_transformers_schedules(name, warmup):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    steps = None if name == "constant" else warmup
    scheduler = get_scheduler(name, optimizer, num_warmup_steps=steps, num_training_steps=10)
    rates = []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()

    assert [2.0 * learning_rate_factor(name, step, 10, warmup) for step in range(10)] == pytest.approx(rates)


def test_a_schedule_ends_at_its_end():
    assert learning_rate_factor("linear", 10, 10, 0) == 0
    assert math.isclose(learning_rate_factor("cosine", 10, 10, 10), 1.0)
