"""Version folders of sd-webui-train-tools (S1): no version.toml but three JSON files, no run.toml in `trains`.
They are read as they are; nothing here writes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from train_tools.errors import StorageError, TrainToolsError
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.paths import RunPaths, VersionPaths
from train_tools.model.preparation import AUTOMATIC_REPEATS, Objective, Preparation
from train_tools.model.preview import PreviewSettings
from train_tools.model.project import VersionSettings

LEGACY_CONFIGS = ("dataset_config.json", "train_config.json", "preview_config.json")

_SAMPLERS = {
    "DDIM": "ddim",
    "Euler": "euler",
    "Euler a": "euler_a",
    "DPM++ 2M": "dpmpp_2m",
}
_DEFAULTS: Mapping[str, Any] = {
    "train_num_repetitions": -1,
    "process_width": 512,
    "process_height": 512,
    "process_flip": True,
    "process_split": False,
    "process_split_threshold": 0.5,
    "process_overlap_ratio": 0.2,
    "process_focal_crop": False,
    "process_focal_crop_face_weight": 0.9,
    "process_focal_crop_entropy_weight": 0.15,
    "process_focal_crop_edges_weight": 0.5,
    "process_multicrop": False,
    "process_multicrop_mindim": 384,
    "process_multicrop_maxdim": 768,
    "process_multicrop_minarea": 64 * 64,
    "process_multicrop_maxarea": 640 * 640,
    "process_multicrop_objective": "Maximize area",
    "process_multicrop_threshold": 0.1,
    "train_batch_size": 1,
    "train_num_epochs": 20,
    "train_save_every_n_epochs": 2,
    "train_optimizer_type": ["Lion"],
    "train_learning_rate": "0.0001",
    "train_net_dim": 128,
    "train_alpha": 64,
    "train_clip_skip": 2,
    "train_mixed_precision": "fp16",
    "train_xformers": True,
    "train_finish_generate_all_checkpoint_preview": True,
    "preview_txt2img_prompt": "",
    "preview_txt2img_negative_prompt": "low quality",
    "preview_sampling_method": ["Euler a"],
    "preview_sampling_steps": "28",
    "preview_width": 512,
    "preview_height": 512,
    "preview_cfg_scale": "10",
    "preview_seed": "-1",
    "preview_lora_multiplier": "0.6,0.7,0.8,1",
}
"""What a missing key means (S1-18 to S1-24, S1-38, S1-55)."""
_OBJECTIVES = {"Maximize area": Objective.AREA, "Minimize error": Objective.ERROR}
_FIXED_OPTIONS: Mapping[str, Any] = {"lr_scheduler": "cosine", "save_precision": "fp16", "seed": 23}
"""What S1 trained with without showing it (S1-46), as far as it decides the result."""
_NOT_CARRIED: Mapping[str, tuple[Any, str]] = {
    "process_caption": (False, "captions by BLIP"),
    "process_caption_deepbooru": (False, "captions by deepbooru"),
    "train_base_model": (None, "the base model's title in the WebUI; choose the file"),
    "sd_script_args": ("", "additional sd-scripts arguments; set them as options"),
    "preview_batch_count": (1, "batch count; use more seeds"),
    "preview_batch_size": (1, "batch size; use more seeds"),
}
"""Keys without a counterpart: the value that means nothing was asked for, and what it is in words."""


@dataclass(frozen=True, kw_only=True)
class LegacySettings:
    """The settings an old version's files stand for, and what of them has no counterpart here, in words."""

    settings: VersionSettings
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LegacyTrain:
    """A folder in `trains` that an older Train Tools wrote."""

    name: str
    folder: Path
    checkpoints: tuple[Checkpoint, ...]
    """Newest modified first."""
    images: Mapping[str, tuple[Path, ...]]
    """Preview pictures by checkpoint name."""


def is_legacy(version: VersionPaths) -> bool:
    return not version.record.exists() and any((version.folder / name).is_file() for name in LEGACY_CONFIGS)


