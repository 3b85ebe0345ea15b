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
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    *("gradio==3.41.2", "fastapi==0.94.0", "httpx==0.24.1", "httpcore==0.15.0"),
    *("pydantic<2", "numpy<2", "huggingface_hub<0.26"),
)
"""As A1111 1.10 pins them; the others keep that Gradio starting."""
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
os.execve(PYTHON, [PYTHON, "-P", "-m", "train_tools", *sys.argv[1:]], environment)
'''


def oldest_python() -> str:
    """3.10, as A1111 wants it, where there is one; else the Python of the tests."""
    candidates = ["python3.10", *map(str, (Path.home() / ".pyenv" / "versions").glob("3.10.*/bin/python"))]
    for candidate in filter(shutil.which, candidates):
        if subprocess.run(
            [candidate, "-c", "import venv, ensurepip"], capture_output=True, check=False
        ).returncode:
            continue
        return candidate
    return sys.executable


@pytest.fixture(scope="session")
def host_python(request: pytest.FixtureRequest) -> Path:
    """The Python of an environment like A1111's; kept between test runs, since it takes a minute to make."""
    made_from = [oldest_python(), *PACKAGES]
    name = hashlib.sha256(" ".join(made_from).encode()).hexdigest()[:8]
    folder = request.config.cache.mkdir("webui-host") / name
    python = folder / "bin" / "python"
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([made_from[0], "-I", "-m", "venv", folder], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a WebUI's packages can't be installed here: {done.stderr[-300:]}")
        (folder / "whole").touch()
    return python


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


@pytest.fixture
def extension(tmp_path: Path) -> Path:
    """As installed from a URL, with a stand-in for the set-up, and set up already."""
    folder = tmp_path / "extensions" / "train tools"
    folder.mkdir(parents=True)
    for name in ("javascript", "scripts", "webui_shim"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("install.py", "preload.py"):
        shutil.copy(ROOT / name, folder)
    known = f"PYTHON = {sys.executable!r}\nPATHS = {[str(ROOT), str(ROOT / 'sd_scripts')]!r}\n"
    (folder / "launch.py").write_text(known + LAUNCH, encoding="utf-8")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "train-tools.json").write_text("{}")
    return folder


@pytest.fixture
def webui_for(
    host_python: Path, extension: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., WebUI]]:
    """Starts one with these flags; all are ended after the test, and what they started."""
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    started: list[WebUI] = []

    def make(*flags: str) -> WebUI:
        webui = WebUI(host_python, extension, tmp_path / "data", flags)
        started.append(webui)
        webui.start()
        return webui

    yield make
    for webui in started:
        webui.stop()
    for file in (extension / ".webui").glob("*.json"):
        for pid in re.findall(r'"pid": (\d+)', file.read_text()):
            subprocess.run(["kill", pid], capture_output=True, check=False)
