"""What the extension costs a WebUI: the import of its part that runs inside one, and how late an event arrives
through its proxy.

    python -m benchmarks.webui_shim PYTHON_OF_A_WEBUI [--rounds 5]

Prints a table with each measure's share of its limit and writes benchmarks/results/webui_shim.json. The import is
timed in fresh processes that have loaded Gradio already, as a WebUI has.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import httpx

from tests.webui.conftest import SMALL, WebUI, webuis

LIMITS = {"import": 0.05, "event through the proxy": 0.3}
"""Seconds."""
RESULTS = Path(__file__).with_name("results") / "webui_shim.json"
SHIM = Path(__file__).parents[1] / "webui_shim"
IMPORT = """
import gradio, importlib.util, sys, time
began = time.perf_counter()
spec = importlib.util.spec_from_file_location("shim", sys.argv[1] + "/__init__.py",
                                              submodule_search_locations=[sys.argv[1]])
shim = sys.modules["shim"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shim)
for name in ("host", "routes", "service", "tab"):
    importlib.import_module(f"shim.{name}")
print(time.perf_counter() - began)
"""


def import_s(python: Path) -> float:
    done = subprocess.run([python, "-c", IMPORT, SHIM], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def event_s(webui: WebUI, rounds: int) -> list[float]:
    """From the moment that the service is told to send one until it has arrived."""
    late = []
    browser = httpx.Client(base_url=webui.address, trust_env=False, headers={"accept-encoding": "gzip"})
    with browser, browser.stream("GET", "/train-tools/ticks") as stream:
        arriving = stream.iter_raw()
        next(arriving)
        for _ in range(rounds):
            began = time.perf_counter()
            webui.ask("/train-tools/next")
            next(arriving)
            late.append(time.perf_counter() - began)
    return late


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    measured = {"import": [import_s(arguments.python) for _ in range(arguments.rounds)]}
    with tempfile.TemporaryDirectory() as folder, webuis(arguments.python, Path(folder), SMALL) as make:
        webui = make()
        webui.wait_for("ready")
        measured["event through the proxy"] = event_s(webui, arguments.rounds)
    for name, seconds in measured.items():
        print(f"{name:28}{median(seconds) * 1000:8.1f} ms{median(seconds) / LIMITS[name]:8.0%} of its limit")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
