"""Starting the service: the port, the address to open, and the worker beside it."""

from __future__ import annotations

import contextlib
import errno
import http.client
import ipaddress
import os
import socket
import threading
import webbrowser
from collections.abc import Callable, Collection, Iterator
from functools import partial

import uvicorn

from train_tools.app import USER_ERRORS, App
from train_tools.app.companion import Companion
from train_tools.app.giving_way import GivingWay
from train_tools.app.health import PAGE_PORT
from train_tools.errors import AddressInUseError, AlreadyServedError, OptionValueError
from train_tools.server.access_token import find_token
from train_tools.server.application import MountPage, guarded, no_page
from train_tools.server.password import hashed
from train_tools.server.security import EVERY_ADDRESS, SERVER_NAME, Access
from train_tools.server.wording import PREFIX

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", PAGE_PORT
STOP_PATIENCE_S = 3
LOOK_FOR_JOBS_S = 2.0
PORTS_TRIED = 50
HIGHEST_PORT = 65535


def serve(
    app: App,
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    hosts: Collection[str] = (),
    insecure: bool = False,
    open_browser: bool = False,
    mount: MountPage = no_page,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Serves until it is told to stop (Ctrl-C), and works off the queue meanwhile. `port` 0 takes a free one;
    `hosts` are further names it answers to; `insecure` lets other machines in without a password being set; `say`
    is given what people are to read: first the address with the token.

    Raises AddressInUseError when the port is taken or another service has the outputs folder, OptionValueError
    when other machines could come in and no password is set, before anything else is done.
    """
    password = _password(app, host, insecure)
    with _only_service(app, open_browser) as note_address, listening(host, port) as listener:
        taken: int = listener.getsockname()[1]
        access = Access(
            token=find_token(app.state_folder),
            port=taken,
            bound_host=host,
            hosts=frozenset(name.lower() for name in hosts),
            password=password,
        )
        service = uvicorn.Server(
            uvicorn.Config(
                guarded(app, access, mount),
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                timeout_graceful_shutdown=STOP_PATIENCE_S,
            )
        )
        address = address_of(host, taken, access.token)
        note_address(address.partition("?")[0])
        say(f"Train Tools is at {address}")
        if open_browser:  # the socket listens already: the browser waits until the first answer comes
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        ended = threading.Event()
        threading.Thread(target=keep_working, args=(app, ended), daemon=True).start()
        if host_webui := app.settings.host_files:
            leave = partial(setattr, service, "should_exit", True)
            companion = app.jobs.companion(host_webui, say)
            threading.Thread(target=live_with, args=(companion, app.giving_way, leave, ended), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            service.run(sockets=[listener])
        ended.set()


def _password(app: App, host: str, insecure: bool) -> str:
    """The hash of the password that opens the page; empty when there is none and none is needed."""
    typed = app.settings.page_password_from_environment
    kept = hashed(typed) if typed else app.settings.page_password
    if not kept and not insecure and not _only_from_here(host):
        raise OptionValueError(
            f"At {host} other machines can reach the page, and no password is set. Set one with "
            "`train-tools password` (or in TRAIN_TOOLS_PASSWORD), or start with --insecure: then the token alone "
            "keeps them out."
        )
    return kept


def _only_from_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@contextlib.contextmanager
def _only_service(app: App, open_browser: bool) -> Iterator[Callable[[str], None]]:
    """Two services on one folder would be one too many: the second says where the first is."""
    try:
        with app.jobs.being_the_service() as note_address:
            yield note_address
    except AlreadyServedError as error:
        if not error.address:
            raise
        address = f"{error.address}?token={find_token(app.state_folder)}"
        if open_browser:
            webbrowser.open(address)
        raise AlreadyServedError(address) from error


def keep_working(app: App, ended: threading.Event) -> None:
    """Starts a worker whenever jobs wait and none works: the queue goes on also when one was killed."""
    while True:
        with contextlib.suppress(*USER_ERRORS):  # a queue that can't be read is told to whoever looks at it
            app.jobs.ensure_worker()
        if ended.wait(LOOK_FOR_JOBS_S):
            return


def live_with(
    companion: Companion, giving_way: GivingWay, leave: Callable[[], None], ended: threading.Event
) -> None:
    """What a service does that a WebUI has started: it gives way to those who generate there, and ends when the
    WebUI is gone and there is nothing to do."""
    while not ended.wait(LOOK_FOR_JOBS_S):
        with contextlib.suppress(*USER_ERRORS):
            giving_way.look()
            if companion.is_to_go():
                leave()
                return


def address_of(host: str, port: int, token: str) -> str:
    """The address to open once; the browser keeps the token."""
    return f"http://{_in_address(_reachable(host))}:{port}{PREFIX}/?token={token}"


def listening(host: str, port: int) -> socket.socket:
    """A listening socket. Raises AddressInUseError saying what has the port and which one is free."""
    try:
        if not 0 <= port <= HIGHEST_PORT:
            raise OverflowError(f"ports end at {HIGHEST_PORT}")
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (socket.gaierror, OverflowError, UnicodeError) as error:
        raise _not_ours(host, port, str(error)) from error
    # Only of a socket that says it is TCP does asyncio know to send small answers at once; else each takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise _told(host, port, error) from error
    return listener


def _told(host: str, port: int, error: OSError) -> AddressInUseError | OptionValueError:
    if error.errno == errno.EADDRINUSE:
        return AddressInUseError(
            f"Port {port} is taken by {_what_has(host, port)}. Choose another, for example "
            f"--port {_free_after(host, port)}."
        )
    return _not_ours(host, port, error.strerror or str(error))


def _not_ours(host: str, port: int, reason: str) -> OptionValueError:
    return OptionValueError(
        f"The service can't listen at {host}, port {port}: {reason}. Use --host 127.0.0.1 and a port from 1024 to "
        f"{HIGHEST_PORT}."
    )


def _what_has(host: str, port: int) -> str:
    """In words; asks the port itself."""
    probe = http.client.HTTPConnection(_reachable(host), port, timeout=1)
    try:
        probe.request("GET", f"{PREFIX}/")
        if probe.getresponse().headers.get("server") == SERVER_NAME:
            return f"another Train Tools, at http://{_in_address(_reachable(host))}:{port}{PREFIX}/"
    except (OSError, http.client.HTTPException):
        pass
    finally:
        probe.close()
    return "another program"


def _free_after(host: str, port: int) -> int:
    for other in range(port + 1, min(port + PORTS_TRIED, HIGHEST_PORT + 1)):
        with contextlib.suppress(OSError), socket.socket() as trial:
            trial.bind((_reachable(host), other))
            return other
    return DEFAULT_PORT


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in EVERY_ADDRESS else host


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host
