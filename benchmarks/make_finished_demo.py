"""Packs the demo's sweep as `train-tools demo` has trained it into `projects_template/demo/finished.zip`.

    python -m benchmarks.make_finished_demo OUTPUTS

To be made anew when the demo's grid, the formats of its files or the renderer's version change: the test of the
packed demo fails then, because its previews count as missing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from train_tools.app import open_app
from train_tools.projects.finished_demo import finished_demo, pack
from train_tools.projects.template import read_demo


def main(outputs: Path) -> None:
    app, demo = open_app(outputs), read_demo()
    pack(app.store.open_version(demo.project, demo.version).paths, finished_demo(), app.demo_names)
    print(f"{finished_demo()}: {finished_demo().stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
