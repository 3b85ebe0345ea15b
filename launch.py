#!/usr/bin/env python3
"""Runs Train Tools from a fresh clone, making its virtual environment first where needed.

    python launch.py                 serve and open the browser
    python launch.py demo            or any other train-tools command
    python launch.py test [...]      install the test extra, run pytest
    python launch.py check           install the dev extra, run ruff and mypy
    python launch.py soak            kill everything 200 times over a real grid; takes half an hour and more
    python launch.py setup           do the set-up again, e.g. after a new graphics card
    python launch.py rollback        return to the last set of libraries that worked

Standard library only; starts on Python 3.10 and newer, and finds a Python that Train Tools can use. Everything
it installs goes into .venv beside this file. pip's own settings hold; TORCH_INDEX_URL names another PyTorch index.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

if sys.version_info < (3, 10):
    sys.exit(f"launch.py needs Python 3.10 or newer, not {sys.version.split()[0]}. Start it with a newer one.")

PROJECT = Path(__file__).resolve().parent
SUPPORTED = ("3.11", "3.12", "3.13")  # in order of preference: the tests run on the first
TWO_FILES_AT_ONCE = ("-n", "2", "--dist", "loadfile")  # pytest's words for the whole suite
PYTORCH_INDEXES = "https://download.pytorch.org/whl"
LEAKING_VARIABLES = (
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "PYTHONPLATLIBDIR", "__PYVENV_LAUNCHER__"),
    *("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT"),
)


Command = Sequence[str | Path]


class LaunchError(Exception):
    """Something the user can mend; the text says what happened, what is allowed and what to do next."""


def say(text: str) -> None:
    print(text, flush=True)


def own_environment() -> dict[str, str]:
    """The caller's environment without what another Python (a WebUI's, say) would leak into ours."""
    kept = {name: value for name, value in os.environ.items() if name.upper() not in LEAKING_VARIABLES}
    return {**kept, "PYTHONNOUSERSITE": "1"}


def run(command: Command, failure: str, **variables: str) -> None:
    """Runs a command in the project, its output in view; raises LaunchError with `failure` when it fails."""
    environment = {**own_environment(), **variables}
    status = subprocess.run([str(part) for part in command], cwd=PROJECT, env=environment, check=False).returncode
    if status:
        raise LaunchError(f"{failure} (exit status {status}, its own words are above).")


def answer(command: Sequence[str], timeout_s: float = 20) -> str | None:
    """What a command prints, or None when it is missing, fails or hangs."""
    try:
        done = subprocess.run(command, env=own_environment(), capture_output=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


PROBE = """
import importlib.util, json, platform, sys, sysconfig
found = importlib.util.find_spec
print(json.dumps({
    "path": sys.executable,
    "version": platform.python_version(),
    "ordinary": sys.implementation.name == "cpython" and sys.maxsize > 2**32
        and not sysconfig.get_config_var("Py_GIL_DISABLED"),
    "has_venv": bool(found("venv") and found("ensurepip")),
    "has_pip": bool(found("pip")),
}))
"""
VIRTUALENV = "import sys; sys.path.insert(0, sys.argv.pop(1)); import virtualenv; virtualenv.cli_run(sys.argv[1:])"


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python on this machine. `ordinary`: CPython, 64 bit, with its global lock, as PyTorch is built for."""

    path: str
    version: str
    ordinary: bool
    has_venv: bool
    has_pip: bool

    @property
    def fits(self) -> bool:
        return self.ordinary and self.version.rpartition(".")[0] in SUPPORTED and (self.has_venv or self.has_pip)

    def __str__(self) -> str:
        return f"Python {self.version} at {self.path}"


def probe(command: Sequence[str]) -> Interpreter | None:
    """Asks a command what Python it starts; None when it starts none (pyenv's shims often do not)."""
    printed = answer([*command, "-I", "-c", PROBE])
    try:
        return Interpreter(**json.loads(printed or ""))
    except (ValueError, TypeError):
        return None


