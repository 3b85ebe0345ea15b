"""What the WebUI says about itself. The one file that asks its modules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Host:
    extension: Path
    """Our folder, as the WebUI spells it: a link stays a link."""
    outputs: Path
    port: int
    """Of our service; 0 = any free one."""
    autostart: bool
    subpath: str
    """The WebUI's own place on its server, as `/sd`; empty for most."""
    exposed: bool
    """Reached from other machines, without the flag that says this is meant to be (SD.Next: --insecure)."""
    credentials: str
    """What its API asks for, as NAME:PASSWORD; empty where it asks for none."""
    models: tuple[Path, ...]
    """Folders of base models."""
    vaes: tuple[Path, ...]
    loras: Path


def find_host() -> Host:
    from modules import shared

    flags = shared.cmd_opts
    options = getattr(shared, "opts", None)
    asked = getattr(flags, "train_tools_dir", None)
    models = _models_folder(flags)
    return Host(
        extension=Path(__file__).parent.parent,
        outputs=Path(asked).expanduser().absolute() if asked else _data_folder() / "outputs",
        port=getattr(flags, "train_tools_port", 0) or 0,
        autostart=not getattr(flags, "train_tools_no_autostart", False),
        subpath=_subpath(flags),
        exposed=bool(getattr(flags, "disable_extension_access", False)),
        credentials=_credentials(flags),
        models=(models / "Stable-diffusion", *_named("ckpt_dir", flags, options)),
        vaes=(models / "VAE", *_named("vae_dir", flags, options)),
        loras=next(iter(_named("lora_dir", flags, options)), models / "Lora"),
    )


def make_api() -> Any:
    """The WebUI's API as an ASGI application that nobody else reaches."""
    from fastapi import FastAPI
    from modules.api.api import Api

    apart = FastAPI()
    Api(apart, queue_lock())
    return apart


def queue_lock() -> Any:
    """What everything that generates takes first."""
    from modules import call_queue

    return call_queue.queue_lock


def address_of(demo: Any) -> str:
    """Where the WebUI is reached from this machine. (`local_url` would be a name where it listens everywhere.)"""
    from modules import shared

    port = getattr(demo, "server_port", None) or getattr(shared.cmd_opts, "port", None) or 7860
    listens_at = getattr(demo, "server_name", None) or "127.0.0.1"
    here = "127.0.0.1" if listens_at in ("0.0.0.0", "::", "localhost") else listens_at
    secured = getattr(shared.cmd_opts, "tls_certfile", None)
    return f"{'https' if secured else 'http'}://{here}:{port}"


def _data_folder() -> Path:
    from modules import paths

    return Path(paths.data_path).absolute()


def _models_folder(flags: object) -> Path:
    from modules import paths

    told = getattr(flags, "models_dir", None) or getattr(paths, "models_path", None)
    return (_data_folder() / told).absolute() if told else _data_folder() / "models"


def _named(name: str, *places: object) -> tuple[Path, ...]:
    """Folders that its flags or its settings name."""
    told = [getattr(place, name, None) for place in places]
    return tuple(_data_folder() / one for one in told if isinstance(one, str) and one)


def _subpath(flags: object) -> str:
    asked = str(getattr(flags, "subpath", None) or "").strip("/")
    return f"/{asked}" if asked else ""


def _credentials(flags: object) -> str:
    """The first of those it was started with: `--api-auth`, SD.Next's `--auth`."""
    told = getattr(flags, "api_auth", None) or getattr(flags, "auth", None)
    return told.split(",")[0].strip('" ') if isinstance(told, str) else ""
