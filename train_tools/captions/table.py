"""Which tags there are, how often, and which of them go with the trigger (S3-07)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from train_tools.captions.tags import plain, tags_of
from train_tools.model.captions import CaptionedImage, PruneProposal, TagCount, TagTable, Trigger

NEARLY_ALWAYS = 0.8
KEPT_BY_MOST = frozenset(
    (
        *("1girl", "1boy", "1other", "2girls", "2boys", "multiple girls", "multiple boys", "solo", "solo focus"),
        *("no humans", "man", "woman", "girl", "boy", "person", "male focus"),
    )
)
"""They say who or how many are seen; a LoRA that owns them shows nobody else."""


def tag_table(images: Iterable[CaptionedImage], trigger: Trigger) -> TagTable:
    """Each tag once, in the spelling met most often."""
    alone, together, spelt = Counter[str](), Counter[str](), Counter[str]()
    count = triggered = 0
    for image in images:
        tags = tags_of(image.caption or "")
        plainly = {plain(tag) for tag in tags}
        spelt.update(tags)
        alone.update(plainly)
        count += 1
        words = trigger.words_for(image.class_name)
        if words and plainly.issuperset(map(plain, words)):
            triggered += 1
            together.update(plainly)
    spellings = {plain(tag): tag for tag, _ in reversed(spelt.most_common())}
    rows = [
        TagCount(tag=spellings[tag], captions=number, with_trigger=together[tag])
        for tag, number in sorted(alone.items(), key=lambda row: (-row[1], row[0]))
    ]
    return TagTable(images=count, with_trigger=triggered, tags=tuple(rows))


def frequencies(images: Iterable[CaptionedImage]) -> Counter[str]:
    """In how many captions each tag is, by its plain spelling."""
    return Counter(tag for image in images for tag in {plain(tag) for tag in tags_of(image.caption or "")})


def prune_proposals(
    images: Sequence[CaptionedImage], trigger: Trigger, share: float = NEARLY_ALWAYS
) -> tuple[PruneProposal, ...]:
    """Tags in at least that share of the captions that have the trigger, or of all where none has: they may
    describe what is to be learnt, which captions leave out (S1-54, S2-11). Trigger words are none of them."""
    table = tag_table(images, trigger)
    own = {plain(word) for image in images for word in trigger.words_for(image.class_name)}
    classes = {plain(image.class_name) for image in images}
    of = table.with_trigger or table.images
    return tuple(
        PruneProposal(
            tag=row.tag,
            captions=count,
            share=count / of,
            keep=plain(row.tag) in KEPT_BY_MOST | classes,
        )
        for row in table.tags
        if plain(row.tag) not in own
        and (count := row.with_trigger if table.with_trigger else row.captions) >= share * of
    )