def python_commands(venv: Venv) -> Iterator[list[str]]:
    """Where a Python may be, best first: the running one, one fetched before, py launcher, PATH, pyenv."""
    yield [getattr(sys, "_base_executable", sys.executable)]  # not a venv's own: this venv may be rebuilt
    yield from fetched_commands(venv)
    if os.name == "nt":
        yield from (["py", f"-{version}"] for version in SUPPORTED)
    names = [*(f"python{version}" for version in SUPPORTED), "python3", "python"]
    folders = os.environ.get("PATH", "").split(os.pathsep)
    yield from ([path] for name in names for folder in folders if (path := shutil.which(name, path=folder)))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from ([str(path)] for version in SUPPORTED for path in sorted(pyenv.glob(f"{version}.*/bin/python")))
    yield from ([str(path)] for version in SUPPORTED for path in sorted(pyenv.glob(f"{version}.*/python.exe")))


def fetched_commands(venv: Venv) -> list[list[str]]:
    """The Pythons that uv put into .venv earlier."""
    places = (*venv.fetched_python.glob("*/bin/python3.*[0-9]"), *venv.fetched_python.glob("*/python.exe"))
    return [[str(path)] for path in sorted(places)]


def first_fit(commands: Iterable[list[str]]) -> tuple[Interpreter | None, list[Interpreter]]:
    """The first Python that fits, asking no further; and those that start but do not fit."""
    unfit: dict[str, Interpreter] = {}
    for command in commands:
        found = probe(command)
        if found and found.fits:
            return found, [*unfit.values()]
        if found:
            unfit.setdefault(found.path, found)
    return None, [*unfit.values()]


def find_interpreter(venv: Venv) -> Interpreter:
    """A Python that fits; fetched with uv when there is none and the user agrees. Raises LaunchError."""
    found, unfit = first_fit(python_commands(venv))
    return found or fetch_interpreter(venv, unfit)


def fetch_interpreter(venv: Venv, unfit: list[Interpreter]) -> Interpreter:
    """Python by uv into .venv, after a yes on a terminal; raises LaunchError otherwise."""
    if not wants_fetched_python(unfit):
        raise LaunchError(no_interpreter(unfit))
    say(f"Fetching Python {SUPPORTED[0]} with uv into {venv.fetched_python}")
    venv.fetched_python.mkdir(parents=True, exist_ok=True)
    target: Command = ["--install-dir", venv.fetched_python, "--no-bin", "--no-registry", "--no-cache"]
    run([find_uv(venv, unfit), "python", "install", SUPPORTED[0], *target], "uv could not fetch Python")
    found, _ = first_fit(fetched_commands(venv))
    if not found:
        raise LaunchError(f"uv put no usable Python into {venv.fetched_python}. {no_interpreter(unfit)}")
    return found


def wants_fetched_python(unfit: list[Interpreter]) -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    say(no_interpreter(unfit))
    try:
        reply = input(f"Or fetch Python {SUPPORTED[0]} with uv into this folder's .venv now? [y/N] ")
    except EOFError:
        return False
    return reply.strip().lower() in ("y", "yes")


def find_uv(venv: Venv, pythons: list[Interpreter]) -> str:
    """uv from PATH, else installed by pip into .venv/bootstrap. Raises LaunchError."""
    with_pip = next((python for python in pythons if python.has_pip), None)
    if not shutil.which("uv") and with_pip:
        venv.bootstrap_package(with_pip, "uv")
    uv = shutil.which("uv") or shutil.which("uv", path=str(venv.bootstrap / "bin"))
    if not uv:
        raise LaunchError("There is no uv on PATH, and no pip to fetch it: see https://docs.astral.sh/uv/")
    return uv


def no_interpreter(unfit: list[Interpreter]) -> str:
    advice = {
        "linux": f"sudo apt install python{SUPPORTED[0]} python{SUPPORTED[0]}-venv, pyenv install {SUPPORTED[0]}",
        "darwin": f"brew install python@{SUPPORTED[0]}",
        "win32": f"winget install Python.Python.{SUPPORTED[0]}",
    }.get(sys.platform, "https://www.python.org/downloads/")
    found = "; ".join(map(str, unfit)) or "none that starts"
    wanted = f"{', '.join(SUPPORTED[:-1])} or {SUPPORTED[-1]}"
    return (
        f"Train Tools needs a 64-bit CPython {wanted} with venv or pip; found: {found}. "
        f"Install one (for example: {advice}) and run the same command again."
    )


