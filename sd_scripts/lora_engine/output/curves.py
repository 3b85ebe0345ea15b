"""Writes the curves of a run as an event file, which TensorBoard shows.

The package for that is imported only for runs that want curves (doc/decisions/0002-dependencies.md)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib import import_module
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

from lora_engine.output.reporting import Reporter
from sd_contract.curves import CurveFiles
from sd_contract.errors import OptionError

PACKAGE = "tensorboardX"


class Curves:
    """The event file of one start of a run. One that can't be written is a warning: the training is worth more."""

    def __init__(self, files: CurveFiles, options: Mapping[str, Any], reporter: Reporter) -> None:
        """Begins the file, with the options that are to stand beside the curves."""
        self._reporter = reporter
        self._flush_s = files.flush_s
        self._flushed_at = monotonic()
        self._event = import_module(f"{PACKAGE}.proto.event_pb2").Event
        self._file: Any = None
        try:
            folder = new_folder(files.run_folder(time.localtime())) / files.tracker
            folder.mkdir(parents=True, exist_ok=True)
            writer = import_module(f"{PACKAGE}.event_file_writer").EventsWriter
            self._file = writer(str(folder.absolute() / "events"), files.suffix)
            for summary in import_module(f"{PACKAGE}.summary").hparams(options, {}) if options else ():
                self._write(self._event(summary=summary))
            self._file.flush()
        except OSError as error:
            self._give_up(error)

    def add(self, place: int, values: Mapping[str, float]) -> None:
        """Adds a point to each of these curves, at a step or an epoch."""
        event = self._event(step=place)
        for name, value in values.items():
            event.summary.value.add(tag=name, simple_value=value)
        try:
            self._write(event)
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except OSError as error:
            self._give_up(error)

    def _write(self, event: Any) -> None:
        if self._file is None:
            return
        event.wall_time = time.time()
        self._file.write_event(event)
        if monotonic() - self._flushed_at >= self._flush_s:
            self._file.flush()
            self._flushed_at = monotonic()

    def _give_up(self, error: OSError) -> None:
        self._file = None
        self._reporter.warn(f"curves can't be written: {error.strerror}. The training goes on without them.")


def refuse_missing_package() -> None:
    """OptionError when what writes curves can't be loaded."""
    try:
        import_module(PACKAGE)
    except ImportError as error:
        raise OptionError(
            f"logging_dir needs the package {PACKAGE}, which can't be loaded ({error}). "
            "Install it, or leave logging_dir out."
        ) from error


def new_folder(wanted: Path) -> Path:
    """Makes the folder; two runs that start within a second get one each, so that their curves don't mix."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("numbers have no end")
