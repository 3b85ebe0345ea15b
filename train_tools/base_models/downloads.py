"""Fetching a base model: first what is offered, for the user to agree to, then the file, from where an earlier
attempt was stopped or broke off."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from email.message import Message
from pathlib import Path
from urllib.parse import unquote, urlsplit

from train_tools.base_models.parts import Part
from train_tools.base_models.web import FAULTS, Reply, Web, checked_address, host_of
from train_tools.errors import (
    AlreadyExistsError,
    ConfirmationWantedError,
    DownloadError,
    NotFoundError,
    NotNowError,
    OptionValueError,
)
from train_tools.files import storage_error
from train_tools.model.download import Offer
from train_tools.model.names import checked_name

SUFFIX = ".safetensors"
PIECE_BYTES = 1 << 20
SPARE_BYTES = 100_000_000
"""What stays free on the disk."""
MOST_BREAKS = 100
"""How often a connection may break off, as long as something came each time."""
TOTAL = re.compile(r"bytes (\d+)-\d+/(\d+)")
SHA256 = re.compile(r"[0-9a-fA-F]{64}")
ASK_PLAINLY = {"Accept-Encoding": "identity", "User-Agent": "train-tools"}

Progress = Callable[[int, int], None]
Stopped = Callable[[], bool]


def never() -> bool:
    return False


class Downloads:
    """Fetches files by way of `web`, of the kinds that names with these `suffixes` say."""

    def __init__(self, web: Web, suffixes: tuple[str, ...] = (SUFFIX,)) -> None:
        self._web = web
        self._suffixes = suffixes

    def look(self, address: str, folder: Path, name: str | None = None) -> Offer:
        """What a server offers at an address; next to nothing is fetched. Raises DownloadError in words."""
        address = checked_address(address)
        with self._asked(address, {"Range": "bytes=0-0"}) as reply:
            _refuse_status(reply)
            total = TOTAL.fullmatch(reply.headers.get("Content-Range", ""))
            size_text = total[2] if reply.status == 206 and total else reply.headers.get("Content-Length", "")
            if not size_text.isdecimal() or not int(size_text):
                raise DownloadError(
                    f"{reply.host} does not say how large the file is, so it can't be agreed to. Fetch it with "
                    "the browser."
                )
            offer = Offer(
                host=host_of(address),
                sent_by=reply.host,
                name=_name(name or _told_name(reply, address), self._suffixes),
                size_bytes=int(size_text),
                folder=folder,
                can_resume=reply.status == 206,
                validator=_validator(reply),
                free_bytes=_free(folder),
            )
        part = Part(offer.target)
        ours = part.belongs_to(offer.size_bytes, offer.validator)
        return replace(offer, here_bytes=part.size_bytes if ours and offer.can_resume else 0)

    def fetch(
        self,
        address: str,
        offer: Offer,
        *,
        sha256: str = "",
        progress: Progress = lambda done, total: None,
        stopped: Stopped = never,
    ) -> Path | None:
        """The file that was offered and agreed to, whole and checked, or nothing; None when it was `stopped`, with
        what had come kept for the next time.

        Raises AlreadyExistsError, ConfirmationWantedError when something else is offered by now, DownloadError,
        InUseError, NotNowError for a disk without room.
        """
        address = checked_address(address)
        sha256 = _checked_sha256(sha256)
        part = Part(offer.target)
        with part.alone():
            if offer.target.exists():
                raise AlreadyExistsError(f"{offer.target} is there already; nothing was fetched.")
            part.begin(offer)
            _refuse_full_disk(offer, part.size_bytes)
            for _ in range(MOST_BREAKS):
                before = part.size_bytes
                fault = self._take(address, offer, part, progress, stopped)
                if part.size_bytes == offer.size_bytes:
                    return part.finish(offer, sha256)
                if fault is None:
                    return None
                if part.size_bytes <= before or not offer.can_resume:
                    break
            raise DownloadError(
                f"The connection to {offer.sent_by} broke off after {part.size_bytes:,} of {offer.size_bytes:,} "
                f"bytes{f' ({fault})' if str(fault) else ''}. "
                + ("Ask again to go on from there." if offer.can_resume else "It has to begin anew.")
            ) from fault

    def _take(
        self, address: str, offer: Offer, part: Part, progress: Progress, stopped: Stopped
    ) -> Exception | None:
        """Appends what comes; the fault that ended it before the file was whole, None when it was stopped."""
        here = part.size_bytes if offer.can_resume else 0
        if here == offer.size_bytes:
            return None
        try:
            with self._web.ask(address, {**ASK_PLAINLY, **_range_from(here, offer)}) as reply:
                anew = _begins_anew(reply, offer, here)
                with part.opened(anew=anew) as file:
                    done = 0 if anew else here
                    while done < offer.size_bytes:
                        progress(done, offer.size_bytes)
                        if stopped():
                            return None
                        piece = reply.read(min(PIECE_BYTES, offer.size_bytes - done))
                        if not piece:
                            return EOFError("nothing more came")
                        part.append(file, piece)
                        done += len(piece)
                    progress(done, offer.size_bytes)
        except FAULTS as error:
            return error
        return None

    def _asked(self, address: str, headers: dict[str, str]) -> Reply:
        try:
            return self._web.ask(address, {**ASK_PLAINLY, **headers})
        except FAULTS as error:
            reason = getattr(error, "reason", None) or error
            raise DownloadError(f"{host_of(address)} can't be reached: {reason}.") from error


def _range_from(here: int, offer: Offer) -> dict[str, str]:
    if not here:
        return {}
    strong = offer.validator and not offer.validator.startswith("W/")
    return {"Range": f"bytes={here}-", **({"If-Range": offer.validator} if strong else {})}


def _begins_anew(reply: Reply, offer: Offer, here: int) -> bool:
    """Whether the answer is the whole file instead of its rest. Raises ConfirmationWantedError when it is another
    file, or comes from somebody else, than was agreed to."""
    _refuse_status(reply)
    rest = TOTAL.fullmatch(reply.headers.get("Content-Range", "")) if reply.status == 206 else None
    size_text = rest[2] if rest else reply.headers.get("Content-Length", "")
    same = (reply.host, size_text, _validator(reply)) == (offer.sent_by, str(offer.size_bytes), offer.validator)
    if not same or (rest is not None and int(rest[1]) != here):
        raise ConfirmationWantedError(
            f"{reply.host} offers another file now ({size_text or '?'} bytes) than the one of "
            f"{offer.size_bytes:,} bytes from {offer.sent_by} that was agreed to. Look at it and agree anew."
        )
    return rest is None


def _refuse_status(reply: Reply) -> None:
    if reply.status in (401, 403):
        raise DownloadError(
            f"{reply.host} wants to know who asks, or does not give it away ({reply.status}). Accept its terms in "
            "the browser and set a token (HF_TOKEN, CIVITAI_TOKEN), or fetch it with the browser."
        )
    if reply.status not in (200, 206):
        raise DownloadError(f"{reply.host} answers {reply.status} instead of the file. Is the address right?")
    if reply.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise DownloadError(
            f"The address leads to a web page of {reply.host}, not to a file. Copy the address of its download "
            "button or link."
        )


def _validator(reply: Reply) -> str:
    return reply.headers.get("ETag") or reply.headers.get("Last-Modified") or ""


def _told_name(reply: Reply, address: str) -> str:
    message = Message()
    message["Content-Disposition"] = reply.headers.get("Content-Disposition", "")
    told = message.get_filename() or ""
    return told.replace("\\", "/").rsplit("/", 1)[-1] or unquote(urlsplit(address).path).rsplit("/", 1)[-1]


def _name(text: str, suffixes: tuple[str, ...]) -> str:
    """Raises DownloadError for what is no name of a file of the wanted kind: others can hold code."""
    if not text.lower().endswith(suffixes):
        raise DownloadError(
            f"{text[:100]!r} is no {' or '.join(suffixes)} file; others can run code when they are opened. Give "
            "it a name with --name if it is one."
        )
    return checked_name(text, "file name")


def _checked_sha256(text: str) -> str:
    if text and not SHA256.fullmatch(text):
        raise OptionValueError(f"{text!r} is no sha256: 64 digits from 0 to f are wanted.")
    return text.lower()


def _free(folder: Path) -> int:
    if not folder.is_dir():
        raise NotFoundError(f"There is no folder {folder}. Make it first, or choose another.")
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise storage_error(folder, error) from error


def _refuse_full_disk(offer: Offer, here_bytes: int) -> None:
    wanted = offer.size_bytes - here_bytes + SPARE_BYTES
    if _free(offer.folder) < wanted:
        raise NotNowError(
            f"{offer.name} wants {offer.size_bytes - here_bytes:,} more bytes, and {offer.folder} has "
            f"{_free(offer.folder):,} free. Free some space, or choose another folder."
        )
