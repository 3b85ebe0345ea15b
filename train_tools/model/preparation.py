"""How originals become training images: every setting with its default, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from train_tools.errors import DatasetNotUsableError
from train_tools.model.dataset import Rejected

AUTOMATIC_REPEATS = -1


class Resize(StrEnum):
    """How a picture comes to the training size where nothing else frames it."""

    COVER = "cover"
    """Fill the size and cut off evenly what stands out (S1-25)."""
    KEEP = "keep"
    """The whole picture in its own shape, with at most as many pixels as the size: for training in buckets."""
    PAD = "pad"
    """The whole picture within the size, on the background."""
    FRAMES = "frames"
    """Fill the frame whose shape is nearest (S2-05)."""


class Objective(StrEnum):
    """What an auto-sized crop looks for (S1-24)."""

    AREA = "area"
    ERROR = "error"


class FixedSide(StrEnum):
    """The side of the picture that stays where it is in copies of another scale."""

    NONE = "none"
    LEFT = "left"
    TOP = "top"
    RIGHT = "right"
    BOTTOM = "bottom"


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How originals become training images. The defaults are those of S1-18 to S1-28."""

    width_px: int = 512
    height_px: int = 512
    resize: str = Resize.COVER
    enlarge: bool = True
    """False leaves out what is smaller than it would have to be."""

    split: bool = False
    """Cut pictures that are long and narrow into several of the training size."""
    split_threshold: float = 0.5
    """Pictures count as long and narrow up to this quotient of their shape and that of the training size."""
    split_overlap: float = 0.2
    """The least share of a piece that is on its neighbour too."""

    focal_crop: bool = False
    """Cut around what matters instead of around the centre."""
    focal_faces: float = 0.9
    focal_entropy: float = 0.15
    focal_edges: float = 0.5

    auto_crop: bool = False
    """Cut to the size, in steps of 64 px, that suits the picture's shape."""
    auto_crop_least_px: int = 384
    auto_crop_most_px: int = 768
    auto_crop_least_area: int = 64 * 64
    auto_crop_most_area: int = 640 * 640
    auto_crop_objective: str = Objective.AREA
    auto_crop_threshold: float = 0.1
    """The greatest difference in shape."""

    frame_step_px: int = 256
    """Frames have sides in such steps; this and the next four count for `resize = "frames"`."""
    frame_least_px: int = 512
    frame_ratio: float = 2.0
    """The greatest quotient of a frame's sides."""
    smaller_frames: int = 0
    """In so many smaller frames each picture is made as well (S2-08)."""

    random_copies: int = 0
    """So many copies of each image, turned and scaled at random (S2-33); equal each time."""
    random_turn_degrees: float = 10.0
    random_scale: float = 0.1
    """Between 1 - this and 1 + this."""
    random_fixed_side: str = FixedSide.NONE

    mirrored_copies: bool = True
    upside_down_copies: bool = False

    background: str = "#ffffff"
    """What shows through transparent pixels."""
    background_remover: str = ""
    """The file, in models/backgrounds, of the network that finds what stands before the background."""

    repeats: int = AUTOMATIC_REPEATS
    multiply: int = 1
    """Repeats are multiplied by this, automatic ones too (S2-09)."""
    class_name: str = ""
    """The `<class>` of `<repeats>_<class>`; empty = the project's name."""

    def __post_init__(self) -> None:
        for side, value in (("width", self.width_px), ("height", self.height_px)):
            if not 64 <= value <= 4096 or value % 8:
                raise DatasetNotUsableError(
                    f"The {side} {value} can't be used: it has to be a multiple of 8 from 64 to 4096."
                )
        if self.repeats != AUTOMATIC_REPEATS and not 1 <= self.repeats <= 100_000:
            raise DatasetNotUsableError(
                f"{self.repeats} repeats can't be used: 1 to 100000 are allowed, {AUTOMATIC_REPEATS} is automatic."
            )
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in tuple(allowed):
                raise DatasetNotUsableError(
                    f"{name} = {getattr(self, name)!r} can't be used: it has to be {_or(tuple(allowed))}."
                )
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise DatasetNotUsableError(
                    f"{name} = {getattr(self, name)} can't be used: {least} to {most} are allowed."
                )
        self._refuse_pairs()

    def _refuse_pairs(self) -> None:
        for what in ("px", "area"):
            least, most = (getattr(self, f"auto_crop_{end}_{what}") for end in ("least", "most"))
            if least > most:
                raise DatasetNotUsableError(
                    f"auto_crop_least_{what} = {least} can't be used: auto_crop_most_{what} is only {most}."
                )
        if not any((self.focal_faces, self.focal_entropy, self.focal_edges)):
            raise DatasetNotUsableError(
                "focal_faces, focal_entropy and focal_edges are all 0: give one of them a weight, "
                "or turn focal_crop off."
            )
        if set(self.background_remover) & set("/\\:"):
            raise DatasetNotUsableError(
                f"background_remover = {self.background_remover!r} can't be used: "
                "it has to be the name of a file in models/backgrounds, without a folder."
            )


