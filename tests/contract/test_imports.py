"""Who may import whom. The table is the house's; where the program disagrees, one of the two is to be changed."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import pytest

from tests.contract.source import Import, imports, imports_in, modules

EVERYBODY = {"train_tools", "train_tools.errors", "train_tools.files"}
TOLD = {"sd_contract.events", "sd_contract.attempt", "sd_contract.errors"}
ROOMS = {
    "model": {"train_tools.errors"},
    "options": {"model", "sd_contract"},
    "grids": {"options", "model", "sd_contract"},
    "projects": {"model", *TOLD},
    "jobs": {"model", *TOLD},
    "settings": {"model"},
    "machine": {"model"},
    "health": {"machine", "model", "options"},
    "diagnostics": {"model", "options"},
    "datasets": {"projects", "options", "jobs", "model", "sd_contract"},
    "imports": {"datasets", "jobs", "model", "sd_contract"},
    "captions": {"datasets", "model", "sd_contract"},
    "preparation": {"datasets", "model"},
    "checks": {"captions", "preparation", "datasets", "model", "sd_contract"},
    "base_models": {"jobs", "model", "sd_contract"},
    "captioners": {"base_models", "datasets", "jobs", "settings", "model", "sd_contract"},
    "checkpoints": {"projects", "model", "sd_contract"},
    "configs": {"grids", "projects", "options", "model", "sd_contract"},
    "failures": {"jobs", "options", "model", "sd_contract"},
    "runs": {"failures", "jobs", "projects", "options", "model", "sd_contract"},
    "regularisation": {"previews", "datasets", "jobs", "model", "sd_contract"},
    "memory": {"runs", "failures", "jobs", "options", "model", "sd_contract"},
    "preflight": {"memory", "runs", "options", "model", "sd_contract"},
    "follow_ups": {"jobs", "machine", "previews", "runs", "settings", "model", "sd_contract"},
    "previews": {"jobs", "projects", "options", "model", "sd_contract"},
    "scoring": {"captioners", "base_models", "datasets", "jobs", "runs", "model", "sd_contract"},
    "tools": {"jobs", "model", "sd_contract"},
    "engines": {"runs", "failures", "options", "model", "sd_contract"},
    "renderers": {"previews", "jobs", "settings", "model", "sd_contract"},
    "app": {
        "model",
        "options",
        "base_models",
        "captioners",
        "checkpoints",
        "configs",
        "grids",
        "projects",
        "jobs",
        "datasets",
        "imports",
        "captions",
        "preparation",
        "checks",
        "regularisation",
        "failures",
        "runs",
        "previews",
        "scoring",
        "engines",
        "renderers",
        "settings",
        "machine",
        "health",
        "memory",
        "preflight",
        "diagnostics",
        "follow_ups",
        "tools",
        "sd_contract",
    },
    "server": {"app", "model"},
    "ui": set(),
    "terminal": {"app", "model"},
    "commands": {"app", "model", "terminal"},
    "cli": {"app", "commands", "model", "terminal", "server", "ui"},
    "__main__": {"cli"},
    "files": set(),
    "errors": set(),
}
"""A room of `train_tools` -> what it may import besides itself and what everybody may."""
PROCESS = "_process"
"""What ends so, a module or a package, is started, never imported; such a renderer may use the engine."""
ENGINE = {"torch", "diffusers", "transformers", "accelerate", "peft", "bitsandbytes", "xformers", "onnxruntime"}
OURS = {"train_tools", "sd_contract", "lora_engine"}


def room_of(module: str) -> str:
    """`jobs` for `train_tools.jobs.queue`, `sd_contract` for what lies in it."""
    parts = module.split(".")
    return parts[1] if parts[0] == "train_tools" and len(parts) > 1 else parts[0]


def package_of(module: str) -> str:
    return module.split(".")[0]


def process_of(module: str) -> str:
    """The module or package that is started as a process and that this belongs to; empty for none."""
    parts = module.split(".")
    ends = [place for place, part in enumerate(parts, start=1) if part.endswith(PROCESS)]
    return ".".join(parts[: ends[0]]) if ends else ""


def is_process(module: str) -> bool:
    return bool(process_of(module))


def outside(each: Import) -> bool:
    """Whether it is of neither us nor Python itself."""
    return package_of(each.imported) not in {*OURS, *sys.stdlib_module_names}


def lines(offences: Iterable[Import]) -> list[str]:
    return sorted({each.line for each in offences})


def allowed(each: Import) -> bool:
    """Whether the table lets a module of `train_tools` import another module of ours."""
    room = room_of(each.importer)
    if room == "train_tools" or (is_process(each.importer) and package_of(each.imported) == "lora_engine"):
        return True
    names = {room, *ROOMS[room], *(EVERYBODY if room != "model" else ())}
    return room_of(each.imported) in names or each.imported in names


def test_every_room_is_in_the_table():
    rooms = {room_of(module) for module in modules() if package_of(module) == "train_tools"}
    assert rooms - {"train_tools"} == set(ROOMS)


def test_rooms_import_what_the_table_allows():
    within = [each for each in imports() if package_of(each.importer) == "train_tools"]
    assert lines(each for each in within if package_of(each.imported) in OURS and not allowed(each)) == []


def test_the_contract_needs_nothing_but_python():
    own = [each for each in imports() if package_of(each.importer) == "sd_contract"]
    assert (
        lines(each for each in own if package_of(each.imported) not in {"sd_contract", *sys.stdlib_module_names})
        == []
    )


def test_the_engine_knows_the_contract_and_not_the_app():
    own = [each for each in imports() if package_of(each.importer) not in ("train_tools", "sd_contract")]
    assert lines(each for each in own if package_of(each.imported) == "train_tools") == []


@pytest.mark.parametrize("room", ["model", "errors"])
def test_nouns_and_errors_need_nothing_but_python(room):
    assert lines(each for each in imports() if room_of(each.importer) == room and outside(each)) == []


def test_a_process_is_started_and_never_imported():
    others = [each for each in imports() if process_of(each.importer) != process_of(each.imported)]
    assert lines(each for each in others if is_process(each.imported)) == []


def test_only_the_engine_and_processes_import_what_calculates():
    offences = [each for each in imports() if package_of(each.imported) in ENGINE]
    may = ("lora_engine",)
    # A network that finds backgrounds is asked between two steps of a preparation, by threads that share pictures.
    offences = [each for each in offences if each.importer != "train_tools.preparation.removers"]
    assert lines(e for e in offences if package_of(e.importer) not in may and not is_process(e.importer)) == []


def test_only_the_pages_import_gradio():
    offences = [each for each in imports() if package_of(each.imported).startswith("gradio")]
    assert lines(each for each in offences if room_of(each.importer) != "ui") == []


def test_an_import_is_found_wherever_it_stands(tmp_path):
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import torch.nn
def inner():
    from train_tools.jobs import queue
    from train_tools.jobs.queue import Queue
    from . import worker
    from ..model.job import Job
    import_module("gradio")
"""
    file = tmp_path / "made_up.py"
    file.write_text(source)
    found = {each.imported: each for each in imports_in("train_tools.jobs.made_up", file)}
    assert set(found) == {
        "typing",
        "torch.nn",
        "train_tools.jobs.queue",
        "train_tools.jobs.worker",
        "train_tools.model.job",
        "gradio",
    }
    assert found["torch.nn"].line.endswith("made_up.py:4: import torch.nn")


def test_what_the_table_does_not_name_is_not_allowed():
    assert not allowed(Import("train_tools.jobs.queue", "train_tools.runs.engine", ""))
    assert not allowed(Import("train_tools.jobs.queue", "sd_contract.options.table", ""))
    assert not allowed(Import("train_tools.model.job", "train_tools.files", ""))
    assert not allowed(Import("train_tools.renderers.session", "lora_engine.job", ""))
    assert process_of("train_tools.captioners.some_process.net") == "train_tools.captioners.some_process"
    assert allowed(Import("train_tools.renderers.some_process", "lora_engine.job", ""))
    assert allowed(Import("train_tools.jobs.queue", "sd_contract.events", ""))
