"""Make the pocket base model, a random one for tests, or the demo's pictures; or measure such a file.

    python benchmarks/make_pocket_model.py --out pocket-sd1.safetensors    # the whole course: 30 CPU minutes
    python benchmarks/make_pocket_model.py --random --out random.safetensors --width 8 --family sdxl
    python benchmarks/make_pocket_model.py --measure pocket-sd1.safetensors
    python benchmarks/make_pocket_model.py --dataset folder --seed 1

The whole course is kept in the workshop folder every hundred steps: the same command takes it up again. The
same seed and thread count give the same file on the same machine.
"""

import argparse
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from time import process_time

ROOT = Path(__file__).resolve().parent.parent
SHIPPED_WIDTH = 32


def main(arguments: list[str] | None = None) -> None:
    parser = _parser()
    settings = parser.parse_args(arguments)
    try:
        _action(settings, parser)(settings)
    except ValueError as error:
        parser.error(str(error))


def draw_dataset(settings: argparse.Namespace) -> None:
    from benchmarks.pocket.dataset import write_dataset

    paths = write_dataset(settings.dataset, seed=settings.seed)
    print(f"{len(paths)} pictures with captions in {settings.dataset}")


def make_random(settings: argparse.Namespace) -> None:
    from benchmarks.pocket.blueprint import Blueprint, build
    from benchmarks.pocket.single_file import save

    blueprint = Blueprint.of_width(settings.width, settings.family).predicting(settings.prediction)
    save(build(blueprint, seed=settings.seed), settings.out, title=settings.out.stem)
    print(f"{settings.out}: {settings.out.stat().st_size / 1e6:.2f} MB of random weights")


def make_taught(settings: argparse.Namespace) -> None:
    """Teach a model from nothing, write it, measure it."""
    from benchmarks.pocket.blueprint import Blueprint, build
    from benchmarks.pocket.single_file import save
    from benchmarks.pocket.training.autoencoder import reconstruction_db, teach_autoencoder
    from benchmarks.pocket.training.denoiser import teach_denoiser
    from benchmarks.pocket.words import tokenizer

    networks = build(Blueprint(), seed=settings.seed)
    outcomes = teach_autoencoder(
        networks.autoencoder,
        _autoencoder_lessons(settings),
        _course(settings, "autoencoder", settings.autoencoder_steps),
        _course(settings, "decoder", settings.decoder_steps),
    )
    reconstruction = reconstruction_db(networks.autoencoder)
    print(f"reconstruction of scenes: {reconstruction:.1f} dB")
    outcomes["denoiser"] = teach_denoiser(
        networks,
        tokenizer(),
        _denoiser_lessons(settings),
        _course(settings, "denoiser", settings.denoiser_steps),
    )
    save(networks, settings.out, title=settings.out.stem)
    print(f"{settings.out}: {settings.out.stat().st_size / 1e6:.2f} MB")
    courses = {name: outcome.as_json() for name, outcome in outcomes.items()}
    _report(settings, settings.out, {"courses": courses, "reconstruction_db": reconstruction})


def measure_file(settings: argparse.Namespace) -> None:
    _report(settings, settings.measure, {})


def _action(settings, parser):
    if settings.dataset:
        return draw_dataset
    if settings.measure:
        return _fast(measure_file)
    if settings.out:
        return make_random if settings.random else _fast(make_taught)
    return parser.error("nothing to do; give --out FILE, --measure FILE or --dataset FOLDER")


def _report(settings, file, results):
    """Draw prompts with the file, print how many are right, write everything as JSON."""
    results = {"file": file.name, "seed": settings.seed, "threads": settings.threads, **results}
    results["accuracy"] = _measured(file, settings)
    print(_table(results["accuracy"]))
    if settings.json:
        settings.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _measured(file, settings):
    from dataclasses import asdict

    from benchmarks.pocket.measure import accuracy, requests
    from benchmarks.pocket.sampling import draw
    from benchmarks.pocket.single_file import load
    from benchmarks.pocket.words import tokenizer

    asked = requests(settings.prompts, seed=settings.seed)
    networks, words = load(file), tokenizer()
    began = process_time()
    pictures = draw(networks, words, [request.prompt for request in asked], seed=settings.seed)
    a_picture_ms = (process_time() - began) / len(asked) * 1000
    return {**asdict(accuracy(pictures, asked)), "cpu_ms_a_picture": round(a_picture_ms, 1)}


def _table(accuracy):
    rows = (f"{name:<18}{value:>8.3g}" for name, value in accuracy.items())
    return "\n".join(rows)


def _fast(action):
    def fast(settings):
        with _fast_numbers(settings.threads):
            action(settings)

    return fast


@contextmanager
def _fast_numbers(threads):
    """Torch's settings for long work, taken back afterwards: other code counts on the usual ones."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # dying activations would make the CPU crawl
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)


def _autoencoder_lessons(settings):
    from benchmarks.pocket.training.autoencoder import AutoencoderLessons

    return AutoencoderLessons(batch=settings.autoencoder_batch)


def _denoiser_lessons(settings):
    from benchmarks.pocket.scenes import Mixture
    from benchmarks.pocket.training.denoiser import MIXED_SIZES, ONE_SIZE, DenoiserLessons

    return DenoiserLessons(
        batch=settings.denoiser_batch,
        scenes=settings.scenes,
        mixture=Mixture(patterned=settings.patterned),
        sizes=MIXED_SIZES if settings.mixed_sizes else ONE_SIZE,
    )


def _course(settings, name, steps):
    from benchmarks.pocket.training.course import Course

    folder = settings.workshop or settings.out.with_suffix(".workshop")
    return Course(name=name, steps=steps, seed=settings.seed, folder=folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a model to FILE")
    parser.add_argument("--random", action="store_true", help="leave the model's weights random")
    parser.add_argument("--measure", type=Path, metavar="FILE", help="measure a model that is there")
    parser.add_argument("--dataset", type=Path, metavar="FOLDER", help="draw the demo's pictures into FOLDER")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="part of what decides the last bits")
    parser.add_argument("--prompts", type=int, default=60, help="how many to measure with")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measurements to FILE")
    _add_random_options(parser.add_argument_group("a random model"))
    _add_course_options(parser.add_argument_group("the whole course"))
    return parser


def _add_random_options(group):
    group.add_argument("--width", type=int, default=SHIPPED_WIDTH, help="multiple of 8; 8 makes 1.3 MB")
    group.add_argument("--family", choices=("sd1", "sd2", "sdxl"), default="sd1")
    group.add_argument("--prediction", choices=("epsilon", "v_prediction"), default="epsilon")


def _add_course_options(group):
    group.add_argument("--workshop", type=Path, metavar="FOLDER", help="where unfinished courses are kept")
    group.add_argument("--autoencoder-steps", type=int, default=400)
    group.add_argument("--decoder-steps", type=int, default=900)
    group.add_argument("--denoiser-steps", type=int, default=2200)
    group.add_argument("--autoencoder-batch", type=int, default=16)
    group.add_argument("--denoiser-batch", type=int, default=64)
    group.add_argument("--scenes", type=int, default=6144, help="how many different ones the denoiser sees")
    group.add_argument("--patterned", type=float, default=0.0, help="share of scenes with two-coloured objects")
    group.add_argument("--mixed-sizes", action="store_true", help="teach 64x96, 96x64 and 96x96 as well")


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "sd_scripts")]  # so that it runs without being installed
    main()
