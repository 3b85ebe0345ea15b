"""Which WebUI an attempt asks: its address, its password, its LoRA folder as this machine sees it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from train_tools.errors import StorageError
from train_tools.jobs.lease import state_folder
from train_tools.model.host import HostWebui
from train_tools.model.settings import WebuiSettings
from train_tools.renderers.webui_http.client import Door
from train_tools.renderers.webui_http.renderer import FORMAT, PLACE_NAME
from train_tools.settings.host import host_webui
from train_tools.settings.secrets import Secrets, checked_webui


def read_place(folder: Path) -> WebuiSettings:
    """Which WebUI an attempt is to ask. Raises StorageError."""
    file = folder / PLACE_NAME
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        if fields.pop("format") != FORMAT:
            raise StorageError(f"{file} has another format than this version reads. Start the job again.")
        return WebuiSettings(**fields)
    except OSError as error:
        raise StorageError(f"Could not read {file}: {error.strerror or error}.") from error
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{file} does not say which WebUI to ask ({error}). Start the job again.") from error


def door_to(settings: WebuiSettings) -> Door:
    """With the password, which is in no file of the outputs folder. Raises OptionValueError."""
    if host := host_meant_by(settings):
        return Door(url=host.bridge, token=host.token)
    url = checked_webui(settings.url)
    password = Secrets(state_folder()).webui_password(url) if settings.user else ""
    return Door(url=url, user=settings.user, password=password)


def host_meant_by(settings: WebuiSettings) -> HostWebui | None:
    """The WebUI that has started us, unless the settings name another."""
    return host_webui() if settings.url == WebuiSettings().url else None


def leases() -> Path:
    """Where sessions that have files in a LoRA folder show that they live."""
    return state_folder() / "webui"


def lora_folder_of(settings: WebuiSettings, said: Path | None, door: Door) -> Path:
    """The WebUI's LoRA folder as this machine sees it. Raises StorageError when nobody says which."""
    if settings.lora_folder:
        return Path(os.path.expanduser(settings.lora_folder))  # noqa: PTH111 - a home that nobody knows stays as typed
    if host := host_meant_by(settings):
        return host.loras
    if not door.is_here:
        raise StorageError(
            f"The WebUI runs on another machine ({door.host}): share its LoRA folder and say where it is seen "
            "from here: `train-tools settings webui.lora_folder=DIR`."
        )
    if said is None:
        raise StorageError(
            "The WebUI does not say where its LoRA folder is: `train-tools settings webui.lora_folder=DIR`."
        )
    return said
