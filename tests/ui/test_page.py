"""The page with Gradio below the same gate as everything else."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from train_tools.ui.page import PREFIX, STATIC

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-for-tests-only"
NEEDED = {f"{PREFIX}/{word}" for word in ("", "config", "theme.css", "gradio_api/startup-events")}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "sd_scripts")])
    outputs, state = tmp_path_factory.mktemp("outputs"), tmp_path_factory.mktemp("state")
    ours = {"TRAIN_TOOLS_TOKEN": TOKEN, "TRAIN_TOOLS_OUTPUTS": str(outputs), "TRAIN_TOOLS_STATE": str(state)}
    return {**os.environ, "PYTHONPATH": path, **ours}


@pytest.fixture(scope="module")
def address(environment: dict[str, str]) -> Iterator[str]:
    """Of the running service, started by its command."""
    command = [sys.executable, "-m", "train_tools", "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        found = re.search(r"http://[\d.:]+", service.stdout.readline())
        assert found, "the service did not say its address"
        yield found[0]
        service.terminate()


@pytest.fixture
def visitor(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, headers={"X-Train-Tools-Token": TOKEN}) as client:
        yield client


@pytest.fixture(scope="module")
def gradio_routes(environment: dict[str, str]) -> list[tuple[str, str]]:
    """(method, address) of all that Gradio brings, with a word for each parameter."""
    command = [sys.executable, str(Path(__file__).with_name("print_routes.py"))]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)


def test_no_route_of_gradio_answers_without_the_token(address: str, gradio_routes: list[tuple[str, str]]) -> None:
    assert len(gradio_routes) > 50
    with httpx.Client(base_url=address) as stranger:
        for method, place in gradio_routes:
            assert stranger.request(method, place).status_code == 401, (method, place)


def test_gradios_files_uploads_and_proxy_are_not_there(
    visitor: httpx.Client, gradio_routes: list[tuple[str, str]]
) -> None:
    there = {place for method, place in gradio_routes if visitor.request(method, place).status_code != 404}
    below = tuple(f"{PREFIX}/{word}/" for word in ("assets", "static", "gradio_api/run"))
    others = {place.rstrip("/") for place in there if not place.startswith(below)}
    assert others == {place.rstrip("/") for place in NEEDED}


def test_no_file_of_the_machine_can_be_read_through_gradio(visitor: httpx.Client) -> None:
    secret = Path(__file__).as_posix()
    for place in (
        f"gradio_api/file={secret}",
        f"gradio_api/file=/{secret}",
        "gradio_api/file%3D/etc/passwd",
        "gradio_api/run/../file=/etc/passwd",
        "gradio_api/run/%2e%2e/file=/etc/passwd",
        f"static/..%2f..%2f..%2f{secret}",
        "assets/..%2f..%2f..%2froutes.py",
        "islands/..%2fpage.py",
        "islands/../page.py",
        f"gradio_api/proxy={visitor.base_url}",
    ):
        answer = visitor.get(f"{PREFIX}/{place}")
        assert answer.status_code in (403, 404), place
        assert "import" not in answer.text and "root:" not in answer.text


def test_every_kind_of_answer_carries_the_headers(visitor: httpx.Client) -> None:
    addresses = [*NEEDED, f"{PREFIX}/islands/train/train.js", f"{PREFIX}/nothing", f"{PREFIX}/gradio_api/file=x"]
    for address in addresses:
        headers = visitor.get(address).headers
        assert headers["x-content-type-options"] == "nosniff", address
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["server"] == "train-tools"


def test_the_page_may_run_its_own_scripts_and_no_others(visitor: httpx.Client) -> None:
    page = visitor.get(f"{PREFIX}/")
    policy = page.headers["content-security-policy"]
    scripts = re.findall(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", page.text, re.DOTALL)
    assert scripts
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    script_policy = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe" not in script_policy


def test_another_sites_page_can_not_ask_gradio(visitor: httpx.Client) -> None:
    for origin in ("http://evil.example", "http://localhost:1", "null"):
        answer = visitor.post(f"{PREFIX}/gradio_api/run/predict", json={}, headers={"Origin": origin})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_the_page_names_no_other_host(visitor: httpx.Client) -> None:
    for file in filter(Path.is_file, STATIC.rglob("*")):
        hosts = set(re.findall(r"https?://([\w.-]+)", file.read_text(encoding="utf-8")))
        assert hosts <= {"www.w3.org"}, file.name  # a namespace, never asked
    assert "fonts.g" not in visitor.get(f"{PREFIX}/").text + visitor.get(f"{PREFIX}/theme.css").text


def test_data_never_becomes_markup_in_the_islands() -> None:
    for file in STATIC.glob("*.js"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)


@pytest.mark.parametrize(
    "place", ["", "queue", "p/cat/v1/checkpoints?run=a", "p/%D0%BA%D0%BE%D1%82/v1/train", "p/a/projects"]
)
def test_every_place_is_the_one_page(visitor: httpx.Client, place: str) -> None:
    page = visitor.get(f"{PREFIX}/{place}")
    assert page.status_code == 200
    assert f'<head><base href="{PREFIX}/">' in page.text
    assert "tt-bar" in page.text


@pytest.mark.parametrize("place", ["", "p/cat/v1/checkpoints", "alone/queue"])
def test_below_a_path_that_a_proxy_takes_away_all_addresses_have_it(visitor: httpx.Client, place: str) -> None:
    page = visitor.get(f"{PREFIX}/{place}", headers={"x-forwarded-prefix": "/sd"}).text
    before, base, after = page.partition(f'<base href="/sd{PREFIX}/">')
    assert base and "href=" not in before and "islands/train-tools.js" in after
    assert not re.findall(rf'(?:href|src)="{PREFIX}/[^"]*"', page)


def test_a_path_before_ours_that_is_none_is_left_out(visitor: httpx.Client) -> None:
    page = visitor.get(f"{PREFIX}/", headers={"x-forwarded-prefix": '/"><script>'}).text
    assert f'<base href="{PREFIX}/">' in page


def test_gradio_is_told_the_whole_path(visitor: httpx.Client) -> None:
    told = visitor.get(f"{PREFIX}/config", headers={"x-forwarded-prefix": "/sd", "x-forwarded-host": "me.example"})
    assert told.json()["root"] == f"http://me.example/sd{PREFIX}"


def test_an_island_has_a_page_of_its_own(visitor: httpx.Client) -> None:
    page = visitor.get(f"{PREFIX}/alone/queue?project=cat")
    assert page.status_code == 200
    assert "<tt-queue></tt-queue>" in page.text and "gradio" not in page.text
    assert visitor.get(f"{PREFIX}/alone/nothing").status_code == 404
    assert visitor.get(f"{PREFIX}/nothing/at/all").status_code == 404
