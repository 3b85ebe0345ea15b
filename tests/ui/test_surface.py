from starlette.testclient import TestClient

from train_tools.ui.surface import Surface


async def inner(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


def test_only_what_is_named_is_there() -> None:
    asker = TestClient(Surface(inner, prefix="/p", ours=("api/v1/",)))
    for there in ("/p/", "/p", "/p/api/v1/jobs", "/p/assets/a.js", "/p/config"):
        assert asker.get(there).text == "in", there
    for nowhere in (
        "/p/gradio_api/upload",
        "/p/gradio_api/file=/etc/passwd",
        "/p/configs",
        "/p/api/v2",
        "/p/svelte/a",
    ):
        assert asker.get(nowhere).status_code == 404, nowhere
