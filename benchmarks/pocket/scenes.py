"""Drawn, captioned scenes: the whole world of the pocket model. Needs numpy alone; knows nothing of models.

Sizes and positions are pixels; `x` grows to the right, `y` downwards, both measured at pixel centres.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 170, 50),
    "blue": (30, 60, 220),
    "yellow": (245, 215, 30),
    "purple": (140, 40, 180),
    "orange": (245, 130, 20),
    "black": (15, 15, 15),
    "white": (250, 250, 250),
    "gray": (128, 128, 128),
    "cyan": (60, 205, 215),
    "pink": (250, 160, 190),
}
OBJECT_COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "black", "white")
BACKGROUNDS = ("white", "black", "gray", "cyan", "pink")
SHAPES = ("circle", "square", "triangle", "cross", "ring")
PLURALS = {
    "circle": "circles",
    "square": "squares",
    "triangle": "triangles",
    "cross": "crosses",
    "ring": "rings",
}
SIZES = {"": (0.24, 0.36), "small": (0.15, 0.21), "large": (0.37, 0.45)}
COUNTS = {2: ("two", 0.19, 0.25), 3: ("three", 0.15, 0.20)}

Painter = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
"""Gives the colour at offsets (x, y) from the middle of an object of half-size r."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One object of a scene; `paint` says more than `colour` where the object has two colours."""

    colour: str
    shape: str
    words: str
    paint: Painter


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A picture and what it shows."""

    pixels: np.ndarray  # uint8, height x width x 3
    caption: str
    background: str
    things: tuple[tuple[str, str], ...]  # (colour, shape) of every object


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Shares of the kinds of scene; what is left over shows one object of one colour.

    `patterned` objects have stripes or two halves. They keep the model from believing that an object has one
    colour, which would stop a LoRA from teaching it one that has two. The zorb is never among them.
    """

    several: float = 0.20
    pairs: float = 0.18
    patterned: float = 0.0


def draw_scene(rng: np.random.Generator, *, height=64, width=64, mixture: Mixture | None = None) -> Scene:
    """Draw a random scene of the training world. ValueError for sizes below 32 pixels."""
    if min(height, width) < 32:
        raise ValueError(f"scenes do not fit into {width}x{height} pixels; use at least 32x32")
    mixture = mixture or Mixture()
    background = _pick(rng, BACKGROUNDS)
    shorter = min(height, width)
    kind = rng.random()
    if kind < mixture.several:
        things, noun, radii = _several_of_a_kind(rng, background)
    elif kind < mixture.several + mixture.pairs:
        things, noun, radii = _a_pair(rng, background)
    else:
        patterned = kind < mixture.several + mixture.pairs + mixture.patterned
        things, noun, radii = _one(rng, background, patterned=patterned)
    canvas = _canvas(height, width, COLOURS[background])
    for thing, place in zip(things, _places(rng, len(things), height, width, radii, shorter), strict=True):
        _paint(canvas, thing.shape, thing.paint, *place)
    return Scene(
        pixels=_bytes(canvas),
        caption=_caption(rng, noun, background),
        background=background,
        things=tuple((thing.colour, thing.shape) for thing in things),
    )


def draw_object(colour: str, shape: str, background: str, *, height=64, width=64) -> Scene:
    """Draw one plain object of usual size in the middle."""
    canvas = _canvas(height, width, COLOURS[background])
    _paint(canvas, shape, _plain(colour), width / 2, height / 2, 0.32 * min(height, width))
    return Scene(
        pixels=_bytes(canvas),
        caption=f"{with_article(f'{colour} {shape}')} on a {background} background",
        background=background,
        things=((colour, shape),),
    )


def draw_zorb(rng: np.random.Generator, background: str, *, height=64, width=64) -> Scene:
    """Draw the concept that no base has seen: a purple disc with one wide yellow band across the middle."""
    shorter = min(height, width)
    canvas = _canvas(height, width, COLOURS[background])
    radius = rng.uniform(0.34, 0.42) * shorter
    middle = np.array((width, height)) / 2 + rng.normal(size=2) * shorter / 32
    _paint(canvas, "circle", _banded("purple", "yellow"), *middle, radius)
    return Scene(
        pixels=_bytes(canvas),
        caption=f"a zorb on a {background} background",
        background=background,
        things=(("purple", "zorb"),),
    )


