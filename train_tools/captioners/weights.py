"""Where the files of a model that looks at pictures are: in a folder that was named, in ours, or in Hugging
Face's cache. Nothing is ever fetched from here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from train_tools.captioners.registry import Files, PictureModel, Repository, captioner_of
from train_tools.errors import NotFoundError, OptionValueError
from train_tools.model.captioning import Chosen, ModelState

HUB = "https://huggingface.co"
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def repository_of(chosen: Chosen) -> Repository:
    """The captioner's that was chosen. Raises OptionValueError for a text that is none."""
    return repository_named(captioner_of(chosen), chosen.model)


def repository_named(model: PictureModel, named: str) -> Repository:
    """The one of this name, the model's usual one without any. Raises OptionValueError for a text that is none."""
    if not named:
        return model.repositories[0]
    known = next((each for each in model.repositories if each.name == named), None)
    if known is None and (not REPOSITORY.fullmatch(named) or ".." in named):
        raise OptionValueError(
            f"{named!r} is no model for {model.name}: give the whole path of a folder, or a repository "
            f"as {model.repositories[0].name}."
        )
    return known or Repository(name=named, about_bytes=0)


def state_of(chosen: Chosen, folder: Path, environment: Mapping[str, str] = os.environ) -> ModelState:
    """The state of a chosen captioner's model, as `state_named` says it."""
    return state_named(captioner_of(chosen), chosen.model, folder, environment)


def state_named(
    model: PictureModel, named: str, folder: Path, environment: Mapping[str, str] = os.environ
) -> ModelState:
    """Where the files are of a repository or a folder that was named (empty = the usual repository), or what is
    missing. `folder` holds what was put or fetched here.

    Raises NotFoundError for a named folder that lacks something.
    """
    place = Path(named).expanduser() if named else None
    if place is not None and place.is_absolute():
        return _in_named_folder(model, place)
    repository = repository_named(model, named)
    own = folder / repository.name.replace("/", "--")
    places = (own, *_cached(repository.name, environment))
    return ModelState(
        repository=repository.name,
        place=next((place for place in places if not missing_in(place, model.files)), None),
        missing=missing_in(own, model.files),
        folder=own,
        about_bytes=repository.about_bytes,
    )


def missing_in(folder: Path, files: Files) -> tuple[str, ...]:
    """Which of the needed files a folder lacks; of a model in several parts, each counts."""
    try:
        names = [entry.name for entry in folder.iterdir() if entry.is_file()]
    except OSError:
        names = []
    return (*files.missing(names), *_missing_parts(names))


def words_for(model: PictureModel, state: ModelState) -> str:
    """What to do about a model that is not there."""
    address = next((each.address for each in model.repositories if each.name == state.repository), "")
    about = f", about {state.about_bytes / 1e9:.1f} GB" if state.about_bytes else ""
    return (
        f"{model.title} is not on this machine: {', '.join(state.missing)} of {state.repository}{about}. "
        f"Put these files into {state.folder} (from {address or f'{HUB}/{state.repository}'}), or let them be "
        "fetched: --download."
    )


def _in_named_folder(model: PictureModel, folder: Path) -> ModelState:
    missing = missing_in(folder, model.files)
    if missing:
        raise NotFoundError(f"{folder} is no model for {model.name}: it lacks {', '.join(missing)}.")
    return ModelState(repository="", place=folder, missing=(), folder=folder, about_bytes=0)


def _missing_parts(names: list[str]) -> tuple[str, ...]:
    numbered = [re.fullmatch(r"model-(\d+)-of-(\d+)\.safetensors", name) for name in names]
    parts = [part for part in numbered if part]
    if not parts or "model.safetensors" in names:
        return ()
    count = max(int(part[2]) for part in parts)
    wanted = [f"model-{number:05}-of-{count:05}.safetensors" for number in range(1, count + 1)]
    return tuple(name for name in (*wanted, "model.safetensors.index.json") if name not in names)


def _cached(repository: str, environment: Mapping[str, str]) -> Iterator[Path]:
    """The snapshots of a repository in Hugging Face's cache, the one that `main` names first."""
    folder = _hub_cache(environment) / f"models--{repository.replace('/', '--')}"
    with suppress(OSError, UnicodeDecodeError):
        yield folder / "snapshots" / (folder / "refs" / "main").read_text(encoding="ascii").strip()
    if (folder / "snapshots").is_dir():
        yield from sorted((folder / "snapshots").iterdir())


def _hub_cache(environment: Mapping[str, str]) -> Path:
    """As huggingface_hub decides it."""
    if environment.get("HF_HUB_CACHE"):
        return Path(environment["HF_HUB_CACHE"]).expanduser()
    if environment.get("HF_HOME"):
        return Path(environment["HF_HOME"]).expanduser() / "hub"
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(cache).expanduser() / "huggingface" / "hub"
    except RuntimeError:  # a home that nobody knows
        return Path(cache) / "huggingface" / "hub"
