"""WebUIs on this machine that pictures are made with: those that run, and the options they are started with. Some
of these make LoRAs look broken that are not."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from train_tools.model.finding import Finding, Level

SETTINGS_FILES = ("webui-user.sh", "webui-user.bat")
SCRIPTS = ("webui.py", "launch.py")
"""What a WebUI runs; the second is called so elsewhere too, and counts where a settings file lies beside it."""
HIGHEST = 4
"""How far above a folder of models the WebUI may be."""

HURTFUL: Mapping[str, str] = {
    "--lowvram": "loads the model in pieces, and with some versions LoRAs are then not applied",
    "--medvram": "moves parts of the model to and fro, which makes every picture slower",
    "--no-half": "keeps everything in 32 bits: twice the memory, half the speed",
    "--disable-nan-check": "saves black pictures without a word when the VAE overflows",
    "--use-cpu": "calculates on the processor what it names",
}
BETTER: Mapping[str, str] = {
    "--no-half": "Take it out; against black pictures --no-half-vae is enough, on 16xx cards --upcast-sampling.",
    "--disable-nan-check": "Take it out; --no-half-vae cures most black pictures.",
}
TAKE_OUT = "Take it out where the card has the memory; previews of Train Tools itself are not concerned."


@dataclass(frozen=True, kw_only=True)
class Running:
    """A process that is a WebUI."""

    pid: int
    folder: Path
    options: tuple[str, ...]


def webui_findings(named: Iterable[Path], running: Sequence[Running]) -> Iterator[Finding]:
    """Of the WebUIs that run, and of those that the folders belong to which the settings name."""
    found = False
    for process in running:
        found = True
        options = ", ".join(process.options) or "no options"
        yield _finding(Level.OK, f"A WebUI runs: {process.folder} (process {process.pid}), with {options}.")
        yield from _hurtful(process.options, f"The WebUI that runs in {process.folder}")
    for folder in dict.fromkeys(filter(None, map(webui_above, named))):
        found = True
        for file in (folder / name for name in SETTINGS_FILES):
            yield from _hurtful(options_in(file), str(file))
    if not found:
        yield _finding(Level.OK, "No WebUI runs, and the settings name no folder of one.")


def webui_above(folder: Path) -> Path | None:
    """The WebUI that a folder of models belongs to."""
    places = (folder, *list(folder.parents)[:HIGHEST])
    return next((place for place in places if any((place / name).is_file() for name in SETTINGS_FILES)), None)


def options_in(file: Path) -> tuple[str, ...]:
    """The words of COMMANDLINE_ARGS in webui-user.sh or webui-user.bat; none where it is commented out."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    lines = re.findall(r"^[ \t]*(?:export|set)?[ \t]*\"?COMMANDLINE_ARGS=([^\r\n]*)", text, re.MULTILINE | re.I)
    return _words(lines[-1]) if lines else ()


def running_webuis() -> tuple[Running, ...]:
    """WebUIs of this user; what may not be looked at is passed over."""
    return tuple(_running())


def _running() -> Iterator[Running]:
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            scripts = [word for word in words[1:3] if re.split(r"[/\\]", word)[-1] in SCRIPTS]
            if not scripts:
                continue
            folder = Path(os.path.abspath(Path(process.cwd(), scripts[0]))).parent  # noqa: PTH100 - no links followed
        except (psutil.Error, OSError):
            continue
        if any((folder / name).is_file() for name in SETTINGS_FILES):
            options = tuple(word for word in words[words.index(scripts[0]) + 1 :])
            yield Running(pid=process.pid, folder=folder, options=_without_values_of_secrets(options))


def _without_values_of_secrets(words: Sequence[str]) -> tuple[str, ...]:
    """Options alone: what follows one may be a password, as after --gradio-auth."""
    return tuple(word.partition("=")[0] for word in words if word.startswith("--"))


def _words(line: str) -> tuple[str, ...]:
    try:
        words = shlex.split(line.strip().strip("\"'"), posix=False)
    except ValueError:
        words = line.split()
    return _without_values_of_secrets([word.strip("\"'") for word in words])


def _hurtful(options: Iterable[str], whose: str) -> Iterator[Finding]:
    for option in dict.fromkeys(options):
        if option in HURTFUL:
            yield _finding(
                Level.WARNING, f"{whose} has {option}: it {HURTFUL[option]}.", BETTER.get(option, TAKE_OUT)
            )


def _finding(level: Level, message: str, cure: str = "") -> Finding:
    return Finding(check="WebUI", level=level, message=message, cure=cure)
