"""From scores to an order and a suggestion: differences within chance stay small, what is burnt comes last."""

from __future__ import annotations

from pathlib import Path

import pytest

from train_tools.model.score import Remark, Score, ScoredCheckpoint, Sureness
from train_tools.scoring.suggestion import ranked, suggestion


def score(
    scorer: str, value: float | None, *remarks: Remark, error: float = 0.01, confidence: float = 0.8
) -> Score:
    return Score(
        scorer=scorer,
        value=value,
        error=error,
        confidence=confidence,
        evidence=f"{scorer} says {value}.",
        remarks=remarks,
    )


def scored(name: str, *scores: Score) -> ScoredCheckpoint:
    return ScoredCheckpoint(
        run="run",
        label="network_dim=8",
        name=name,
        path=Path(f"{name}.safetensors"),
        epoch=1,
        step=1,
        images_seen=1,
        scores={each.scorer: each for each in scores},
    )


def order(*checkpoints: ScoredCheckpoint) -> list[str]:
    judged = [each for each in ranked(checkpoints) if each.place is not None]
    return [each.name for each in sorted(judged, key=lambda each: each.place or 0)]


def test_higher_gains_and_lower_distances_are_better():
    gains = [scored(name, score("fixed-noise", value)) for name, value in (("a", 0.1), ("b", 0.6), ("c", 0.3))]
    assert order(*gains) == ["b", "c", "a"]
    losses = [scored(name, score("validation", value)) for name, value in (("a", 0.1), ("b", 0.6), ("c", 0.3))]
    assert order(*losses) == ["a", "c", "b"]


def test_the_order_given_is_the_order_returned():
    given = [scored(name, score("fixed-noise", value)) for name, value in (("a", 0.1), ("b", 0.6))]
    assert [each.name for each in ranked(given)] == ["a", "b"]


def test_the_louder_voice_decides():
    a = scored("a", score("fixed-noise", 0.5, confidence=0.9), score("votes", 0.2, confidence=0.8))
    b = scored("b", score("fixed-noise", 0.4, confidence=0.9), score("votes", 0.8, confidence=0.8))
    assert order(a, b) == ["b", "a"]
    unsure = scored("b", score("fixed-noise", 0.4, confidence=0.9), score("votes", 0.8, confidence=0.05))
    assert order(scored("a", score("fixed-noise", 0.5), score("votes", 0.2, confidence=0.05)), unsure) == [
        "a",
        "b",
    ]


def test_what_is_burnt_or_without_effect_comes_last_and_is_not_suggested():
    burnt = scored("burnt", score("votes", 0.9), score("effect", None, Remark.BURNT, confidence=1.0))
    idle = scored("idle", score("votes", 0.8), score("change", 0.0, Remark.NO_EFFECT))
    poor = scored("poor", score("votes", 0.1))
    assert order(burnt, idle, poor) == ["poor", "idle", "burnt"]
    assert suggestion(ranked([burnt, idle, poor])).path.stem == "poor"
    assert suggestion(ranked([burnt, idle])) is None


def test_a_remark_from_the_file_yields_to_what_was_measured_with_more_certainty():
    loud = score("effect", 0.6, Remark.BURNT, confidence=0.6)
    defended = scored("loud", score("fixed-noise", 0.7, confidence=0.9), loud)
    other = scored("other", score("fixed-noise", 0.2, confidence=0.9))
    assert order(defended, other) == ["loud", "other"]
    assert "effect says 0.6." in suggestion(ranked([defended, other])).doubts
    assert order(scored("loud", loud), other) == ["other", "loud"]


def test_differences_within_chance_make_no_sure_suggestion():
    def pair(error):
        return ranked(
            [scored(name, score("fixed-noise", value, error=error)) for name, value in (("a", 0.50), ("b", 0.51))]
        )

    sure, unsure = suggestion(pair(0.001)), suggestion(pair(0.5))
    assert sure.confidence > 2 * unsure.confidence
    assert unsure.sureness is Sureness.LOW
    assert any("About as good" in doubt for doubt in unsure.doubts)


def test_a_burnt_one_does_not_make_the_others_look_alike():
    some = [scored(name, score("fixed-noise", value)) for name, value in (("a", 0.1), ("b", 0.6))]
    burnt = scored("burnt", score("fixed-noise", -50.0, Remark.BURNT, confidence=0.9))
    alone, beside = ranked(some), ranked([*some, burnt])
    assert [each.total for each in alone] == [each.total for each in beside[:2]]


def test_who_speaks_for_another_is_among_the_doubts():
    liked = scored("liked", score("votes", 0.9, confidence=0.9), score("fixed-noise", 0.2))
    learnt = scored("learnt", score("votes", 0.1, confidence=0.9), score("fixed-noise", 0.6))
    found = suggestion(ranked([liked, learnt]))
    assert found.path.stem == "liked"
    assert "By loss with fixed noise alone it would be network_dim=8 learnt." in found.doubts
    assert not any("blind votes alone" in doubt for doubt in found.doubts)


def test_numbers_alone_are_never_wholly_sure():
    table = ranked([scored("a", score("validation", 0.1, confidence=1.0)), scored("b", score("validation", 9.0))])
    found = suggestion(table)
    assert found.confidence <= 0.8
    assert any("blindly" in doubt for doubt in found.doubts)


@pytest.mark.parametrize("checkpoints", [[], [scored("a")], [scored("a", score("effect", 0.1))]])
def test_where_nothing_ranks_nothing_is_suggested(checkpoints):
    assert suggestion(ranked(checkpoints)) is None


def test_pictures_that_are_copies_cost():
    plain = scored("plain", score("fixed-noise", 0.50, error=0.2), score("likeness", 0.3))
    copies = scored("copies", score("fixed-noise", 0.51, error=0.2), score("likeness", 0.3, Remark.COPIES))
    assert order(copies, plain) == ["plain", "copies"]
