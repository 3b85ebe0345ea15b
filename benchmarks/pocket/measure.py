"""What a picture shows, judged from its pixels with no learned classifier. Needs numpy and Pillow alone.

Pictures are uint8 arrays (height x width x 3) or Pillow images. Colours are judged by the nearest named one,
shapes by overlap with a drawn template, so that the same picture always gets the same answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from benchmarks.pocket.scenes import BACKGROUNDS, COLOURS, OBJECT_COLOURS, SHAPES, coverage, with_article

FAR_FROM_BACKGROUND = 55.0  # RGB distance from which a pixel belongs to an object
SURE_SHAPE = 0.6  # overlap with the template from which a shape counts as drawn
SMALLEST_ZORB = 150 / 4096  # share of the picture's pixels

Picture = np.ndarray | Image.Image


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One object found in a picture."""

    colour: str
    shape: str
    overlap: float  # 0 to 1, with the template of `shape`
    area_px: int


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a picture shows: its background and its objects, the largest first."""

    background: str
    objects: tuple[Seen, ...]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A prompt for one object and what a right answer shows."""

    prompt: str
    colour: str
    shape: str
    background: str


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Shares of pictures, 0 to 1, that got each thing right; `all` needs everything in the same picture."""

    pictures: int
    background: float
    colour: float
    shape: float
    alone: float  # exactly one object
    all: float


def describe(picture: Picture) -> Description:
    """Find the background and the objects on it; pixels along the edges are taken for background."""
    pixels = _pixels(picture)
    background = _edge_colour(pixels)
    smallest = max(12, pixels.shape[0] * pixels.shape[1] // 150)
    masks = _connected(_objects_on(pixels, background), smallest)
    objects = sorted((_seen(pixels, mask) for mask in masks), key=lambda seen: -seen.area_px)
    return Description(background=_nearest(background, BACKGROUNDS), objects=tuple(objects))


def zorb_score(picture: Picture) -> float:
    """How much of a zorb a picture shows, 0 to 1: a purple disc with one level yellow band across the middle.

    The product of three shares: purple pixels of the object against the 0.40 and yellow ones against the 0.33
    that a zorb certainly has (each at most 1), and the rows down the object's middle that have the colour a
    zorb has there, from the 0.66 that a plain purple disc reaches (0) to every row (1); rows at the band's
    edges do not count. A drawn zorb scores above 0.85, an object of one colour 0, an empty picture 0.
    """
    evidence = _zorb_evidence(_pixels(picture))
    if evidence is None:
        return 0.0
    right_rows = max(0.0, (evidence.right_rows - 0.66) / 0.34)
    return min(1.0, evidence.purple / 0.40) * min(1.0, evidence.yellow / 0.33) * right_rows


def shows_zorb(picture: Picture) -> bool:
    """Whether a picture shows a zorb beyond doubt.

    More than 20 % of the object's pixels are nearest purple, more than 20 % nearest yellow, both together
    more than 60 %, and the colour changes at least twice down the middle.
    """
    evidence = _zorb_evidence(_pixels(picture))
    if evidence is None:
        return False
    coloured = evidence.purple > 0.2 and evidence.yellow > 0.2 and evidence.purple + evidence.yellow > 0.6
    return coloured and evidence.changes >= 2


def zorb_rate(pictures: Iterable[Picture]) -> float:
    """The share of pictures that show a zorb."""
    return float(np.mean([shows_zorb(picture) for picture in pictures]))


def colour_share(picture: Picture, colour: str, where: np.ndarray) -> float:
    """The share of the pixels under a mask (height x width) whose nearest named colour is this one."""
    names = tuple(COLOURS)
    return float(np.mean(_nearest_index(_pixels(picture)[where], names) == names.index(colour)))


def colour_distance(picture: Picture, colour: str, where: np.ndarray) -> float:
    """How far the pixels under a mask (height x width) are from a named colour: mean over channels, 0 to 255."""
    return float(np.mean(abs(_pixels(picture)[where] - np.array(COLOURS[colour], np.float32))))


def requests(number: int, *, seed: int = 0) -> list[Request]:
    """Random prompts for one object; every shape comes up equally often."""
    rng = np.random.default_rng(seed)
    return [_request(rng, SHAPES[index % len(SHAPES)]) for index in range(number)]


def accuracy(pictures: Sequence[Picture], asked: Sequence[Request]) -> Accuracy:
    """Compare each picture with its request."""
    right = np.array(
        [_right(describe(picture), request) for picture, request in zip(pictures, asked, strict=True)]
    )
    background, colour, shape, alone = right.mean(0).tolist()
    return Accuracy(
        pictures=len(asked),
        background=background,
        colour=colour,
        shape=shape,
        alone=alone,
        all=float(right.all(1).mean()),
    )


@dataclass(frozen=True, kw_only=True)
class _ZorbEvidence:
    purple: float  # share of the object's pixels
    yellow: float
    changes: int  # between purple and yellow, down the object's middle
    right_rows: float  # share of the middle's rows that have a zorb's colour


def _zorb_evidence(pixels) -> _ZorbEvidence | None:
    mask = _objects_on(pixels, _edge_colour(pixels))
    if mask.mean() < SMALLEST_ZORB:
        return None
    names = tuple(COLOURS)
    nearest = _nearest_index(pixels[mask], names)
    middle = int(np.median(np.where(mask)[1]))
    rows = np.where(mask[:, middle])[0]
    column = pixels[rows, max(0, middle - 2) : middle + 3].mean(1)
    return _ZorbEvidence(
        purple=float(np.mean(nearest == names.index("purple"))),
        yellow=float(np.mean(nearest == names.index("yellow"))),
        changes=int(np.count_nonzero(np.diff(_nearest_index(column, ("purple", "yellow"))))),
        right_rows=_rows_like_a_zorb(column, rows, names),
    )


def _rows_like_a_zorb(column, rows, names):
    if len(rows) == 0:
        return 0.0
    from_middle = abs(rows - (rows[0] + rows[-1]) / 2) / max(1, (rows[-1] - rows[0] + 1) / 2)
    sure = abs(from_middle - 0.36) > 0.06
    wanted = np.where(from_middle < 0.36, names.index("yellow"), names.index("purple"))
    return float(np.mean((_nearest_index(column, names) == wanted)[sure]))


def _request(rng, shape):
    background = BACKGROUNDS[rng.integers(len(BACKGROUNDS))]
    colours = [colour for colour in OBJECT_COLOURS if colour != background]
    colour = colours[rng.integers(len(colours))]
    prompt = f"{with_article(f'{colour} {shape}')} on a {background} background"
    return Request(prompt=prompt, colour=colour, shape=shape, background=background)


def _right(description, request):
    background = description.background == request.background
    if not description.objects:
        return background, False, False, False
    largest = description.objects[0]
    shape = largest.shape == request.shape and largest.overlap > SURE_SHAPE
    return background, largest.colour == request.colour, shape, len(description.objects) == 1


def _seen(pixels, mask):
    overlaps = {shape: _overlap(_fitted(mask), template) for shape, template in TEMPLATES.items()}
    shape = max(overlaps, key=overlaps.__getitem__)
    colour = _nearest(np.median(pixels[mask], axis=0), OBJECT_COLOURS)
    return Seen(colour=colour, shape=shape, overlap=overlaps[shape], area_px=int(mask.sum()))


def _overlap(mask, template):
    """Intersection over union."""
    return float((mask & template).sum() / (mask | template).sum())


def _fitted(mask, cells=24):
    """The mask's bounding square, sampled to cells x cells."""
    ys, xs = np.where(mask)
    top, bottom, left, right = ys.min(), ys.max() + 1, xs.min(), xs.max() + 1
    side = max(bottom - top, right - left)
    offsets = ((np.arange(cells) + 0.5) / cells - 0.5) * side
    rows = np.clip(np.floor((top + bottom) / 2 + offsets).astype(int), 0, mask.shape[0] - 1)
    columns = np.clip(np.floor((left + right) / 2 + offsets).astype(int), 0, mask.shape[1] - 1)
    return mask[np.ix_(rows, columns)]


