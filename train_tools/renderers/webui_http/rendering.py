"""One picture from a WebUI: asked for, watched while it comes on, interrupted only where it is ours."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from train_tools.errors import TrainToolsError
from train_tools.renderers.session import PictureError
from train_tools.renderers.webui_http.client import API, Client, FailedError, LostConnectionError, WebuiError
from train_tools.renderers.webui_http.families import TASK_PROGRESS, Webui

OUR_TASKS = "task(train-tools-"
"""How the names begin that we give to our pictures."""
LOOK_EVERY_S = 0.25
LOOK_S = 10.0
"""How long a look may take; a WebUI that loads a model answers nothing meanwhile."""
ENDING_S = 30.0
"""How long an interrupted picture may take to end."""
NEVER_S = 7 * 86_400.0
"""The picture's own request waits as long as it comes on; `patience_s` is what ends it."""


@dataclass(frozen=True)
class _Look:
    """How far our picture was at one moment."""

    active: bool = False
    queued: bool = False
    progress: object = None


class Rendering:
    """Asks one WebUI for pictures. `patience_s`: how long one may take without coming on."""

    def __init__(self, client: Client, webui: Webui, patience_s: float) -> None:
        self._client = client
        self._watcher = Client(client.door, answer_s=LOOK_S)
        self._webui = webui
        self._patience_s = patience_s

    def reply_to(self, body: Mapping[str, Any], subject: str, stopped: Callable[[], bool]) -> Any | None:
        """The answer to txt2img, None when `stopped` came true. Raises PictureError when this picture of `subject`
        can't be had, WebuiError when none can.

        A request whose connection was lost is asked again once, after what had begun has ended.
        """
        for may_be_lost in (True, False):
            task = f"{OUR_TASKS}{uuid.uuid4().hex})"
            try:
                reply = self._reply(task, body, stopped)
            except LostConnectionError as error:
                if not may_be_lost:
                    raise PictureError(f"{error} That happened twice with this picture.") from error
                if not self._ended(task, stopped):
                    return None
                continue
            except FailedError as error:
                raise _in_words(error, subject) from error
            if reply is None or not self._was_interrupted():
                return reply
            if not may_be_lost:
                raise PictureError("Somebody interrupted the WebUI twice while it rendered this picture.")
        raise AssertionError("the second try returns or raises")

    def _reply(self, task: str, body: Mapping[str, Any], stopped: Callable[[], bool]) -> Any | None:
        named = {**body, "force_task_id": task} if self._webui.has_tasks else dict(body)
        outcome: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=lambda: outcome.put(self._asked(named)), daemon=True).start()
        last, changed_at = _Look(), time.monotonic()
        while True:
            try:
                return _unpacked(outcome.get(timeout=LOOK_EVERY_S))
            except queue.Empty:
                pass
            if stopped():
                self._abandon(task, outcome)
                return None
            look = self._look(task)
            if look != last or look.queued:
                last, changed_at = look, time.monotonic()
            elif time.monotonic() - changed_at > self._patience_s:
                self._abandon(task, outcome)
                raise WebuiError(
                    f"The WebUI has not come on with a picture for {self._patience_s:g} s. Look into its "
                    "console, or wait longer: `train-tools settings webui.timeout_s=SECONDS`."
                )

    def _asked(self, body: Mapping[str, Any]) -> Any:
        """Its answer, or the error as a value: it is asked in a thread of its own."""
        try:
            return self._client.post(f"{API}/txt2img", body, answer_s=NEVER_S)
        except TrainToolsError as error:
            return error

    def _abandon(self, task: str, outcome: queue.SimpleQueue[Any]) -> None:
        """Interrupts our picture if it is the one being rendered. Waiting in the WebUI's queue, it can't be called
        back; and where the WebUI doesn't tell whose picture it renders, nothing is interrupted."""
        if not self._look(task).active:
            return
        try:
            self._watcher.post(f"{API}/interrupt")
            outcome.get(timeout=ENDING_S)
        except (WebuiError, queue.Empty):
            pass

    def _ended(self, task: str, stopped: Callable[[], bool]) -> bool:
        """Waits until a picture whose answer was lost is no longer rendered; False when stopped."""
        deadline = time.monotonic() + self._patience_s
        while time.monotonic() < deadline:
            look = self._look(task)
            if not (look.active or look.queued):
                break
            if stopped():
                return False
            time.sleep(LOOK_EVERY_S)
        return not stopped()

    def _look(self, task: str) -> _Look:
        """Of a WebUI that can't answer now, nothing."""
        try:
            if self._webui.has_tasks:
                asked = {"id_task": task, "id_live_preview": -1, "live_preview": False}
                told = self._watcher.post(TASK_PROGRESS, asked)
                return _Look(bool(told.get("active")), bool(told.get("queued")), told.get("progress"))
            told = self._watcher.get(f"{API}/progress?skip_current_image=true")
            return _Look(progress=(told.get("progress"), str(told.get("state"))))
        except (WebuiError, AttributeError):
            return _Look()

    def _was_interrupted(self) -> bool:
        """Whether somebody pressed Interrupt or Skip meanwhile: the picture is then half done, untold."""
        try:
            state = self._watcher.get(f"{API}/progress?skip_current_image=true").get("state") or {}
            return bool(state.get("interrupted") or state.get("skipped"))
        except (WebuiError, AttributeError):
            return False


def _unpacked(answer: Any) -> Any:
    if isinstance(answer, TrainToolsError):
        raise answer
    return answer


def _in_words(error: FailedError, subject: str) -> TrainToolsError:
    words = error.words
    if error.status == 404:
        return WebuiError("The WebUI has no txt2img: start it with --api.")
    if "outofmemory" in words.lower().replace(" ", ""):
        return WebuiError(
            f"The WebUI has too little memory for a picture ({words}). Close what else uses the card, or choose "
            "smaller previews."
        )
    if "nan" in words.lower():
        return PictureError(
            f"The numbers overflowed in the WebUI ({words}). Start it with --no-half-vae; if only this LoRA does "
            "so, it was trained with too high a learning rate: try its earlier checkpoints."
        )
    return PictureError(f"The WebUI could not render {subject} ({error.status}{f', {words}' if words else ''}).")
