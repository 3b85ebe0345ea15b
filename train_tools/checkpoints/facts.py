"""What a checkpoint's metadata tell. They may come from anywhere: nothing in them is believed to be short, well
formed or fit to be shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

BASE_MODEL_KEY = "ss_sd_model_name"
FAMILY_KEY = "ss_base_model_version"
TAGS_KEY = "ss_tag_frequency"
TRIGGER_KEY = "modelspec.trigger_phrase"
UNKNOWN = "Unknown"
FAMILIES = {"sd_v1": "SD1", "sd_v2": "SD2", "sdxl": "SDXL"}
"""How WebUI's cards spell them, by how sd-scripts' names begin."""
MOST_TAGS = 500
MOST_KEYS = 500
LONGEST_TEXT = 2_000
LONGEST_WORD = 200


def shown(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata as they can be shown: without control characters, cut where they are endless."""
    keys = sorted(metadata)[:MOST_KEYS]
    return {printable(key, LONGEST_WORD): printable(metadata[key]) for key in keys}


def printable(text: str, most: int = LONGEST_TEXT) -> str:
    """Terminals and pages do nothing but show it."""
    cut = f"{text[:most]} ... ({len(text):,} characters)" if len(text) > most else text
    return "".join(
        letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in cut
    )


def tags_of(metadata: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """The captions' tags over all folders, most frequent first; none where they are not told."""
    counted: Counter[str] = Counter()
    for folder in _table(metadata.get(TAGS_KEY, "")).values():
        for tag, count in folder.items() if isinstance(folder, dict) else ():
            if isinstance(count, int) and not isinstance(count, bool) and count > 0:
                counted[printable(tag.strip(), LONGEST_WORD)] += count
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return tuple(ranked[:MOST_TAGS])


def trigger_of(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The trigger words that the file itself tells."""
    phrase = printable(metadata.get(TRIGGER_KEY, ""))
    return tuple(dict.fromkeys(word for part in phrase.split(",") if (word := " ".join(part.split()))))


def base_model_of(metadata: Mapping[str, str]) -> str:
    return printable(metadata.get(BASE_MODEL_KEY, ""), LONGEST_WORD)


def family_of(metadata: Mapping[str, str]) -> str:
    version = metadata.get(FAMILY_KEY, "")
    return next((family for begins, family in FAMILIES.items() if version.startswith(begins)), UNKNOWN)


def _table(text: str) -> dict[str, object]:
    try:
        table = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}
