import asyncio
import http.server
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from train_tools.errors import AddressInUseError, OptionValueError
from train_tools.server.security import Gate
from train_tools.server.service import address_of, listening


@pytest.fixture
def stranger_port() -> Iterator[int]:
    """A port that a web server of somebody else has."""
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_port_that_another_program_has_is_told_with_a_free_one(stranger_port: int, capfd) -> None:
    with pytest.raises(AddressInUseError, match=f"Port {stranger_port} is taken by another program") as told:
        listening("127.0.0.1", stranger_port)
    free = int(str(told.value).rpartition("--port ")[2].rstrip("."))
    with listening("127.0.0.1", free) as listener:
        assert listener.getsockname()[1] == free


def test_a_port_that_says_nothing_is_told_too() -> None:
    with listening("127.0.0.1", 0) as silent, pytest.raises(AddressInUseError, match="another program"):
        listening("127.0.0.1", silent.getsockname()[1])


def test_another_train_tools_is_recognised_and_its_address_given(gate: tuple[Gate, str]) -> None:
    with pytest.raises(AddressInUseError, match=f"another Train Tools, at {gate[1]}/train-tools/"):
        listening("127.0.0.1", httpx.URL(gate[1]).port)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "x" * 300])
def test_a_host_that_is_not_ours_is_told_in_words(host: str) -> None:
    with pytest.raises(OptionValueError, match=r"Use --host 127\.0\.0\.1"):
        listening(host, 0)


def test_a_port_that_does_not_exist_is_told_in_words() -> None:
    with pytest.raises(OptionValueError, match="70000"):
        listening("127.0.0.1", 70000)


def test_the_port_can_be_taken_again_at_once() -> None:
    with listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            first.accept()[0].close()
    with listening("127.0.0.1", port) as second:
        assert second.getsockname()[1] == port


def test_the_address_to_open_is_one_a_browser_can_reach() -> None:
    assert address_of("0.0.0.0", 7870, "t") == "http://127.0.0.1:7870/train-tools/?token=t"
    assert address_of("::1", 7870, "t") == "http://[::1]:7870/train-tools/?token=t"


def test_small_answers_are_sent_at_once() -> None:
    """asyncio turns Nagle's algorithm off only for sockets that say they are TCP; with it, each answer that is
    written in two parts takes 40 ms more."""

    async def accepted() -> int:
        told = asyncio.get_running_loop().create_future()

        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            told.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listening("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(meet, sock=listener):
                _, writer = await asyncio.open_connection(*listener.getsockname())
                no_delay = await told
                writer.close()
                await writer.wait_closed()
        return no_delay

    with ThreadPoolExecutor(1) as thread:  # a browser of other tests may have a loop of its own in this one
        assert thread.submit(lambda: asyncio.run(accepted())).result()
