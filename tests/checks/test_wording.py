"""Captions: what is missing, what is cut, whether the trigger stands where it should."""

from __future__ import annotations

from dataclasses import replace

from tests.app.conftest import POCKET
from tests.checks.conftest import PROJECT, VERSION, photograph
from train_tools.model.captions import Trigger, TriggerPolicy
from train_tools.model.finding import Level


def test_a_missing_caption_is_told_with_what_stands_in_for_it(desk):
    desk.put_many(3)
    desk.put("6_photo/a.png", photograph(9))
    [told] = desk.found("captions")
    assert told.images == ("6_photo/a.png",)
    assert "'photo'" in told.message


def test_no_captions_at_all_are_no_mistake(desk):
    for number in range(3):
        desk.put(f"6_photo/{number}.png", photograph(number))
    [told] = desk.found("captions")
    assert told.level is Level.OK
    assert "photo" in told.message


def test_the_length_in_tokens_is_proposed_and_taken(desk):
    desk.set(pretrained_model_name_or_path=str(POCKET))
    desk.put_many(2)
    desk.put("10_cat/long.png", photograph(8), ", ".join(["cat"] * 60))
    [told] = desk.found("tokens")
    assert told.images == ("10_cat/long.png",)
    desk.cure("max_token_length=150")
    assert desk.options()["max_token_length"] == 150
    [told] = desk.found("tokens")
    assert told.level is Level.OK


def test_what_no_length_holds_is_shown(desk):
    desk.set(max_token_length=225)
    desk.put("10_cat/long.png", photograph(8), ", ".join(["cat"] * 113 + ["tail"]))
    [told] = desk.found("tokens")
    assert "'tail'" in told.message
    assert told.remedy is None


def test_trigger_words_are_put_where_they_belong_and_taken_out_again(desk):
    desk.put_many(3)
    desk.app.captions.set_trigger(PROJECT, VERSION, Trigger(policy=TriggerPolicy.PREFIX, words="zorb"))
    assert any("0%" in told.message for told in desk.found("trigger"))
    desk.cure("edit captions: trigger")
    caption = desk.paths.processed / "10_cat" / "0.txt"
    assert caption.read_text() == "zorb, cat, number 0\n"
    desk.undo()
    assert caption.read_text() == "cat, number 0"


def test_shuffled_trigger_words_are_to_be_kept_in_front(desk):
    desk.put("10_cat/a.png", photograph(1), "zorb, blue, cat")
    desk.app.captions.set_trigger(PROJECT, VERSION, Trigger(policy=TriggerPolicy.PREFIX, words="zorb, blue"))
    desk.set(shuffle_caption=True)
    desk.look()
    desk.cure("keep_tokens=2")
    assert desk.options()["keep_tokens"] == 2


def test_a_cure_takes_the_place_of_an_axis_and_undoing_brings_it_back(desk):
    desk.put("10_cat/long.png", photograph(8), ", ".join(["cat"] * 60))
    stored = desk.app.versions.settings(PROJECT, VERSION)
    desk.app.versions.save_settings(PROJECT, VERSION, replace(stored, axes={"max_token_length": (150, 225)}))
    desk.cure("max_token_length=150")
    assert dict(desk.app.versions.settings(PROJECT, VERSION).axes) == {}
    desk.undo()
    assert dict(desk.app.versions.settings(PROJECT, VERSION).axes) == {"max_token_length": (150, 225)}
