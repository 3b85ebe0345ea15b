"""Prompts that a WebUI's user has kept under a name: its styles.csv."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from train_tools.errors import NotFoundError, StorageError
from train_tools.model.preview import PreviewSettings

PLACE = "{prompt}"


@dataclass(frozen=True)
class Style:
    name: str
    prompt: str
    negative_prompt: str

    def applied(self, settings: PreviewSettings) -> PreviewSettings:
        """The settings with the style put around, or behind, each prompt, as WebUIs do."""
        return replace(
            settings,
            prompts=tuple(_merged(self.prompt, prompt) for prompt in settings.prompts),
            negative_prompt=_merged(self.negative_prompt, settings.negative_prompt),
        )


def read_styles(file: Path) -> dict[str, Style]:
    """The styles by name; rows that are headings only are left out. Raises StorageError for a file that is no
    table of styles."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except OSError as error:
        raise StorageError(f"Could not read {file}: {error.strerror or error}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise StorageError(f"{file} is no table of styles: {error}.") from error
    if rows and "name" not in rows[0]:
        raise StorageError(
            f"{file} is no table of styles: its first line has to name name, prompt, negative_prompt."
        )
    found = {}
    for row in rows:
        prompt = row.get("prompt") or row.get("text") or ""
        style = Style(row["name"] or "", prompt, row.get("negative_prompt") or "")
        if style.name and (style.prompt or style.negative_prompt):
            found[style.name] = style
    return found


def with_styles(settings: PreviewSettings, styles: dict[str, Style], names: Iterable[str]) -> PreviewSettings:
    """The settings with these styles applied one after another. NotFoundError for a name that is not there."""
    for name in names:
        if name not in styles:
            raise NotFoundError(f"There is no style {name!r}. There are: {', '.join(styles) or 'none'}.")
        settings = styles[name].applied(settings)
    return settings


def _merged(style: str, prompt: str) -> str:
    if PLACE in style:
        return style.replace(PLACE, prompt)
    return ", ".join(part for part in (prompt.strip(), style.strip()) if part)
