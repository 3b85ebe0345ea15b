"""Multi-stage training: which images belong to which concept, and what each stage trains on and how long.

The first stage, `base`, trains on all images; then one stage for each concept goes on from it with those images
whose captions hold the concept's keywords."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase

from sd_contract.datasets import CollectedDataset, DatasetItem, collected_from
from sd_contract.errors import DatasetError, OptionError
from sd_contract.images.image_files import some
from sd_contract.options.groups import EVERYWHERE, NOWHERE, StageOptions
from sd_contract.options.settings import Settings, settings_from
from sd_contract.steps import StepPlan, plan_steps

BASE = "base"
BETWEEN = re.compile(r"[,|]")
"""What stands between keywords; a comma means something else where the values of an axis are typed."""
WITHOUT_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Characters of Chinese, Japanese and Korean, which don't part words by spaces."""
OWN_STATES: Mapping[str, object] = {
    "resume": None,
    "state_dir": None,
    "save_state": False,
    "save_state_on_train_end": False,
    "state_every_n_steps": None,
}
"""A run of several stages goes on after the last whole one, so that a stage keeps no states."""


@dataclass(frozen=True)
class Concept:
    """What a stage is trained on: images whose captions hold these keywords. They are `plain`."""

    name: str
    keywords: tuple[str, ...]

    def found_in(self, caption: str) -> int:
        """How many of its keywords a caption holds, as whole words."""
        text = plain(caption)
        return sum(_holds(text, keyword) for keyword in self.keywords)


@dataclass(frozen=True, kw_only=True)
class Division:
    """Which images go where; one may belong to several concepts, or to none."""

    concepts: tuple[Concept, ...]
    members: Mapping[str, tuple[DatasetItem, ...]]
    """By the concept's name."""
    tied: tuple[DatasetItem, ...]
    unmatched: tuple[DatasetItem, ...]
    options: StageOptions

    def lines(self, listed: Callable[[Sequence[str]], str] = some) -> Iterator[str]:
        """What a user should know of it; `listed` writes down names."""
        for concept in self.concepts:
            names = _names(self.members[concept.name])
            yield f"concept {concept.name} ({', '.join(concept.keywords)}): {_images(names)}: {listed(names)}"
        for what, items, place in (
            ("keywords of several concepts", self.tied, self.options.concept_tie),
            ("no keyword", self.unmatched, self.options.concept_unmatched),
        ):
            if items:
                names = _names(items)
                yield f"{what}: {_images(names)}, {_went(place)}: {listed(names)}"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One of a run's trainings: `settings` are those of a plain one, with a file name of their own."""

    name: str
    number: int
    """From 0 on; that of the base is 0."""
    keywords: tuple[str, ...]
    settings: Settings
    datasets: tuple[CollectedDataset, ...]
    validation: tuple[CollectedDataset, ...]
    plan: StepPlan


@dataclass(frozen=True, kw_only=True)
class Stages:
    """All trainings of a run, in their order."""

    division: Division
    stages: tuple[Stage, ...]

    @property
    def total_steps(self) -> int:
        return self.steps_before(len(self.stages))

    @property
    def epochs(self) -> int:
        """Those that one image passes through at most."""
        return self.stages[0].plan.epochs + max(stage.plan.epochs for stage in self.stages[1:])

    def steps_before(self, number: int) -> int:
        """Steps that the stages before that one have."""
        return sum(stage.plan.total_steps for stage in self.stages[:number])


def stages_of(
    settings: Settings, datasets: Sequence[CollectedDataset], validation: Sequence[CollectedDataset] = ()
) -> Stages:
    """What the settings want done with these images. OptionError for keywords that can't be used or a run that is
    too short to be divided, DatasetError for a concept without images."""
    concepts = concepts_of(settings.stages)
    division = divide([item for one in datasets for item in one.items], concepts, settings.stages)
    for concept in concepts:
        if not division.members[concept.name]:
            raise DatasetError(
                f"concept {concept.name}: no caption holds {' or '.join(map(repr, concept.keywords))} so that its "
                "image would go there. Correct the keywords or the captions."
            )
    whole = sum(one.samples_of(is_reg=False) for one in datasets)
    first, rest = _shared(settings)
    stages = [_stage(BASE, 0, (), settings, first, datasets, validation)]
    for number, concept in enumerate(concepts, 1):
        own = _only(datasets, division.members[concept.name])
        measured = _measured_with(validation, concept, concepts, settings.stages)
        share = sum(one.samples_of(is_reg=False) for one in own) / whole
        length = rest if settings.training.max_train_epochs else max(1, _rounded(rest * share))
        name = f"concept_{concept.name}"
        stages.append(_stage(name, number, concept.keywords, settings, length, own, measured))
    return Stages(division=division, stages=tuple(stages))