def with_settings(preparation: Preparation, assignments: Sequence[str]) -> Preparation:
    """The preparation with settings as one types them, such as `split=true`. Raises DatasetNotUsableError."""
    changes: dict[str, Any] = dict(_assigned(each) for each in assignments)
    return replace(preparation, **changes)


def _assigned(assignment: str) -> tuple[str, bool | int | float | str]:
    name, given, text = assignment.partition("=")
    kinds = {each.name: str(each.type) for each in fields(Preparation)}
    if not given or name not in kinds:
        raise DatasetNotUsableError(
            f"{assignment!r} is not a setting: write NAME=VALUE with one of {', '.join(kinds)}."
        )
    claim, read = _READERS[kinds[name]]
    try:
        return name, read(text.strip())
    except (ValueError, KeyError) as error:
        raise DatasetNotUsableError(f"{name} = {text!r} can't be used: it has to be {claim}.") from error


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One of a preparation's settings, for forms."""

    name: str
    kind: str
    """bool, int, float or str."""
    default: bool | int | float | str
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


def settings() -> tuple[Setting, ...]:
    """All of them, in the order in which the steps take them."""
    return tuple(
        Setting(
            name=each.name,
            kind=str(each.type),
            default=each.default,  # type: ignore[arg-type]
            choices=tuple(map(str, _CHOICES.get(each.name, ()))),
            least=_RANGES.get(each.name, (None, None))[0],
            most=_RANGES.get(each.name, (None, None))[1],
        )
        for each in fields(Preparation)
    )


_READERS: dict[str, tuple[str, Callable[[str], bool | int | float | str]]] = {
    "bool": ("true or false", lambda text: {"true": True, "false": False}[text.lower()]),
    "int": ("a whole number", int),
    "float": ("a number", float),
    "str": ("a text", str),
}

_CHOICES = {
    "resize": Resize,
    "auto_crop_objective": Objective,
    "random_fixed_side": FixedSide,
}
_RANGES: dict[str, tuple[float, float]] = {
    "width_px": (64, 4096),
    "height_px": (64, 4096),
    "split_threshold": (0, 1),
    "split_overlap": (0, 0.9),
    "focal_faces": (0, 1),
    "focal_entropy": (0, 1),
    "focal_edges": (0, 1),
    "auto_crop_least_px": (64, 4096),
    "auto_crop_most_px": (64, 4096),
    "auto_crop_least_area": (64 * 64, 4096 * 4096),
    "auto_crop_most_area": (64 * 64, 4096 * 4096),
    "auto_crop_threshold": (0, 1),
    "frame_step_px": (8, 1024),
    "frame_least_px": (64, 4096),
    "frame_ratio": (1, 16),
    "smaller_frames": (0, 32),
    "random_copies": (0, 32),
    "random_turn_degrees": (0, 180),
    "random_scale": (0, 0.9),
    "multiply": (1, 1000),
}


def _or(names: tuple[str, ...]) -> str:
    *first, last = map(str, names)
    return f"{', '.join(first)} or {last}"


@dataclass(frozen=True, kw_only=True)
class Crop:
    """The part of an original that a person chose: shares of its width and height, as it is seen upright."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise DatasetNotUsableError(
                f"The part {self.left}, {self.top}, {self.right}, {self.bottom} can't be cut out: left, top, "
                "right and bottom have to be shares from 0 to 1, left less than right and top less than bottom."
            )

    @classmethod
    def of(cls, words: str) -> Crop:
        """Of four shares with commas. Raises DatasetNotUsableError."""
        try:
            left, top, right, bottom = map(float, words.split(","))
        except ValueError as error:
            raise DatasetNotUsableError(
                f"The part {words!r} can't be read: write left,top,right,bottom as shares, such as 0,0,0.5,1."
            ) from error
        return cls(left=left, top=top, right=right, bottom=bottom)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What there is after a step."""

    name: str
    pictures: tuple[bytes, ...]
    """PNG files."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What the steps make of one original."""

    original: str
    """Its name in origin."""
    stages: tuple[Stage, ...]

    @property
    def pictures(self) -> tuple[bytes, ...]:
        """The training images."""
        return self.stages[-1].pictures


@dataclass(frozen=True, kw_only=True)
class PreparedFolder:
    """One `<repeats>_<class>` folder that was made."""

    path: Path
    repeats: int
    class_name: str
    originals: int
    images: int
    captions: int


@dataclass(frozen=True, kw_only=True)
class PreparationReport:
    """What a preparation made of the originals. When it was stopped, nothing has changed."""

    folder: Path
    """The `<repeats>_<class>` folder; of several the first, as are `repeats` and `class_name`."""
    originals: int
    images: int
    """Training images, copies included."""
    captions: int
    repeats: int
    class_name: str
    folders: tuple[PreparedFolder, ...] = ()
    """One for each concept."""
    skipped: tuple[Rejected, ...] = ()
    kept_captions: tuple[str, ...] = ()
    """Originals whose caption was edited in `processed` since it was written there: the edit was kept."""
    stopped: bool = False
