"""What the WebUI says about itself. The one file that asks its modules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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


def find_host() -> Host:
    from modules import shared

    flags = shared.cmd_opts
    asked = getattr(flags, "train_tools_dir", None)
    return Host(
        extension=Path(__file__).parent.parent,
        outputs=Path(asked).expanduser().absolute() if asked else _outputs(),
        port=getattr(flags, "train_tools_port", 0) or 0,
        subpath=_subpath(flags),
        autostart=not getattr(flags, "train_tools_no_autostart", False),
        exposed=bool(getattr(flags, "disable_extension_access", False)),
    )


def _subpath(flags: object) -> str:
    asked = str(getattr(flags, "subpath", None) or "").strip("/")
    return f"/{asked}" if asked else ""


def _outputs() -> Path:
    from modules import paths

    return Path(paths.data_path).absolute() / "outputs"
