"""The stand-in for a checkout of kohya's, laid out in a folder, and the engine that drives it."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from tests.options.answers import NEWEST, answers
from train_tools.engines.kohya.engine import KohyaEngine
from train_tools.engines.registry import Registered

STAND_IN = Path(__file__).with_name("kohya_stand_in")
COMMIT = "48d368fa557731ad0488c07304dfeba8c07910eb"


def lay_out(folder: Path, commit: str = NEWEST) -> Path:
    """A checkout whose scripts have the options of that commit's."""
    shutil.copytree(STAND_IN, folder, ignore=shutil.ignore_patterns("__pycache__"))
    recorded = {script: [asdict(option) for option in options] for script, options in answers(commit).items()}
    (folder / "library" / "options.json").write_text(json.dumps(recorded), encoding="utf-8")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text(f"{COMMIT}\n", encoding="utf-8")
    return folder


def engine_of(checkout: Path, place: Path, name: str = "kohya") -> KohyaEngine:
    """The engine of a checkout; its caches and tokens lie below `place`."""
    entry = Registered(name=name, folder=checkout, python=Path(sys.executable))
    return KohyaEngine(entry, place / "cache", place / "state")
