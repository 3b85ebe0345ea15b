import pytest
import torch
from diffusers import DDPMScheduler

from lora_engine.maths.noise import NoiseSchedule, NoiseSource
from lora_engine.maths.streams import Streams
from sd_contract.options import NoiseOptions

CPU = torch.device("cpu")
SHAPE = (4, 16, 12)


def source(**options):
    return NoiseSource(Streams(3), NoiseOptions(**options))


def noise_of(number=1, x0=None, **options):
    x0 = torch.zeros(SHAPE) if x0 is None else x0
    return source(**options).noise([number], x0[None])[0]


@pytest.mark.parametrize("rescaled", [False, True])
def test_noise_is_added_as_in_diffusers(rescaled):
    reference = DDPMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        rescale_betas_zero_snr=rescaled,
    )
    x0, noise, t = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8), torch.tensor([0, 500, 999])
    schedule = NoiseSchedule(CPU, zero_terminal_snr=rescaled)

    torch.testing.assert_close(schedule.add(x0, noise, t), reference.add_noise(x0, noise, t))
    torch.testing.assert_close(schedule.velocity(x0, noise, t), reference.get_velocity(x0, noise, t))


def test_signal_to_noise_falls_from_1175_to_almost_nothing():
    snr = NoiseSchedule(CPU).snr(torch.tensor([0, 250, 500, 750, 999]))

    assert [float(f"{value:.3g}") for value in snr] == [1180.0, 2.07, 0.382, 0.0595, 0.00468]


def test_the_last_timestep_can_be_pure_noise_with_an_snr_that_can_be_divided_by():
    schedule = NoiseSchedule(CPU, zero_terminal_snr=True)

    assert schedule.alpha_bar[-1] == 0
    assert schedule.alpha_bar[0] == pytest.approx(NoiseSchedule(CPU).alpha_bar[0].item())
    assert schedule.snr(torch.tensor([999])).item() == pytest.approx(1e-8)


def test_noise_of_a_sample_does_not_depend_on_its_batch():
    options = {"noise_offset": 0.1, "multires_noise_iterations": 4, "ip_noise_gamma": 0.1}
    x0 = torch.randn(2, *SHAPE)
    together, alone = source(**options).noise([4, 5], x0), source(**options).noise([5], x0[1:])

    assert torch.equal(together[1], alone[0])
    assert torch.equal(source().timesteps([4, 5])[1:], source().timesteps([5]))


def test_a_noise_offset_shifts_each_channel_and_no_other_draw():
    shift = noise_of(noise_offset=0.1) - noise_of()

    assert torch.allclose(shift, shift[:, :1, :1].expand(SHAPE), atol=1e-6)
    assert len(set(shift[:, 0, 0].tolist())) == 4


def test_the_strength_of_an_offset_can_be_drawn():
    full = noise_of(noise_offset=0.1) - noise_of()
    drawn = noise_of(noise_offset=0.1, noise_offset_random_strength=True) - noise_of()

    strengths = (drawn / full)[:, 0, 0]
    assert 0 < strengths[0] < 1
    assert torch.allclose(strengths, strengths[:1].expand(4), rtol=1e-3)


@pytest.mark.parametrize(("scale", "strengths"), [(0.5, [0.1, 0.6, 1.1, 1.6]), (-0.05, [0.1, 0.05, 0.0, 0.0])])
def test_an_offset_follows_the_brightness_of_the_latents(scale, strengths):
    x0 = torch.tensor([0.0, 1.0, -2.0, 3.0])[:, None, None].expand(SHAPE)
    full = noise_of(noise_offset=1.0) - noise_of()
    adapted = noise_of(noise_offset=0.1, adaptive_noise_scale=scale, x0=x0) - noise_of()

    torch.testing.assert_close((adapted / full)[:, 0, 0], torch.tensor(strengths), rtol=1e-3, atol=1e-5)


def test_coarser_noise_keeps_the_spread_and_lets_neighbours_agree():
    plain, coarse = noise_of(), noise_of(multires_noise_iterations=6, multires_noise_discount=0.8)

    def agreement(noise):
        return (noise[:, 1:] * noise[:, :-1]).mean().item()

    assert coarse.std().item() == pytest.approx(1.0, abs=1e-5)
    assert agreement(coarse) > 0.2 > 0.1 > agreement(plain)


def test_the_first_coarser_layer_is_as_fine_as_the_noise():
    once = noise_of(multires_noise_iterations=1)
    second = torch.randn(1, *SHAPE, generator=Streams(3).generator("multires noise", 1))[0]
    both = noise_of() + second

    torch.testing.assert_close(once, both / both.std())


def test_input_noise_is_more_than_what_is_to_be_predicted():
    plain = source().noise([1], torch.zeros(1, *SHAPE))
    assert source().input_noise([1], plain) is plain

    extra = source(ip_noise_gamma=0.1).input_noise([1], plain) - plain
    drawn = source(ip_noise_gamma=0.1, ip_noise_gamma_random_strength=True).input_noise([1], plain) - plain
    assert extra.std().item() == pytest.approx(0.1, rel=0.1)
    assert 0 < (drawn / extra).mean() < 1


def test_timesteps_cover_the_whole_range():
    drawn = source().timesteps(range(5000))

    assert (drawn.min() < 5, drawn.max() > 994) == (True, True)
    assert abs(drawn.float().mean() - 499.5) < 15


def test_timesteps_stay_below_the_largest_and_may_be_one():
    drawn = source(min_timestep=200, max_timestep=204).timesteps(range(200))

    assert set(drawn.tolist()) == {200, 201, 202, 203}
    assert set(source(min_timestep=300, max_timestep=300).timesteps(range(20)).tolist()) == {300}


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_sigmoid_sampling_is_logit_normal_in_the_range(scale):
    options = {"timestep_sampling": "sigmoid", "sigmoid_scale": scale, "min_timestep": 200, "max_timestep": 800}
    drawn = source(**options).timesteps(range(4000))
    shares = (drawn.double() + 0.5 - 200) / 600

    assert drawn.min() >= 200 and drawn.max() < 800
    logits = torch.logit(shares)
    assert logits.mean().abs().item() < 0.1 * scale
    assert logits.std().item() == pytest.approx(scale, rel=0.08)
    assert set(source(timestep_sampling="sigmoid", min_timestep=999).timesteps(range(20)).tolist()) == {999}


def test_a_batch_may_have_one_timestep():
    apart, together = (source(fixed_timesteps_in_batch=fixed).timesteps(range(8)) for fixed in (False, True))

    assert len(set(apart.tolist())) > 1
    assert set(together.tolist()) == {int(apart[0])}
