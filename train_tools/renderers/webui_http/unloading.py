"""A WebUI's model off the card while something is trained. It may come back at any time, when somebody presses
Generate there; unless the WebUI is the one we are a tab of, which can make Generate wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sd_contract.attempt import Attempt, Result
from sd_contract.events import Event
from train_tools.errors import TrainToolsError
from train_tools.jobs.kind import Exit, JobKind, Launch
from train_tools.model.job import Job, NewJob, Verdict
from train_tools.model.paths import AttemptPaths
from train_tools.model.settings import UserSettings

if TYPE_CHECKING:
    from train_tools.renderers.webui_http.client import Client

ANSWER_S = 20.0


class WithWebuiUnloaded:
    """A JobKind before which the WebUI is asked to free the card, where the settings want that. It is asked to
    take its model back when `more_to_come` says that no such job waits. What goes wrong with that is a line in the
    job's log and never keeps it from its work. `lock_of` tells the file that is locked as long as a job lives."""

    def __init__(
        self,
        kind: JobKind,
        settings: Callable[[], UserSettings],
        more_to_come: Callable[[], bool],
        lock_of: Callable[[Job], Path],
    ) -> None:
        self._kind = kind
        self._settings = settings
        self._more_to_come = more_to_come
        self._lock_of = lock_of

    @property
    def name(self) -> str:
        return self._kind.name

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        launch = self._kind.prepare(job, folder, attempt)
        if self._leases():
            self._tell(attempt, self._asked(partial(_lease, file=self._lock_of(job))))
        elif self._is_wanted():
            self._tell(attempt, self._asked(_unload))
        return launch

    def observe(self, job: Job, folder: Path, attempt: Attempt, event: Event) -> None:
        self._kind.observe(job, folder, attempt, event)

    def judge(self, job: Job, folder: Path, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        verdict = self._kind.judge(job, folder, attempt, exit_, result)
        if verdict.state.finished and not self._leases() and self._is_wanted() and not self._more_to_come():
            self._tell(attempt, self._asked(_reload))
        return verdict

    def follow_ups(self, job: Job, folder: Path, verdict: Verdict) -> Sequence[NewJob]:
        return self._kind.follow_ups(job, folder, verdict)

    def _is_wanted(self) -> bool:
        """Settings that can't be read want nothing; other jobs say what is wrong with them."""
        try:
            return self._settings().webui.unload
        except TrainToolsError:
            return False

    def _leases(self) -> bool:
        """Whether Generate is to wait. The WebUI then takes its model back by itself."""
        from train_tools.renderers.webui_http.place import host_meant_by

        try:
            settings = self._settings().webui
        except TrainToolsError:
            return False
        return settings.lease and host_meant_by(settings) is not None

    def _asked(self, ask: Callable[[Client], str]) -> str:
        """What came of it, in a sentence."""
        try:
            from train_tools.renderers.webui_http.client import Client
            from train_tools.renderers.webui_http.place import door_to

            return ask(Client(door_to(self._settings().webui), answer_s=ANSWER_S))
        except TrainToolsError as error:
            return f"The WebUI was left as it is. {error}"

    def _tell(self, attempt: Attempt, sentence: str) -> None:
        with suppress(OSError), AttemptPaths(attempt.folder).log.open("a", encoding="utf-8") as log:
            log.write(f"{sentence}\n")


def _lease(client: Client, file: Path) -> str:
    told = client.post("/-/lease", {"file": str(file)}) or {}
    if told.get("taken"):
        return "The WebUI has freed the card; Generate waits there until the training has ended."
    return "The WebUI renders something. As soon as that is done it frees the card, and Generate waits there."


def _unload(client: Client) -> str:
    """Only when it renders nothing: its own lock is not asked for."""
    from train_tools.renderers.webui_http.client import API

    state = (client.get(f"{API}/progress?skip_current_image=true") or {}).get("state") or {}
    if state.get("job_count") or state.get("job"):
        return "The WebUI renders something: its model was left on the card."
    client.post(f"{API}/unload-checkpoint")
    return "The WebUI was asked to take its model off the card."


def _reload(client: Client) -> str:
    """Forge Neo and its like bring it back by themselves and have no such request."""
    from train_tools.renderers.webui_http.client import API, FailedError

    with suppress(FailedError):
        client.post(f"{API}/reload-checkpoint")
    return "The WebUI was asked to take its model back."
