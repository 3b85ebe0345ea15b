import torch

from lora_engine.maths.streams import Streams


def draws(streams, *position):
    return torch.rand(100, generator=streams.generator(*position))


def test_equal_places_give_equal_draws():
    assert torch.equal(draws(Streams(1), "noise", 3), draws(Streams(1), "noise", 3))
    assert Streams(1).random("order", 2).random() == Streams(1).random("order", 2).random()


def test_seed_name_and_position_all_count():
    places = [(Streams(seed), name, number) for seed in (0, 1) for name in ("noise", "init") for number in (0, 1)]
    firsts = {draws(streams, name, number)[0].item() for streams, name, number in places}

    assert len(firsts) == 8


def test_a_name_with_a_slash_is_no_other_place():
    assert Streams(1).number("a/b") != Streams(1).number("a", "b")
    assert Streams(1).number("a", 1) != Streams(1).number("a", "1")


def test_neighbouring_streams_are_independent():
    many = torch.stack([torch.randn(1000, generator=Streams(7).generator("noise", n)) for n in range(50)])

    correlations = torch.corrcoef(many) - torch.eye(50)

    assert correlations.abs().max() < 0.2
    assert abs(many.mean()) < 0.02
    assert abs(many.std() - 1) < 0.02


def test_the_numbers_never_change():
    assert Streams(42).number("noise", 0) == 6344298679564410270


def test_other_peoples_random_numbers_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    draws(Streams(1), "noise", 0)

    assert torch.equal(torch.rand(1), expected)
