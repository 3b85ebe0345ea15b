"""Findings about captions: those of the captions' own room with what cures them, and the length in tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from train_tools.captions.checks import check_captions
from train_tools.captions.tokens import LENGTHS
from train_tools.checks.subject import Subject, fine, named, warning
from train_tools.model.captions import CaptionProblem, EditKind
from train_tools.model.checks import Cure, CureKind, DatasetFinding
from train_tools.model.finding import Level

TOKENS, TRIGGER, CAPTIONS = "tokens", "trigger", "captions"
HARMLESS = ("no_captions",)
SUBJECTS = {"trigger": TRIGGER, "trigger_count": TRIGGER, "style": "caption style", "class": "class"}
"""What a problem with captions is about, where it is not captions as such."""
NO_BUSINESS = ("no_image",)
"""Told by other checks."""


def _edited(edit: EditKind) -> Callable[[CaptionProblem], Cure]:
    """The selection is the problem's own images: others are not touched."""

    def cure(problem: CaptionProblem) -> Cure:
        return Cure(kind=CureKind.EDIT_CAPTIONS, arguments={"edit": edit.value, "images": list(problem.images)})

    return cure


CURES: dict[str, tuple[str, Callable[[CaptionProblem], Cure]]] = {
    "trigger": ("Apply the trigger words to them.", _edited(EditKind.TRIGGER)),
    "underscores": ("Put spaces in their place.", _edited(EditKind.SPACES)),
    "repeated": ("Keep each tag once.", _edited(EditKind.DEDUPE)),
}
ADVICE = {
    "uncaptioned": "Write captions for them, or for none.",
    "illegible": "Convert them: `train-tools dataset tags convert`.",
    "style": "Caption them anew in the other style, or choose another base model.",
    "class": "Name the class by its broadest word.",
}


def captions(subject: Subject) -> Iterator[DatasetFinding]:
    found = check_captions(subject.images, subject.trigger, subject.style)
    if found.coverage is not None:
        yield fine(TRIGGER, f"The trigger words are where they should be in {found.coverage:.0%} of the captions.")
    for problem in found.problems:
        if problem.kind not in NO_BUSINESS:
            yield _finding(problem, len(subject.images))


def _finding(problem: CaptionProblem, images: int) -> DatasetFinding:
    advice, cure = CURES.get(problem.kind, (ADVICE.get(problem.kind, ""), None))
    which = f" ({named(problem.images)})" if 0 < len(problem.images) < images else ""
    return DatasetFinding(
        check=SUBJECTS.get(problem.kind, CAPTIONS),
        level=Level.OK if problem.kind in HARMLESS else Level.WARNING,
        message=f"{problem.sentence}{which}",
        images=problem.images,
        cure=advice,
        remedy=cure(problem) if cure else None,
    )


def kept_words(subject: Subject) -> Iterator[DatasetFinding]:
    """Trigger words in front are no use when tags are shuffled and they are not kept there (S3-09)."""
    words = check_captions(subject.images, subject.trigger).trigger_words
    kept = int(subject.option("keep_tokens") or 0)
    if words and subject.option("shuffle_caption") and kept < words:
        yield warning(
            TRIGGER,
            f"Captions begin with {words} trigger tags, but shuffle_caption moves all but keep_tokens={kept}.",
            cure=f"Set keep_tokens={words}.",
            remedy=Cure(kind=CureKind.SET_OPTIONS, arguments={"values": {"keep_tokens": words}}),
        )


def tokens(subject: Subject) -> Iterator[DatasetFinding]:
    """S4-18."""
    if subject.tokens is None or not subject.images:
        return
    report, length = subject.tokens, int(subject.option("max_token_length") or LENGTHS[0])
    over = [found.image for found in report.counts if found.tokens > length]
    if not over:
        yield fine(TOKENS, f"All captions fit: the longest has {report.longest} of {length} tokens.")
        return
    what = (
        f"{len(over)} of {len(subject.images)} captions have more than {length} tokens (the longest has "
        f"{report.longest}); what is beyond is not read: {named(over)}."
    )
    if report.max_token_length > length:
        values = {"max_token_length": report.max_token_length}
        yield warning(
            TOKENS,
            what,
            over,
            f"Set max_token_length={report.max_token_length}.",
            Cure(kind=CureKind.SET_OPTIONS, arguments={"values": values}),
        )
    else:
        cut = next((found.cut for found in report.counts if found.cut), "").strip(" ,")
        yield warning(TOKENS, f"{what} Of the longest, {_shortened(cut)!r} is lost.", over, "Shorten them.")


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
