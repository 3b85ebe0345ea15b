"""`python -m train_tools.app.dataset_process DATASET.json`: imports into a version, prepares or checks it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sd_contract.attempt import Attempt
from train_tools.app import App, open_app
from train_tools.app.datasets import CHECK, IMPORT, PREPARE
from train_tools.jobs.errand import Progress, StoppedError, do
from train_tools.model.dataset import ImportReport
from train_tools.model.finding import Level


def work(attempt: Attempt, progress: Progress) -> str:
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    app = open_app(Path(request["outputs"]))
    return WORKS[request["what"]](app, request, attempt, progress)


def _import(app: App, request: Mapping[str, Any], attempt: Attempt, progress: Progress) -> str:
    if upload := request.get("upload"):
        with app.inbox.opened(upload) as (folder, not_sent):
            return _import_from(app, request, attempt, progress, sent_to=folder, not_sent=not_sent)
    return _import_from(app, request, attempt, progress)


def _import_from(app: App, request: Mapping[str, Any], attempt: Attempt, progress: Progress, **sent: Any) -> str:
    report = app.versions.import_images(
        request["project"],
        request["version"],
        [Path(source) for source in request["sources"]],
        progress,
        phase=progress.phase,
        should_stop=lambda: attempt.stop_requested,
        encoding=request.get("encoding"),
        **sent,
    )
    if report.stopped:
        raise StoppedError
    return _told(report)


def _prepare(app: App, request: Mapping[str, Any], attempt: Attempt, progress: Progress) -> str:
    report = app.versions.prepare(
        request["project"], request["version"], progress, should_stop=lambda: attempt.stop_requested
    )
    if report.stopped:
        raise StoppedError
    left_out = f" {len(report.skipped)} were left out." if report.skipped else ""
    return f"{report.images} training images of {report.originals} originals.{left_out}"


def _check(app: App, request: Mapping[str, Any], attempt: Attempt, progress: Progress) -> str:
    project, version = request["project"], request["version"]
    app.checks.look(project, version, progress, should_stop=lambda: attempt.stop_requested)
    if attempt.stop_requested:
        raise StoppedError
    found = app.checks.found(project, version)
    concerns = sum(finding.level is not Level.OK for finding in found.findings)
    return f"{found.images} images looked at; {concerns} things to look at."


WORKS = {IMPORT: _import, PREPARE: _prepare, CHECK: _check}


def _told(report: ImportReport) -> str:
    facts = [f"{report.images} pictures and {report.captions} captions are new"]
    for count, words in (
        (len(report.already_there), "were there already"),
        (len(report.rejected), "files were left out"),
        (len(report.near_duplicates), "look like others"),
    ):
        facts += [f"{count} {words}"] if count else []
    return f"{', '.join(facts)}."


if __name__ == "__main__":
    do(work, told_every_s=0.2)