def concepts_of(options: StageOptions) -> tuple[Concept, ...]:
    """The concepts by their letters. OptionError for one without keywords, and for a keyword of two."""
    texts = (options.concept_a_keywords, options.concept_b_keywords, *options.further_concepts)
    if len(texts) > len(ascii_uppercase):
        raise OptionError(f"further_concepts: {len(texts)} concepts are more than there are letters.")
    concepts = []
    seen: dict[str, str] = {}
    for name, text in zip(ascii_uppercase, texts, strict=False):
        keywords = tuple(dict.fromkeys(filter(None, map(plain, BETWEEN.split(text or "")))))
        if not keywords:
            raise OptionError(f"concept {name} has no keywords. Write some, with commas or | between them.")
        for keyword in keywords:
            if keyword in seen:
                raise OptionError(
                    f"{keyword!r} is a keyword of concept {seen[keyword]} and of concept {name}, so it divides "
                    "nothing. Remove it from one of them."
                )
            seen[keyword] = name
        concepts.append(Concept(name, keywords))
    return tuple(concepts)


def divide(items: Iterable[DatasetItem], concepts: tuple[Concept, ...], options: StageOptions) -> Division:
    """The images that are trained on, those that regularise left out, by their captions as they are written."""
    members: dict[str, list[DatasetItem]] = {concept.name: [] for concept in concepts}
    tied, unmatched = [], []
    for item in items:
        if item.subset.is_reg:
            continue
        best = best_of(item.caption, concepts)
        if len(best) > 1:
            tied.append(item)
        elif not best:
            unmatched.append(item)
        for name in _places(best, concepts, options):
            members[name].append(item)
    return Division(
        concepts=concepts,
        members={name: tuple(own) for name, own in members.items()},
        tied=tuple(tied),
        unmatched=tuple(unmatched),
        options=options,
    )


def best_of(caption: str, concepts: Sequence[Concept]) -> list[str]:
    """The concepts of which a caption holds most keywords."""
    counts = {concept.name: concept.found_in(caption) for concept in concepts}
    most = max(counts.values())
    return [name for name, count in counts.items() if count == most] if most else []


def plain(text: str) -> str:
    """A text without what does not matter: case, ways of writing the same character, underscores, wide spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().replace("_", " ").split())


def _holds(text: str, keyword: str) -> bool:
    if WITHOUT_SPACES.search(keyword):
        return keyword in text
    return re.search(rf"(?<!\w){re.escape(keyword)}(?!\w)", text) is not None


def _places(best: Sequence[str], concepts: Sequence[Concept], options: StageOptions) -> Sequence[str]:
    if len(best) == 1:
        return best
    place = options.concept_tie if best else options.concept_unmatched
    if place == NOWHERE:
        return ()
    return (best or [concept.name for concept in concepts]) if place == EVERYWHERE else [place]


def _shared(settings: Settings) -> tuple[int, int]:
    """Epochs, or steps where no epochs are set, of the first stage and of all that comes after it."""
    training = settings.training
    total, what = training.max_train_epochs or training.max_train_steps, "steps"
    if training.max_train_epochs:
        what = "epochs"
    if total < 2:
        raise OptionError(f"max_train_{what} = {total} can't be shared by two stages. 2 or more are needed.")
    first = min(max(_rounded(total * settings.stages.stage1_share), 1), total - 1)
    return first, total - first


def _stage(
    name: str,
    number: int,
    keywords: tuple[str, ...],
    settings: Settings,
    length: int,
    datasets: Sequence[CollectedDataset],
    validation: Sequence[CollectedDataset],
) -> Stage:
    options = settings.optimizer
    scale = settings.stages.stage2_lr_scale if number else 1.0
    own: dict[str, object] = {
        **OWN_STATES,
        "mode": None,
        "output_name": f"{settings.output.output_name or 'last'}_{name}",
        "max_train_epochs" if settings.training.max_train_epochs else "max_train_steps": length,
        "learning_rate": options.learning_rate * scale,
        "unet_lr": None if options.unet_lr is None else options.unet_lr * scale,
        "text_encoder_lr": options.text_encoder_lr and [rate * scale for rate in options.text_encoder_lr],
    }
    trained = settings_from({**settings.values(), **own})
    return Stage(
        name=name,
        number=number,
        keywords=keywords,
        settings=trained,
        datasets=tuple(datasets),
        validation=tuple(validation),
        plan=plan_steps(trained, datasets),
    )


def _only(datasets: Sequence[CollectedDataset], members: Iterable[DatasetItem]) -> list[CollectedDataset]:
    """The datasets with these images alone, and regularisation images to match them."""
    own, wanted = [], set(members)
    for collected in datasets:
        drawn = [item for item in collected.items if item in wanted]
        kept = [replace(i, repeats=i.subset.num_repeats) for i in collected.items if i.subset.is_reg]
        if drawn:
            own.append(collected_from(collected.dataset, [*drawn, *kept]))
    return own


def _measured_with(
    validation: Sequence[CollectedDataset],
    concept: Concept,
    concepts: tuple[Concept, ...],
    options: StageOptions,
) -> list[CollectedDataset]:
    """What of the images that are not trained on belongs to a concept."""
    found = divide([item for one in validation for item in one.items], concepts, options)
    return _only(validation, found.members[concept.name])


def _rounded(number: float) -> int:
    return int(number + 0.5)


def _names(items: Iterable[DatasetItem]) -> list[str]:
    return list(dict.fromkeys(item.image.name for item in items))


def _images(names: Sequence[str]) -> str:
    return f"{len(names)} image{'' if len(names) == 1 else 's'}"


def _went(place: str) -> str:
    return {EVERYWHERE: "in all of them", NOWHERE: "in the base alone"}.get(place, f"in concept {place}")
