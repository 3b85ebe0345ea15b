"""Changing captions: one, as an editor saw it, or many by an operation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from train_tools.captions.journal import Journal
from train_tools.captions.listing import caption_file, edition_of, one_image
from train_tools.captions.operations import LONGEST_CAPTION, Operation, applied
from train_tools.datasets.captions import caption_bytes, caption_text
from train_tools.datasets.exclusive import alone_with
from train_tools.errors import ChangedMeanwhileError, NotFoundError, OptionValueError
from train_tools.files import storage_error, whole_file
from train_tools.model.captions import CaptionedImage, EditedCaption, EditOutcome, EditPreview
from train_tools.model.paths import VersionPaths


def edit(version: VersionPaths, images: Iterable[CaptionedImage], operation: Operation) -> EditOutcome:
    """Applies the operation to the captions, all or none, and keeps what is needed to undo it. Captions that
    can't be read, or were saved by others since they were listed, are left as they are."""
    changes, left = [], []
    for image, caption in _changed(images, operation):
        raw = caption_bytes(caption_file(version, image.image))
        if edition_of(raw) == image.edition:
            changes.append(EditedCaption(image=image.image, before=raw, after=_bytes(caption)))
        else:
            left.append(image.image)
    outcome = Journal(version).apply(operation.in_words, changes)
    return replace(outcome, left=(*left, *outcome.left))


def preview(images: Iterable[CaptionedImage], operation: Operation) -> tuple[EditPreview, ...]:
    """What `edit` would change; nothing is written."""
    return tuple(
        EditPreview(image=image.image, before=image.caption or "", after=caption)
        for image, caption in _changed(images, operation)
    )


def write_one(version: VersionPaths, image: str, caption: str, edition: str) -> CaptionedImage:
    """Writes one caption, whose edition the writer saw; "" takes its file away. Raises ChangedMeanwhileError
    when it is another by now, NotFoundError when there is no such image."""
    if len(caption) > LONGEST_CAPTION:
        raise OptionValueError(f"The caption has {len(caption):,} letters; {LONGEST_CAPTION:,} are allowed.")
    content = _bytes(caption.strip())
    with alone_with(version):
        now = shown(version, image)
        if now.edition != edition:
            raise ChangedMeanwhileError(
                f"The caption of {image} was changed meanwhile, so yours was not written. It is now: "
                f"{now.problem or repr(now.caption or '')}. Take that in, then save again."
            )
        if caption.strip() != (now.caption or "") or now.problem:
            _write(caption_file(version, image), content)
        return shown(version, image)


def shown(version: VersionPaths, image: str) -> CaptionedImage:
    """One image as it is now. Raises NotFoundError."""
    found = one_image(version, image)
    if found is None:
        raise NotFoundError(
            f"There is no training image {image!r} in this version. Images are named as 10_cat/tom.png."
        )
    return found


def convert(version: VersionPaths, images: Iterable[CaptionedImage], encoding: str) -> EditOutcome:
    """Writes captions that are no UTF-8 as UTF-8, read as the encoding that somebody said. Raises
    DatasetNotUsableError, and writes nothing, when one of them can't be read that way."""
    changes = []
    for image in images:
        path = caption_file(version, image.image)
        if image.is_illegible and (raw := caption_bytes(path)) is not None:
            after = _bytes(caption_text(raw, path, encoding))
            changes.append(EditedCaption(image=image.image, before=raw, after=after))
    return Journal(version).apply(f"convert from {encoding}", changes)


def _changed(images: Iterable[CaptionedImage], operation: Operation) -> Iterator[tuple[CaptionedImage, str]]:
    """Images with the captions they are to have, where these are others. Images of one stem share a file."""
    done = set()
    for image in images:
        stem = image.image.rpartition(".")[0]
        if not image.is_illegible and stem not in done:
            done.add(stem)
            if (caption := applied(operation, image)) != (image.caption or ""):
                yield image, caption


def _write(path: Path, content: bytes | None) -> None:
    try:
        if content is None:
            path.unlink(missing_ok=True)
            return
        with whole_file(path) as file:
            file.write(content)
    except OSError as error:
        raise storage_error(path, error) from error


def _bytes(caption: str) -> bytes | None:
    """A caption as it lies in its file; None for an empty one, which has none."""
    if "\0" in caption:
        raise OptionValueError("A caption can't hold a zero byte. Take it out.")
    try:
        return f"{caption}\n".encode() if caption else None
    except UnicodeEncodeError as error:
        raise OptionValueError(
            f"A caption can't hold {caption[error.start : error.end]!r}: it is half a character. Type it anew."
        ) from error
