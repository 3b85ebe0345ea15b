"""What becomes of a caption in one draw of its image, in the order of sd-scripts.

Prefix and suffix; whole captions dropped; wildcards; then, if tags are shuffled, warmed up or dropped: split,
warm-up, shuffle, drop, join; the secondary separator last. Each kind of chance has a stream of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import floor
from random import Random

from lora_engine.maths.streams import Streams
from sd_contract.datasets import DatasetItem, Subset

JOINT = ", "
"""What tags are joined with again, whatever separated them."""
WILDCARD = re.compile(r"\{([^{}]+)\}")
OPENING, CLOSING = re.compile(r"\{\{"), re.compile(r"\}\}(?!\})")
OPENED, CLOSED = "\x01", "\x02"
"""What stands for doubled braces while wildcards are looked for."""


@dataclass(frozen=True)
class Moment:
    """When a caption is drawn: the number of the draw, the epoch from 1 on, the steps done, all steps."""

    draw: int
    epoch: int = 1
    steps_done: int = 0
    total_steps: int = 1


@dataclass(frozen=True)
class Tags:
    """A caption in parts: tags that stay at the beginning, tags that may move or go, tags that stay at the
    end."""

    first: tuple[str, ...]
    loose: tuple[str, ...]
    last: tuple[str, ...] = ()

    def joined(self) -> str:
        return JOINT.join((*self.first, *self.loose, *self.last))


def draw_caption(item: DatasetItem, moment: Moment, streams: Streams) -> str:
    """The caption as the text encoder gets it."""
    subset = item.subset
    if is_dropped(subset, moment.epoch, streams.random("caption dropout", moment.draw)):
        return ""
    caption = with_affixes(item.caption, subset.caption_prefix, subset.caption_suffix)
    wildcards = streams.random("wildcards", moment.draw)
    caption = chosen(caption, wildcards) if subset.enable_wildcard else first_line(caption)
    if moves_tags(subset):
        tags = split(caption, subset)
        tags = warmed_up(tags, subset, moment)
        tags = shuffled(tags, streams.random("caption", moment.draw)) if subset.shuffle_caption else tags
        tags = thinned(tags, subset.caption_tag_dropout_rate, streams.random("tag dropout", moment.draw))
        caption = tags.joined()
    if subset.secondary_separator:
        caption = caption.replace(subset.secondary_separator, subset.caption_separator)
    return caption


def varies(subset: Subset) -> bool:
    """Whether the captions of a subset may be others at each draw."""
    return moves_tags(subset) or subset.enable_wildcard


def moves_tags(subset: Subset) -> bool:
    return bool(subset.shuffle_caption or subset.token_warmup_step or subset.caption_tag_dropout_rate)


def with_affixes(caption: str, prefix: str | None, suffix: str | None) -> str:
    """Each line between prefix and suffix."""
    return "\n".join(" ".join(part for part in (prefix, line, suffix) if part) for line in caption.split("\n"))


def is_dropped(subset: Subset, epoch: int, random: Random) -> bool:
    """Whether the whole caption is left out: by chance, or in each n-th epoch."""
    every = subset.caption_dropout_every_n_epochs
    return random.random() < subset.caption_dropout_rate or bool(every and epoch % every == 0)


def first_line(caption: str) -> str:
    return caption.split("\n", 1)[0]


def chosen(caption: str, random: Random) -> str:
    """One of the lines, in it one of each `{a|b|c}`; `{{` and `}}` are braces."""
    line = random.choice(caption.split("\n"))
    line = CLOSING.sub(CLOSED, OPENING.sub(OPENED, line))
    line = WILDCARD.sub(lambda found: random.choice(found[1].split("|")), line)
    return line.replace(OPENED, "{").replace(CLOSED, "}")


def split(caption: str, subset: Subset) -> Tags:
    """The tags by what may become of them. With keep_tokens_separator in the caption, what stands before its
    first and after its second place stays, otherwise the first keep_tokens tags do."""
    mark, separator = subset.keep_tokens_separator, subset.caption_separator
    if mark and mark in caption:
        first, loose, *last = (_tags(part, separator) for part in caption.split(mark, 2))
        return Tags(first, loose, *last)
    tags = tuple(tag.strip() for tag in caption.strip().split(separator))
    return Tags(tags[: subset.keep_tokens], tags[subset.keep_tokens :])


def warmed_up(tags: Tags, subset: Subset, moment: Moment) -> Tags:
    """As many loose tags as the warm-up has come to: their number rises evenly from token_warmup_min to all."""
    length = subset.token_warmup_step
    length = floor(length * moment.total_steps) if length < 1 else length
    if moment.steps_done >= length:
        return tags
    rise = len(tags.loose) - subset.token_warmup_min
    count = floor(moment.steps_done * rise / length) + subset.token_warmup_min
    return replace(tags, loose=tags.loose[:count])


def shuffled(tags: Tags, random: Random) -> Tags:
    loose = list(tags.loose)
    random.shuffle(loose)
    return replace(tags, loose=tuple(loose))


def thinned(tags: Tags, rate: float, random: Random) -> Tags:
    """Each loose tag is left out with the probability `rate`."""
    return replace(tags, loose=tuple(tag for tag in tags.loose if random.random() >= rate))


def _tags(text: str, separator: str) -> tuple[str, ...]:
    return tuple(tag.strip() for tag in text.split(separator) if tag.strip())
