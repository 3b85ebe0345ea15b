"""Pictures of every screen, light and dark, with the finished demo in it.

    python -m benchmarks.make_screenshots [doc/images]

Writes page-<screen>.webp and page-<screen>-dark.webp. To be made anew when a screen looks different; look at them.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, Route

from benchmarks.page_at_work import ROOT, Service, browser, service

SIZE = {"width": 1400, "height": 1000}
SCREENS = {
    "projects": "projects",
    "dataset": "dataset",
    "train": "train",
    "queue": "queue",
    "checkpoints": "checkpoints",
    "which": "checkpoints?view=which",
    "tools": "tools",
    "settings": "settings",
}
QUALITY = 80
SETTLED = """async () => {
  const roots = [...document.querySelectorAll("*")].map((each) => each.shadowRoot).filter(Boolean);
  const images = roots.flatMap((root) => [...root.querySelectorAll("img[src]")]);
  const shown = images.filter((each) => each.checkVisibility());
  await Promise.all(shown.map((each) => each.decode().catch(() => {})));
}"""
QUIET_MS = 6000
"""What is asked for after the first look, such as plans and thumbnails, has come by then."""


def told_elsewhere(route: Route, told: Service) -> None:
    """Answers with the folders of a user instead of those of whoever makes the pictures."""
    if route.request.resource_type != "fetch":
        return route.continue_()
    answer = route.fetch()
    text = answer.text()
    for folder, name in ((told.app.outputs.folder.parent, "/home/me"), (ROOT, "/home/me/train-tools")):
        text = text.replace(str(folder), name)
    return route.fulfill(response=answer, body=text)


def photograph(page: Page, path: Path) -> None:
    page.evaluate(SETTLED)
    with Image.open(BytesIO(page.screenshot())) as taken:
        taken.save(path, quality=QUALITY, method=6)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def make(opened: Browser, told: Service, theme: str, folder: Path) -> None:
    context = opened.new_context(viewport=SIZE, color_scheme=theme, reduced_motion="reduce", locale="en-US")
    page = context.new_page()
    page.route("**/api/v1/**", lambda route: told_elsewhere(route, told))
    page.goto(told.address)
    for name, place in SCREENS.items():
        page.goto(f"{told.page}p/zorb/demo/{place}")
        page.get_by_role("heading", level=1).wait_for(state="attached")
        if name == "train":
            page.locator("tt-train").get_by_label("Rank", exact=True).fill("4, 8, 16, 32")
        page.wait_for_timeout(QUIET_MS)
        photograph(page, folder / f"page-{name}{'-dark' if theme == 'dark' else ''}.webp")
    context.close()


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with service() as told, browser() as opened:
        told.app.open_demo()
        for theme in ("light", "dark"):
            make(opened, told, theme, folder)


if __name__ == "__main__":
    main(Path(*sys.argv[1:2] or ["doc", "images"]))
