"""What keeps this machine from training well. No code of added trainers is run; the command line does."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from train_tools.model.finding import Level, Section, worst
from train_tools.server.answers import Answer
from train_tools.server.api.context import TheApp

router = APIRouter(prefix="/health", tags=["health"])
BUNDLE = "train-tools-diagnostics.zip"


class FindingAnswer(Answer):
    check: str
    level: Level
    message: str
    cure: str
    """What to do next, where there is something to do."""


class SectionAnswer(Answer):
    title: str
    findings: tuple[FindingAnswer, ...]


class Brief(Answer):
    findings: tuple[FindingAnswer, ...]


class HealthAnswer(Answer):
    level: Level
    """How bad it is where it is worst."""
    sections: tuple[SectionAnswer, ...]


@router.get("")
def show(app: TheApp) -> HealthAnswer:
    """Takes some seconds: our own packages are imported anew."""
    sections = app.health.findings()
    return HealthAnswer(
        level=worst(sections),
        sections=tuple(_section(section) for section in sections),
    )


@router.get("/brief")
def brief(app: TheApp) -> Brief:
    """What a newcomer has to know before the first training: card, base model, disk, captioner."""
    return Brief(findings=_section(Section(title="", findings=app.health.brief())).findings)


@router.get("/webui")
def webui(app: TheApp) -> SectionAnswer:
    """Whether previews can be rendered with the WebUI of the settings; a file is put into its LoRA folder."""
    return _section(app.health.webui())


@router.get("/bundle", response_class=Response)
def bundle(app: TheApp) -> Response:
    """The same as a ZIP with settings, versions and the ends of failed logs, without secrets."""
    headers = {"content-disposition": f'attachment; filename="{BUNDLE}"', "cache-control": "no-store"}
    return Response(app.diagnostics.packed(), media_type="application/zip", headers=headers)


def _section(section: Section) -> SectionAnswer:
    return SectionAnswer(
        title=section.title,
        findings=tuple(
            FindingAnswer(check=each.check, level=each.level, message=each.message, cure=each.cure)
            for each in section.findings
        ),
    )
