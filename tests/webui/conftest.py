"""A WebUI's own environment, an extension folder in it, and the small WebUI run with both."""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

import launch

ROOT = Path(__file__).parents[2]
HOSTS = {
    "gradio3": (
        "3.10",
        *("gradio==3.41.2", "fastapi==0.94.0", "httpx==0.24.1", "httpcore==0.15.0"),
        *("pydantic<2", "numpy<2", "huggingface_hub<0.26"),
    ),
    "gradio4": (
        "3.10",
        *("gradio==4.40.0", "fastapi==0.104.1", "httpx==0.24.1", "httpcore==0.15.0"),
        *("pydantic==2.8.2", "numpy<2", "huggingface_hub<0.26", "pandas<2.3"),
    ),
    "newest": ("3.13", "gradio==6.31.0"),
}
"""Pythons and packages of WebUIs: A1111, reForge and Classic; Forge; what may come. What is pinned with `<` only
keeps the rest starting."""
CHOSEN = os.environ.get("TRAIN_TOOLS_HOSTS", "gradio3")
"""Names with commas between, or `all`: each takes half a minute to make and a minute to test."""
PATIENCE_S = 60
LAUNCH = '''
"""In the place of launch.py: says what a set-up says, then becomes the service of the tested folder."""
import os, sys, time
from pathlib import Path

here = Path(__file__).parent
marker = here / ".venv" / "train-tools.json"
if not marker.exists():
    for number, title in enumerate(["Python environment", "PyTorch", "a first start"], start=1):
        print(f"[{number}/3] {title}", flush=True)
        while (here / f"hold-{number}").exists():
            time.sleep(0.05)
        if (here / f"fail-{number}").exists():
            sys.exit("pip could not finish this step: no space left")
    marker.parent.mkdir()
    marker.write_text("{}")
environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
os.execve(PYTHON, [PYTHON, *SERVICE, *sys.argv[1:]], environment)
'''


def python_of(version: str) -> str:
    """That version where there is one; else the Python of the tests."""
    kept = (Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python")
    for candidate in filter(shutil.which, [f"python{version}", *map(str, kept)]):
        if subprocess.run(
            [candidate, "-c", "import venv, ensurepip"], capture_output=True, check=False
        ).returncode:
            continue
        return candidate
    return sys.executable


@pytest.fixture(scope="session", params=list(HOSTS) if CHOSEN == "all" else CHOSEN.split(","))
def host_python(request: pytest.FixtureRequest) -> Path:
    """The Python of an environment like a WebUI's; kept between test runs, since it takes a while to make."""
    version, *packages = HOSTS[request.param]
    made_from = [python_of(version), *packages]
    name = hashlib.sha256(" ".join(made_from).encode()).hexdigest()[:8]
    folder = request.config.cache.mkdir("webui-host") / name
    python = folder / "bin" / "python"
    with (folder.parent / f"{name}.lock").open("w") as file:
        launch.lock(file.fileno())  # another worker of this test run may be at it
        if not (folder / "whole").exists():
            make_environment(folder, python, made_from)
    return python


def make_environment(folder: Path, python: Path, made_from: list[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    interpreter, *packages = made_from
    subprocess.run([interpreter, "-I", "-m", "venv", folder], check=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        missing = f"a WebUI's packages can't be installed here: {done.stderr[-300:]}"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    (folder / "whole").touch()


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


@dataclass
class WebUI:
    """The small WebUI as a process, and how to ask it."""

    python: Path
    extension: Path
    data: Path
    flags: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    said: list[str] = field(default_factory=list)
    listener: threading.Thread = field(default_factory=threading.Thread)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = [self.python, Path(__file__).with_name("host_program.py"), self.extension, str(self.port)]
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        self.process = subprocess.Popen(
            [*map(str, program), "--data", str(self.data), *self.flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**kept, "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        self.until(lambda: "up\n" in self.said)

    def _listen(self) -> None:
        assert self.process and self.process.stdout
        for line in self.process.stdout:
            self.said.append(line)

    def tell(self, word: str) -> None:
        assert self.process and self.process.stdin
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def reload(self) -> None:
        ups = self.said.count("up\n")
        self.tell("reload")
        self.until(lambda: self.said.count("up\n") > ups)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            self.listener.join(5)
            assert self.process.stdin and self.process.stdout
            self.process.stdin.close()
            self.process.stdout.close()

    def until(self, true: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert self.process and self.process.poll() is None, "".join(self.said)
            assert time.monotonic() < deadline, "".join(self.said)
            time.sleep(0.05)

    def ask(self, path: str, method: str = "GET", **how: object) -> httpx.Response:
        with httpx.Client(base_url=self.address, trust_env=False, timeout=PATIENCE_S) as client:
            return client.request(method, path, **how)  # type: ignore[arg-type]

    def status(self) -> dict:
        return self.ask("/train-tools/-/status").json()

    def wait_for(self, phase: str) -> dict:
        self.until(lambda: self.status()["phase"] == phase)
        return self.status()

    @property
    def service_state(self) -> Path:
        return next((self.extension / ".webui").glob("*.json"))


SMALL = [str(Path(__file__).with_name("small_service.py"))]
REAL = ["-P", "-m", "train_tools"]


def installed(folder: Path, service: list[str]) -> Path:
    """The extension as installed from a URL, set up already, with a stand-in for launch.py."""
    folder.mkdir(parents=True)
    for name in ("javascript", "localizations", "scripts", "webui_shim"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("install.py", "preload.py", "style.css"):
        shutil.copy(ROOT / name, folder)
    known = {"PYTHON": sys.executable, "SERVICE": service, "PATHS": [str(ROOT), str(ROOT / "sd_scripts")]}
    told = "".join(f"{name} = {value!r}\n" for name, value in known.items())
    (folder / "launch.py").write_text(told + LAUNCH, encoding="utf-8")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "train-tools.json").write_text("{}")
    return folder


@contextmanager
def webuis(python: Path, folder: Path, service: list[str]) -> Iterator[Callable[..., WebUI]]:
    """Starts one with some flags; all are ended in the end, and what they started."""
    extension = installed(folder / "extensions" / "train tools", service)
    started: list[WebUI] = []

    def make(*flags: str) -> WebUI:
        webui = WebUI(python, extension, folder / "data", flags)
        started.append(webui)
        webui.start()
        return webui

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TRAIN_TOOLS_STATE", str(folder / "state"))
        yield make
    for webui in started:
        webui.stop()
    for file in (extension / ".webui").glob("*.json"):
        for pid in re.findall(r'"pid": (\d+)', file.read_text()):
            subprocess.run(["kill", pid], capture_output=True, check=False)


@pytest.fixture
def webui_for(host_python: Path, tmp_path: Path) -> Iterator[Callable[..., WebUI]]:
    """For WebUIs of one test's own, with a small service."""
    with webuis(host_python, tmp_path, SMALL) as make:
        yield make


@pytest.fixture
def whole_webui_for(host_python: Path, tmp_path: Path) -> Iterator[Callable[..., WebUI]]:
    """The same with our real service."""
    with webuis(host_python, tmp_path, REAL) as make:
        yield make


@pytest.fixture(scope="module")
def webui(host_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebUI]:
    """One that is only asked, with a small service that runs."""
    with webuis(host_python, tmp_path_factory.mktemp("webui"), SMALL) as make:
        webui = make()
        webui.wait_for("ready")
        yield webui


@pytest.fixture
def extension(tmp_path: Path) -> Path:
    """Of the WebUIs of this test."""
    return tmp_path / "extensions" / "train tools"
