"""The config file that a command line with `--output_config` describes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tomli_w

from lora_engine.output.reporting import Reporter
from sd_contract.errors import OptionError
from sd_contract.options import OPTIONS, Settings, read_command_line, settings_from


def config_written(arguments: Sequence[str], reporter: Reporter) -> bool:
    """Whether the command line asked for its config file, which then is written, and for no training."""
    line = read_command_line(arguments)
    if not line.output_config:
        return False
    if line.config_file is None:
        raise OptionError("output_config writes the file that --config_file names. Give that name too.")
    write_config(settings_from(line.values), line.config_file)
    reporter.say(f"saved config file: {line.config_file}")
    return True


def write_config(settings: Settings, path: Path) -> None:
    """Writes what differs from the defaults. OptionError when there is such a file already: it is never
    overwritten."""
    changed = {spec.name: settings.get(spec.name) for spec in OPTIONS if settings.get(spec.name) != spec.default}
    table = {name: list(value) if isinstance(value, tuple) else value for name, value in changed.items()}
    content = tomli_w.dumps(table).encode("utf-8")
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError as error:
        raise OptionError(
            f"config file {path} exists already. Choose another name, or remove it first."
        ) from error
    except OSError as error:
        raise OptionError(f"config file {path} can't be written: {error.strerror}.") from error
