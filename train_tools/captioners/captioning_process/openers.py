"""From names to captioners that are ready: their weights are found, or fetched where somebody agreed to it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from train_tools.base_models.web import Web
from train_tools.captioners.captioning_process.opening import Opening
from train_tools.captioners.fetching import fetch
from train_tools.captioners.registry import captioner_of
from train_tools.captioners.request import CaptionRequest
from train_tools.captioners.session import Looking, StoppedError, Stops
from train_tools.captioners.weights import repository_of, state_of, words_for
from train_tools.errors import ConfirmationWantedError
from train_tools.model.captioning import Chosen

OPENERS: Mapping[str, tuple[str, str]] = {
    "wd-v3": ("wd", "open_wd"),
    "deepbooru": ("deepbooru", "open_deepbooru"),
    "blip": ("blip", "open_blip"),
    "blip-2": ("blip", "open_blip_2"),
    "florence-2": ("florence", "open_florence"),
    "endpoint": ("endpoint", "open_endpoint"),
    "file-name": ("file_name", "open_file_name"),
}
"""Module and function. A module is loaded when it is wanted: some need seconds for the libraries they stand on."""
TELL_AFTER_S = 1.0


def open_captioners(request: CaptionRequest, stops: Stops) -> Sequence[Looking]:
    """All of them, or none: what is missing is known before the first picture is looked at."""
    chosen = request.work.settings.captioners
    folders = {each.name: _folder_of(each, request, stops) for each in chosen}
    opened = []
    for each in chosen:
        if stops.stopped():
            raise StoppedError
        stops.tell(f"loading {captioner_of(each).title}")
        opened.append(_opened(each.name, Opening(request=request, folder=folders[each.name])))
    return opened


def _opened(name: str, opening: Opening) -> Looking:
    module, function = OPENERS[name]
    captioner: Looking = getattr(import_module(f"{__package__}.{module}"), function)(opening)
    return captioner


def _folder_of(chosen: Chosen, request: CaptionRequest, stops: Stops) -> Path:
    """Where its weights are; an empty path for one that has none. Raises ConfirmationWantedError when they are
    missing and nobody agreed to fetching them."""
    captioner = captioner_of(chosen)
    if not captioner.repositories:
        return Path()
    state = state_of(chosen, request.weights)
    if state.place is not None:
        return state.place
    if not request.work.download:
        raise ConfirmationWantedError(words_for(captioner, state))
    whole = fetch(
        captioner,
        repository_of(chosen),
        state.folder,
        web=Web(),
        progress=_Told(stops),
        stopped=stops.stopped,
    )
    if not whole:
        raise StoppedError
    return state.folder


class _Told:
    """Tells how far a download is, once a second."""

    def __init__(self, stops: Stops) -> None:
        self._stops = stops
        self._told_at = 0.0

    def __call__(self, file: str, done: int, total: int) -> None:
        if time.monotonic() - self._told_at >= TELL_AFTER_S or done == total:
            self._told_at = time.monotonic()
            self._stops.tell(f"fetching {file}: {done // 1_000_000} of {total // 1_000_000} MB")