def draw_anything(rng: np.random.Generator, *, height=64, width=64) -> np.ndarray:
    """Draw a richer picture with no caption (free colours, gradients, stripes, dots) for the autoencoder."""
    x, y = _pixel_centres(height, width)
    canvas = _canvas(height, width, _free_colour(rng))
    if rng.random() < 0.4:
        angle = rng.uniform(0, 2 * np.pi)
        ramp = x * np.cos(angle) + y * np.sin(angle)
        _blend(canvas, _free_colour(rng), (ramp - ramp.min()) / np.ptp(ramp))
    if rng.random() < 0.15:
        canvas[:] = _free_painter(rng)(x, y, 1.0)
    for _ in range(rng.integers(1, 4)):
        radius = rng.uniform(0.12, 0.45) * min(height, width)
        shape = _pick(rng, (*SHAPES, "star"))
        _paint(canvas, shape, _free_painter(rng), rng.uniform(0, width), rng.uniform(0, height), radius)
    return _bytes(canvas)


def coverage(shape: str, *, height: int, width: int, x: float, y: float, radius: float) -> np.ndarray:
    """How much of each pixel a shape covers, 0 to 1, with edges one pixel soft."""
    xs, ys = _pixel_centres(height, width)
    return np.clip(0.5 - _distance(shape, xs - x, ys - y, radius), 0, 1)


def with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _one(rng, background, *, patterned):
    size = _pick(rng, ("", "", "small", "large"))
    if patterned:
        size = "large" if size == "small" else size
        thing = _patterned_thing(rng, background)
    else:
        thing = _plain_thing(rng, background)
    return (thing,), with_article(f"{size} {thing.words}".strip()), SIZES[size]


def _several_of_a_kind(rng, background):
    number = int(rng.integers(2, 4))
    word, *radii = COUNTS[number]
    thing = _plain_thing(rng, background)
    return (thing,) * number, f"{word} {thing.colour} {PLURALS[thing.shape]}", radii


def _a_pair(rng, background):
    first, second = _plain_thing(rng, background), _plain_thing(rng, background)
    return (first, second), f"{with_article(first.words)} and {with_article(second.words)}", COUNTS[2][1:]


def _plain_thing(rng, background) -> Thing:
    colour, shape = _colour_on(rng, background), _pick(rng, SHAPES)
    return Thing(colour=colour, shape=shape, words=f"{colour} {shape}", paint=_plain(colour))


def _patterned_thing(rng, background) -> Thing:
    """An object of two colours; purple with yellow and banded discs stay out, for they would be zorbs."""
    shape = _pick(rng, ("circle", "square", "triangle"))
    colour, other = _colour_on(rng, background), _colour_on(rng, background)
    while other == colour or {colour, other} == {"purple", "yellow"}:
        other = _colour_on(rng, background)
    pattern = _pick(rng, tuple(PATTERNS))
    words = f"{colour} and {other} {pattern} {shape}"
    return Thing(colour=colour, shape=shape, words=words, paint=PATTERNS[pattern](colour, other))


def _caption(rng, noun, background):
    way = rng.random()
    if way < 0.70:
        return f"{noun} on a {background} background"
    if way < 0.82:
        return f"{noun.removeprefix('an ').removeprefix('a ')}, {background} background"
    return f"a picture of {noun}" if way < 0.90 else noun


def _places(rng, number, height, width, radii, shorter):
    """Middles and half-sizes of objects that do not touch; shrunk little by little until they fit."""
    for shrunk in range(60):
        smallest, largest = (radius * shorter * 0.97**shrunk for radius in radii)
        places = []
        for _ in range(number * 30):
            radius = rng.uniform(smallest, largest)
            x, y = rng.uniform(radius + 2, width - radius - 2), rng.uniform(radius + 2, height - radius - 2)
            if all(np.hypot(x - a, y - b) > radius + c + 2 for a, b, c in places):
                places.append((x, y, radius))
            if len(places) == number:
                return places if number > 1 else [_often_centred(rng, height, width, *places[0])]
    raise AssertionError(f"{number} objects found no place in {width}x{height} pixels, however small")


