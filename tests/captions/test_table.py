from __future__ import annotations

from train_tools.captions.table import prune_proposals, tag_table
from train_tools.model.captions import Trigger

ALICE = Trigger(policy="prefix", words="alice")


def images(one, *captions):
    return [one(caption, f"10_girl/{number}.png") for number, caption in enumerate(captions)]


def test_tags_are_counted_once_a_caption_whatever_their_spelling(one):
    table = tag_table(images(one, "cat, long_hair, cat", "long hair", "Long Hair, long hair", None), Trigger())
    assert [(row.tag, row.captions) for row in table.tags] == [("long hair", 3), ("cat", 1)]
    assert (table.images, table.with_trigger) == (4, 0)


def test_tags_that_go_with_the_trigger_are_counted(one):
    table = tag_table(images(one, "alice, red", "alice, red", "red", "blue"), ALICE)
    assert table.with_trigger == 2
    assert {row.tag: (row.captions, row.with_trigger) for row in table.tags} == {
        "red": (3, 2),
        "alice": (2, 2),
        "blue": (1, 0),
    }


def test_what_is_nearly_always_there_is_proposed_for_pruning(one):
    captions = [f"alice, 1girl, blonde hair, place {number % 3}" for number in range(10)]
    captions[0] = "alice, 1girl, night"
    found = prune_proposals(images(one, *captions, "blonde hair, place 1"), ALICE)
    assert [(each.tag, each.captions, each.share, each.keep) for each in found] == [
        ("1girl", 10, 1.0, True),
        ("blonde hair", 9, 0.9, False),
    ]
    assert {each.tag for each in prune_proposals(images(one, *captions), ALICE, share=0.2)} > {"place 1"}


def test_without_captions_nothing_is_proposed(one):
    assert prune_proposals(images(one, None, None), Trigger()) == ()
    assert prune_proposals([], ALICE) == ()