def legacy_settings(version: VersionPaths) -> LegacySettings:
    """What the three files say, with S1's defaults for missing keys. Raises StorageError when one is broken."""
    written: dict[str, Any] = {}
    for name in LEGACY_CONFIGS:
        written |= _read_json(version.folder / name)
    reading = _Reading(version.folder, {**_DEFAULTS, **written})
    settings = VersionSettings(
        preparation=reading.made(Preparation, _preparation),
        options=_options(reading),
        axes=_axes(reading),
        previews=reading.made(PreviewSettings, _previews),
    )
    for key, (nothing, words) in _NOT_CARRIED.items():
        if written.get(key, nothing) not in (nothing, None):
            reading.notes.append(f"{key} = {written[key]!r} was not carried over: {words}.")
    return LegacySettings(settings=settings, notes=tuple(dict.fromkeys(reading.notes)))


def legacy_trains(version: VersionPaths) -> tuple[LegacyTrain, ...]:
    """The runs of an older Train Tools in this version, newest first, whether the version is old or not."""
    folders = version.trains.iterdir() if version.trains.is_dir() else ()
    old = [
        folder
        for folder in folders
        if folder.is_dir() and not folder.is_symlink() and not RunPaths(folder).record.exists()
    ]
    old.sort(key=lambda folder: (folder.stat().st_mtime, folder.name), reverse=True)
    return tuple(_train(folder) for folder in old if not folder.name.startswith("."))


def _train(folder: Path) -> LegacyTrain:
    files = [file for file in folder.glob("*.safetensors") if file.is_file() and not file.is_symlink()]
    checkpoints = tuple(_checkpoint(folder.name, file) for file in files)
    newest_first = tuple(sorted(checkpoints, key=lambda checkpoint: checkpoint.modified, reverse=True))
    images = {
        checkpoint.name: tuple(sorted(RunPaths(folder).images_of(checkpoint.name).rglob("*.png")))
        for checkpoint in newest_first
    }
    return LegacyTrain(name=folder.name, folder=folder, checkpoints=newest_first, images=images)


def _checkpoint(run: str, file: Path) -> Checkpoint:
    """S1 saved `<name>-NNNNNN` after epoch N and `<name>` at the end; steps were not in the name (S1-45)."""
    numbered = re.search(r"-(\d{6})$", file.stem)
    found = file.stat()
    return Checkpoint(
        run=run,
        path=file,
        size_bytes=found.st_size,
        modified=found.st_mtime,
        epoch=int(numbered[1]) if numbered else 0,
        step=0,
        final=numbered is None,
    )


@dataclass(frozen=True)
class _Reading:
    """The values of one version's files, and the notes made while reading them."""

    folder: Path
    values: Mapping[str, Any]
    notes: list[str] = field(default_factory=list)

    def number(self, key: str) -> float:
        """A number, however it was spelt; of several the first, with a note."""
        several = self.numbers(key)
        if len(several) > 1:
            self.notes.append(f"{key} = {self.values[key]!r}: the first value was taken.")
        return several[0] if several else float(_DEFAULTS[key])

    def numbers(self, key: str) -> tuple[float, ...]:
        """The numbers in a text with commas, or the number itself; what isn't one is noted and left out."""
        value = self.values[key]
        parts = value.split(",") if isinstance(value, str) else [value]
        numbers = [_finite(part) for part in parts]
        if None in numbers:
            self.notes.append(f"{key} = {value!r}: what is not a number was left out.")
        return tuple(number for number in numbers if number is not None)

    def whole(self, key: str) -> int:
        return int(self.number(key))

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values[key]
        return tuple(map(str, value)) if isinstance(value, list) else (str(value),)

    def made(self, kind: Callable[[], Any], make: Callable[[_Reading], Any]) -> Any:
        """The settings, or their defaults with a note when a value is out of what is allowed here."""
        try:
            return make(self)
        except TrainToolsError as error:
            self.notes.append(f"Defaults were taken: {error}")
            return kind()


