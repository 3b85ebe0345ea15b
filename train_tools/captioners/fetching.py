"""Fetching the files of a model that looks at pictures, once somebody has agreed to it: whole and checked, from
where an earlier attempt was stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from train_tools.base_models.downloads import Downloads
from train_tools.base_models.web import FAULTS, Web, host_of
from train_tools.captioners.registry import PictureModel, Repository
from train_tools.captioners.weights import HUB
from train_tools.errors import DownloadError
from train_tools.files import storage_error

LONGEST_LIST = 10_000_000
SUFFIXES = (".onnx", ".csv", ".json", ".txt", ".safetensors", ".pt")
"""`.pt` is read as weights alone, never as the code that it may hold."""

Progress = Callable[[str, int, int], None]
"""Called with (file, done bytes of all, total bytes of all)."""


@dataclass(frozen=True)
class _Wanted:
    name: str
    address: str
    size_bytes: int
    sha256: str = ""


def fetch(
    model: PictureModel,
    repository: Repository,
    folder: Path,
    *,
    web: Web,
    progress: Progress = lambda file, done, total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> bool:
    """Fetches what the folder lacks. False when it was stopped, with what had come kept.

    Raises DownloadError, NotNowError for a disk without room, InUseError while another does the same.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error
    downloads = Downloads(web, SUFFIXES)
    wanted = [each for each in _wanted(model, repository, web) if not (folder / each.name).is_file()]
    offers = [(each, downloads.look(each.address, folder, each.name)) for each in wanted]
    total, done = sum(offer.size_bytes for _, offer in offers), 0
    for each, offer in offers:

        def tell(part: int, whole: int, name: str = each.name, before: int = done) -> None:
            progress(name, before + part, total)

        if downloads.fetch(each.address, offer, sha256=each.sha256, progress=tell, stopped=stopped) is None:
            return False
        done += offer.size_bytes
    return True


def _wanted(model: PictureModel, repository: Repository, web: Web) -> list[_Wanted]:
    if repository.address:
        return [_Wanted(repository.address.rsplit("/", 1)[-1], repository.address, 0)]
    hub = os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB
    listing = _listing(f"{hub}/api/models/{repository.name}?blobs=true", web)
    try:
        revision = str(listing["sha"])
        sizes = {str(each["rfilename"]): each for each in listing["siblings"]}
        names = model.files.wanted(list(sizes))
        files = [
            _Wanted(
                name=name,
                address=f"{hub}/{repository.name}/resolve/{quote(revision)}/{quote(name)}",
                size_bytes=int(sizes[name].get("size") or 0),
                sha256=str((sizes[name].get("lfs") or {}).get("sha256", "")),
            )
            for name in names
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DownloadError(
            f"{host_of(hub)} does not say which files {repository.name} has ({error!r}). Fetch them with the "
            "browser."
        ) from error
    missing = model.files.missing(names)
    if missing:
        raise DownloadError(
            f"{repository.name} is no model for {model.name}: it has no {', '.join(missing)}. Choose another."
        )
    return files


def _listing(address: str, web: Web) -> dict[str, Any]:
    host = host_of(address)
    try:
        with web.ask(address, {"Accept": "application/json", "User-Agent": "train-tools"}) as reply:
            if reply.status in (401, 403, 404):
                raise DownloadError(
                    f"{host} has no such repository, or gives it to nobody without a name ({reply.status}). Is "
                    "the name right? Some want their terms accepted in the browser, and a token (HF_TOKEN)."
                )
            if reply.status != 200:
                raise DownloadError(f"{host} answers {reply.status} instead of a list of files. Try again later.")
            text = b""
            while len(text) < LONGEST_LIST and (piece := reply.read(1 << 20)):
                text += piece
        found = json.loads(text)
    except FAULTS as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(
            f"{host} can't be reached: {reason}. Without a network, put the files into their folder by hand: "
            "`train-tools dataset captioners` names both, for scores `train-tools score` does."
        ) from error
    except ValueError as error:
        if isinstance(error, DownloadError):
            raise
        raise DownloadError(f"{host} answers something else than a list of files. Try again later.") from error
    if not isinstance(found, dict):
        raise DownloadError(f"{host} answers something else than a list of files. Try again later.")
    return found
