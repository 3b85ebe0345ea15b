"""Fetching base models: looked at first, agreed to, then fetched here or in the background, stopped and gone on
with."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from train_tools.base_models.downloads import Downloads as Fetching
from train_tools.base_models.downloads import Progress
from train_tools.base_models.web import Web
from train_tools.errors import (
    ConfirmationWantedError,
    InUseError,
    NotFoundError,
    OptionValueError,
    TrainToolsError,
)
from train_tools.files import storage_error
from train_tools.model.download import Download, DownloadState, Offer
from train_tools.model.paths import OutputsPaths


@dataclass
class _Running:
    """One in the background; `told` is replaced as it goes on."""

    told: Download
    stop: threading.Event = field(default_factory=threading.Event)


class Downloads:
    """`folders` are those that base models are looked for in: nothing is put anywhere else in the background."""

    def __init__(
        self, outputs: OutputsPaths, folders: Callable[[], tuple[Path, ...]], web: Web | None = None
    ) -> None:
        self._outputs = outputs
        self._folders = folders
        self._fetching = Fetching(web or Web())
        self._running: dict[int, _Running] = {}
        self._changing = threading.Lock()

    def look(self, address: str, folder: Path | None = None, name: str | None = None) -> Offer:
        """What is offered at an address, and by whom, for a folder; without one, for the outputs folder's own."""
        return self._fetching.look(address, self._place(folder), name)

    def fetch(
        self, address: str, offer: Offer, sha256: str = "", progress: Progress = lambda done, total: None
    ) -> Path:
        """Fetches what was agreed to, and returns when it is whole."""
        path = self._fetching.fetch(address, offer, sha256=sha256, progress=progress)
        assert path is not None, "nobody stops it"
        return path

    def start(self, address: str, agreed: Offer, sha256: str = "") -> Download:
        """The same in the background. Raises ConfirmationWantedError when something else is offered by now than
        what was agreed to, and InUseError when it is under way already."""
        if agreed.folder not in (self._outputs.base_models, *self._folders()):
            raise OptionValueError(f"{agreed.folder} is none of the folders for base models. Choose one of them.")
        offer = self.look(address, agreed.folder, agreed.name)
        if (offer.size_bytes, offer.sent_by) != (agreed.size_bytes, agreed.sent_by):
            raise ConfirmationWantedError(
                f"{offer.name} has {offer.size_bytes:,} bytes and comes from {offer.sent_by}; agreed to were "
                f"{agreed.size_bytes:,} bytes from {agreed.sent_by}. Look at it and agree anew."
            )
        with self._changing:
            if any(
                each.told.target == offer.target and each.told.state is DownloadState.RUNNING
                for each in self._running.values()
            ):
                raise InUseError(f"{offer.name} is being fetched into {offer.folder} already.")
            running = _Running(_begun(len(self._running) + 1, offer))
            self._running[running.told.id] = running
        threading.Thread(target=self._work, args=(running, address, offer, sha256), daemon=True).start()
        return running.told

    def all(self) -> tuple[Download, ...]:
        """Those that were begun since the service started, newest first."""
        with self._changing:
            return tuple(running.told for running in reversed(self._running.values()))

    def stop(self, id: int) -> Download:
        """Stops one; what has come is kept, and asking again goes on from there."""
        with self._changing:
            running = self._running.get(id)
        if running is None:
            raise NotFoundError(f"There is no download {id}.")
        running.stop.set()
        return running.told

    def _work(self, running: _Running, address: str, offer: Offer, sha256: str) -> None:
        try:
            path = self._fetching.fetch(
                address,
                offer,
                sha256=sha256,
                progress=lambda done, total: self._tell(running, done_bytes=done),
                stopped=running.stop.is_set,
            )
        except TrainToolsError as error:
            self._tell(running, state=DownloadState.FAILED, message=str(error))
            return
        self._tell(running, state=DownloadState.DONE if path else DownloadState.STOPPED)

    def _tell(self, running: _Running, **changes: object) -> None:
        with self._changing:
            running.told = replace(running.told, **changes)  # type: ignore[arg-type]

    def _place(self, folder: Path | None) -> Path:
        if folder is not None:
            return folder.expanduser().absolute()
        try:
            self._outputs.base_models.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(self._outputs.base_models, error) from error
        return self._outputs.base_models


def _begun(id: int, offer: Offer) -> Download:
    return Download(
        id=id,
        name=offer.name,
        host=offer.sent_by,
        target=offer.target,
        size_bytes=offer.size_bytes,
        done_bytes=offer.here_bytes,
        state=DownloadState.RUNNING,
    )
