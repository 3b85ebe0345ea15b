"""Captions of a version's training images: pages of them, one changed at a time, many at once, and undone
again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from train_tools.app import App
from train_tools.errors import ChangedMeanwhileError, NotFoundError
from train_tools.model.captions import (
    CaptionCheck,
    CaptionedImage,
    CaptionEdit,
    EditKind,
    EditOutcome,
    EditPreview,
    EditRecord,
    Order,
    PruneProposal,
    Selection,
    TagCount,
    TokenCount,
    Trigger,
    TriggerPolicy,
)
from train_tools.model.paths import VersionPaths
from train_tools.server.answers import Answer, Question, fresh
from train_tools.server.api.context import PictureLinks, TheApp, links_to

MOST = 1000

router = APIRouter(prefix="/projects/{project}/versions/{version}/captions", tags=["captions"])

Where = Annotated[str, Query(description="cat AND NOT (dog OR *hair)", max_length=2000)]
Offset = Annotated[int, Query(ge=0)]
Limit = Annotated[int, Query(ge=0, le=MOST)]


class CaptionAnswer(PictureLinks):
    image: str
    """`<repeats>_<class>/<file>`: how it is named here."""
    name: str
    class_name: str
    caption: str | None
    """null = without a file; then the class is its caption."""
    effective: str
    """What a training takes for its caption."""
    edition: str
    """What a change is asked with; another whenever the caption is."""
    width_px: int | None
    height_px: int | None
    problem: str
    mask: PictureLinks | None
    """The picture that says how much each part counts; null = all of it does."""


class CaptionPage(Answer):
    folder: Path
    """Absolute: for other programs that edit captions."""
    images: int
    """Those that the filter finds."""
    listing: str
    """Another whenever other images are found, or in another order."""
    shown_from: int
    shown: tuple[CaptionAnswer, ...]


class NameList(Answer):
    listing: str
    images: tuple[str, ...]


class NewCaption(Question):
    caption: str
    """Empty takes the file away."""
    edition: str
    """Of the caption that the writer saw."""


class Chosen(Question):
    where: str = ""
    images: tuple[str, ...] | None = None
    """null = all that the filter finds."""

    @property
    def selection(self) -> Selection:
        return Selection(where=self.where, images=None if self.images is None else frozenset(self.images))


class ChosenTags(Chosen):
    limit: int = Field(100, ge=0, le=MOST)


class WantedEdit(Chosen):
    kind: EditKind
    find: str = ""
    put: str = ""
    front: bool = False
    any_case: bool = False
    commonest_first: bool = False
    preview: bool = False
    """Only shows what would change."""

    @property
    def edit(self) -> CaptionEdit:
        return CaptionEdit(
            kind=self.kind,
            find=self.find,
            put=self.put,
            front=self.front,
            any_case=self.any_case,
            commonest_first=self.commonest_first,
        )


class EditAnswer(Answer):
    edit: EditRecord | None
    """null = nothing was to be changed."""
    changed: int
    """In a preview: what would be."""
    images: tuple[str, ...] = ()
    """All that the edit is about."""
    left: tuple[str, ...] = ()
    """Those whose captions others changed meanwhile: left as they are."""
    preview: tuple[EditPreview, ...] = ()
    """The first of them, before and after."""


class EditList(Answer):
    edits: tuple[EditRecord, ...]


class EditedImages(Answer):
    images: tuple[str, ...]


class Reversal(Question):
    number: int | None = None
    """null = the last."""
    leave_changed: bool = False
    """Leaves captions alone that were changed since, instead of refusing."""


class Conversion(Chosen):
    encoding: str


class TagPage(Answer):
    images: int
    with_trigger: int
    tags: int
    shown_from: int
    shown: tuple[TagCount, ...]


class PruneList(Answer):
    proposals: tuple[PruneProposal, ...]


class TokenPage(Answer):
    longest: int
    max_token_length: int
    over: Mapping[int, int]
    shown_from: int
    shown: tuple[TokenCount, ...]
    """The longest first."""


class Text(Question):
    caption: str = Field(max_length=20_000)


class LengthAnswer(Answer):
    tokens: int


class CheckAnswer(Answer):
    check: CaptionCheck


class TriggerWords(Question):
    policy: TriggerPolicy = TriggerPolicy.NONE
    words: str = ""
    classes: Mapping[str, str] = {}


@router.get("", response_model=CaptionPage)
def page(
    project: str,
    version: str,
    request: Request,
    app: TheApp,
    where: Where = "",
    order: Order = Order.FOLDER,
    backwards: bool = False,
    offset: Offset = 0,
    limit: Limit = 100,
) -> Response:
    images = app.captions.ordered(project, version, Selection(where=where), order, backwards)
    paths = app.versions.paths(project, version)
    answer = CaptionPage(
        folder=app.captions.folder(project, version),
        images=len(images),
        listing=_listing(images),
        shown_from=offset,
        shown=tuple(_caption(app, paths, image) for image in images[offset : offset + limit]),
    )
    return fresh(request, answer)


@router.get("/names", response_model=NameList)
def names(
    project: str,
    version: str,
    request: Request,
    app: TheApp,
    where: Where = "",
    order: Order = Order.FOLDER,
    backwards: bool = False,
) -> Response:
    """The names alone of all that the filter finds, for selecting among them."""
    images = app.captions.ordered(project, version, Selection(where=where), order, backwards)
    answer = NameList(listing=_listing(images), images=tuple(_as_text(each.image) for each in images))
    return fresh(request, answer)


@router.get("/images/{image:path}", response_model=CaptionAnswer)
def show(project: str, version: str, image: str, request: Request, app: TheApp) -> Response:
    found = app.captions.show(project, version, image)
    return fresh(request, _caption(app, app.versions.paths(project, version), found))


@router.patch("/images/{image:path}", response_model=CaptionAnswer)
def write(project: str, version: str, image: str, new: NewCaption, app: TheApp) -> CaptionAnswer | Response:
    """Changes one caption. Who did not see what is there now is told it (409, `now`), and nothing is
    overwritten."""
    paths = app.versions.paths(project, version)
    try:
        return _caption(app, paths, app.captions.write(project, version, image, new.caption, new.edition))
    except ChangedMeanwhileError as error:
        now = _caption(app, paths, app.captions.show(project, version, image))
        told = {"error": {"type": type(error).__name__, "message": str(error)}, "now": now.model_dump(mode="json")}
        return JSONResponse(told, 409)


@router.post("/edits")
def edit(project: str, version: str, wanted: WantedEdit, app: TheApp) -> EditAnswer:
    """Changes many captions, all or none, so that it can be undone."""
    if not wanted.preview:
        return _outcome(app.captions.edit(project, version, wanted.edit, wanted.selection))
    changes = app.captions.preview(project, version, wanted.edit, wanted.selection)
    return EditAnswer(edit=None, changed=len(changes), preview=changes[:MOST])


@router.get("/edits", response_model=EditList)
def edits(project: str, version: str, request: Request, app: TheApp) -> Response:
    return fresh(request, EditList(edits=app.captions.edits(project, version)))


@router.get("/edits/{number}", response_model=EditedImages)
def edited(project: str, version: str, number: int, request: Request, app: TheApp) -> Response:
    return fresh(request, EditedImages(images=app.captions.edited_by(project, version, number)))


@router.post("/edits/undo")
def undo(project: str, version: str, wanted: Reversal, app: TheApp) -> EditAnswer:
    """Puts captions back as they were before an edit; 409 when some were changed since."""
    return _outcome(app.captions.undo(project, version, wanted.number, leave_changed=wanted.leave_changed))


@router.post("/edits/redo")
def redo(project: str, version: str, wanted: Reversal, app: TheApp) -> EditAnswer:
    return _outcome(app.captions.redo(project, version, wanted.number, leave_changed=wanted.leave_changed))


@router.post("/convert")
def convert(project: str, version: str, wanted: Conversion, app: TheApp) -> EditAnswer:
    """Makes UTF-8 of captions that are of another encoding."""
    return _outcome(app.captions.convert(project, version, wanted.encoding, wanted.selection))


@router.get("/tags", response_model=TagPage)
def tags(
    project: str,
    version: str,
    request: Request,
    app: TheApp,
    where: Where = "",
    offset: Offset = 0,
    limit: Limit = 100,
) -> Response:
    table = app.captions.tags(project, version, Selection(where=where))
    answer = TagPage(
        images=table.images,
        with_trigger=table.with_trigger,
        tags=len(table.tags),
        shown_from=offset,
        shown=table.tags[offset : offset + limit],
    )
    return fresh(request, answer)


@router.post("/tags")
def tags_of(project: str, version: str, chosen: ChosenTags, app: TheApp) -> TagPage:
    """The tags of chosen images."""
    table = app.captions.tags(project, version, chosen.selection)
    return TagPage(
        images=table.images,
        with_trigger=table.with_trigger,
        tags=len(table.tags),
        shown_from=0,
        shown=table.tags[: chosen.limit],
    )


@router.get("/prune", response_model=PruneList)
def prune(
    project: str,
    version: str,
    request: Request,
    app: TheApp,
    where: Where = "",
    share: Annotated[float, Query(gt=0, le=1)] = 0.8,
) -> Response:
    """Tags that are nearly always there; taking some out is an edit."""
    found = app.captions.prune_proposals(project, version, Selection(where=where), share)
    return fresh(request, PruneList(proposals=found))


@router.get("/tokens", response_model=TokenPage)
def tokens(
    project: str,
    version: str,
    request: Request,
    app: TheApp,
    where: Where = "",
    offset: Offset = 0,
    limit: Limit = 100,
) -> Response:
    report = app.captions.tokens(project, version, Selection(where=where))
    answer = TokenPage(
        longest=report.longest,
        max_token_length=report.max_token_length,
        over=report.over,
        shown_from=offset,
        shown=report.counts[offset : offset + limit],
    )
    return fresh(request, answer)


@router.post("/tokens")
def count_tokens(project: str, version: str, text: Text, app: TheApp) -> LengthAnswer:
    """How long a caption would be, as it is typed."""
    return LengthAnswer(tokens=app.captions.count_tokens(project, version, text.caption))


@router.get("/check", response_model=CheckAnswer)
def check(project: str, version: str, request: Request, app: TheApp, where: Where = "") -> Response:
    return fresh(request, CheckAnswer(check=app.captions.check(project, version, Selection(where=where))))


@router.get("/trigger")
def trigger(project: str, version: str, app: TheApp) -> Trigger:
    return app.captions.trigger(project, version)


@router.put("/trigger")
def set_trigger(project: str, version: str, words: TriggerWords, app: TheApp) -> Trigger:
    """Keeps the trigger words; the edit `trigger` applies them to the captions."""
    wanted = Trigger(policy=words.policy, words=words.words, classes=dict(words.classes))
    app.captions.set_trigger(project, version, wanted)
    return app.captions.trigger(project, version)


def _caption(app: App, version: VersionPaths, image: CaptionedImage) -> CaptionAnswer:
    links = links_to(app, version.processed / image.image)
    shown = replace(image, image=_as_text(image.image), problem=_as_text(image.problem))
    width_px, height_px = image.size or (None, None)
    return CaptionAnswer(
        image=shown.image,
        name=shown.name,
        class_name=_as_text(image.class_name),
        caption=image.caption,
        effective=_as_text(image.effective),
        edition=image.edition,
        width_px=width_px,
        height_px=height_px,
        problem=shown.problem,
        thumb=links.thumb,
        full=links.full,
        mask=_mask(app, version.mask(image.image)),
    )


def _mask(app: App, file: Path) -> PictureLinks | None:
    try:
        return links_to(app, file)
    except NotFoundError:
        return None


def _listing(images: Sequence[CaptionedImage]) -> str:
    digest = hashlib.sha256()
    for each in images:
        digest.update(f"{each.image}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _outcome(outcome: EditOutcome) -> EditAnswer:
    return EditAnswer(edit=outcome.record, changed=outcome.changed, images=outcome.images, left=outcome.left)


def _as_text(name: str) -> str:
    """A name that can be sent, whatever bytes it is made of."""
    return name.encode("utf-8", "replace").decode("utf-8")
