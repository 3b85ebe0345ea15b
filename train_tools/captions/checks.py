"""How the captions of a version stand: which are missing, which obey the trigger's policy, whether they read as
the base model was taught. Nothing here stops a training; a sentence for each thing to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from train_tools.captions.tags import parts_of, plain, style_of, tags_of
from train_tools.model.base_model import CaptionStyle, StyleOfModel
from train_tools.model.captions import (
    CaptionCheck,
    CaptionedImage,
    CaptionProblem,
    Trigger,
    TriggerPolicy,
)

BROAD = {
    "man": frozenset({"guy", "boy", "gentleman", "actor", "husband", "male"}),
    "woman": frozenset({"girl", "lady", "actress", "wife", "female"}),
}
"""Broad classes, and narrower words that people give instead (S3-14)."""


def check_captions(
    images: Sequence[CaptionedImage], trigger: Trigger, base: StyleOfModel | None = None
) -> CaptionCheck:
    """The state of the captions; `base` is how captions for the base model should read, where that is known."""
    disobedient = [image.image for image in images if not obeys(image, trigger)]
    style = style_of_all(images)
    problems = (
        *_unreadable(images),
        *_missing(images),
        *_trigger_problems(images, trigger, disobedient),
        *_style_problems(images, style, base),
        *_doubtful_spellings(images),
        *_classes(images),
    )
    return CaptionCheck(
        images=len(images),
        without_file=sum(image.caption is None and not image.is_illegible for image in images),
        coverage=coverage(images, disobedient) if trigger.policy != TriggerPolicy.NONE else None,
        trigger_words=_words_in_front(images, trigger),
        style=str(style or ""),
        problems=problems,
    )


def obeys(image: CaptionedImage, trigger: Trigger) -> bool:
    """Whether a caption, as a training takes it, has the trigger words where the policy wants them: first and in
    order, or nowhere."""
    words = tuple(map(plain, trigger.words_for(image.class_name)))
    if trigger.policy == TriggerPolicy.NONE or not words:
        return True
    tags = tuple(map(plain, tags_of(image.effective)))
    if trigger.policy == TriggerPolicy.PREFIX:
        return tags[: len(words)] == words
    return image.caption is None or not set(words) & set(tags)


def coverage(images: Sequence[CaptionedImage], disobedient: Sequence[str]) -> float:
    return 1.0 - len(disobedient) / len(images) if images else 0.0


def style_of_all(images: Sequence[CaptionedImage]) -> CaptionStyle | None:
    """What most captions are that can be told; None when there are none, or as many of either."""
    styles = Counter(style for image in images if (style := style_of(image.caption or "")))
    ranked = styles.most_common()
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def _words_in_front(images: Sequence[CaptionedImage], trigger: Trigger) -> int:
    """The same number for all folders, or 0 where they differ."""
    if trigger.policy != TriggerPolicy.PREFIX:
        return 0
    counts = {len(trigger.words_for(image.class_name)) for image in images}
    return counts.pop() if len(counts) == 1 else 0


def _unreadable(images: Sequence[CaptionedImage]) -> Iterator[CaptionProblem]:
    if illegible := [image for image in images if image.is_illegible]:
        yield _problem(
            "illegible",
            f"{_captions(len(illegible))} can't be read. {illegible[0].problem} If you know the encoding, "
            "convert them.",
            illegible,
        )
    if broken := [image for image in images if image.size is None]:
        yield _problem("no_image", f"{len(broken)} files are no images. {broken[0].problem}", broken)


def _missing(images: Sequence[CaptionedImage]) -> Iterator[CaptionProblem]:
    missing = [image for image in images if image.caption is None and not image.is_illegible]
    if missing and len(missing) == len(images):
        classes = ", ".join(sorted({image.class_name for image in images}))
        yield _problem(
            "no_captions",
            f"No image has a caption. That can be trained: each is then taken for its class, {classes}.",
            missing,
        )
    elif missing:
        yield _problem(
            "uncaptioned",
            f"{len(missing)} of {len(images)} images have no caption; each is taken for its class, as "
            f"{missing[0].effective!r}.",
            missing,
        )
    if empty := [image for image in images if image.caption is not None and not image.effective]:
        yield _problem(
            "empty",
            f"{_captions(len(empty))} are empty: these images are trained without a word, not even their class.",
            empty,
        )


def _trigger_problems(
    images: Sequence[CaptionedImage], trigger: Trigger, disobedient: Sequence[str]
) -> Iterator[CaptionProblem]:
    if not disobedient:
        if trigger.policy == TriggerPolicy.PREFIX and images and not _words_in_front(images, trigger):
            yield CaptionProblem(
                kind="trigger_count",
                sentence="Folders have different numbers of trigger words. keep_tokens is one number for all: "
                "give each "
                "folder as many words, or keep the smallest number.",
            )
        return
    wanted = (
        "do not begin with the trigger words in their order"
        if trigger.policy == TriggerPolicy.PREFIX
        else "have trigger words, though the folder's class is to be enough"
    )
    yield CaptionProblem(
        kind="trigger",
        sentence=f"{len(disobedient)} of {len(images)} captions {wanted}. Applying the trigger mends them.",
        images=tuple(disobedient),
    )


def _style_problems(
    images: Sequence[CaptionedImage], style: CaptionStyle | None, base: StyleOfModel | None
) -> Iterator[CaptionProblem]:
    if base is None or style is None or style is base.style:
        return
    others = [image for image in images if style_of(image.caption or "") is style]
    yield _problem(
        "style",
        f"{len(others)} of {len(images)} captions are {style}, but the base model was taught with {base.style} "
        f"({base.reason}).",
        others,
    )


def _doubtful_spellings(images: Sequence[CaptionedImage]) -> Iterator[CaptionProblem]:
    with_underscores = [
        image for image in images if any("_" in tag and plain(tag) != tag.casefold() for tag in _first_tags(image))
    ]
    if with_underscores:
        yield _problem(
            "underscores",
            f"{_captions(len(with_underscores))} have tags with underscores, each of which costs a token. Replace "
            "them by spaces.",
            with_underscores,
        )
    repeated = [image for image in images if len(set(map(plain, _first_tags(image)))) < len(_first_tags(image))]
    if repeated:
        yield _problem("repeated", f"{_captions(len(repeated))} have a tag more than once.", repeated)
    if several := [image for image in images if len((image.caption or "").splitlines()) > 1]:
        yield _problem(
            "lines",
            f"{_captions(len(several))} have several lines; only the first is trained, unless enable_wildcard "
            "is set.",
            several,
        )


def _classes(images: Sequence[CaptionedImage]) -> Iterator[CaptionProblem]:
    for class_name in sorted({image.class_name for image in images}):
        words = set(plain(class_name).split())
        for broad, narrow in BROAD.items():
            if met := words & narrow:
                yield _problem(
                    "class",
                    f"The class {class_name!r} says {sorted(met)[0]}; the broadest word teaches best: {broad}.",
                    [image for image in images if image.class_name == class_name],
                )


def _first_tags(image: CaptionedImage) -> tuple[str, ...]:
    return parts_of(image.effective).tags


def _captions(count: int) -> str:
    return "1 caption" if count == 1 else f"{count} captions"


def _problem(kind: str, sentence: str, images: Sequence[CaptionedImage]) -> CaptionProblem:
    return CaptionProblem(kind=kind, sentence=sentence, images=tuple(image.image for image in images))
