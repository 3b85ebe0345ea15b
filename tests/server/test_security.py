import http.client

import httpx
from starlette.routing import BaseRoute

from train_tools.app import App
from train_tools.server.security import API, Access, Gate, same_origin, script_hashes

COOKIE_TOKEN = "a-token-for-tests-only"
PLACES = [f"{API}/projects", f"{API}/nothing/here", "/train-tools/", "/train-tools/nothing", f"{API}/openapi.json"]
FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "file://"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


def routes_of(routes: list[BaseRoute]) -> list[tuple[str, str]]:
    """(method, address) of every route, with a word for each parameter."""
    found = []
    for route in routes:
        if hasattr(route, "effective_route_contexts"):
            found += routes_of(list(route.effective_route_contexts()))
        else:
            address = route.path.replace(":path}", "}").replace("{", "").replace("}", "")
            found += [(method, address) for method in getattr(route, "methods", None) or {"GET"}]
    return found


def test_no_route_answers_without_the_token(gate: tuple[Gate, str], stranger: httpx.Client) -> None:
    routes = routes_of(gate[0].app.routes)
    assert len(routes) > 20
    for method, address in routes:
        assert stranger.request(method, address).status_code == 401, (method, address)


def test_a_browser_that_asks_for_an_icon_is_told_that_there_is_none(stranger: httpx.Client) -> None:
    assert stranger.get("/favicon.ico").status_code == 204


def test_every_answer_carries_the_headers(stranger: httpx.Client, api: httpx.Client) -> None:
    answers = [stranger.get(place) for place in [*PLACES, "/", "/elsewhere"]] + [
        api.get(place) for place in PLACES
    ]
    answers += [api.post("/projects", content="{"), api.delete("/projects"), api.get("/jobs/1")]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers


def test_a_failure_of_ours_is_told_in_words_and_carries_the_headers(app: App, api: httpx.Client) -> None:
    app.outputs.queue.mkdir(parents=True)
    answer = api.get("/jobs")
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_foreign_host_name_is_refused_even_with_the_token(api: httpx.Client) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil", "10.0.0.1", ""):
        answer = api.get("/projects", headers={"Host": host})
        assert answer.status_code == 403, host
        assert answer.json()["error"]["type"] == "HostNotAllowed"


def test_loopback_names_are_answered(api: httpx.Client) -> None:
    for host in ("localhost", "LOCALHOST:7870", "127.0.0.1:1", "[::1]:7870", "localhost."):
        assert api.get("/projects", headers={"Host": host}).status_code == 200, host


def test_another_sites_page_changes_nothing(api: httpx.Client, app: App) -> None:
    for headers in FOREIGN:
        assert api.post("/projects", json={"name": "smuggled"}, headers=headers).status_code == 403, headers
    assert "smuggled" not in [project.name for project in app.store.list()]


def test_another_sites_page_reads_nothing(api: httpx.Client) -> None:
    assert api.get("/projects", headers={"Origin": "http://127.0.0.1:1"}).status_code == 403
    assert api.options("/projects", headers={"Origin": "http://evil.example"}).status_code == 403


def test_our_own_page_may_change_things(api: httpx.Client) -> None:
    own = f"http://127.0.0.1:{api.base_url.port}"
    answer = api.post("/projects", json={"name": "new"}, headers={"Origin": own, "Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 201


def test_the_token_in_the_address_becomes_a_cookie_and_leaves_the_address(stranger: httpx.Client) -> None:
    answer = stranger.get("/train-tools/", params={"project": "a b", "token": COOKIE_TOKEN})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/train-tools/?project=a+b"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/train-tools" in cookie
    assert stranger.get(f"{API}/projects").status_code == 200


def test_the_root_leads_to_the_page_and_keeps_the_token(stranger: httpx.Client) -> None:
    assert stranger.get("/?token=abc").headers["location"] == "/train-tools/?token=abc"


def test_a_wrong_token_is_told_in_words(stranger: httpx.Client) -> None:
    page = stranger.get("/train-tools/?token=wrong")
    assert page.status_code == 401 and "needs its token" in page.text
    assert stranger.get(f"{API}/jobs", headers={"Authorization": "Bearer wrong"}).json()["error"]["type"]
    assert stranger.get(f"{API}/jobs", headers={"Authorization": "Bearer \u00e9".encode()}).status_code == 401


def test_a_bearer_token_opens_the_api(stranger: httpx.Client) -> None:
    assert stranger.get(f"{API}/jobs", headers={"Authorization": f"Bearer {COOKIE_TOKEN}"}).status_code == 200


def test_the_token_never_redirects_to_another_site(stranger: httpx.Client) -> None:
    asking = http.client.HTTPConnection("127.0.0.1", stranger.base_url.port)
    asking.request("GET", f"//evil.example/?token={COOKIE_TOKEN}")
    answer = asking.getresponse()
    asking.close()
    assert answer.status == 404 and answer.headers["location"] is None


def test_a_refused_address_is_never_markup(stranger: httpx.Client) -> None:
    answer = stranger.get("/train-tools/<script>alert(1)</script>", headers={"Host": '"><script>x</script>'})
    assert answer.status_code == 403 and "<script>" not in answer.text


def test_a_service_for_all_addresses_answers_to_addresses_and_allowed_names_only() -> None:
    open_to_all = Access(token=COOKIE_TOKEN, port=7870, bound_host="0.0.0.0", hosts=frozenset({"lab.example"}))
    assert all(map(open_to_all.answers_to, ["192.168.1.5:7870", "[fe80::1]:7870", "lab.example", "localhost"]))
    assert not open_to_all.answers_to("rebound.evil.example:7870")


def test_origins_are_compared_by_host_and_port() -> None:
    assert same_origin("https://lab.example", "lab.example")
    assert same_origin("http://[::1]:7870", "[::1]:7870")
    assert not same_origin("http://lab.example:8000", "lab.example")
    assert not same_origin("http://[broken", "lab.example")


def test_inline_scripts_are_allowed_by_hash_and_only_as_they_are() -> None:
    page = b'<script>one()</script><script src="two.js"></script><SCRIPT type="module">three()</SCRIPT>'
    assert script_hashes(page) == script_hashes(b"<script>one()</script>") + script_hashes(
        b"<script>three()</script>"
    )
    assert script_hashes(b"<script>one() </script>") != script_hashes(b"<script>one()</script>")
