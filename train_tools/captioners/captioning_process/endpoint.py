"""Any program that describes pictures and is spoken to as OpenAI's (`POST .../chat/completions`). Pictures are
sent small and drawn anew, without what a camera noted in them; the key goes to the host it was given for and into
no file."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from train_tools.captioners.captioning_process.opening import Opening
from train_tools.captioners.session import PictureError, Subject
from train_tools.errors import TrainToolsError
from train_tools.jobs.lease import state_folder
from train_tools.model.captioning import Endpoint
from train_tools.settings.secrets import Secrets, checked_endpoint

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_SIDE_PX = 1024
QUALITY = 90
MOST_TOKENS = 300
TIMEOUT_S = 120.0
"""A large model on a CPU may think for a minute."""
RESTS_S = (1.0, 4.0, 15.0)
"""How long to rest before each further try."""
MAY_PASS = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
REFUSED = frozenset({401, 403})
SHOWN = 200
"""How much of an answer is repeated."""
LONGEST_ANSWER = 1_000_000


@dataclass(frozen=True)
class _Trouble:
    what: str
    may_pass: bool = False
    of_all: bool = False
    """Whether no other picture would fare better."""


class EndpointCaptioner:
    def __init__(
        self,
        endpoint: Endpoint,
        prompt: str,
        key: str = "",
        *,
        timeout_s: float = TIMEOUT_S,
        rests_s: Sequence[float] = RESTS_S,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self._address = f"{checked_endpoint(endpoint.address)}/chat/completions"
        self._host = httpx.URL(self._address).host
        self._model = endpoint.model
        self._prompt = prompt
        self._timeout_s = timeout_s
        self._rests_s = rests_s
        self._rest = rest
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(headers=headers, timeout=timeout_s, follow_redirects=False)

    def words(self, subject: Subject) -> str:
        """Raises PictureError when this picture is not described, TrainToolsError when none would be."""
        body = self._question(subject.image)
        for pause_s in (*self._rests_s, None):
            answer = self._ask(body)
            if isinstance(answer, str):
                return answer
            if not answer.may_pass or pause_s is None:
                kind = TrainToolsError if answer.of_all else PictureError
                raise kind(f"{self._host} {answer.what}.")
            self._rest(pause_s)
        raise AssertionError("the last try returns or raises")

    def _question(self, image: Image) -> Mapping[str, Any]:
        picture = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{small_jpeg(image)}"}}
        content = [{"type": "text", "text": self._prompt}, picture]
        model = {"model": self._model} if self._model else {}
        return {
            **model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": MOST_TOKENS,
            "temperature": 0,
        }

    def _ask(self, body: Mapping[str, Any]) -> str | _Trouble:
        """One try, at most `timeout_s` long however slowly the other side speaks."""
        deadline = time.monotonic() + self._timeout_s
        try:
            with self._client.stream("POST", self._address, json=body) as response:
                text = b""
                for piece in response.iter_bytes():
                    text += piece
                    if time.monotonic() > deadline:
                        return self._too_slow()
                    if len(text) > LONGEST_ANSWER:
                        return _Trouble("answered more than a caption can be")
                return _judged(response.status_code, text)
        except httpx.TimeoutException:
            return self._too_slow()
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            what = f"can't be reached ({reason}); start the program, or mend the address in the settings"
            return _Trouble(what, may_pass=True, of_all=True)

    def _too_slow(self) -> _Trouble:
        return _Trouble(f"did not answer within {self._timeout_s:g} s", may_pass=True)


def small_jpeg(image: Image) -> str:
    """A picture of at most 1024 pixels a side, in base64."""
    from PIL import Image as Pictures

    small = image.copy()
    small.info.clear()
    small.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX), Pictures.Resampling.LANCZOS)
    content = io.BytesIO()
    small.save(content, "JPEG", quality=QUALITY)
    return base64.b64encode(content.getvalue()).decode("ascii")


def _judged(status: int, text: bytes) -> str | _Trouble:
    if status == 200:
        return _told_in(text)
    said = _said(text)
    if status in REFUSED:
        return _Trouble(
            f"refuses the key ({status}){said}. Set the right one with `train-tools settings caption_key=-`, or "
            "TRAIN_TOOLS_CAPTION_KEY",
            of_all=True,
        )
    if 300 <= status < 400:
        return _Trouble(f"answers {status}: redirects are not followed, give the address it leads to", of_all=True)
    if status in (404, 405):
        return _Trouble(
            f"has nothing at that address, or no such model ({status}){said}. The address ends with /v1 as a "
            "rule; `train-tools settings captions.endpoint captions.model` shows both",
            of_all=True,
        )
    return _Trouble(f"answers {status}{said}", may_pass=status in MAY_PASS)


def _told_in(text: bytes) -> str | _Trouble:
    """The words in an answer; whatever else may come is told, never trusted."""
    try:
        content = json.loads(text)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError):
        return _Trouble(f"answers something else than OpenAI's would{_said(text)}")
    if isinstance(content, list):
        content = " ".join(str(each.get("text", "")) for each in content if isinstance(each, dict))
    words = " ".join(content.split()) if isinstance(content, str) else ""
    return words or _Trouble("answers without a word")


def _said(text: bytes) -> str:
    """The beginning of an answer, to be shown."""
    words = " ".join(text.decode("utf-8", "replace").split())
    return f": {words[:SHOWN]!r}" if words else ""


def open_endpoint(opening: Opening) -> EndpointCaptioner:
    """Raises OptionValueError without an address, or when the key was given for another host."""
    endpoint = opening.request.work.endpoint
    key = Secrets(state_folder()).caption_key(checked_endpoint(endpoint.address))
    return EndpointCaptioner(endpoint, opening.settings.prompt, key)
