"""The images of a version in their buckets, by the arithmetic that trains them, and as pictures in which what is
cut off is dimmed."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from sd_contract.errors import DatasetError
from sd_contract.images.buckets import BucketRule, place
from train_tools.checks.subject import folder_of
from train_tools.datasets.folders import parsed
from train_tools.datasets.pictures import NotAPictureError, read_picture
from train_tools.model.buckets import Bucket, BucketPreview, PlacedImage, Size
from train_tools.model.captions import CaptionedImage

if TYPE_CHECKING:
    from PIL import Image

SIDE_PX, WIDTH_PX, MARGIN_PX, LETTERS_PX = 160, 1400, 10, 15
SHOWN_OF_A_BUCKET, MOST_SHOWN = 24, 240
PAPER, INK, FRAME, LOST = "#ffffff", "#202020", "#e0442a", "#888888"
DIMMED = 0.65
"""How far what is cut off fades into grey."""


def preview(images: Sequence[CaptionedImage], rule: BucketRule, batch_size: int = 1) -> BucketPreview:
    placed: dict[Size, list[PlacedImage]] = {}
    left_out = []
    for image in images:
        try:
            found = _placed(image, rule)
            placed.setdefault(found.bucket, []).append(found)
        except DatasetError as error:
            left_out.append((image.image, str(error)))
    buckets = [_bucket(size, group, batch_size) for size, group in placed.items()]
    return BucketPreview(
        resolution=rule.resolution,
        enabled=rule.enabled,
        buckets=tuple(sorted(buckets, key=lambda bucket: (-bucket.draws, bucket.size))),
        left_out=tuple(left_out),
    )


def _placed(image: CaptionedImage, rule: BucketRule) -> PlacedImage:
    if image.size is None:
        raise DatasetError(image.problem)
    found = place(image.size, rule)
    repeats, _ = parsed(folder_of(image.image)) or (1, "")
    return PlacedImage(
        image=image.image, size=image.size, resized=found.resized, bucket=found.bucket, draws=repeats
    )


def _bucket(size: Size, images: Iterable[PlacedImage], batch_size: int) -> Bucket:
    ordered = tuple(sorted(images, key=lambda image: (-image.cut, image.image)))
    return Bucket(size=size, images=ordered, batches=ceil(sum(image.draws for image in ordered) / batch_size))


def picture(path: Path, placed: PlacedImage, side_px: int = SIDE_PX) -> Image.Image:
    """The whole image in its trained shape, at most `side_px` long: framed is what is trained, dimmed what is cut
    off. Raises NotAPictureError."""
    from PIL import Image, ImageDraw, ImageOps

    scale = min(1.0, side_px / max(placed.resized))
    shown = tuple(max(1, round(side * scale)) for side in placed.resized)
    whole = ImageOps.exif_transpose(read_picture(path)).convert("RGB").resize((shown[0], shown[1]))
    box = tuple(round(side * scale) for side in placed.kept)
    left, top, right, bottom = box[0], box[1], max(box[2], box[0] + 1), max(box[3], box[1] + 1)
    made = Image.blend(whole, Image.new("RGB", whole.size, LOST), DIMMED)
    made.paste(whole.crop((left, top, right, bottom)), (left, top))
    if placed.cut:
        ImageDraw.Draw(made).rectangle((left, top, right - 1, bottom - 1), outline=FRAME)
    return made


def sheet(processed: Path, found: BucketPreview) -> bytes:
    """A contact sheet as a PNG file: a heading and some images for each bucket, those first that lose most."""
    from PIL import Image

    rows, shown = [], 0
    for bucket in found.buckets:
        some = bucket.images[: min(SHOWN_OF_A_BUCKET, max(0, MOST_SHOWN - shown))]
        shown += len(some)
        rows.append(_row(_heading(bucket, len(some)), [_or_blank(processed, each) for each in some]))
    made = Image.new("RGB", (WIDTH_PX, sum(row.height for row in rows) + MARGIN_PX), PAPER)
    top = 0
    for row in rows:
        made.paste(row, (0, top))
        top += row.height
    return as_png(made)


def as_png(made: Image.Image) -> bytes:
    content = io.BytesIO()
    made.save(content, "PNG")
    return content.getvalue()


def _heading(bucket: Bucket, shown: int) -> str:
    words = f"{bucket.size[0]} x {bucket.size[1]}: {len(bucket.images)} images, {bucket.draws} draws an epoch"
    lost = f", up to {bucket.cut:.0%} cut off" if bucket.cut >= 0.005 else ", nothing cut off"
    return words + lost + (f" ({shown} are shown)" if shown < len(bucket.images) else "")


def _or_blank(processed: Path, placed: PlacedImage) -> Image.Image:
    from PIL import Image

    try:
        return picture(processed / placed.image, placed)
    except NotAPictureError:
        return Image.new("RGB", (SIDE_PX, SIDE_PX), LOST)


def _row(title: str, pictures: Sequence[Image.Image]) -> Image.Image:
    from PIL import Image, ImageDraw, ImageFont

    places = list(_places(pictures))
    bottoms = (top + made.height for (_, top), made in zip(places, pictures, strict=True))
    height = max(bottoms, default=3 * MARGIN_PX) + 2 * MARGIN_PX
    row = Image.new("RGB", (WIDTH_PX, height), PAPER)
    ImageDraw.Draw(row).text((MARGIN_PX, MARGIN_PX), title, INK, ImageFont.load_default(LETTERS_PX))
    for made, at in zip(pictures, places, strict=True):
        row.paste(made, at)
    return row


def _places(pictures: Sequence[Image.Image]) -> Iterator[tuple[int, int]]:
    """One beside the other, in as many lines as it takes."""
    left, top, line_px = MARGIN_PX, 4 * MARGIN_PX, 0
    for made in pictures:
        if left > MARGIN_PX and left + made.width + MARGIN_PX > WIDTH_PX:
            left, top, line_px = MARGIN_PX, top + line_px + MARGIN_PX, 0
        yield left, top
        left, line_px = left + made.width + MARGIN_PX, max(line_px, made.height)


def of_image(found: BucketPreview) -> Mapping[str, PlacedImage]:
    return {placed.image: placed for bucket in found.buckets for placed in bucket.images}
