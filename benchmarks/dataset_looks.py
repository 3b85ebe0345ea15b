"""How fast pictures of a dataset are looked at: thumbnails over HTTP, and the checks of 10,000 images.

    python -m benchmarks.dataset_looks [--images 10000] [--thumbnails 100]

Prints a table with each measure's limit and writes benchmarks/results/dataset_looks.json. A thumbnail is "made"
when nobody has asked for it before, "served" when it is in the cache. Images are photograph-like PNGs of 512 px,
and some JPEGs of 12 MP; the 10,000 are copies of a few of them under other names, so that the first look decodes
only those (the time an image takes stands beside it), and the second asks the disk for sizes and times. Beside the
time on the clock stands that of the processor, client included, which other work does not lengthen.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx
import numpy as np
import uvicorn
from PIL import Image

from train_tools.app import App, open_app
from train_tools.checks.looks import Looks, look_at
from train_tools.server.application import guarded
from train_tools.server.security import API, Access
from train_tools.server.service import listening

PROJECT, VERSION, TOKEN = "benchmark", "v1", "a-token-for-a-benchmark"
LIMITS_MS = {
    "thumbnail of 512 px, served": 15.0,
    "thumbnail of 512 px, made": 60.0,
    "thumbnail of 12 MP, made": 250.0,
    "second look at all": 2000.0,
}
SAMPLES = 20


def photograph(number: int, size: tuple[int, int]) -> Image.Image:
    random = np.random.default_rng(number)
    coarse = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize(
        size, Image.Resampling.BICUBIC
    )
    noise = random.integers(-12, 13, (size[1], size[0], 1))
    return Image.fromarray(np.clip(np.asarray(coarse, dtype=np.int16) + noise, 0, 255).astype(np.uint8))


@contextmanager
def service(app: App) -> Iterator[httpx.Client]:
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        gate = guarded(app, Access(token=TOKEN, port=port))
        server = uvicorn.Server(uvicorn.Config(gate, log_level="critical", server_header=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}{API}", headers={"X-Train-Tools-Token": TOKEN}, timeout=60
        ) as client:
            yield client
        server.should_exit = True
        thread.join()


Times = tuple[float, float]
"""Milliseconds: on the clock, of the processor."""


def took(action: Callable[[], object]) -> Times:
    began, worked = time.perf_counter(), time.process_time()
    action()
    return (time.perf_counter() - began) * 1000, (time.process_time() - worked) * 1000


def middle(times: Iterable[Times]) -> Times:
    clock, processor = zip(*times, strict=True)
    return median(clock), median(processor)


def thumbnails(app: App, folder: Path, number: int) -> dict[str, Times]:
    small = [folder / f"{each:05}.png" for each in range(number)]
    large = [folder / f"large-{each}.jpg" for each in range(3)]
    for each, path in enumerate(large):
        photograph(each, (4000, 3000)).save(path, quality=90)
    with service(app) as client:

        def ask(path: Path) -> None:
            at = path.relative_to(app.outputs.folder).as_posix()
            client.get(f"/thumbs/{at}").raise_for_status()

        client.get("/projects").raise_for_status()
        made = [took(lambda path=path: ask(path)) for path in small]
        served = [took(lambda path=path: ask(path)) for path in small]
        of_large = [took(lambda path=path: ask(path)) for path in large]
    for path in large:
        path.unlink()
    return {
        "thumbnail of 512 px, made": middle(made),
        "thumbnail of 512 px, served": middle(served),
        "thumbnail of 512 px, served, slowest of 20": sorted(served)[-max(1, len(served) // 20)],
        "thumbnail of 12 MP, made": middle(of_large),
    }


def looks(app: App, folder: Path, number: int) -> dict[str, Times]:
    version = app.versions.paths(PROJECT, VERSION)
    images = [f"{folder.name}/{each:05}.png" for each in range(number)]
    one = middle(took(lambda each=each: look_at(folder / f"{each:05}.png")) for each in range(SAMPLES))
    first = took(lambda: Looks(version).look(images))
    again = took(lambda: Looks(version).look(images))
    found = took(lambda: app.checks.found(PROJECT, VERSION))
    return {
        "one image, looked at": one,
        "first look at all": first,
        "second look at all": again,
        "all findings": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--thumbnails", type=int, default=100)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["TRAIN_TOOLS_STATE"] = str(Path(temporary) / "state")
        app = open_app(Path(temporary) / "outputs")
        app.create_project(PROJECT)
        app.create_version(PROJECT, VERSION)
        folder = app.versions.paths(PROJECT, VERSION).processed / "10_girl"
        folder.mkdir(parents=True)
        for each in range(SAMPLES):
            photograph(each, (512, 512)).save(folder / f"{each:05}.png")
        for each in range(SAMPLES, max(wanted.images, wanted.thumbnails)):
            shutil.copyfile(folder / f"{each % SAMPLES:05}.png", folder / f"{each:05}.png")
        measured = {
            **thumbnails(app, folder, wanted.thumbnails),
            **looks(app, folder, wanted.images),
        }
    print(f"{'':46}{'ms':>12}{'processor':>12}{'limit':>10}")
    for name, (clock, processor) in measured.items():
        print(f"{name:46}{clock:12,.1f}{processor:12,.1f}{LIMITS_MS.get(name, ''):>10}")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    text = json.dumps({"images": wanted.images, "limits_ms": LIMITS_MS, "measured_ms": measured}, indent=1)
    (results / "dataset_looks.json").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
