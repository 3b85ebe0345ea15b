import httpx
import pytest

from tests.server.conftest import PASSWORD, TOKEN
from train_tools.app import App
from train_tools.errors import OptionValueError
from train_tools.server.password import SESSION_S, Attempts, Sessions, fits, hashed
from train_tools.server.security import API
from train_tools.server.service import serve

WORDS = PASSWORD
KEPT = hashed(WORDS)


def test_a_password_fits_its_own_hash_only_and_two_hashes_differ() -> None:
    assert fits(WORDS, KEPT)
    assert not fits(WORDS + " ", KEPT) and not fits("", KEPT) and not fits("x" * 2000, KEPT)
    assert hashed(WORDS) != KEPT
    assert WORDS not in KEPT


@pytest.mark.parametrize("short", ["", "seven77"])
def test_a_short_password_is_refused_without_being_repeated(short: str) -> None:
    with pytest.raises(OptionValueError, match="from 8 to 1000") as refused:
        hashed(short)
    assert not short or short not in str(refused.value)


def test_a_session_ends_by_time_and_by_another_password_or_token() -> None:
    sessions = Sessions(token=TOKEN, kept=KEPT)
    note = sessions.opened(now=1000)
    assert sessions.holds(note, now=1000 + SESSION_S - 1)
    assert not sessions.holds(note, now=1000 + SESSION_S + 1)
    assert not Sessions(token=TOKEN, kept=hashed(WORDS)).holds(note, now=1000)
    assert not Sessions(token=TOKEN + "x", kept=KEPT).holds(note, now=1000)


@pytest.mark.parametrize(
    "change", [lambda note: "9" + note, lambda note: note[:-1], lambda note: "", lambda note: "..."]
)
def test_a_changed_note_holds_nothing(change) -> None:
    sessions = Sessions(token=TOKEN, kept=KEPT)
    assert not sessions.holds(change(sessions.opened(now=1000)), now=1000)


def test_five_wrong_guesses_are_free_then_one_a_minute() -> None:
    attempts = Attempts()
    for second in range(5):
        assert attempts.wait_s("a", second) == 0
        attempts.failed("a", second)
    assert 0 < attempts.wait_s("a", 5) <= 301
    assert attempts.wait_s("b", 5) == 0
    assert attempts.wait_s("a", 400) == 0


def test_many_addresses_together_wait_too() -> None:
    attempts = Attempts()
    for each in range(20):
        attempts.failed(f"10.0.0.{each}", 0)
    assert attempts.wait_s("10.0.1.1", 1) > 0


def test_other_machines_are_let_in_only_with_a_password_or_the_word_insecure(app: App) -> None:
    with pytest.raises(OptionValueError, match=r"train-tools password.*--insecure"):
        serve(app, host="0.0.0.0", port=0)


def signed_in(visitor: httpx.Client, password: str, place: str = "/train-tools/queue") -> httpx.Response:
    return visitor.post("/train-tools/login", data={"password": password, "next": place})


def test_without_a_password_set_there_is_no_door(stranger: httpx.Client) -> None:
    assert stranger.get("/train-tools/login").status_code == 401
    assert signed_in(stranger, WORDS).status_code == 401


def test_a_browser_is_led_to_the_door_and_a_program_is_refused(visitor: httpx.Client) -> None:
    led = visitor.get("/train-tools/p/cat/v1/queue?x=1")
    assert led.status_code == 303
    assert led.headers["location"] == "/train-tools/login?next=%2Ftrain-tools%2Fp%2Fcat%2Fv1%2Fqueue%3Fx%3D1"
    assert visitor.get(f"{API}/projects").status_code == 401
    page = visitor.get(led.headers["location"])
    assert page.status_code == 200 and 'value="/train-tools/p/cat/v1/queue?x=1"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_password_opens_until_one_signs_out(visitor: httpx.Client) -> None:
    opened = signed_in(visitor, WORDS)
    assert (opened.status_code, opened.headers["location"]) == (303, "/train-tools/queue")
    assert "HttpOnly" in opened.headers["set-cookie"] and "SameSite=strict" in opened.headers["set-cookie"]
    assert visitor.get(f"{API}/projects").status_code == 200
    assert visitor.post("/train-tools/logout").status_code == 303
    assert visitor.get(f"{API}/projects").status_code == 401


def test_wrong_passwords_are_counted_and_the_right_one_waits_too(visitor: httpx.Client) -> None:
    assert [signed_in(visitor, "wrong password").status_code for _ in range(6)] == [401] * 5 + [429]
    late = signed_in(visitor, WORDS)
    assert late.status_code == 429 and int(late.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "place", ["https://evil.example/", "//evil.example", "/elsewhere", "/train-tools/\\evil", "", 'x"']
)
def test_signing_in_leads_nowhere_else(visitor: httpx.Client, place: str) -> None:
    assert signed_in(visitor, WORDS, place).headers["location"] == "/train-tools/"


def test_another_sites_page_can_not_sign_in(visitor: httpx.Client) -> None:
    answer = visitor.post(
        "/train-tools/login", data={"password": WORDS}, headers={"Origin": "http://evil.example"}
    )
    assert answer.status_code == 403


def test_a_huge_form_is_no_password(visitor: httpx.Client) -> None:
    assert signed_in(visitor, "x" * 100_000).status_code == 401