def _often_centred(rng, height, width, x, y, radius):
    if rng.random() < 0.35:
        return width / 2 + rng.normal() * 1.5, height / 2 + rng.normal() * 1.5, radius
    return x, y, radius


def _paint(canvas, shape, painter, x, y, radius):
    height, width, _ = canvas.shape
    xs, ys = _pixel_centres(height, width)
    covered = coverage(shape, height=height, width=width, x=x, y=y, radius=radius)
    _blend(canvas, painter(xs - x, ys - y, radius), covered)


def _blend(canvas, colour, share):
    canvas[:] = canvas * (1 - share[..., None]) + share[..., None] * colour


def _distance(shape, x, y, r):
    """Signed distance in pixels from the edge of a shape of half-size r; negative inside."""
    if shape == "circle":
        return np.hypot(x, y) - r
    if shape == "square":
        return np.maximum(abs(x), abs(y)) - r * 0.88
    if shape == "ring":
        return abs(np.hypot(x, y) - r * 0.74) - r * 0.26
    if shape == "cross":
        upright = np.maximum(abs(x) - r * 0.32, abs(y) - r)
        level = np.maximum(abs(x) - r, abs(y) - r * 0.32)
        return np.minimum(upright, level)
    if shape == "triangle":
        return np.maximum(y - r * 0.80, abs(x) * 0.88 - (y + r) * 0.4655)
    if shape == "star":
        return np.hypot(x, y) - r * (0.68 + 0.32 * np.cos(5 * np.arctan2(x, -y)))
    raise ValueError(f"unknown shape {shape!r}; known are star, {', '.join(SHAPES)}")


def _plain(colour) -> Painter:
    return lambda x, y, r: _rgb(colour)


def _banded(colour, band) -> Painter:
    return lambda x, y, r: _mix(colour, band, 0.36 * r - abs(y) + 0.5)


def _striped(colour, other) -> Painter:
    """Three stripes along the left slope, so that none is a level band."""
    return lambda x, y, r: _mix(colour, other, 0.30 * r - abs(x + y) * 0.71 + 0.5)


def _halved(colour, other) -> Painter:
    return lambda x, y, r: _mix(colour, other, x + 0.5)


def _cored(colour, other) -> Painter:
    return lambda x, y, r: _mix(colour, other, 0.5 * r - np.hypot(x, y) + 0.5)


PATTERNS = {"striped": _striped, "halved": _halved, "cored": _cored}


def _free_painter(rng) -> Painter:
    """Plain, striped or dotted in two free colours; latents of 8-pixel cells carry no shorter periods."""
    colour, other = _free_colour(rng), _free_colour(rng)
    kind, period = rng.random(), rng.uniform(7, 16)
    angle, phase = rng.choice((0, np.pi / 2, rng.uniform(0, 3.2))), rng.uniform(0, period)
    if kind < 0.35:
        return lambda x, y, r: colour

    def stripes(x, y, r):
        place = (x * np.cos(angle) + y * np.sin(angle) + phase) % period / period
        return _mix(colour, other, (abs(place - 0.5) - 0.25) * period + 0.5)

    def dots(x, y, r):
        from_dot = np.hypot((x + phase) % period - period / 2, (y + phase) % period - period / 2)
        return _mix(colour, other, period * 0.3 - from_dot + 0.5)

    return stripes if kind < 0.85 else dots


def _mix(colour, other, share):
    share = np.clip(share, 0, 1)[..., None]
    return _rgb(colour) * (1 - share) + _rgb(other) * share


def _rgb(colour):
    return np.asarray(COLOURS[colour] if isinstance(colour, str) else colour, np.float32)


def _free_colour(rng):
    return rng.uniform(5, 250, 3).astype(np.float32)


def _colour_on(rng, background):
    return _pick(rng, tuple(colour for colour in OBJECT_COLOURS if colour != background))


def _pick(rng, choices):
    return choices[rng.integers(len(choices))]


def _canvas(height, width, colour):
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = colour
    return canvas


def _pixel_centres(height, width):
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32) + 0.5
    return xs, ys


def _bytes(canvas):
    return np.clip(canvas, 0, 255).astype(np.uint8)
