"""What is left of a caption without its subject."""

from __future__ import annotations

import pytest

from train_tools.regularisation.prompts import class_word, prompt_from, prompts_from


@pytest.mark.parametrize(
    ("caption", "prompt"),
    [
        ("photo of zorb woman", "photo of a woman"),
        ("photo of zorb", "photo of a woman"),
        ("photo of a zorb", "photo of a woman"),
        ("photo of a zorb woman on a chair", "photo of a woman on a chair"),
        ("zorb sitting on a chair, smiling", "a woman sitting on a chair, smiling"),
        ("Zorb Woman, smile", "Woman, smile"),
        ("zorb, 1girl, solo", "1girl, solo"),
        ("zorb", "woman"),
        ("", "woman"),
        ("a red zorbian wall", "a red zorbian wall"),
        ("portrait of the zorb woman", "portrait of the woman"),
        ("an old zorb woman", "an old woman"),
        ("zorb and zorb", "a woman and a woman"),
    ],
)
def test_the_class_takes_the_subjects_place(caption, prompt):
    assert prompt_from(caption, ["zorb"], "woman") == prompt


def test_articles_go_by_the_class():
    assert prompt_from("photo of a zorb", ["zorb"], "owl") == "photo of an owl"
    assert prompt_from("an ohwx man", ["ohwx"], "man") == "a man"


def test_names_of_several_words_and_with_signs_are_found_whole():
    assert prompt_from("photo of Anna_Lee (actor)", ["anna lee (actor)"], "woman") == "photo of a woman"
    assert prompt_from("photo of Anna, Anna Lee", ["anna", "anna lee"], "woman") == "photo of a woman"


def test_each_prompt_is_there_once_and_without_captions_there_is_the_class():
    assert prompts_from(["zorb, a", "a", "zorb, b"], ["zorb"], "dog") == ("a", "b")
    assert prompts_from([], ["zorb"], "dog") == ("dog",)


def test_the_class_is_what_the_folder_says_without_the_subject():
    assert class_word("zorb_woman", ["zorb"]) == "woman"
    assert class_word("zorb", ["zorb"]) == ""