@dataclass(frozen=True)
class Pins:
    """A constraints file: one exact version per line."""

    path: Path

    def version(self, name: str) -> str | None:
        found = re.search(rf"^{re.escape(name)}==(\S+)", self.path.read_text(encoding="utf-8"), re.MULTILINE)
        return found and found[1]


def shipped_pins() -> Pins:
    return Pins(PROJECT / "constraints.txt")


def shipped_digest() -> str:
    """Changes whenever a set-up made earlier may no longer be what this version of Train Tools wants."""
    files = (shipped_pins().path, PROJECT / "pyproject.toml")
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What decides the build of PyTorch. Drivers and capabilities are NVIDIA's, as (major, minor)."""

    system: str = sys.platform
    processor: str = "x86_64"
    nvidia_driver: tuple[int, int] | None = None
    compute_capabilities: tuple[tuple[int, int], ...] = ()
    has_rocm: bool = False


@dataclass(frozen=True, kw_only=True)
class TorchBuild:
    """One build of PyTorch: its local version label, the index that has it, whether pip's own index will do."""

    label: str
    reason: str
    index: str = ""
    plain_will_do: bool = False

    def __str__(self) -> str:
        return f"{self.label or 'standard'} build ({self.reason})"

    def accepts(self, installed_label: str) -> bool:
        return installed_label == self.label or (self.plain_will_do and not installed_label)


def this_machine() -> Machine:
    import platform

    printed = answer(["nvidia-smi", "--query-gpu=driver_version,compute_cap", "--format=csv,noheader"]) or ""
    numbers = [re.findall(r"(\d+)\.(\d+)", row) for row in printed.splitlines()]
    cards = [[(int(major), int(minor)) for major, minor in row] for row in numbers if len(row) == 2]
    rocm = answer(["rocminfo"]) or answer(["/opt/rocm/bin/rocminfo"]) or ""
    return Machine(
        processor=platform.machine().lower().replace("amd64", "x86_64"),
        nvidia_driver=cards[0][0] if cards else None,
        compute_capabilities=tuple(card[-1] for card in cards),
        has_rocm="gfx" in rocm,
    )


def choose_torch_build(machine: Machine, index_url: str = "") -> TorchBuild:
    """The build that fits the machine; `index_url` is the user's TORCH_INDEX_URL and wins. Raises LaunchError."""
    if machine.system == "darwin" and machine.processor == "x86_64":
        raise LaunchError(
            "PyTorch is no longer made for Macs with an Intel processor. Use an Apple silicon Mac or a PC."
        )
    if index_url:
        label = re.search(r"/(cpu|cu\d+|rocm[\d.]+|xpu)/?$", index_url)
        return TorchBuild(label=label[1] if label else "", index=index_url, reason="TORCH_INDEX_URL")
    if machine.nvidia_driver:
        return cuda_build(machine, machine.nvidia_driver)
    if machine.has_rocm and machine.system == "linux":
        return TorchBuild(label="rocm7.2", index=f"{PYTORCH_INDEXES}/rocm7.2", reason="AMD GPU with ROCm")
    if machine.system == "linux":
        return TorchBuild(label="cpu", index=f"{PYTORCH_INDEXES}/cpu", plain_will_do=True, reason="no GPU found")
    return TorchBuild(label="", plain_will_do=True, reason="MPS" if machine.system == "darwin" else "no GPU found")