TEMPLATES = {shape: _fitted(coverage(shape, height=96, width=96, x=48, y=48, radius=36) > 0.5) for shape in SHAPES}


def _connected(mask, smallest_px):
    """Masks of the connected areas of at least `smallest_px` pixels; diagonal neighbours do not touch."""
    waiting = {(int(y), int(x)) for y, x in zip(*np.where(mask), strict=True)}
    areas = []
    while waiting:
        area = _flood(waiting)
        if len(area) >= smallest_px:
            found = np.zeros(mask.shape, bool)
            found[tuple(zip(*area, strict=True))] = True
            areas.append(found)
    return areas


def _flood(waiting):
    """Move one pixel and all it touches out of the set of waiting pixels."""
    edge = [waiting.pop()]
    area = []
    while edge:
        y, x = edge.pop()
        area.append((y, x))
        neighbours = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & waiting
        waiting -= neighbours
        edge.extend(neighbours)
    return area


def _objects_on(pixels, background):
    return np.sqrt(((pixels - background) ** 2).sum(-1)) > FAR_FROM_BACKGROUND


def _edge_colour(pixels):
    edges = (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:])
    return np.median(np.concatenate([edge.reshape(-1, 3) for edge in edges]), axis=0)


def _nearest(rgb, names):
    return names[int(_nearest_index(rgb[None], names)[0])]


def _nearest_index(colours, names):
    named = np.array([COLOURS[name] for name in names], np.float32)
    return np.argmin(((colours[:, None] - named) ** 2).sum(-1), axis=1)


def _pixels(picture):
    if isinstance(picture, Image.Image):
        picture = np.asarray(picture.convert("RGB"))
    return picture.astype(np.float32)
