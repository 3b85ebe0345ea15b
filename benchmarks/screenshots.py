"""Pictures of every screen, light and dark, from the demo project, as doc/page.md shows them.

    python -m benchmarks.screenshots [doc/images]

Opens the demo in `outputs` beside the program, serves it, and looks at it in Chromium. Nothing is trained. Paths
are to be seen on the pictures: run it in a clone that lies where anybody's might, such as /home/me/train-tools.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from train_tools.app import open_app
from train_tools.ui.screens import SCREENS

ROOT = Path(__file__).parents[1]
SIZE = {"width": 1280, "height": 860}
SETTLED_MS = 2500
COLOURS = 128
DRAWN = {"dataset": "img", "queue": "canvas", "checkpoints": "img"}
"""What has to be there before a screen is worth a picture."""
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--hide-scrollbars",
)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state:
        os.environ["TRAIN_TOOLS_STATE"] = state
        demo = open_app(ROOT / "outputs").open_demo()
        service = served(ROOT / "outputs")
        try:
            address = said_address(service)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium(), args=list(QUIET))
                for theme in ("light", "dark"):
                    page = opened(browser, address, theme)
                    for screen in SCREENS:
                        page.goto(f"{address.partition('?')[0]}p/{demo.project}/{demo.version}/{screen}")
                        page.locator(f"#screen-{screen} {DRAWN.get(screen, 'button')}").first.wait_for()
                        take(page, folder / f"page-{screen}{'-dark' if theme == 'dark' else ''}.png")
        finally:
            service.terminate()
            service.wait()


def served(outputs: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "train_tools", "--outputs", str(outputs), "serve", "--port", "0"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def said_address(service: subprocess.Popen[str]) -> str:
    assert service.stdout is not None
    found = re.search(r"http://\S+", service.stdout.readline())
    assert found, "the service did not say its address"
    return found[0]


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "no Chromium is on PATH"
    return found


def opened(browser: Browser, address: str, theme: str) -> Page:
    context = browser.new_context(viewport=SIZE, color_scheme=theme, reduced_motion="reduce", locale="en-US")
    page = context.new_page()
    page.goto(address)
    page.get_by_role("link", name="Dataset").wait_for()
    return page


def take(page: Page, file: Path) -> None:
    page.wait_for_timeout(SETTLED_MS)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS).save(file, optimize=True)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "doc" / "images")