def _preparation(reading: _Reading) -> Preparation:
    repeats = reading.whole("train_num_repetitions")
    return Preparation(
        width_px=reading.whole("process_width"),
        height_px=reading.whole("process_height"),
        mirrored_copies=bool(reading.values["process_flip"]),
        split=bool(reading.values["process_split"]),
        split_threshold=reading.number("process_split_threshold"),
        split_overlap=reading.number("process_overlap_ratio"),
        focal_crop=bool(reading.values["process_focal_crop"]),
        focal_faces=reading.number("process_focal_crop_face_weight"),
        focal_entropy=reading.number("process_focal_crop_entropy_weight"),
        focal_edges=reading.number("process_focal_crop_edges_weight"),
        auto_crop=bool(reading.values["process_multicrop"]),
        auto_crop_least_px=reading.whole("process_multicrop_mindim"),
        auto_crop_most_px=reading.whole("process_multicrop_maxdim"),
        auto_crop_least_area=reading.whole("process_multicrop_minarea"),
        auto_crop_most_area=reading.whole("process_multicrop_maxarea"),
        auto_crop_objective=_OBJECTIVES.get(str(reading.values["process_multicrop_objective"]), Objective.AREA),
        auto_crop_threshold=reading.number("process_multicrop_threshold"),
        repeats=repeats if repeats > 0 else AUTOMATIC_REPEATS,
    )


def _options(reading: _Reading) -> dict[str, Any]:
    """One value per option; where S1 had a list, the first (the others are axes)."""
    optimizers, rates = _swept(reading)
    options: dict[str, Any] = {
        "train_batch_size": reading.whole("train_batch_size"),
        "max_train_epochs": reading.whole("train_num_epochs"),
        "save_every_n_epochs": reading.whole("train_save_every_n_epochs"),
        "learning_rate": rates[0],
        "optimizer_type": optimizers[0],
        "network_dim": reading.whole("train_net_dim"),
        "network_alpha": reading.number("train_alpha"),
        "clip_skip": reading.whole("train_clip_skip"),
        "mixed_precision": str(reading.values["train_mixed_precision"]),
        **_FIXED_OPTIONS,
    }
    if reading.values["train_xformers"]:
        options["xformers"] = True
    if reading.values.get("train_base_on_sd_v2"):
        options["v2"] = True
    return options


def _axes(reading: _Reading) -> dict[str, tuple[Any, ...]]:
    """Learning rates outside, optimizers inside, as S1 ran them (S1-42)."""
    optimizers, rates = _swept(reading)
    axes: dict[str, tuple[Any, ...]] = {"learning_rate": rates, "optimizer_type": optimizers}
    return {name: values for name, values in axes.items() if len(values) > 1}


def _swept(reading: _Reading) -> tuple[tuple[str, ...], tuple[float, ...]]:
    optimizers = reading.texts("train_optimizer_type") or ("Lion",)
    rates = reading.numbers("train_learning_rate") or (0.0001,)
    return optimizers, rates


def _previews(reading: _Reading) -> PreviewSettings:
    return PreviewSettings(
        prompts=(str(reading.values["preview_txt2img_prompt"]),),
        negative_prompt=str(reading.values["preview_txt2img_negative_prompt"]),
        weights=reading.numbers("preview_lora_multiplier") or (1.0,),
        seeds=_seeds(reading),
        width_px=reading.whole("preview_width"),
        height_px=reading.whole("preview_height"),
        steps=reading.whole("preview_sampling_steps"),
        guidance=reading.number("preview_cfg_scale"),
        sampler=_sampler(reading),
        clip_skip=reading.whole("train_clip_skip"),
        after_training=bool(reading.values["train_finish_generate_all_checkpoint_preview"]),
    )


def _seeds(reading: _Reading) -> tuple[int, ...]:
    """S1 drew a new seed for each -1; previews that are to be compared need fixed ones (S1-58)."""
    seeds = [int(seed) for seed in reading.numbers("preview_seed")] or [-1]
    if -1 in seeds:
        reading.notes.append("preview_seed = -1 meant a random seed; fixed seeds from 1 on were taken.")
    return tuple(seed if seed >= 0 else place for place, seed in enumerate(seeds, start=1))


def _sampler(reading: _Reading) -> str:
    names = reading.texts("preview_sampling_method")
    known = [_SAMPLERS[name] for name in names if name in _SAMPLERS]
    if len(names) != 1 or not known:
        reading.notes.append(
            f"preview_sampling_method = {list(names)!r}: {known[0] if known else 'euler_a'} was taken."
        )
    return known[0] if known else "euler_a"


def _finite(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _read_json(path: Path) -> dict[str, Any]:
    """The file's keys, {} when there is no file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StorageError(f"Could not read {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise StorageError(f"{path} is not valid JSON: {error}. Mend it, or put it aside for defaults.") from error
    if not isinstance(values, dict):
        raise StorageError(f"{path} holds no settings but {type(values).__name__}. Put it aside for defaults.")
    return values