def cuda_build(machine: Machine, driver: tuple[int, int]) -> TorchBuild:
    """CUDA 13 wants driver 580 and Turing or newer; CUDA 12.9 is the last for older drivers that knows Blackwell;
    CUDA 12.6 the last that knows Maxwell, Pascal and Volta."""
    reason = f"NVIDIA GPU, driver {driver[0]}.{driver[1]:02}"
    blackwell = any(capability >= (10, 0) for capability in machine.compute_capabilities)
    old = any(capability < (7, 5) for capability in machine.compute_capabilities)
    if driver < (525, 0):
        raise LaunchError(
            f"{reason}: PyTorch {shipped_pins().version('torch')} needs driver 525 or newer. Update the driver, "
            f"or set TORCH_INDEX_URL={PYTORCH_INDEXES}/cpu to go without the GPU; then run this again."
        )
    if driver >= (580, 0) and (blackwell or not old):
        pypi_has_it = machine.system == "linux" and machine.processor == "x86_64"
        index = f"{PYTORCH_INDEXES}/cu130"
        return TorchBuild(label="cu130", index=index, plain_will_do=pypi_has_it, reason=reason)
    label = "cu129" if blackwell else "cu126"
    return TorchBuild(label=label, index=f"{PYTORCH_INDEXES}/{label}", reason=reason)


def reachable(index: str, timeout_s: float = 3) -> bool:
    import http.client
    import urllib.request

    if os.environ.get("PIP_NO_INDEX"):
        return False
    try:
        request = urllib.request.Request(f"{index.rstrip('/')}/torch/", method="HEAD")
        return bool(urllib.request.urlopen(request, timeout=timeout_s))
    except (OSError, http.client.HTTPException):
        return False


@dataclass(frozen=True, kw_only=True)
class Marker:
    """What the last finished set-up made. Written last, so a set-up that broke off leaves none."""

    format: int = 1
    project: str
    python: str
    torch: str
    pins: str
    extras: tuple[str, ...] = ()

    def serves(self, digest: str, extras: set[str]) -> bool:
        return self.pins == digest and self.project == str(PROJECT) and extras <= set(self.extras)


