"""Multi-stage training: which images belong to which concept, and how long each stage is (S0-31 to S0-36)."""

from pathlib import Path

import pytest

from sd_contract.datasets import CollectedDataset, Dataset, DatasetItem, Subset, collected_from
from sd_contract.errors import DatasetError, OptionError
from sd_contract.images.buckets import Placement
from sd_contract.options import settings_from
from sd_contract.stages import concepts_of, stages_of

AB = {"mode": "multi_stage", "concept_a_keywords": "red, dark hair", "concept_b_keywords": "blue"}
TRAINED, CLASS = Subset(image_dir=Path("a"), num_repeats=2), Subset(image_dir=Path("reg"), is_reg=True)


def items(captions, subset=TRAINED):
    square = (64, 64)
    return [
        DatasetItem(
            image=subset.image_dir / f"{number:02}.png",
            caption=caption,
            repeats=subset.num_repeats,
            subset=subset,
            size=square,
            placement=Placement(square, square),
        )
        for number, caption in enumerate(captions)
    ]


def collected(*captions, regularising=0):
    dataset = Dataset(resolution=(64, 64), batch_size=1, subsets=(TRAINED, CLASS))
    return collected_from(dataset, [*items(captions), *items(["a thing"] * regularising, CLASS)])


def stages(*captions, regularising=0, **values):
    settings = settings_from({**AB, "max_train_epochs": 4, **values})
    return stages_of(settings, [collected(*captions, regularising=regularising)])


def where(caption, **values):
    """The concepts that an image of this caption goes to, beside one of each."""
    found = stages("red", "blue", caption, **values).division.members
    return [name for name, own in found.items() if any(item.caption == caption for item in own)]


@pytest.mark.parametrize(
    "caption",
    ["a RED thing", "red_thing", "a thing, red", "ｒｅｄ", "dark   hair", "dark_hair", "her dark hair, blue, red"],
)
def test_a_keyword_is_found_whatever_its_case_width_spaces_and_underscores(caption):
    assert where(caption) == ["A"]


@pytest.mark.parametrize("caption", ["a bored man", "hundreds", "reddish", "dark, hair", "", "darkhair"])
def test_a_keyword_is_a_whole_word(caption):
    assert where(caption) == []


def test_words_without_spaces_between_them_are_found_inside_of_others():
    keywords = {"concept_a_keywords": "赤い, red", "concept_b_keywords": "青い, blue"}
    assert where("とても赤い花", **keywords) == ["A"]


@pytest.mark.parametrize(("place", "goes"), [("both", ["A", "B"]), ("none", []), ("A", ["A"]), ("B", ["B"])])
def test_ties_and_images_without_keywords_go_where_they_are_sent(place, goes):
    assert where("red and blue", concept_tie=place) == goes
    assert where("a thing", concept_unmatched=place) == goes


def test_usually_ties_are_in_both_and_images_without_keywords_in_the_base_alone():
    found = stages("red", "blue", "red, blue", "thing", "red, red, blue, dark hair")
    assert {name: len(own) for name, own in found.division.members.items()} == {"A": 3, "B": 2}
    assert [stage.name for stage in found.stages] == ["base", "concept_A", "concept_B"]
    assert [len(stage.datasets[0].items) for stage in found.stages] == [5, 3, 2]
    assert list(found.division.lines()) == [
        "concept A (red, dark hair): 3 images: 00.png, 02.png, 04.png",
        "concept B (blue): 2 images: 01.png, 02.png",
        "keywords of several concepts: 1 image, in all of them: 02.png",
        "no keyword: 1 image, in the base alone: 03.png",
    ]


def test_more_concepts_are_allowed():
    found = stages("red", "blue", "green", "red, blue, green", further_concepts=["green, lime"])
    assert [stage.name for stage in found.stages] == ["base", "concept_A", "concept_B", "concept_C"]
    assert [len(found.division.members[name]) for name in "ABC"] == [2, 2, 2]


@pytest.mark.parametrize(
    ("epochs", "share", "lengths"), [(2, 0.9, (1, 1)), (10, 0.5, (5, 5)), (10, 0.1, (1, 9)), (5, 0.5, (3, 2))]
)
def test_the_first_stage_has_its_share_of_the_epochs(epochs, share, lengths):
    found = stages("red", "blue", "red", max_train_epochs=epochs, stage1_share=share)
    assert [stage.plan.epochs for stage in found.stages] == [lengths[0], lengths[1], lengths[1]]
    assert [stage.plan.total_steps for stage in found.stages] == [6 * lengths[0], 4 * lengths[1], 2 * lengths[1]]
    assert found.total_steps == 6 * sum(lengths)
    assert found.epochs == epochs


def test_steps_are_shared_too_by_the_images_of_each_concept():
    found = stages("red", "red", "red", "blue", max_train_epochs=None, max_train_steps=100, stage1_share=0.6)
    assert [stage.plan.total_steps for stage in found.stages] == [60, 30, 10]


def test_regularisation_images_match_those_of_each_stage():
    found = stages("red", "red", "red", "blue", regularising=9)
    counts = [
        (one.samples_of(is_reg=False), one.samples_of(is_reg=True))
        for stage in found.stages
        for one in stage.datasets
    ]
    assert counts == [(8, 8), (6, 6), (2, 2)]


def test_only_the_later_stages_learn_at_another_rate():
    values = {"learning_rate": 1e-4, "text_encoder_lr": [2e-5], "stage2_lr_scale": 0.5, "output_name": "x"}
    base, first, second = (stage.settings for stage in stages("red", "blue", **values).stages)
    assert base.optimizer.learning_rate == 1e-4
    assert (first.optimizer.learning_rate, first.optimizer.text_encoder_lr) == (5e-5, (1e-5,))
    assert first.optimizer.unet_lr is None
    names = [settings.output.output_name for settings in (base, first, second)]
    assert names == ["x_base", "x_concept_A", "x_concept_B"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"concept_b_keywords": "blue, RED"}, "'red' is a keyword of concept A and of concept B"),
        ({"further_concepts": ["blue"]}, "'blue' is a keyword of concept B and of concept C"),
        ({"concept_b_keywords": " , "}, "concept B has no keywords"),
        ({"max_train_epochs": 1}, "max_train_epochs = 1 can't be shared by two stages"),
        ({"max_train_epochs": None, "max_train_steps": 1}, "max_train_steps = 1 can't be shared"),
        ({"stage1_share": 0.95}, "0.9 is the most"),
        ({"stage2_lr_scale": 0}, "would teach the concepts nothing"),
    ],
)
def test_what_divides_nothing_is_refused(values, told):
    with pytest.raises(OptionError, match=told):
        stages("red", "blue", **values)


def test_a_concept_without_images_is_refused():
    with pytest.raises(DatasetError, match="concept B: no caption holds 'blue'"):
        stages("red", "green")
    with pytest.raises(DatasetError, match="concept B: no caption holds"):
        stages("red", "red and blue", concept_tie="A")


def test_a_keyword_counts_once():
    (concept, _) = concepts_of(settings_from({**AB, "concept_a_keywords": "red, RED,, dark_hair | red"}).stages)
    assert concept.keywords == ("red", "dark hair")
    assert concept.found_in("red red, red dark hair") == 2


def test_a_dataset_without_images_of_a_concept_is_left_out():
    settings = settings_from({**AB, "max_train_epochs": 2})
    found = stages_of(settings, [collected("red", "red"), collected("blue", regularising=2)])
    assert [len(stage.datasets) for stage in found.stages] == [2, 1, 1]
    assert isinstance(found.stages[1].datasets[0], CollectedDataset)
