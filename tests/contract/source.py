"""The program's own modules and what they import, read from their text: function bodies and TYPE_CHECKING too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FOLDERS = (ROOT, ROOT / "sd_scripts")
PACKAGES = ("train_tools", "sd_contract", "lora_engine")


@dataclass(frozen=True)
class Import:
    """One import of one module."""

    importer: str
    imported: str
    line: str
    """For people: file, line number, and what stands there."""


@cache
def modules() -> dict[str, Path]:
    """All modules of the program by dotted name, and the scripts beside the engine by their stem."""
    found = {}
    for folder, package in zip((ROOT, ROOT / "sd_scripts", ROOT / "sd_scripts"), PACKAGES, strict=True):
        for file in sorted((folder / package).rglob("*.py")):
            parts = file.relative_to(folder).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found | {file.stem: file for file in sorted((ROOT / "sd_scripts").glob("*.py"))}


@cache
def imports() -> tuple[Import, ...]:
    return tuple(each for module, file in modules().items() for each in imports_in(module, file))


def imports_in(module: str, file: Path) -> Iterator[Import]:
    """What a file imports, wherever in it."""
    text = file.read_text(encoding="utf-8")
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        for name in _imported_by(node, module, is_package=file.stem == "__init__"):
            place = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
            yield Import(module, name, f"{place}:{node.lineno}: {lines[node.lineno - 1].strip()}")


def _imported_by(node: ast.AST, module: str, is_package: bool) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=source, names=names, level=level):
            parents = module.split(".") if is_package else module.split(".")[:-1]
            above = parents[: len(parents) - level + 1] if level else []
            base = ".".join([*above, *([source] if source else [])])
            for alias in names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in modules() else base
        case ast.Call(
            func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"), args=args
        ):
            yield from (arg.value for arg in args[:1] if isinstance(arg, ast.Constant))
