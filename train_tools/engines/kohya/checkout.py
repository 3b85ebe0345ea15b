"""A folder with kohya's sd-scripts as it lies on the disk: which scripts it has, which commit it is, and what its
code is known by. Nothing in it is run, and git is not asked: a checkout's own configuration could run programs."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from train_tools.engines.kohya.scripts import SCRIPTS
from train_tools.errors import EngineNotUsableError
from train_tools.runs.provenance import commit_of

CODE = ("*.py", "library/**/*.py", "networks/**/*.py")
"""What decides a training; tools, tests and documents don't."""
VENVS = ("venv", ".venv", "../venv", "../.venv")
_MAKES_NETWORKS = re.compile(r"^def create_network\(", re.MULTILINE)
_ARGUMENT = re.compile(r"""kwargs(?:\.get\(\s*|\[)["'](\w+)["']""")
_WIDTH = re.compile(r"^UNET_PARAMS_MODEL_CHANNELS = (\d+)", re.MULTILINE)

Signature = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Checkout:
    folder: Path

    @cached_property
    def scripts(self) -> tuple[str, ...]:
        """Names of the scripts that train LoRAs. Raises EngineNotUsableError when there are none."""
        found = tuple(script.name for script in SCRIPTS if (self.folder / f"{script.name}.py").is_file())
        if not found:
            raise EngineNotUsableError(
                f"{self.folder} is no checkout of sd-scripts: it has no train_network.py. Name the folder that "
                "has it; of kohya_ss that is its folder sd-scripts."
            )
        return found

    @property
    def content(self) -> str:
        """sha256 over the code that trains, whatever its line endings."""
        return _content_while_unchanged(self.folder, tuple(self._signature()))

    @property
    def commit(self) -> str:
        """The commit that is checked out, "" where that can't be told. The files may have been changed since."""
        return commit_of(self.folder)

    @property
    def network_modules(self) -> tuple[str, ...]:
        """The modules in it that make networks, as the option names them."""
        files = sorted((self.folder / "networks").glob("*.py"))
        return tuple(f"networks.{file.stem}" for file in files if _MAKES_NETWORKS.search(_text(file)))

    @property
    def unet_width(self) -> int | None:
        """The channels of the U-Net that its loader takes for granted; None where that can't be told."""
        said = re.search(
            r"^UNET_PARAMS_MODEL_CHANNELS = (\d+)", _text(self.folder / "library/model_util.py"), re.M
        )
        return int(said[1]) if said else None

    def network_arguments(self, module: str) -> frozenset[str]:
        """The names that a module of its own reads from network_args; empty where that can't be told."""
        file = self.folder.joinpath(*module.split(".")).with_suffix(".py")
        return frozenset(_ARGUMENT.findall(_text(file))) if file.is_file() else frozenset()

    def pythons(self) -> Iterator[Path]:
        """Interpreters of environments that lie where people put them."""
        for venv in VENVS:
            python = self.folder / venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
            if python.is_file():
                yield python

    def _signature(self) -> Iterator[tuple[str, int, int]]:
        for pattern in CODE:
            for file in sorted(self.folder.glob(pattern)):
                status = file.stat()
                yield file.relative_to(self.folder).as_posix(), status.st_size, status.st_mtime_ns


@lru_cache(maxsize=32)
def _content_while_unchanged(folder: Path, signature: Signature) -> str:
    digest = hashlib.sha256()
    for name, _, _ in signature:
        code = (folder / name).read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{name}\n{len(code)}\n".encode())
        digest.update(code)
    return digest.hexdigest()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
