"""Whether previews can be rendered with the WebUI of the settings: everything is tried but rendering itself."""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from train_tools.errors import TrainToolsError
from train_tools.model.finding import Finding, Level
from train_tools.model.settings import WebuiSettings
from train_tools.renderers.webui_http.client import API, Client, WebuiError
from train_tools.renderers.webui_http.families import Webui, lists_lora, look_at
from train_tools.renderers.webui_http.place import door_to, leases, lora_folder_of
from train_tools.renderers.webui_http.staging import Staging, leftovers


def webui_findings(settings: WebuiSettings) -> Iterator[Finding]:
    """A file is put into its LoRA folder for a moment, to see whether the WebUI sees it."""
    try:
        client = Client(door_to(settings))
        webui = look_at(client)
    except TrainToolsError as error:
        yield _finding(Level.STOP, str(error))
        return
    version = f" {webui.version}" if webui.version.lower() not in webui.family.lower() else ""
    yield _finding(Level.OK, f"{webui.family}{version} answers at {settings.url}.")
    if not client.door.is_here and settings.url.startswith("http:"):
        yield _finding(
            Level.WARNING,
            f"Prompts{' and the password' if settings.user else ''} go to {client.door.host} unencrypted.",
            "On a network that you don't trust, use https or a tunnel.",
        )
    if "--no-hashing" in webui.command_line:
        yield _finding(
            Level.STOP,
            "The WebUI was started with --no-hashing: it does not say which LoRAs it has applied, so no picture "
            "would count.",
            "Take it out of COMMANDLINE_ARGS.",
        )
    if webui.own_format not in ("", "png"):
        yield _finding(
            Level.STOP,
            f"{webui.family} gives {webui.own_format.upper()} pictures, which are not exact: it takes the format "
            "from its settings.",
            "Set the file format to png there, under Settings, Image Options.",
        )
    if webui.leaves_traces:
        yield _finding(
            Level.WARNING,
            f"This {webui.family} is an old one: its pictures carry traces of the LoRAs rendered before them.",
            "Update it.",
        )
    yield from _models(client)
    yield from _lora_folder(client, webui, settings)


def _models(client: Client) -> Iterator[Finding]:
    try:
        models = client.get(f"{API}/sd-models")
    except WebuiError as error:
        yield _finding(Level.STOP, str(error))
        return
    level = Level.OK if models else Level.STOP
    yield _finding(level, f"It lists {len(models)} base models.", "" if models else "Give it one to render with.")


def _lora_folder(client: Client, webui: Webui, settings: WebuiSettings) -> Iterator[Finding]:
    try:
        folder = lora_folder_of(settings, webui.lora_folder, client.door)
        left = len(list(leftovers(folder, leases())))
        problem = _problem_of_staging(client, folder)
    except TrainToolsError as error:
        yield _finding(Level.STOP, str(error))
        return
    if problem:
        yield _finding(Level.STOP, problem, "Say the right one: `train-tools settings webui.lora_folder=DIR`.")
    else:
        cleared = f" What {left} killed jobs had left there was cleared away." if left else ""
        yield _finding(Level.OK, f"What is put into its LoRA folder {folder} it sees.{cleared}")


def _problem_of_staging(client: Client, folder: Path) -> str:
    """Why a checkpoint put there would not be used; empty when it would. Raises StorageError, WebuiError."""
    staging = Staging(folder, leases())
    try:
        staging.open()
        with tempfile.TemporaryDirectory() as here:
            probe = Path(here) / "probe.safetensors"
            probe.write_bytes(_smallest_lora())
            if lists_lora(client, staging.stage(probe, "probe").name):
                return ""
        return f"The WebUI does not see what is put into {folder}: that is not its folder, or closed to it."
    finally:
        staging.close()
        with suppress(WebuiError):
            client.post(f"{API}/refresh-loras")


def _smallest_lora() -> bytes:
    header = json.dumps({"lora_unet_probe.alpha": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + struct.pack("<f", 1.0)


def _finding(level: Level, message: str, cure: str = "") -> Finding:
    return Finding(check="WebUI", level=level, message=message, cure=cure)
