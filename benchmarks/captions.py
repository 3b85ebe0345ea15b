"""How fast captions are: 10,000 images listed with captions and sizes, found by a filter, and edited all at once.

    python -m benchmarks.captions [--images 10000] [--rounds 5]

Prints a table with each measure's share of its limit and writes benchmarks/results/captions.json. "Cold" is a
listing that remembers nothing, of files that the system has read before; "warm" is the same one asked again.
Beside the time on the clock stands that of the processor, which other work on the machine does not lengthen.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from PIL import Image

from train_tools.captions.edits import edit
from train_tools.captions.filters import filter_of
from train_tools.captions.journal import Journal
from train_tools.captions.listing import SETTLED_NS, Listing
from train_tools.captions.operations import Add, Remove
from train_tools.captions.table import tag_table
from train_tools.captions.tokens import TokenCounter
from train_tools.model.captions import Trigger
from train_tools.model.paths import VersionPaths

LIMITS = {
    "listed, cold": 1.5,
    "listed, warm": 0.2,
    "found by a filter": 0.2,
    "tag table": 1.0,
    "tokens counted": 3.0,
    "tag edit": 3.0,
    "undo": 3.0,
}
"""Seconds for 10,000 captions."""
TAGS_EACH = 25
PICTURES = 20
HOW = ("red", "blue", "green", "long", "short", "black", "white", "open", "wet", "torn", "striped", "tiny", "old")
WHAT = (
    "hair",
    "dress",
    "hat",
    "sky",
    "eyes",
    "shoes",
    "gloves",
    "door",
    "window",
    "street",
    "tree",
    "bag",
    "coat",
)


def make_dataset(version: VersionPaths, images: int) -> None:
    """PNG and JPEG of 512 px that are noise in part, with captions of common and rare tags."""
    draw = random.Random(1)
    folder = version.processed / "10_girl"
    folder.mkdir(parents=True)
    samples = []
    for number in range(PICTURES):
        suffix = ".png" if number % 2 else ".jpg"
        path = folder.parent / f".sample{number}{suffix}"
        Image.effect_noise((512, 384 + 8 * number), 40).convert("RGB").resize((512, 768)).save(path)
        samples.append((suffix, path.read_bytes()[:40_000]))
        path.unlink()
    words = [f"{how} {what}" for how in HOW for what in WHAT]
    draw.shuffle(words)
    for number in range(images):
        suffix, content = samples[number % PICTURES]
        name = f"{number:05}-0-picture {number}"
        (folder / f"{name}{suffix}").write_bytes(content)
        tags = [words[int(len(words) * draw.random() ** 3)] for _ in range(TAGS_EACH)]
        (folder / f"{name}.txt").write_text(", ".join(["1girl", *tags]) + "\n", encoding="utf-8")


Taken = tuple[float, float]
"""Seconds on the clock, and of the processor."""


def timed(action: Callable[[], object]) -> Taken:
    begun, spent = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - begun, time.process_time() - spent


def measured(version: VersionPaths, rounds: int) -> dict[str, list[Taken]]:
    found: dict[str, list[Taken]] = {name: [] for name in LIMITS}
    counter = TokenCounter()
    for _ in range(rounds):
        time.sleep(SETTLED_NS / 1e9 + 0.1)  # so that the captions of the last round count as settled
        listing = Listing()
        found["listed, cold"].append(timed(lambda listing=listing: listing.images(version)))
        found["listed, warm"].append(timed(lambda listing=listing: listing.images(version)))
        images = listing.images(version)
        is_meant = filter_of("1girl AND NOT (red* OR *hat)")
        found["found by a filter"].append(
            timed(lambda images=images, is_meant=is_meant: [image for image in images if is_meant(image)])
        )
        found["tag table"].append(timed(lambda images=images: tag_table(images, Trigger())))
        found["tokens counted"].append(timed(lambda images=images: counter.report(images)))
        found["tag edit"].append(
            timed(lambda listing=listing: edit(version, listing.images(version), Add(tags=("new",), front=True)))
        )
        found["undo"].append(timed(lambda: Journal(version).undo()))
        edit(version, listing.images(version), Remove(tags=("new",)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRAIN_TOOLS_STATE"] = str(Path(folder) / "state")
        version = VersionPaths(Path(folder) / "projects" / "girl" / "versions" / "v1")
        make_dataset(version, arguments.images)
        found = measured(version, arguments.rounds)
    print(f"{'':20} {'best':>9} {'median':>9} {'worst':>9} {'processor':>9} {'limit':>9} {'median / limit':>15}")
    rows = {}
    for name, limit in LIMITS.items():
        times, spent = zip(*found[name], strict=True)
        best, middle, worst, cpu = min(times), median(times), max(times), median(spent)
        rows[name] = {
            "best": best,
            "median": middle,
            "worst": worst,
            "processor": cpu,
            "limit": limit,
            "ratio": middle / limit,
        }
        print(f"{name:20} {best:9.3f} {middle:9.3f} {worst:9.3f} {cpu:9.3f} {limit:9.3f} {middle / limit:15.2f}")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    print(f"{arguments.images:,} images; load of the machine {load}")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    report = {"images": arguments.images, "load": load, **rows}
    (results / "captions.json").write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
