"""The way through the WebUI to the service and back: bytes, headers, streams, connections."""

import hashlib

import httpx

from tests.webui.conftest import PATIENCE_S, WebUI


def echo(webui: WebUI, **headers: str) -> dict:
    return webui.ask("/train-tools/echo?q=%2F+%C3%A9", headers=headers).json()


def test_the_service_hears_where_the_browser_is_and_nothing_that_is_the_webuis_own(webui: WebUI) -> None:
    cookies = "access-token=secret; train_tools_7870=ours"
    told = echo(webui, cookie=cookies, authorization="Basic secret", origin=webui.address)
    assert told["path"] == "/train-tools/echo?q=%2F+%C3%A9"
    heard = told["headers"]
    assert heard["x-forwarded-host"] == f"127.0.0.1:{webui.port}"
    assert heard["x-forwarded-proto"] == "http"
    assert heard["cookie"] == "train_tools_7870=ours"
    assert not {"authorization", "origin", "referer", "x-forwarded-prefix"} & set(heard)


def test_what_a_proxy_before_the_webui_says_is_handed_on(webui: WebUI) -> None:
    proxy = {"x-forwarded-host": "me.example", "x-forwarded-proto": "https", "x-forwarded-prefix": "/sd"}
    heard = echo(webui, **proxy)["headers"]
    assert {name: heard[name] for name in proxy} == proxy


def test_a_page_that_came_by_tls_is_known_by_its_origin(webui: WebUI) -> None:
    heard = echo(webui, host="me.example", origin="https://me.example")["headers"]
    assert (heard["x-forwarded-host"], heard["x-forwarded-proto"]) == ("me.example", "https")


def test_a_token_that_a_browser_sends_is_not_the_services(webui: WebUI) -> None:
    sent = echo(webui, **{"x-train-tools-token": "guess"})["headers"]["x-train-tools-token"]
    assert sent != "guess"


def test_five_megabytes_arrive_as_they_were_sent(webui: WebUI) -> None:
    content = bytes(range(256)) * 20_000
    told = webui.ask("/train-tools/upload", "POST", content=content).json()
    assert (told["length"], told["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_a_redirect_of_the_service_stays_on_the_webuis_address(webui: WebUI) -> None:
    answer = webui.ask("/train-tools/away")
    assert (answer.status_code, answer.headers["location"]) == (303, "/train-tools/echo")
    assert webui.ask("/train-tools").headers["location"] == "./train-tools/"


def test_events_come_one_by_one_and_streams_are_closed_when_the_browser_leaves(webui: WebUI) -> None:
    """The next event is only sent after the one before has arrived, however a middleware would like to hold it."""
    browser = {"accept-encoding": "gzip"}
    with httpx.Client(base_url=webui.address, trust_env=False, timeout=PATIENCE_S) as client:
        for _ in range(3):
            with client.stream("GET", "/train-tools/ticks", headers=browser) as stream:
                arriving = stream.iter_raw()
                for _ in range(3):
                    assert b"tick" in next(arriving)
                    webui.ask("/train-tools/next")
                assert webui.ask("/train-tools/open").json() == 1
    webui.until(lambda: webui.ask("/train-tools/open").json() == 0)


def test_below_a_subpath_the_service_is_told_of_it(webui_for) -> None:
    webui = webui_for("--subpath", "sd/one")
    webui.wait_for("ready")
    assert echo(webui)["headers"]["x-forwarded-prefix"] == "/sd/one"
    within = webui.ask("/sd/one/train-tools/echo").json()
    assert within["path"] == "/train-tools/echo"
    assert within["headers"]["x-forwarded-prefix"] == "/sd/one"
