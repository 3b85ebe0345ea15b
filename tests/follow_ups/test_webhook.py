from __future__ import annotations

import json
import socket

import pytest

from tests.follow_ups.web import Site
from train_tools.follow_ups.news import News
from train_tools.follow_ups.webhook import NotDeliveredError, deliver, payload_of
from train_tools.settings.secrets import WebhookAddress

TITLE = 'it\'s "<b>[red]</b>" & $(touch x) `кот` 猫 🐈'
SECRET = "sEcReT"


def address(site: Site | str) -> WebhookAddress:
    begin = site if isinstance(site, str) else site.address
    return WebhookAddress(f"{begin}/hooks/{SECRET}?token={SECRET}")


def post(site: Site | str, timeout_s: float = 10.0, payload: bytes = b"{}") -> tuple[int, list[float]]:
    """The tries it took, and the rests between."""
    rests: list[float] = []
    return deliver(address(site), payload, timeout_s=timeout_s, rest=rests.append), rests


def refused(site: Site | str, timeout_s: float = 10.0) -> str:
    with pytest.raises(NotDeliveredError) as error:
        post(site, timeout_s)
    assert SECRET not in str(error.value)
    return str(error.value)


def test_the_message_arrives_as_json(web):
    news = News(
        id="q/3/1",
        occasions=("run_failed", "queue_empty"),
        headline="a run has failed, the queue is empty",
        text=f"Failed: {TITLE}.",
        job={"id": 3, "title": TITLE},
        grid={"name": "grid-001", "failed": 1},
    )
    assert post(web, payload=json.dumps(payload_of(news)).encode()) == (1, [])
    method, path, headers, body = web.got[0]
    assert (method, path) == ("POST", f"/hooks/{SECRET}?token={SECRET}")
    assert headers["Content-Type"] == "application/json"
    words = f"Train Tools: a run has failed, the queue is empty. Failed: {TITLE}."
    assert json.loads(body) == {
        "format": 1,
        "id": "q/3/1",
        "occasions": ["run_failed", "queue_empty"],
        "job": {"id": 3, "title": TITLE},
        "grid": {"name": "grid-001", "failed": 1},
        "text": words,
        "content": words,
    }


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(web, other_web, status):
    web.answers = [status]
    web.location = f"{other_web.address}/elsewhere"
    assert f"answered {status}" in refused(web)
    assert "redirects are not followed" in refused(web)
    assert other_web.got == []


def test_what_may_pass_is_tried_twice_more(web):
    web.answers = [503, 429, 200]
    assert post(web) == (3, [2.0, 8.0])
    web.answers = [500]
    web.got.clear()
    assert refused(web) == "127.0.0.1 answered 500 (Internal Server Error)."
    assert len(web.got) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 499])
def test_what_will_not_pass_is_not_tried_again(web, status):
    web.answers = [status]
    assert f"answered {status}" in refused(web)
    assert len(web.got) == 1


@pytest.mark.parametrize("silence", ["hang", "drip"])
def test_who_does_not_answer_in_time_is_not_waited_for(web, silence):
    web.answers = [silence]
    assert refused(web, timeout_s=0.3) == "127.0.0.1 did not answer within 0.3 s."
    assert len(web.got) == 3


@pytest.mark.parametrize("answer", ["hello\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "\x00\r\n" * 10])
def test_who_speaks_no_http_is_told(web, answer):
    web.answers = [answer]
    assert "did not answer as a web server does" in refused(web)


def test_nobody_there_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        sentence = refused(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert sentence == "127.0.0.1 can't be reached (Connection refused)."
    assert "nowhere.invalid can't be reached" in refused("http://nowhere.invalid")


def test_a_server_without_a_certificate_is_not_spoken_to(web):
    assert "can't be reached" in refused(f"https://127.0.0.1:{web.port}")
    assert web.got == []


def test_what_the_site_says_is_not_repeated(web):
    web.answers = [f"HTTP/1.1 404 {SECRET}\r\ncontent-length: 0\r\n\r\n"]
    assert refused(web) == "127.0.0.1 answered 404 (Not Found)."


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_no_other_scheme_is_ever_opened(url):
    """Such an address is refused before; this is the second door."""
    with pytest.raises(NotDeliveredError, match="can't be reached"):
        deliver(WebhookAddress(url), b"{}", rest=lambda pause_s: None)
