"""News for a webhook: a JSON object posted to the one address that the user gave, and nowhere else."""

from __future__ import annotations

import json
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any

from sd_contract.attempt import Attempt
from train_tools import __version__
from train_tools.errors import StorageError, TrainToolsError
from train_tools.files import write_json
from train_tools.follow_ups.news import WEBHOOK, News
from train_tools.jobs.errand import Errand, launch_of
from train_tools.jobs.kind import Launch
from train_tools.model.job import Job
from train_tools.settings.secrets import WebhookAddress

PROCESS = "train_tools.follow_ups.webhook_process"
REQUEST_NAME = "webhook.json"
FORMAT = 1
TIMEOUT_S = 10.0
RESTS_S = (2.0, 8.0)
"""How long to rest before each further try."""


class NotDeliveredError(TrainToolsError):
    """The webhook did not take the message."""


class WebhookJob(Errand):
    """JobKind `webhook`. The address is in none of its files: its process asks for it itself."""

    name = WEBHOOK

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        request = attempt.folder / REQUEST_NAME
        write_json(request, payload_of(News.of(job.subject)))
        return launch_of(PROCESS, attempt, request, stop_grace_s=0.0)


def payload_of(news: News) -> dict[str, Any]:
    """What is posted. `text` and `content` say it in words, for chat services that show one of these."""
    words = f"Train Tools: {news.headline}. {news.text}"
    facts = {name: value for name, value in asdict(news).items() if name not in ("headline", "text")}
    return {"format": FORMAT, **facts, "text": words, "content": words}


def read_payload(file: Path) -> bytes:
    try:
        return json.dumps(json.loads(file.read_text(encoding="utf-8"))).encode("ascii")
    except OSError as error:
        raise StorageError(f"Could not read {file}: {error.strerror or error}.") from error
    except ValueError as error:
        raise StorageError(f"{file} does not hold a message. Start the job again.") from error


def deliver(
    address: WebhookAddress,
    payload: bytes,
    *,
    timeout_s: float = TIMEOUT_S,
    rests_s: Sequence[float] = RESTS_S,
    rest: Callable[[float], None] = time.sleep,
) -> int:
    """Posts the message; what may pass is tried again after each rest. Returns the number of tries.

    Raises NotDeliveredError in words that name the host alone.
    """
    for tries, pause_s in enumerate((*rests_s, None), start=1):
        trouble = _post(address, payload, timeout_s)
        if trouble is None:
            return tries
        if not trouble.may_pass or pause_s is None:
            raise NotDeliveredError(f"{address.host} {trouble.what}.")
        rest(pause_s)
    raise AssertionError("the last try returns or raises")


@dataclass(frozen=True)
class _Trouble:
    what: str
    may_pass: bool


def _post(address: WebhookAddress, payload: bytes, timeout_s: float) -> _Trouble | None:
    """One try, at most `timeout_s` long however slowly the other side speaks. None = it was taken."""
    outcome: queue.SimpleQueue[_Trouble | None] = queue.SimpleQueue()
    threading.Thread(target=lambda: outcome.put(_answer_to(address, payload, timeout_s)), daemon=True).start()
    try:
        return outcome.get(timeout=timeout_s)
    except queue.Empty:
        return _Trouble(f"did not answer within {timeout_s:g} s", may_pass=True)


def _answer_to(address: WebhookAddress, payload: bytes, timeout_s: float) -> _Trouble | None:
    request = urllib.request.Request(
        address.url,
        data=payload,
        headers={"Content-Type": "application/json", "User-Agent": f"train-tools/{__version__}"},
        method="POST",
    )
    try:
        with _opener().open(request, timeout=timeout_s) as response:
            return _judged(response.status)
    except TimeoutError:
        return _Trouble(f"did not answer within {timeout_s:g} s", may_pass=True)
    except urllib.error.URLError as error:
        return _Trouble(f"can't be reached ({_reason(error)})", may_pass=True)
    except (OSError, HTTPException, ValueError) as error:
        return _Trouble(f"did not answer as a web server does ({type(error).__name__})", may_pass=True)


def _opener() -> urllib.request.OpenerDirector:
    """Speaks http and https, through the proxy of the environment if there is one, and follows no redirect."""
    opener = urllib.request.OpenerDirector()
    for handler in _HANDLERS:
        opener.add_handler(handler())
    return opener


_HANDLERS = (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.UnknownHandler,
)


def _judged(status: int) -> _Trouble | None:
    try:
        answer = f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        answer = str(status)
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return _Trouble(
            f"answered {answer}: redirects are not followed, give the address it leads to", may_pass=False
        )
    may_pass = status >= 500 or status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    return _Trouble(f"answered {answer}", may_pass)


def _reason(error: urllib.error.URLError) -> str:
    """Why it could not be reached, in the system's words; never the address."""
    reason = error.reason
    return str(reason.strerror or type(reason).__name__) if isinstance(reason, OSError) else type(error).__name__
