"""Make the pocket base model and the demo's pictures: `python benchmarks/make_pocket_model.py --help`."""

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):  # started by path: the package lies in the folder above
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.pocket.dataset import write_dataset


def main(arguments: list[str] | None = None) -> None:
    settings = _parser().parse_args(arguments)
    paths = write_dataset(settings.dataset, seed=settings.seed)
    print(f"{len(paths)} pictures with captions in {settings.dataset}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, metavar="FOLDER", help="draw the demo's pictures into FOLDER")
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    main()
