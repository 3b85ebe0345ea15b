"""How quick the page is in a real browser: first paint, typing, lists of 10,000 pictures, reloads, ten tabs.

    python -m benchmarks.pages

Prints a table with each measure's limit and writes benchmarks/results/pages.json. The limits are those of an idle
machine; the load stands beside them. Times are the browser's own clock, from the key or the address to the screen.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page
from safetensors.numpy import save_file

from benchmarks.page_at_work import ROOT, Service, browser, service
from train_tools.app import App
from train_tools.model.job import NewJob
from train_tools.model.preparation import Preparation
from train_tools.model.preview import PreviewSettings

RESULTS = Path(__file__).parent / "results" / "pages.json"
DEMO = ROOT / "projects_template" / "demo"
LIMITS = {
    "first useful paint, Projects, ms": 1500,
    "first useful paint, Train, ms": 1500,
    "typing to new count, p95, ms": 150,
    "matrix: cells in the page": 150,
    "matrix: frames while scrolling, p95, ms": 34,
    "matrix: far jump painted, ms": 1000,
    "matrix: JS heap, MB": 60,
    "gallery: cells in the page": 150,
    "gallery: frames while scrolling, p95, ms": 34,
    "gallery: far jump painted, ms": 1000,
    "gallery: JS heap, MB": 60,
    "progress back after a reload, ms": 1000,
    "first useful paint with nine other tabs open, ms": 1500,
    "a question with ten tabs open, ms": 1000,
}
ROUNDS = 5
RUNS, EPOCHS, WEIGHTS = 25, 20, 20
PICTURES = 10_000
FRAMES = 240
TABS = 10
SETTLED_MS = 3000
PROGRESS = "[data-job] progress"
PATIENCE_MS = 60_000

SINCE_THE_ADDRESS = """([island, useful]) => {
  const found = document.querySelector(island)?.shadowRoot?.querySelector(useful);
  return found?.checkVisibility() ? performance.now() : null;
}"""
LISTEN = """(count) => {
  window.told = [];
  let typed = 0;
  document.addEventListener("keydown", () => (typed = performance.now()), true);
  const changed = () => window.told.push([count.textContent, performance.now() - typed]);
  new MutationObserver(changed).observe(count, { childList: true, characterData: true, subtree: true });
}"""
SCROLL = """async (box, frames) => {
  const times = [];
  let last = await new Promise(requestAnimationFrame);
  for (let frame = 0; frame < frames; frame++) {
    box.scrollTop += 90;
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
  }
  return times;
}"""
JUMP = """async (box) => {
  const begun = performance.now();
  box.scrollTop = box.scrollHeight * 0.7;
  const frame = box.getBoundingClientRect();
  const inSight = (at) => at.bottom > frame.top && at.top < frame.bottom;
  const painted = (each) => each.src && each.complete && each.naturalWidth;
  for (;;) {
    await new Promise(requestAnimationFrame);
    const took = performance.now() - begun;
    const images = [...box.querySelectorAll("img")].filter((each) => inSight(each.getBoundingClientRect()));
    if (took > 100 && images.length && images.every(painted)) return took;
  }
}"""
QUESTION = """async () => {
  const begun = performance.now();
  await (await fetch("/train-tools/api/v1/jobs", { cache: "no-store" })).json();
  return performance.now() - begun;
}"""


def small_version(app: App, project: str, weights: tuple[float, ...]) -> None:
    app.create_project(project)
    app.create_version(project, "v1")
    stored = app.versions.settings(project, "v1")
    previews = PreviewSettings(prompts=("a zorb",), weights=weights, seeds=(1,), width_px=64, height_px=64)
    prepared = Preparation(width_px=64, height_px=64, repeats=1, mirrored_copies=False)
    options = {**stored.options, "pretrained_model_name_or_path": str(DEMO / "pocket-sd1.safetensors")}
    changed = replace(stored, preparation=prepared, previews=previews, axes={}, options=options)
    app.versions.save_settings(project, "v1", changed)
    app.versions.import_images(project, "v1", [DEMO / "dataset" / "zorb-01.png"])
    app.versions.prepare(project, "v1")


def large_matrix(app: App) -> None:
    """500 checkpoints at 20 weights, all with their pictures: one file under 10,000 names."""
    small_version(app, "matrix", tuple(round(0.05 * n, 2) for n in range(1, WEIGHTS + 1)))
    for job in app.grids.submit("matrix", "v1", {"seed": f"1..{RUNS}"}, anyway=True).jobs:
        app.jobs.cancel(job)
    trains = app.versions.paths("matrix", "v1").trains
    for number, run in enumerate(sorted(trains.iterdir())):
        for epoch in range(1, EPOCHS + 1):
            content = np.full(2, number * 100 + epoch, np.float32)
            facts = {"ss_epoch": str(epoch), "ss_steps": str(epoch * 10)}
            save_file({"weight": content}, run / f"matrix-v1-{epoch:06}.safetensors", metadata=facts)
    first, *others = [cell.file for cell in app.previews.matrix("matrix", "v1").cells]
    first.parent.mkdir(parents=True, exist_ok=True)
    Image.radial_gradient("L").resize((64, 64)).convert("RGB").save(first)
    copy_to(first, others)


def large_gallery(app: App) -> None:
    app.create_project("gallery")
    app.create_version("gallery", "v1")
    folder = app.versions.paths("gallery", "v1").processed / "1_gallery"
    folder.mkdir(parents=True)
    first = folder / "00000-0-a.png"
    Image.radial_gradient("L").convert("RGB").save(first)
    copy_to(first, [folder / f"{number:05}-0-a.png" for number in range(1, PICTURES)])


def copy_to(file: Path, others: list[Path]) -> None:
    for other in others:
        other.parent.mkdir(parents=True, exist_ok=True)
        if not other.exists():
            os.link(file, other)


def running_job(app: App) -> None:
    """Is never ended: this process plays the worker, and tells how far it is."""
    app.jobs.queue.add([NewJob(kind="train", title="at work", folder="projects/at-work")])
    job = app.jobs.queue.claim("cpu", "here")
    assert job is not None
    app.jobs.queue.start(job.id, job.attempt)
    app.jobs.queue.progress(job.id, job.attempt, step=40, total_steps=80, loss=0.1)


class Visitor:
    """A browser that has never been here, or one tab of it."""

    def __init__(self, opened: Browser, told: Service) -> None:
        self.opened = opened
        self.told = told

    @contextmanager
    def context(self) -> Iterator[BrowserContext]:
        made = self.opened.new_context(viewport={"width": 1400, "height": 1000}, locale="en-US")
        made.set_default_timeout(PATIENCE_MS)
        made.request.get(self.told.address)  # the token becomes a cookie
        yield made
        made.close()

    def first_paint(self, context: BrowserContext, place: str, *useful: str) -> float:
        """From the address to what is useful there (an island, and a part of it), in ms."""
        page = context.new_page()
        page.goto(self.told.page + place, wait_until="commit")
        return painted(page, *useful)

    def cold_paint(self, place: str, *useful: str) -> float:
        def once() -> float:
            with self.context() as context:
                return self.first_paint(context, place, *useful)

        return median(once() for _ in range(ROUNDS))


def painted(page: Page, *useful: str) -> float:
    return float(page.wait_for_function(SINCE_THE_ADDRESS, arg=useful, polling="raf").json_value())


def typing(page: Page, told: Service) -> float:
    page.goto(f"{told.page}p/small/v1/train")
    field = page.locator("tt-train").get_by_label("Rank", exact=True)
    field.fill("1")
    count = page.locator("tt-train output.count")
    count.evaluate(LISTEN)
    for number in range(2, 32):
        field.press_sequentially(f", {number}", delay=60)
        page.wait_for_function("(words) => window.told.some(([text]) => text === words)", arg=f"{number} runs")
    return p95([took for text, took in page.evaluate("window.told") if text.endswith(" runs")])


def p95(values: list[float]) -> float:
    return quantiles(values, n=20)[-1]


def scrolled(page: Page, address: str, box: str, cell: str, name: str) -> dict[str, float]:
    """What a list of 10,000 costs in the page."""
    page.goto(address)
    shown = page.locator(box)
    shown.locator("img[src]").first.wait_for()
    rows = int(shown.get_attribute("aria-rowcount") or 0)
    assert not rows or rows > RUNS * EPOCHS, f"the matrix has {rows} rows"
    frames = shown.evaluate(SCROLL, FRAMES)
    jump = shown.evaluate(JUMP)
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    return {
        f"{name}: cells in the page": shown.locator(cell).count(),
        f"{name}: frames while scrolling, p95, ms": p95(frames),
        f"{name}: far jump painted, ms": jump,
        f"{name}: JS heap, MB": devtools.send("Runtime.getHeapUsage")["usedSize"] / 1e6,
    }


def reloads(page: Page, told: Service) -> float:
    page.goto(f"{told.page}p/small/v1/queue")
    page.get_by_role("progressbar", name="Progress of at work").wait_for()

    def once() -> float:
        page.reload(wait_until="commit")
        return painted(page, "tt-queue", PROGRESS)

    return median(once() for _ in range(ROUNDS))


def many_tabs(visitor: Visitor) -> dict[str, float]:
    with visitor.context() as context:
        place = ("p/small/v1/queue", "tt-queue", PROGRESS)
        for _ in range(TABS - 1):
            visitor.first_paint(context, *place)
        context.pages[-1].wait_for_timeout(SETTLED_MS)
        last = visitor.first_paint(context, *place)
        answers = [page.evaluate(QUESTION) for page in context.pages for _ in range(3)]
    return {
        "first useful paint with nine other tabs open, ms": last,
        "a question with ten tabs open, ms": max(answers),
    }


def measured(told: Service, opened: Browser) -> dict[str, float]:
    visitor = Visitor(opened, told)
    paint = "first useful paint,"
    found = {
        f"{paint} Projects, ms": visitor.cold_paint("projects", "tt-projects", "th[scope=row] a"),
        f"{paint} Train, ms": visitor.cold_paint("p/small/v1/train", "tt-train", "#option-network_dim"),
    }
    with visitor.context() as context:
        page = context.new_page()
        found["typing to new count, p95, ms"] = typing(page, told)
        matrix, gallery = (f"{told.page}p/{name}/v1" for name in ("matrix", "gallery"))
        found |= scrolled(page, f"{matrix}/checkpoints", "tt-checkpoints [role=grid]", "[role=gridcell]", "matrix")
        found |= scrolled(page, f"{gallery}/dataset", "tt-dataset .grid", "[role=option]", "gallery")
        found["progress back after a reload, ms"] = reloads(page, told)
    return found | many_tabs(visitor)


def main() -> int:
    begun = time.perf_counter()
    with service() as told, browser() as opened:
        small_version(told.app, "small", (1.0,))
        large_matrix(told.app)
        large_gallery(told.app)
        running_job(told.app)
        print(f"prepared in {time.perf_counter() - begun:.0f} s, load {os.getloadavg()[0]:.1f}", flush=True)
        found = measured(told, opened)
    load = os.getloadavg()[0]
    print(f"load {load:.1f} on {os.cpu_count()} processors")
    print(f"{'':<52}{'measured':>10}{'limit':>10}")
    for name, limit in LIMITS.items():
        print(f"{name:<52}{found[name]:>10.1f}{limit:>10.0f}{'' if found[name] <= limit else '   over'}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        json.dumps({"format": 1, "load": load, "measured": found, "limits": LIMITS}, indent=1) + "\n"
    )
    return any(found[name] > limit for name, limit in LIMITS.items())


if __name__ == "__main__":
    sys.exit(main())
