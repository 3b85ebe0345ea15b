"""A small project that launch.py sets up in seconds, without a network: its own pins, its own build backend, and a
folder of hand-made wheels in the place of PyTorch and the rest."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

LAUNCH = Path(__file__).parents[2] / "launch.py"
APP = """
import json, os, sys
import library
if sys.argv[1:] == ["fail"]:
    sys.exit(7)
if sys.argv[1:] != ["--help"]:
    print(json.dumps({"arguments": sys.argv[1:], "library": library.VERSION, "here": __file__, "cwd": os.getcwd(),
                      "environment": dict(os.environ)}))
"""
BACKEND = """
import pathlib, zipfile
EXTRA = "Provides-Extra: test\\nRequires-Dist: pytest; extra == 'test'\\n"
def get_requires_for_build_editable(config_settings=None):
    return []
def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "train_tools-1-py3-none-any.whl"
    metadata = "Metadata-Version: 2.1\\nName: train-tools\\nVersion: 1\\nRequires-Dist: library\\n"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("train_tools.pth", str(pathlib.Path.cwd()))
        wheel.writestr("train_tools-1.dist-info/METADATA", metadata + EXTRA)
        wheel.writestr("train_tools-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr("train_tools-1.dist-info/RECORD", "")
    return name
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
PINS = "torch==2.13.0\nopen-clip-torch==3.3.0\nlibrary==1.0\npytest==1.0\n"
VIRTUALENV = "import venv\ndef cli_run(words):\n    venv.create(words[-1], with_pip=True, symlinks=True)\n"


def write_wheel(folder: Path, name: str, version: str, source: str = "") -> None:
    """A wheel of one module."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", source)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("2.13.0", "2.13.0+cpu"):
        write_wheel(folder, "torch", version)
    for version in ("1.0", "2.0"):
        write_wheel(folder, "library", version, f"VERSION = '{version}'")
    write_wheel(folder, "library", "3.0", "raise ImportError('library 3.0 is broken')")
    write_wheel(folder, "open_clip_torch", "3.3.0")
    write_wheel(folder, "setuptools", "99.0")
    write_wheel(folder, "pytest", "1.0", "import sys; print('pytest ran', sys.argv[1:])")
    write_wheel(folder, "virtualenv", "1.0", VIRTUALENV)
    cuda = folder / "cu126" / "torch"
    write_wheel(cuda, "torch", "2.13.0+cu126")
    (cuda / "index.html").write_text("<a href='torch-2.13.0%2Bcu126-py3-none-any.whl'>torch</a>")
    (folder / "empty").mkdir()
    return folder


class MiniProject:
    """launch.py in a folder of its own."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        self.folder = folder
        self.venv = folder / ".venv"
        self.home = folder.with_name(folder.name + "-home")
        self.files_before: set[str] = set()
        self.environment = os.environ | {
            "HOME": str(self.home),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PIP_FIND_LINKS": str(wheels),
            "PIP_INDEX_URL": (wheels / "empty").as_uri(),
            "PIP_EXTRA_INDEX_URL": "",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "LC_ALL": "C.UTF-8",
        }

    def write(self) -> "MiniProject":
        (self.folder / "train_tools").mkdir(parents=True)
        self.home.mkdir()
        shutil.copy(LAUNCH, self.folder)
        (self.folder / "train_tools/__init__.py").touch()
        (self.folder / "train_tools/__main__.py").write_text(APP)
        (self.folder / "backend.py").write_text(BACKEND)
        (self.folder / "pyproject.toml").write_text(PYPROJECT)
        self.pin(PINS)
        return self

    def pin(self, text: str) -> None:
        (self.folder / "constraints.txt").write_text(text)

    def pin_library(self, version: str) -> None:
        self.pin(PINS.replace("library==1.0", f"library=={version}"))

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, self.folder / "launch.py", *arguments],
            cwd=self.home,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
        )

    def launch(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Exit status and everything printed."""
        process = self.start(*arguments, **variables)
        printed, _ = process.communicate(timeout=300)
        return process.returncode, printed

    def report(self, *arguments: str, **variables: str) -> dict:
        """What the app says of itself; the start must succeed."""
        status, printed = self.launch(*arguments, **variables)
        assert status == 0, printed
        return json.loads(printed.splitlines()[-1])

    def module(self) -> ModuleType:
        """This project's launch.py, imported."""
        spec = importlib.util.spec_from_file_location("launch_of_mini_project", self.folder / "launch.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        return module

    def files(self) -> set[str]:
        """Everything in the project and the home folder, but .venv and bytecode."""
        paths = [*self.folder.rglob("*"), *self.home.rglob("*")]
        return {
            str(path)
            for path in paths
            if self.venv not in (path, *path.parents) and "__pycache__" not in str(path)
        }


AWKWARD_FOLDER = "it's «проект» #1 [50%] 画像"


@pytest.fixture
def project(tmp_path: Path, wheels: Path) -> MiniProject:
    """A project before its first start."""
    return MiniProject(tmp_path / AWKWARD_FOLDER, wheels).write()


@pytest.fixture(scope="session")
def ready_project(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> MiniProject:
    """A project set up once by a first start, for tests that leave it as it is."""
    project = MiniProject(tmp_path_factory.mktemp("ready") / AWKWARD_FOLDER, wheels).write()
    project.files_before = project.files()
    project.report("first")
    return project


@pytest.fixture(scope="session")
def launch() -> ModuleType:
    """The product's launch.py, imported."""
    spec = importlib.util.spec_from_file_location("launch", LAUNCH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
