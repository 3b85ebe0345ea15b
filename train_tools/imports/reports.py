"""What an import did, kept in the version: of thousands of files left out, how many for what reason, and which."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime

from train_tools.files import storage_error, unused, write_json
from train_tools.model.dataset import ImportReport, Rejected
from train_tools.model.paths import VersionPaths

FORMAT = 1


def keep_report(version: VersionPaths, report: ImportReport, sources: Sequence[str], began: float) -> ImportReport:
    """Writes the report to a file of its own; returns it with that file. Raises StorageError."""
    file = unused(version.imports / f"{datetime.fromtimestamp(began):%Y%m%d-%H%M%S}.json")
    try:
        version.imports.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(file, error) from error
    fields = {name: value for name, value in asdict(report).items() if name not in ("rejected", "remarks", "file")}
    write_json(
        file,
        {
            "format": FORMAT,
            "began": datetime.fromtimestamp(began).astimezone().isoformat(timespec="seconds"),
            "seconds": round(time.time() - began, 1),
            "sources": list(sources),
            **fields,
            "left_out": by_reason(report.rejected),
            "remarks": by_reason(report.remarks),
        },
    )
    return replace(report, file=file)


def by_reason(rejected: Iterable[Rejected]) -> Mapping[str, list[dict[str, str]]]:
    """Sources by what the reasons have in common, the most frequent first."""
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    for each in rejected:
        groups[each.gist].append({"source": each.source, "reason": each.reason})
    return dict(sorted(groups.items(), key=lambda group: -len(group[1])))
