"""Whether somebody makes pictures with the WebUI we are a tab of, or would like to. Our previews don't count."""

from __future__ import annotations

from collections.abc import Callable

from train_tools.errors import TrainToolsError
from train_tools.model.settings import UserSettings
from train_tools.renderers.webui_http.client import API, Client
from train_tools.renderers.webui_http.place import door_to, host_meant_by
from train_tools.renderers.webui_http.rendering import OUR_TASKS

ANSWER_S = 10.0


class HostTraffic:
    """Of a WebUI that can't be asked now, none."""

    def __init__(self, settings: Callable[[], UserSettings]) -> None:
        self._settings = settings

    def somebody_waits(self) -> bool:
        """Whether somebody has pressed Generate and waits for their turn."""
        return self._asked(waits)

    def somebody_generates(self) -> bool:
        """Whether anybody waits or has their turn."""
        return self._asked(lambda client: waits(client) or works(client))

    def _asked(self, question: Callable[[Client], bool]) -> bool:
        try:
            settings = self._settings().webui
            if host_meant_by(settings) is None:
                return False
            return question(Client(door_to(settings), answer_s=ANSWER_S))
        except TrainToolsError:
            return False


def waits(client: Client) -> bool:
    told = client.found("/internal/pending-tasks")
    tasks = told.get("tasks") if isinstance(told, dict) else ()
    return any(not str(task).startswith(OUR_TASKS) for task in tasks or ())


def works(client: Client) -> bool:
    told = client.found(f"{API}/progress?skip_current_image=true")
    state = (told.get("state") if isinstance(told, dict) else None) or {}
    return bool(state.get("job_count")) and not str(state.get("job", "")).startswith(OUR_TASKS)
