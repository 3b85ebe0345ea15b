"""What planning costs: a grid of 1,000 runs planned, and counted as one types.

    python -m benchmarks.plan

Both against their limits, 0.5 s and 0.05 s, best of five. Writes benchmarks/results/plan.json.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
BASE_MODEL = ROOT / "projects_template" / "demo" / "pocket-sd1.safetensors"
TYPED = {
    "pretrained_model_name_or_path": str(BASE_MODEL),
    "network_dim": "1..10",
    "seed": "1..10",
    "learning_rate": "1e-5:1e-3:log10",
    "text_encoder_lr": "=learning_rate/2",
}
LIMITS_S = {"plan": 0.5, "count": 0.05}
ROUNDS = 5


def best_of(action: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        action()
        times.append(time.perf_counter() - begun)
    return min(times)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRAIN_TOOLS_STATE"] = str(Path(folder) / "state")
        from train_tools.app import open_app

        app = open_app(Path(folder) / "outputs")
        app.create_project("planned")
        app.create_version("planned", "v1")
        pictures = Path(folder) / "pictures"
        pictures.mkdir()
        for number in range(30):
            Image.new("RGB", (512, 512), (number * 8, 80, 120)).save(pictures / f"{number}.png")
        app.versions.import_images("planned", "v1", [pictures])
        app.versions.prepare("planned", "v1")
        found = {
            "plan": best_of(lambda: app.grids.plan("planned", "v1", TYPED)),
            "count": best_of(lambda: app.grids.count("planned", "v1", TYPED)),
        }
    print(f"load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    print(f"{'':<10}{'seconds':>10}{'limit':>10}{'ratio':>10}")
    for name, seconds in found.items():
        print(f"{name:<10}{seconds:>10.3f}{LIMITS_S[name]:>10.3f}{seconds / LIMITS_S[name]:>10.2f}")
    target = Path(__file__).parent / "results"
    target.mkdir(exist_ok=True)
    (target / "plan.json").write_text(json.dumps({"seconds": found, "limits_s": LIMITS_S}, indent=1))


if __name__ == "__main__":
    main()