@dataclass(frozen=True)
class Venv:
    """The folder .venv: Python with the libraries, the marker, the pins that worked, a fetched Python."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def marker_file(self) -> Path:
        return self.folder / "train-tools.json"

    @property
    def pip_log(self) -> Path:
        return self.folder / "pip.log"

    @property
    def fetched_python(self) -> Path:
        return self.folder / "interpreter"

    @property
    def bootstrap(self) -> Path:
        return self.folder / "bootstrap"

    @property
    def current_pins(self) -> Pins:
        return Pins(self.folder / "pins" / "current.txt")

    @property
    def previous_pins(self) -> Pins:
        return Pins(self.folder / "pins" / "previous.txt")

    def marker(self) -> Marker | None:
        try:
            content = json.loads(self.marker_file.read_text(encoding="utf-8"))
            return Marker(**{**content, "extras": tuple(content["extras"])}) if content["format"] == 1 else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write_marker(self, marker: Marker) -> None:
        unfinished = self.marker_file.with_suffix(".tmp")
        unfinished.write_text(json.dumps(asdict(marker), indent=2), encoding="utf-8")
        unfinished.replace(self.marker_file)

    def ready(self, extras: set[str]) -> bool:
        marker = self.marker()
        return bool(marker and marker.serves(shipped_digest(), extras) and self.python.exists())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One set-up at a time; a second waits for the first."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "setup.lock").open("a+b") as file:
            lock(file.fileno())
            yield

    def make(self) -> None:
        """Makes the environment, or keeps one whose Python works, fits and has pip."""
        self.forget_half_installed()
        own = probe([str(self.python)])
        if own and own.fits and self.packages("pip-*.dist-info"):
            return
        python = find_interpreter(self)
        say(f"      from {python}")
        self.clear()
        if python.has_venv:
            run([python.path, "-I", "-m", "venv", self.folder], f"{python} could not make {self.folder}")
        else:
            self.make_with_virtualenv(python)

    def make_with_virtualenv(self, python: Interpreter) -> None:
        """For a Python without venv: an embedded one, or one whose system ships venv apart."""
        self.bootstrap_package(python, "virtualenv")
        arguments: Command = [self.bootstrap, "--app-data", self.bootstrap / "data", "--no-download", self.folder]
        run([python.path, "-I", "-c", VIRTUALENV, *arguments], f"virtualenv could not make {self.folder}")
        shutil.rmtree(self.bootstrap, ignore_errors=True)

    def bootstrap_package(self, python: Interpreter, name: str) -> None:
        """Installs one package beside the environment with another Python's pip, leaving that Python as it is."""
        pip = [python.path, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        target: Command = ["--target", self.bootstrap, "--upgrade", "-c", shipped_pins().path, name]
        run([*pip, *target], f"{python} could not fetch {name}")

    def clear(self) -> None:
        """Empties the folder of all but the pins that worked, the lock and a fetched Python."""
        for child in self.folder.iterdir():
            if child.name in ("pins", "setup.lock", self.fetched_python.name):
                continue
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()

    def pip(self, pins: Pins, *arguments: str | Path, **variables: str) -> None:
        options = ["--disable-pip-version-check", "--no-input", "--no-warn-script-location"]
        quiet = [] if sys.stdout.isatty() else ["--quiet"]
        pip: Command = [
            self.python,
            "-W",
            "ignore",
            "-m",
            "pip",
            "install",
            *options,
            *quiet,
            "--log",
            self.pip_log,
        ]
        failure = (
            f"pip could not finish this step: all it did is in {self.pip_log}. The same command goes on from here"
        )
        run([*pip, "-c", pins.path, *arguments], failure, **variables)

    def packages(self, pattern: str) -> list[Path]:
        """The records of installed packages, e.g. `torch-*.dist-info`."""
        return [
            *self.folder.glob(f"lib/python3*/site-packages/{pattern}"),
            *self.folder.glob(f"Lib/site-packages/{pattern}"),
        ]

    def forget_half_installed(self) -> None:
        """pip writes RECORD last; what has none was cut off, and pip would take it for installed."""
        for folder in self.packages("*.dist-info"):
            if not (folder / "RECORD").exists():
                shutil.rmtree(folder)

    def installed_torch(self) -> tuple[str, str]:
        """Version and local label of the PyTorch in here, ("", "") when there is none."""
        for folder in self.packages("torch-*.dist-info"):
            version, _, label = folder.name[len("torch-") : -len(".dist-info")].partition("+")
            return version, label
        return "", ""

    def remember(self, pins: Pins) -> None:
        """Keeps the set of pins that works now, and the one before it, to roll back to."""
        used = pins.path.read_bytes()
        current, previous = self.current_pins.path, self.previous_pins.path
        current.parent.mkdir(exist_ok=True)
        if current.exists() and current.read_bytes() != used:
            current.replace(previous)
        current.write_bytes(used)


def lock(descriptor: int) -> None:
    """Takes the file's lock, waiting for whoever holds it; the system frees it when this process ends."""
    if sys.platform == "win32":
        import msvcrt

        held = False
        while not held:
            with contextlib.suppress(OSError):  # LK_LOCK gives up after ten seconds
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
                held = True
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)


def ensure(extras: set[str]) -> Venv:
    """The environment with these extras, made or mended first where needed. Raises LaunchError."""
    venv = Venv(PROJECT / ".venv")
    if not venv.ready(extras):
        with venv.locked():
            if not venv.ready(extras):
                set_up(venv, extras, pins_in_use(venv))
    return venv


def pins_in_use(venv: Venv) -> Pins:
    """The shipped pins, unless the user rolled this very version back to others."""
    marker = venv.marker()
    decided = marker is not None and marker.pins == shipped_digest() and venv.current_pins.path.exists()
    return venv.current_pins if decided else shipped_pins()


