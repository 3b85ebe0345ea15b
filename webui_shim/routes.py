"""Our addresses on the WebUI's own server: everything below the prefix goes to the service, or, while there is
none, to a page that sets it up and starts it. `-/` below the prefix is that page's own."""

from __future__ import annotations

import sys
import threading
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .bridge import PREFIX as BRIDGE_PREFIX
from .bridge import Bridge, in_thread
from .guard import Guard
from .host import Host, address_of, make_api, queue_lock
from .pages import start_page, words_page
from .progress import status
from .proxy import UnreachableError, forward
from .service import PREFIX, Service

ROUTE = "train_tools"
OWN = "-/"


def attach(demo: Any, app: Any, service: Service, host: Host) -> None:
    """Puts our routes before all others: newer Gradios have pages that catch everything."""
    guard = Guard(app, exposed=host.exposed)
    front = Front(guard, service, host.subpath)
    if guard.shut:
        put_in_front(app, {PREFIX: front})
        return
    bridge = Bridge(
        app,
        token=service.bridge_token(),
        make_api=make_api,
        queue_lock=queue_lock(),
        credentials=host.credentials,
    )
    put_in_front(app, {PREFIX: front, f"{host.subpath}{PREFIX}": front, BRIDGE_PREFIX: bridge})
    about = introduction(host, f"{address_of(demo)}{BRIDGE_PREFIX}", bridge.token)
    threading.Thread(target=settle, args=(service, host, about), daemon=True).start()


def put_in_front(app: Any, by_prefix: dict[str, Any]) -> None:
    """In the place of our routes of before. SD.Next has its page below the subpath a second time."""
    routes = app.router.routes
    routes[:] = [route for route in routes if getattr(route, "name", None) != ROUTE]
    for prefix, front in by_prefix.items():
        routes[:0] = [Route(prefix, front, name=ROUTE), Route(f"{prefix}/{{path:path}}", front, name=ROUTE)]


def introduction(host: Host, bridge: str, token: str) -> dict[str, Any]:
    """What the service is told of the WebUI."""
    return {
        "format": 1,
        "bridge": bridge,
        "token": token,
        "models": [str(folder) for folder in host.models],
        "vaes": [str(folder) for folder in host.vaes],
        "loras": str(host.loras),
    }


def settle(service: Service, host: Host, about: dict[str, Any]) -> None:
    """Introduces the WebUI to the service; starts it unless it is to wait for its tab, or still to be set up."""
    if service.living():
        print("Train Tools went on meanwhile. Its tab shows what it has done.", flush=True)
    try:
        service.accompany(about)
    except OSError as error:
        print(f"Train Tools can't write into its folder: {error}", file=sys.stderr)
    if host.autostart and service.is_set_up:
        start(service)


def start(service: Service) -> str:
    """Empty, or why it could not be started."""
    try:
        service.start()
    except OSError as error:
        print(f"Train Tools could not be started: {error}", file=sys.stderr)
        return str(error)
    return ""


class Front:
    """An ASGI application, so that bytes stay as they are."""

    def __init__(self, guard: Guard, service: Service, subpath: str = "") -> None:
        self.guard = guard
        self.service = service
        self.subpath = subpath

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        path: str = request.path_params.get("path", "")
        if not path and not scope["path"].endswith("/"):
            answer: Response = RedirectResponse(f".{PREFIX}/", 307)
        elif refused := await self.guard.refusal(request):
            answer = refusal(request, *refused)
        elif path.startswith(OWN):
            answer = await self._own(request, path[len(OWN) :])
        else:
            answer = await self._of_the_service(request, send)
        if answer is not None:
            await answer(scope, receive, send)

    async def _of_the_service(self, request: Request, send: Any) -> Response | None:
        """None when it has answered itself."""
        living = self.service.living()
        if living:
            try:
                await forward(request, send, living, subpath=self.subpath)
                return None
            except UnreachableError:
                pass  # not yet, or no longer: the page below finds out which
        if wants_page(request):
            return HTMLResponse(start_page(), 502, {"cache-control": "no-store"})
        return refusal(request, 502, "Train Tools is not running. Its tab in the WebUI starts it.")

    async def _own(self, request: Request, path: str) -> Response:
        if path == "status":
            return JSONResponse(await in_thread(status, self.service), headers={"cache-control": "no-store"})
        if request.method != "POST":
            return refusal(request, 404, "There is nothing here.")
        if path == "start":
            problem = await in_thread(start, self.service)
            return refusal(request, 500, problem) if problem else JSONResponse({})
        if path == "cancel":
            await in_thread(self.service.stop)
            return JSONResponse({})
        return refusal(request, 404, "There is nothing here.")


def wants_page(request: Request) -> bool:
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


def refusal(request: Request, code: int, sentence: str) -> Response:
    if wants_page(request):
        return HTMLResponse(words_page(sentence), code, {"cache-control": "no-store"})
    return JSONResponse({"error": {"type": "Refused", "message": sentence}}, code)
