"""A small WebUI: what one offers to extensions, and the order it does things in, without models. Run by the
Python of a host's environment: host_program.py EXTENSION PORT [flags of the extension, --auth A:B, --exposed].

Says `up` when it serves; then does what each line of its input says: `reload` (as "Reload UI"), `stop`.
"""

import argparse
import importlib.util
import sys
import traceback
import types
from pathlib import Path


def module(name: str, **contents: object) -> types.ModuleType:
    made = types.ModuleType(name)
    made.__dict__.update(contents)
    sys.modules[name] = made
    return made


def load(path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(path.name, path)
    assert spec and spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class Callbacks:
    """`modules.script_callbacks` as far as extensions of this kind need it."""

    def __init__(self) -> None:
        self.tabs: list = []
        self.started: list = []

    def on_ui_tabs(self, call: object) -> None:
        self.tabs.append(call)

    def on_app_started(self, call: object) -> None:
        self.started.append(call)


def guarded(call, *arguments):
    """An extension's failure is told, as WebUIs do."""
    try:
        return call(*arguments)
    except Exception:  # noqa: BLE001
        traceback.print_exc()


def with_scripts(extension: Path) -> None:
    """Puts the extension's scripts into the page the way A1111 does."""
    import gradio.routes

    scripts = "".join(f"<script>{file.read_text()}</script>" for file in (extension / "javascript").glob("*.js"))
    original = gradio.routes.templates.TemplateResponse

    def template_response(*arguments, **named):
        answer = original(*arguments, **named)
        answer.body = answer.body.replace(b"</head>", f"{scripts}</head>".encode())
        answer.init_headers()
        return answer

    gradio.routes.templates.TemplateResponse = template_response


def ask(stand_in: str, request, body: bytes):
    """Hands a request on to the WebUI that stands behind this one."""
    import httpx
    from starlette.responses import Response

    known = {name: value for name, value in request.headers.items() if name == "authorization"}
    address = f"{stand_in}{request.url.path}?{request.url.query}"
    answer = httpx.request(request.method, address, content=body, headers=known, timeout=60)
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))


def answering(stand_in: str, queue_lock):
    from contextlib import nullcontext

    from starlette.concurrency import run_in_threadpool

    def done(request, body):
        with queue_lock if request.url.path.endswith("txt2img") else nullcontext():
            return ask(stand_in, request, body)

    async def answer(request):
        return await run_in_threadpool(done, request, await request.body())

    return answer


def with_api(flags: argparse.Namespace) -> None:
    """`modules.api.api` and the queue, as A1111 has them."""
    import threading

    queue_lock = threading.Lock()
    module("modules.call_queue", queue_lock=queue_lock)
    sys.modules["modules"].call_queue = sys.modules["modules.call_queue"]

    class Api:
        def __init__(self, app, lock) -> None:
            assert lock is queue_lock
            print("API made", flush=True)
            answer = answering(flags.stand_in, lock)
            app.add_route("/sdapi/v1/{path:path}", answer, methods=["GET", "POST"])

    module("modules.api")
    module("modules.api.api", Api=Api)


def with_routes_of_its_own(app, flags: argparse.Namespace) -> None:
    """What WebUIs have without their API too."""
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    queue_lock = sys.modules["modules.call_queue"].queue_lock
    answer = answering(flags.stand_in, queue_lock)
    for path in ("/internal/{path:path}", "/sdapi/v1/loras", "/sdapi/v1/refresh-loras"):
        app.router.routes.insert(0, Route(path, answer, methods=["GET", "POST"]))
    busy = lambda request: JSONResponse(queue_lock.locked())  # noqa: E731
    app.router.routes.insert(0, Route("/queue-is-taken", busy))


def launch(extension: Path, flags: argparse.Namespace):
    """One life of the UI: scripts loaded, tabs built, server started, extensions told. Returns its page."""
    import gradio as gr
    from starlette.middleware import Middleware
    from starlette.middleware.gzip import GZipMiddleware

    callbacks = Callbacks()
    module("modules.script_callbacks", **{n: getattr(callbacks, n) for n in ("on_ui_tabs", "on_app_started")})
    sys.modules["modules"].script_callbacks = sys.modules["modules.script_callbacks"]
    for script in sorted((extension / "scripts").glob("*.py")):
        guarded(load, script)
    tabs = [tab for call in callbacks.tabs for tab in guarded(call) or []]
    with gr.Blocks(title="host", analytics_enabled=False) as demo, gr.Tabs(elem_id="tabs"):
        with gr.TabItem("txt2img"):
            gr.Textbox("a cat", label="Prompt", elem_id="txt2img_prompt")
            gr.HTML("<p>Generate</p>")
        for page, title, _element in tabs:
            with gr.TabItem(title):
                page.render()
    auth = tuple(flags.auth.split(":")) if flags.auth else None
    app, _local, _share = demo.launch(
        server_name="127.0.0.1", server_port=flags.port, prevent_thread_lock=True, auth=auth, quiet=True
    )
    app.user_middleware = [kept for kept in app.user_middleware if kept.cls.__name__ != "CORSMiddleware"]
    app.user_middleware.insert(0, Middleware(GZipMiddleware, minimum_size=1000))
    app.middleware_stack = None

    @app.middleware("http")
    async def timed(request, call_next):
        """As --api adds one."""
        answer = await call_next(request)
        answer.headers["x-process-time"] = "1"
        return answer

    app.middleware_stack = app.build_middleware_stack()
    with_routes_of_its_own(app, flags)
    for call in callbacks.started:
        guarded(call, demo, app)
    return demo


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("extension", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--data", required=True)
    parser.add_argument("--auth")
    parser.add_argument("--subpath")
    parser.add_argument("--api-auth")
    parser.add_argument("--stand-in", default="http://127.0.0.1:9", help="the WebUI that its API leads to")
    parser.add_argument("--exposed", action="store_true", dest="disable_extension_access")
    extension = Path(sys.argv[1])
    guarded(lambda: load(extension / "preload.py").preload(parser))
    flags = parser.parse_args()
    module("modules", shared=module("modules.shared", cmd_opts=flags))
    sys.modules["modules"].paths = module("modules.paths", data_path=flags.data)
    with_api(flags)
    with_scripts(extension)
    demo = launch(extension, flags)
    print("up", flush=True)
    for line in sys.stdin:
        if line.strip() == "reload":
            demo.close()
            demo = launch(extension, flags)
            print("up", flush=True)
        elif line.strip() == "stop":
            break


if __name__ == "__main__":
    main()