def set_up(venv: Venv, extras: set[str], pins: Pins, *, rechoose_torch: bool = False) -> None:
    """Makes the environment step by step; what an earlier, broken set-up finished is quick. Raises LaunchError.

    A PyTorch of the pinned version stays, whatever its build, unless `rechoose_torch`.
    """
    started = time.monotonic()
    say(f"Setting up Train Tools in {venv.folder}. If it is interrupted, the same command goes on from there.")
    marker = venv.marker()
    extras = extras | set(marker.extras if marker else ())
    if marker and not marker.serves(shipped_digest(), set()):
        venv.marker_file.unlink()
    venv.pip_log.unlink(missing_ok=True)
    build = choose_torch_build(this_machine(), os.environ.get("TORCH_INDEX_URL", ""))
    take_steps(set_up_steps(venv, extras, pins, build, rechoose_torch))
    venv.remember(pins)
    venv.write_marker(new_marker(venv, extras))
    say(f"Ready after {time.monotonic() - started:.0f} s.")


Step = tuple[str, Callable[[], object]]


def set_up_steps(venv: Venv, extras: set[str], pins: Pins, build: TorchBuild, rechoose_torch: bool) -> list[Step]:
    steps: list[Step] = [
        ("Python environment", venv.make),
        ("pip and setuptools", lambda: venv.pip(pins, "pip", "setuptools")),
        (f"PyTorch {pins.version('torch')}: {build}", lambda: install_torch(venv, pins, build, rechoose_torch)),
        (f"Train Tools and its libraries{described(extras)}", lambda: install_train_tools(venv, pins, extras)),
        ("CLIP's vocabulary", lambda: venv.pip(pins, "--no-deps", "open_clip_torch")),
        ("a first start", lambda: try_train_tools(venv)),
    ]
    if build.label.startswith("cu"):
        steps.insert(-1, ("libraries for the GPU", lambda: install_gpu_extra(venv, pins, extras)))
    return steps


def described(extras: set[str]) -> str:
    return f", with what {' and '.join(sorted(extras))} needs" if extras else ""


def take_steps(steps: list[Step]) -> None:
    for number, (title, action) in enumerate(steps, start=1):
        begun = time.monotonic()
        say(f"[{number}/{len(steps)}] {title}")
        action()
        say(f"      done in {time.monotonic() - begun:.1f} s")


def install_torch(venv: Venv, pins: Pins, build: TorchBuild, rechoose: bool) -> None:
    """Exactly the pinned version, in the build for this machine unless one is there and may stay."""
    version, label = venv.installed_torch()
    present = version == pins.version("torch")
    if present and (not rechoose or build.accepts(label)):
        say(f"      already here: {label or 'standard'} build")
    else:
        again = ["--force-reinstall", "--no-deps"] if present else []
        venv.pip(pins, *again, *torch_arguments(build, f"torch=={pins.version('torch')}"))


def torch_arguments(build: TorchBuild, requirement: str) -> list[str]:
    """What to ask pip for: the build's own index, or pip's where the build says that will do."""
    if build.index and (not build.plain_will_do or reachable(build.index)):
        return ["--extra-index-url", build.index, f"{requirement}+{build.label}" if build.label else requirement]
    if build.index:
        say(f"      {build.index} is out of reach: taking the build that pip's own index has")
    return [requirement]


def install_train_tools(venv: Venv, pins: Pins, extras: set[str], *options: str) -> None:
    """Links this folder into the environment, with its dependencies; by-products of the build stay in .venv."""
    by_products = venv.folder / "build"
    by_products.mkdir(exist_ok=True)
    config = venv.folder / "setuptools.cfg"
    config.write_text("[egg_info]\negg_base = .venv/build\n[build]\nbuild_base = .venv/build\n", encoding="utf-8")
    package = f".[{','.join(sorted(extras))}]" if extras else "."
    venv.pip(pins, *options, "--no-build-isolation", "-e", package, DIST_EXTRA_CONFIG=str(config))


def install_gpu_extra(venv: Venv, pins: Pins, extras: set[str]) -> None:
    """Faster, smaller training on CUDA; Train Tools works without, so a failure is only told."""
    try:
        install_train_tools(venv, pins, extras | {"gpu"}, "--only-binary", ":all:")
    except LaunchError as problem:
        say(f"      going on without: {problem}")


