"""A picture's file name as its tag (S2-10)."""

from __future__ import annotations

import re

from train_tools.captioners.captioning_process.opening import Opening
from train_tools.captioners.session import Subject

NUMBER = re.compile(r"[\s_.-]*(\(\d+\)|\d+)$")
"""What numbers pictures of one thing: `cat_003`, `cat (3)`, and what an import adds, `cat-2`."""


class FileName:
    def words(self, subject: Subject) -> str:
        return name_in_words(subject.path.stem)


def name_in_words(stem: str) -> str:
    """`red_haired cat (3)` -> `red haired cat`; nothing for a name that is a number."""
    return " ".join(NUMBER.sub("", stem).replace("_", " ").split())


def open_file_name(opening: Opening) -> FileName:
    return FileName()
