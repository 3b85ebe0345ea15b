"""LoRA files: looked at, and made of others as jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field

from train_tools.model.lora_tool import ConvertWish, ExtractWish, LoraFacts, MergeWish, ResizeWish, ToolWish
from train_tools.server.answers import Answer, Question
from train_tools.server.api.context import TheApp

router = APIRouter(tags=["lora tools"])
Precision = Literal["float", "fp16", "bf16"] | None
RankNumber = Annotated[int, Field(ge=1, le=100_000)]


class ToolQuestion(Question):
    """Files are written among the LoRAs of the outputs folder, under this name."""

    name: str
    replace: bool = False
    precision: Precision = None

    @property
    def wishes(self) -> dict[str, Any]:
        return self.model_dump(exclude={"name", "replace"})


class MergeQuestion(ToolQuestion):
    models: tuple[Path, ...]
    ratios: tuple[float, ...] = ()
    blocks: tuple[str, ...] = ()
    into: Path | None = None
    rank: RankNumber | None = None
    conv_rank: RankNumber | None = None


class ResizeQuestion(ToolQuestion):
    model: Path
    rank: RankNumber
    conv_rank: RankNumber | None = None
    method: str | None = None
    parameter: float | None = None


class ExtractQuestion(ToolQuestion):
    original: Path
    tuned: Path
    rank: RankNumber = 4
    conv_rank: RankNumber | None = None


class ConvertQuestion(ToolQuestion):
    model: Path
    scheme: str = "kohya"


class ToolAnswer(Answer):
    job: int
    file: Path
    """Where it will lie."""


class PlanAnswer(Answer):
    file: Path
    """Where it will lie."""
    about_bytes: int
    """How large it will be, or at most, where what the files hold decides how much is kept."""
    is_there: bool
    """It has to be replaced."""


class InspectQuestion(Question):
    file: Path


class BlockAnswer(Answer):
    block: str
    layers: int
    norm: float


class LoraAnswer(Answer):
    file: str
    size_bytes: int
    family: str | None
    kind: str
    layers: int
    ranks: dict[int, int]
    alphas: dict[float, int]
    formats: tuple[str, ...]
    norm: float
    blocks: tuple[BlockAnswer, ...]
    strongest: tuple[tuple[str, float], ...]
    silent: tuple[str, ...]
    spoilt: tuple[str, ...]
    notes: tuple[str, ...]
    metadata: dict[str, str]
    chart: str
    """An SVG picture of the norms by block."""


@router.post("/loras/merge", status_code=201)
def merge(asked: MergeQuestion, app: TheApp) -> ToolAnswer:
    """Makes one LoRA of several, or merges them into a base model."""
    return _started(MergeWish(**asked.wishes), asked, app)


@router.post("/loras/resize", status_code=201)
def resize(asked: ResizeQuestion, app: TheApp) -> ToolAnswer:
    """Makes the rank of a LoRA smaller; its strength stays."""
    return _started(ResizeWish(**asked.wishes), asked, app)


@router.post("/loras/extract", status_code=201)
def extract(asked: ExtractQuestion, app: TheApp) -> ToolAnswer:
    """Makes a LoRA of what sets a tuned model apart from its original."""
    return _started(ExtractWish(**asked.wishes), asked, app)


@router.post("/loras/convert", status_code=201)
def convert(asked: ConvertQuestion, app: TheApp) -> ToolAnswer:
    """Gives the layers of a LoRA the names of other programs."""
    return _started(ConvertWish(**asked.wishes), asked, app)


@router.post("/loras/merge/plan")
def plan_merge(asked: MergeQuestion, app: TheApp) -> PlanAnswer:
    """What that would write. Only headers of files are read."""
    return _planned(MergeWish(**asked.wishes), asked, app)


@router.post("/loras/resize/plan")
def plan_resize(asked: ResizeQuestion, app: TheApp) -> PlanAnswer:
    """What that would write. Only headers of files are read."""
    return _planned(ResizeWish(**asked.wishes), asked, app)


@router.post("/loras/extract/plan")
def plan_extract(asked: ExtractQuestion, app: TheApp) -> PlanAnswer:
    """What that would write. Only headers of files are read."""
    return _planned(ExtractWish(**asked.wishes), asked, app)


@router.post("/loras/convert/plan")
def plan_convert(asked: ConvertQuestion, app: TheApp) -> PlanAnswer:
    """What that would write. Only headers of files are read."""
    return _planned(ConvertWish(**asked.wishes), asked, app)


@router.post("/loras/inspect")
def inspect(asked: InspectQuestion, app: TheApp) -> LoraAnswer:
    """What a LoRA holds: family, ranks, how much each block changes, what is wrong with it."""
    facts = app.lora_tools.inspect(asked.file)
    return _answer(facts, app.lora_tools.chart(facts))


def _started(wish: ToolWish, asked: ToolQuestion, app: TheApp) -> ToolAnswer:
    place = app.lora_tools.place(asked.name)
    return ToolAnswer(job=app.lora_tools.start(wish, place, replace=asked.replace).id, file=place)


def _planned(wish: ToolWish, asked: ToolQuestion, app: TheApp) -> PlanAnswer:
    plan = app.lora_tools.plan(wish, app.lora_tools.place(asked.name))
    return PlanAnswer(file=plan.file, about_bytes=plan.about_bytes, is_there=plan.is_there)


def _answer(facts: LoraFacts, chart: str) -> LoraAnswer:
    blocks = tuple(BlockAnswer(block=each.block, layers=each.layers, norm=each.norm) for each in facts.blocks)
    return LoraAnswer(
        file=facts.file,
        size_bytes=facts.size_bytes,
        family=facts.family,
        kind=facts.kind,
        layers=facts.layers,
        ranks=dict(facts.ranks),
        alphas=dict(facts.alphas),
        formats=facts.formats,
        norm=facts.norm,
        blocks=blocks,
        strongest=facts.strongest,
        silent=facts.silent,
        spoilt=facts.spoilt,
        notes=facts.notes,
        metadata=dict(facts.metadata),
        chart=chart,
    )