def try_train_tools(venv: Venv) -> None:
    command = [str(venv.python), "-P", "-m", "train_tools", "--help"]
    done = subprocess.run(command, env=own_environment(), capture_output=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        rollback = (
            "\n`python launch.py rollback` returns to the libraries that worked."
            if pins_to_return_to(venv)
            else ""
        )
        raise LaunchError("Train Tools is installed but does not start:\n" + "\n".join(said[-15:]) + rollback)


def new_marker(venv: Venv, extras: set[str]) -> Marker:
    version, label = venv.installed_torch()
    python = probe([str(venv.python)])
    return Marker(
        project=str(PROJECT),
        python=python.version if python else "",
        torch=f"{version}+{label}" if label else version,
        pins=shipped_digest(),
        extras=tuple(sorted(extras)),
    )


def pins_to_return_to(venv: Venv) -> Pins | None:
    """The set before this one; after a set-up that never finished, the set that last did."""
    candidate = venv.previous_pins if venv.marker() else venv.current_pins
    return candidate if candidate.path.exists() else None


def roll_back() -> int:
    venv = Venv(PROJECT / ".venv")
    pins = pins_to_return_to(venv)
    if not pins:
        raise LaunchError(
            "There is no earlier set of libraries that worked here; `python launch.py setup` repairs this one."
        )
    marker = venv.marker()
    with venv.locked():
        set_up(venv, set(marker.extras if marker else ()), pins)
    say("Later starts keep this set until Train Tools itself changes; another rollback undoes this one.")
    return 0


def set_up_again() -> int:
    venv = Venv(PROJECT / ".venv")
    with venv.locked():
        set_up(venv, set(), shipped_pins(), rechoose_torch=True)
    return 0


def start(command: list[str]) -> int:
    """Becomes the command; on Windows, which can't, waits for it and hands on its exit status."""
    sys.stdout.flush()
    if os.name != "nt":
        os.execve(command[0], command, own_environment())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the child by itself
    return subprocess.run(command, env=own_environment(), check=False).returncode


def run_train_tools(arguments: list[str]) -> int:
    return start([str(ensure(set()).python), "-P", "-m", "train_tools", *arguments])


def run_tests(arguments: list[str]) -> int:
    venv = ensure({"test"})
    os.chdir(PROJECT)
    return start([str(venv.python), "-m", "pytest", *(arguments or TWO_FILES_AT_ONCE)])


def run_soak(arguments: list[str]) -> int:
    venv = ensure({"test"})
    os.chdir(PROJECT)
    return start([str(venv.python), str(PROJECT / "tests" / "faults" / "soak.py"), *arguments])


def run_checks() -> int:
    """Every check, even after one that failed; 0 when all pass."""
    venv = ensure({"dev"})
    checks = ("ruff check", "ruff format --check", "mypy", "mypy --python-version 3.10 launch.py")
    failed = []
    for check in checks:
        say(f"{check}:")
        command = [str(venv.python), "-m", *check.split()]
        if subprocess.run(command, cwd=PROJECT, env=own_environment(), check=False).returncode:
            failed.append(check)
    say(f"Failed: {', '.join(failed)}." if failed else "All checks pass.")
    return 1 if failed else 0


def command_for(arguments: list[str]) -> Callable[[], int]:
    """What the words after launch.py ask for: a command of its own, else one of train-tools."""
    own: dict[str, Callable[[], int]] = {"check": run_checks, "setup": set_up_again, "rollback": roll_back}
    if arguments[:1] == ["test"]:
        return lambda: run_tests(arguments[1:])
    if arguments[:1] == ["soak"]:
        return lambda: run_soak(arguments[1:])
    if len(arguments) == 1 and arguments[0] in own:
        return own[arguments[0]]
    return lambda: run_train_tools(arguments or ["serve", "--open"])


def main(arguments: list[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if arguments in (["-h"], ["--help"]) and not Venv(PROJECT / ".venv").ready(set()):
        say(__doc__)
        return 0
    try:
        return command_for(arguments)()
    except LaunchError as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error}. Mend that, then run the same command again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
