"""Captions as people see and change them: one image with its caption, what tags there are, edits and what
became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from train_tools.errors import OptionValueError

NO_FILE = "none"
"""The edition of a caption that has no file."""
CLASS_MARK = "{class}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionedImage:
    """One training image and what its caption file says."""

    image: str
    """Its path below `processed`, with slashes: `10_cat/00000-0-tom.png`."""
    class_name: str
    caption: str | None
    """None without a caption file, and where it can't be read."""
    edition: str
    """Another whenever the caption file's bytes are; `none` without one."""
    size: tuple[int, int] | None
    """Width and height in pixels; None where the file is no image."""
    problem: str = ""
    """Why the image or its caption can't be used, in words."""

    @property
    def name(self) -> str:
        return self.image.rpartition("/")[2]

    @property
    def repeats(self) -> int:
        """How often it is drawn per epoch: its folder's name says it."""
        return int(self.image.partition("_")[0])

    @property
    def is_illegible(self) -> bool:
        """There is a caption file, and it is no text that we read."""
        return self.caption is None and self.edition != NO_FILE

    @property
    def effective(self) -> str:
        """What a training takes for its caption: the first line of the file, the class without a file (S4-08)."""
        if self.caption is None:
            return self.class_name
        return next((line.strip() for line in self.caption.splitlines() if line.strip()), "")


class TriggerPolicy(StrEnum):
    """Where the trigger words belong (S0-24)."""

    NONE = "none"
    """Nothing is expected of captions."""
    PREFIX = "prefix"
    """They begin every caption, in their order."""
    CLASS_ONLY = "class_only"
    """The folder's class is enough; no caption has them."""


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """The words that call what is learnt. `words` are tags with commas between; `{class}` in them is the class of
    the image's folder. `classes` has the words of folders that want others (S3-10)."""

    policy: str = TriggerPolicy.NONE
    words: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.policy not in list(TriggerPolicy):
            raise OptionValueError(
                f"{self.policy!r} is no policy for trigger words. Allowed: {', '.join(TriggerPolicy)}."
            )
        if self.policy != TriggerPolicy.NONE and not self.words.strip() and not self.classes:
            raise OptionValueError(f"The policy {self.policy!r} needs trigger words. Give some, or take `none`.")

    def words_for(self, class_name: str) -> tuple[str, ...]:
        """The trigger words of a class, one tag each."""
        text = self.classes.get(class_name, self.words).replace(CLASS_MARK, class_name)
        return tuple(dict.fromkeys(word for part in text.split(",") if (word := " ".join(part.split()))))


@dataclass(frozen=True, kw_only=True)
class TagCount:
    """A tag, in how many captions it is, and in how many of those that have the trigger."""

    tag: str
    captions: int
    with_trigger: int


@dataclass(frozen=True, kw_only=True)
class TagTable:
    """The tags of some captions, the commonest first."""

    images: int
    with_trigger: int
    """Captions with all trigger words of their class; 0 where none are set."""
    tags: tuple[TagCount, ...]


@dataclass(frozen=True, kw_only=True)
class PruneProposal:
    """A tag that is nearly always there, so that it may describe what is to be learnt (S1-54)."""

    tag: str
    captions: int
    share: float
    keep: bool
    """Most people keep it: it says who or how many are seen, and no more."""


class EditKind(StrEnum):
    """What can be done to many captions at once."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"
    PATTERN = "pattern"
    SORT = "sort"
    DEDUPE = "dedupe"
    SPACES = "spaces"
    UNDERSCORES = "underscores"
    TRIGGER = "trigger"
    WRITE = "write"


@dataclass(frozen=True, kw_only=True)
class CaptionEdit:
    """An edit of many captions, as somebody asks for it. Each kind reads the fields that it needs."""

    kind: str
    find: str = ""
    """Replace: the tag. Pattern: the regular expression."""
    put: str = ""
    """Add, remove: tags with commas between. Replace: those that take its place, or none. Pattern: with `\\1`
    for what brackets found. Write: the caption."""
    front: bool = False
    """Add: in front of the others."""
    any_case: bool = False
    """Pattern: capitals and small letters alike."""
    commonest_first: bool = False
    """Sort: not by the alphabet."""


class Order(StrEnum):
    """How images are put in order."""

    FOLDER = "folder"
    """As they are trained: by folder, then by name."""
    NAME = "name"
    CAPTION = "caption"
    LENGTH = "length"
    """By the letters of the caption."""
    PIXELS = "pixels"
    SHAPE = "shape"
    """From standing to lying."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which captions are meant: those of these images that the filter finds. Without images, of all."""

    where: str = ""
    images: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class EditedCaption:
    """A caption file before and after an edit, as bytes; None = no file."""

    image: str
    before: bytes | None
    after: bytes | None


class EditState(StrEnum):
    APPLYING = "applying"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"


@dataclass(frozen=True, kw_only=True)
class EditRecord:
    """One edit of many captions, as it is kept."""

    number: int
    what: str
    when: str
    """ISO 8601, UTC."""
    state: EditState
    count: int
    """So many captions it touched."""


@dataclass(frozen=True, kw_only=True)
class EditOutcome:
    """What an edit, its undoing or its redoing did. Without a record, nothing was to be done."""

    record: EditRecord | None
    changed: int
    images: tuple[str, ...] = ()
    """All that the edit is about."""
    left: tuple[str, ...] = ()
    """Images whose captions another program changed meanwhile: they were left as they are."""


@dataclass(frozen=True, kw_only=True)
class EditPreview:
    """A caption as an edit would make it."""

    image: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class TokenCount:
    """A caption's length in tokens of the text encoder, without beginning and end."""

    image: str
    tokens: int
    cut: str = ""
    """What no training reads, because it lies beyond the longest length there is."""


@dataclass(frozen=True, kw_only=True)
class TokenReport:
    longest: int
    max_token_length: int
    """The shortest of 75, 150 and 225 that holds all captions; 225 when none does (S4-18)."""
    over: Mapping[int, int]
    """For each of those lengths, how many captions are longer."""
    counts: tuple[TokenCount, ...]
    """The longest first."""


@dataclass(frozen=True, kw_only=True)
class CaptionProblem:
    """One thing to look at, the images it is about, and what could be done."""

    kind: str
    sentence: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CaptionCheck:
    """How the captions stand."""

    images: int
    without_file: int
    coverage: float | None
    """The share of captions that obey the trigger's policy; None where nothing is expected."""
    trigger_words: int
    """How many tags stand first in every caption: what `keep_tokens` is to be."""
    style: str
    """`tags` or `prose`, whichever most captions are; empty where it can't be told."""
    problems: tuple[CaptionProblem, ...] = ()
