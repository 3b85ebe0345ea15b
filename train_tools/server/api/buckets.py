"""Buckets: at which size each image is trained and what of it is cut off, as figures and as pictures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from train_tools.model.buckets import Bucket, PlacedImage
from train_tools.server.answers import Answer
from train_tools.server.api.context import TheApp

MOST = 1000
PNG = "image/png"

router = APIRouter(prefix="/projects/{project}/versions/{version}/dataset/buckets", tags=["checks"])

Tried = Annotated[
    list[str] | None, Query(alias="set", description="resolution=768, as often as wanted", max_length=50)
]


class PlacedAnswer(Answer):
    image: str
    size: tuple[int, int]
    resized: tuple[int, int]
    kept: tuple[int, int, int, int]
    """Left, top, right, bottom of the part that is trained, in pixels of the resized image."""
    cut: float
    """The part that is cut off, 0 to 1."""
    scale: float


class BucketAnswer(Answer):
    size: tuple[int, int]
    images: int
    draws: int
    batches: int
    cut: float
    shown: tuple[PlacedAnswer, ...]
    """At most `limit`, those first that lose most."""


class BucketsAnswer(Answer):
    resolution: tuple[int, int]
    enabled: bool
    buckets: tuple[BucketAnswer, ...]
    left_out: tuple[tuple[str, str], ...]


@router.get("")
def show(
    project: str,
    version: str,
    app: TheApp,
    tried: Tried = None,
    limit: Annotated[int, Query(ge=0, le=MOST)] = 50,
) -> BucketsAnswer:
    found = app.checks.buckets(project, version, app.grids.assignments_of(tried or ()))
    return BucketsAnswer(
        resolution=found.resolution,
        enabled=found.enabled,
        buckets=tuple(_bucket(bucket, limit) for bucket in found.buckets),
        left_out=found.left_out[:MOST],
    )


@router.get("/sheet.png", response_class=Response)
def draw(project: str, version: str, app: TheApp, tried: Tried = None) -> Response:
    """All buckets as one picture."""
    content = app.checks.bucket_sheet(project, version, app.grids.assignments_of(tried or ()))
    return Response(content, media_type=PNG, headers={"cache-control": "no-cache"})


@router.get("/picture.png", response_class=Response)
def draw_one(project: str, version: str, image: str, app: TheApp, tried: Tried = None) -> Response:
    """One image, with what is cut off dimmed."""
    content = app.checks.bucket_picture(project, version, image, app.grids.assignments_of(tried or ()))
    return Response(content, media_type=PNG, headers={"cache-control": "no-cache"})


def _bucket(bucket: Bucket, limit: int) -> BucketAnswer:
    return BucketAnswer(
        size=bucket.size,
        images=len(bucket.images),
        draws=bucket.draws,
        batches=bucket.batches,
        cut=bucket.cut,
        shown=tuple(_placed(image) for image in bucket.images[:limit]),
    )


def _placed(image: PlacedImage) -> PlacedAnswer:
    return PlacedAnswer(
        image=image.image,
        size=image.size,
        resized=image.resized,
        kept=image.kept,
        cut=image.cut,
        scale=image.scale,
    )
