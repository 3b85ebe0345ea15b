"""The dataset file (`--dataset_config`): datasets of subsets, their keys and defaults, and the images they
name.

A value is looked for in the subset, its dataset, `[general]`, the settings, then here. Nothing is skipped
silently: what can't be used is a DatasetError, what looks like an oversight is a warning."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sd_contract.errors import DatasetError
from sd_contract.options.settings import Settings

Level = Literal["general", "dataset", "subset"]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
LATENT_CELL = 8


@dataclass(frozen=True, kw_only=True)
class Subset:
    """One folder of images and how they are drawn. Regularisation images (`is_reg`) teach what must not
    change."""

    image_dir: Path
    num_repeats: int = 1
    class_tokens: str | None = None
    caption_extension: str = ".caption"
    shuffle_caption: bool = False
    keep_tokens: int = 0
    flip_aug: bool = False
    is_reg: bool = False


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Subsets whose images share batches. `resolution` is (width, height) in pixels."""

    resolution: tuple[int, int]
    batch_size: int
    subsets: tuple[Subset, ...]


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """All datasets of a run, and what the reader of their description should know."""

    datasets: tuple[Dataset, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DatasetItem:
    """One image, its caption and how often an epoch draws it."""

    image: Path
    caption: str
    repeats: int
    subset: Subset


@dataclass(frozen=True, kw_only=True)
class CollectedDataset:
    """The images that a dataset's folders hold right now."""

    dataset: Dataset
    items: tuple[DatasetItem, ...]
    warnings: tuple[str, ...]

    @property
    def samples(self) -> int:
        """Images that one epoch draws, repeats included."""
        return sum(item.repeats for item in self.items)

    def samples_of(self, *, is_reg: bool) -> int:
        return sum(item.repeats for item in self.items if item.subset.is_reg == is_reg)


@dataclass(frozen=True, kw_only=True)
class _Key:
    wanted: str
    levels: tuple[Level, ...]


ANYWHERE: tuple[Level, ...] = ("general", "dataset", "subset")
KEYS: Mapping[str, _Key] = {
    "resolution": _Key(wanted="a whole number or [width, height]", levels=("general", "dataset")),
    "batch_size": _Key(wanted="a whole number", levels=("general", "dataset")),
    "enable_bucket": _Key(wanted="true or false", levels=("general", "dataset")),
    "num_repeats": _Key(wanted="a whole number", levels=ANYWHERE),
    "shuffle_caption": _Key(wanted="true or false", levels=ANYWHERE),
    "flip_aug": _Key(wanted="true or false", levels=ANYWHERE),
    "keep_tokens": _Key(wanted="a whole number", levels=ANYWHERE),
    "caption_extension": _Key(wanted="a text in quotes", levels=ANYWHERE),
    "class_tokens": _Key(wanted="a text in quotes", levels=ANYWHERE),
    "image_dir": _Key(wanted="a text in quotes", levels=("subset",)),
    "is_reg": _Key(wanted="true or false", levels=("subset",)),
}
TYPES: Mapping[str, type] = {"a whole number": int, "true or false": bool, "a text in quotes": str}
SMALLEST = {"batch_size": 1, "num_repeats": 1, "keep_tokens": 0}
KNOWN_ELSEWHERE = frozenset(
    {
        "alpha_mask",
        "bucket_no_upscale",
        "bucket_reso_steps",
        "cache_info",
        "caption_dropout_every_n_epochs",
        "caption_dropout_rate",
        "caption_prefix",
        "caption_separator",
        "caption_suffix",
        "caption_tag_dropout_rate",
        "color_aug",
        "conditioning_data_dir",
        "custom_attributes",
        "enable_wildcard",
        "face_crop_aug_range",
        "keep_tokens_separator",
        "max_bucket_reso",
        "metadata_file",
        "min_bucket_reso",
        "network_multiplier",
        "random_crop",
        "resize_interpolation",
        "secondary_separator",
        "token_warmup_min",
        "token_warmup_step",
        "validation_seed",
        "validation_split",
    }
)


def read_datasets(settings: Settings) -> DatasetConfig:
    """The datasets that the settings name: the dataset file, else the folders below train_data_dir."""
    if settings.dataset.dataset_config:
        return read_dataset_config(Path(settings.dataset.dataset_config), settings)
    if settings.dataset.train_data_dir:
        return _from_folders(settings)
    raise DatasetError("no images are named. Give --dataset_config FILE or --train_data_dir FOLDER.")


def read_dataset_config(path: Path, settings: Settings) -> DatasetConfig:
    """The datasets that a TOML file describes. DatasetError names the file, the place and the key."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"dataset file {path} can't be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} is not TOML: {error}.") from error
    return dataset_config_from(table, settings, where=str(path))


def dataset_config_from(table: Mapping[str, Any], settings: Settings, where: str) -> DatasetConfig:
    """The datasets that the parsed content of a dataset file describes; `where` names it in errors."""
    for key in table:
        if key not in ("general", "datasets"):
            raise DatasetError(f"{where}: {key!r} can't stand at the top; allowed: [general] and [[datasets]].")
    general = _checked(_table(table.get("general", {}), f"{where}: [general]"), "general", where)
    tables = _tables(table.get("datasets"), f"{where}: [[datasets]]")
    return DatasetConfig(
        datasets=tuple(_dataset(entry, general, settings, where, place) for place, entry in enumerate(tables))
    )


def to_toml(config: DatasetConfig) -> dict[str, Any]:
    """The content of a dataset file that reads back as `config`, ready for a TOML writer."""
    return {"datasets": [_dataset_table(dataset) for dataset in config.datasets]}


def collect(dataset: Dataset) -> CollectedDataset:
    """The images of all subsets with captions and repeats. DatasetError for a folder that is missing or
    empty."""
    warnings: list[str] = []
    drawn = [item for subset in dataset.subsets if not subset.is_reg for item in _items(subset, warnings)]
    kept = [item for subset in dataset.subsets if subset.is_reg for item in _items(subset, warnings)]
    wanted = sum(item.repeats for item in drawn)
    repeats = balanced_repeats([item.repeats for item in kept], wanted)
    balanced = [
        DatasetItem(image=item.image, caption=item.caption, repeats=count, subset=item.subset)
        for item, count in zip(kept, repeats, strict=True)
        if count
    ]
    return CollectedDataset(dataset=dataset, items=(*drawn, *balanced), warnings=tuple(warnings))


def list_images(folder: Path) -> tuple[Path, ...]:
    """The image files directly in a folder, sorted by name; suffixes in any case, hidden files left out."""
    return tuple(
        sorted(
            entry
            for entry in folder.iterdir()
            if entry.suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith(".") and entry.is_file()
        )
    )


def balanced_repeats(repeats: Sequence[int], wanted: int) -> list[int]:
    """How often each regularisation image is drawn so that together they reach `wanted` training images:
    first each with its own repeats, then once more each in turn; images left over are not drawn."""
    counts, total = [0] * len(repeats), 0
    for place, own in enumerate(repeats):
        if total < wanted:
            counts[place], total = own, total + own
    while counts and total < wanted:
        for place in range(len(counts)):
            if total < wanted:
                counts[place], total = counts[place] + 1, total + 1
    return counts


def _dataset(
    table: Mapping[str, Any], general: Mapping[str, Any], settings: Settings, where: str, place: int
) -> Dataset:
    name = f"{where}: datasets[{place}]"
    own = _checked({key: value for key, value in table.items() if key != "subsets"}, "dataset", name)
    inherited = {**general, **own}
    if inherited.get("enable_bucket"):
        raise DatasetError(
            f"{name}: enable_bucket = true is not supported by the bundled engine yet. "
            "Set it to false: images are scaled to cover the resolution and cropped."
        )
    subsets = tuple(
        _subset(entry, inherited, settings, f"{name}.subsets[{number}]")
        for number, entry in enumerate(_tables(table.get("subsets"), f"{name}.subsets"))
    )
    _refuse_twice([subset.image_dir for subset in subsets], name)
    return Dataset(
        resolution=_resolution(inherited.get("resolution"), settings, name),
        batch_size=inherited.get("batch_size", settings.dataset.train_batch_size),
        subsets=subsets,
    )


def _subset(table: Mapping[str, Any], inherited: Mapping[str, Any], settings: Settings, name: str) -> Subset:
    values = {**inherited, **_checked(table, "subset", name)}
    if not values.get("image_dir"):
        raise DatasetError(f"{name}: image_dir is missing. Name the folder of the images.")
    options = settings.dataset
    return Subset(
        image_dir=Path(values["image_dir"]),
        num_repeats=values.get("num_repeats", 1),
        class_tokens=values.get("class_tokens"),
        caption_extension=_dotted(values.get("caption_extension", options.caption_extension)),
        shuffle_caption=values.get("shuffle_caption", options.shuffle_caption),
        keep_tokens=values.get("keep_tokens", options.keep_tokens),
        flip_aug=values.get("flip_aug", options.flip_aug),
        is_reg=values.get("is_reg", False),
    )


def _checked(table: Mapping[str, Any], level: Level, name: str) -> dict[str, Any]:
    for key, value in table.items():
        _check_key(key, level, name)
        _check_value(key, value, name)
    return dict(table)


def _check_key(key: str, level: Level, name: str) -> None:
    if key in KNOWN_ELSEWHERE:
        raise DatasetError(f"{name}: {key!r} is not supported by the bundled engine yet. Remove it.")
    if key not in KEYS:
        near = difflib.get_close_matches(key, KEYS, n=1)
        advice = f"Did you mean {near[0]!r}?" if near else f"Allowed: {', '.join(KEYS)}."
        raise DatasetError(f"{name}: unknown key {key!r}. {advice}")
    if level not in KEYS[key].levels:
        allowed = " or ".join(KEYS[key].levels)
        raise DatasetError(f"{name}: {key!r} can't stand in a {level}. Move it to the {allowed}.")


def _check_value(key: str, value: object, name: str) -> None:
    wanted = KEYS[key].wanted
    fits = _is_size(value) if key == "resolution" else type(value) is TYPES[wanted]
    if not fits:
        raise DatasetError(f"{name}: {key} = {value!r}: {wanted} is wanted.")
    if key in SMALLEST and isinstance(value, int) and value < SMALLEST[key]:
        raise DatasetError(f"{name}: {key} = {value} is too small. {SMALLEST[key]} or more is allowed.")


def _is_size(value: object) -> bool:
    sides = value if isinstance(value, list) else [value]
    return len(sides) == (2 if isinstance(value, list) else 1) and all(type(side) is int for side in sides)


def _resolution(value: int | list[int] | None, settings: Settings, name: str) -> tuple[int, int]:
    size = (value, value) if isinstance(value, int) else tuple(value or settings.resolution or ())
    if not size:
        raise DatasetError(f"{name}: resolution is missing. Give it here, in [general], or as an option.")
    width, height = size
    if min(size) < LATENT_CELL or width % LATENT_CELL or height % LATENT_CELL:
        raise DatasetError(
            f"{name}: resolution {width}x{height} can't be used: both sides must be multiples of {LATENT_CELL}."
        )
    return width, height


def _refuse_twice(folders: Sequence[Path], name: str) -> None:
    for place, folder in enumerate(folders):
        if folder in folders[:place]:
            raise DatasetError(f"{name}: image_dir {folder} stands there twice. Raise its num_repeats instead.")


def _table(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DatasetError(f"{name} must be a table of keys.")
    return value


def _tables(value: object, name: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not value:
        raise DatasetError(f"{name} is missing or empty. At least one is needed.")
    return [_table(entry, name) for entry in value]


def _dotted(extension: str) -> str:
    return extension if extension.startswith(".") else f".{extension}"


def _dataset_table(dataset: Dataset) -> dict[str, Any]:
    return {
        "resolution": list(dataset.resolution),
        "batch_size": dataset.batch_size,
        "enable_bucket": False,
        "subsets": [_subset_table(subset) for subset in dataset.subsets],
    }


def _subset_table(subset: Subset) -> dict[str, Any]:
    table = {key: value for key, value in vars(subset).items() if value is not None}
    return {**table, "image_dir": str(subset.image_dir)}


def _items(subset: Subset, warnings: list[str]) -> Iterator[DatasetItem]:
    folder = subset.image_dir
    if not folder.is_dir():
        raise DatasetError(f"image folder {folder} does not exist. Correct image_dir or make the folder.")
    images = list_images(folder)
    if not images:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DatasetError(f"image folder {folder} holds no images. Images are files ending in {suffixes}.")
    uncaptioned = []
    for image in images:
        caption = _caption(image.with_suffix(subset.caption_extension), warnings)
        if caption is None and not subset.class_tokens:
            uncaptioned.append(image.name)
        text = (subset.class_tokens or "") if caption is None else caption
        yield DatasetItem(image=image, caption=text, repeats=subset.num_repeats, subset=subset)
    if uncaptioned:
        warnings.append(_missing_captions(subset, uncaptioned))


def _caption(path: Path, warnings: list[str]) -> str | None:
    """The first line of a caption file; None when there is no such file."""
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"caption file {path} can't be read ({error}). Save it as UTF-8 text.") from error
    if not text:
        warnings.append(f"caption file {path} is empty; its image is trained without a caption.")
    return text.split("\n", 1)[0].strip()


def _missing_captions(subset: Subset, names: Sequence[str]) -> str:
    some = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
    return (
        f"{len(names)} images in {subset.image_dir} have neither a {subset.caption_extension} file nor "
        "class_tokens "
        f"and are trained without a caption: {some}"
    )


def _from_folders(settings: Settings) -> DatasetConfig:
    """The layout without a dataset file: `<repeats>_<class>` folders below train_data_dir and
    reg_data_dir."""
    options, warnings = settings.dataset, list[str]()
    subsets = [
        *_subset_folders(options.train_data_dir, settings, warnings, is_reg=False),
        *_subset_folders(options.reg_data_dir, settings, warnings, is_reg=True),
    ]
    dataset = Dataset(
        resolution=_resolution(None, settings, "train_data_dir"),
        batch_size=options.train_batch_size,
        subsets=tuple(subsets),
    )
    return DatasetConfig(datasets=(dataset,), warnings=tuple(warnings))


def _subset_folders(
    parent: str | None, settings: Settings, warnings: list[str], *, is_reg: bool
) -> Iterator[Subset]:
    if not parent:
        return
    if not Path(parent).is_dir():
        raise DatasetError(f"folder {parent} does not exist. Correct {'reg' if is_reg else 'train'}_data_dir.")
    found = False
    for folder in sorted(entry for entry in Path(parent).iterdir() if entry.is_dir()):
        repeats, _, name = folder.name.partition("_")
        if not repeats.isdecimal() or int(repeats) < 1:
            warnings.append(
                f"folder {folder} is left out: its name does not begin with repeats, as 10_{folder.name}."
            )
            continue
        found = True
        yield Subset(
            image_dir=folder,
            num_repeats=int(repeats),
            class_tokens=name or None,
            caption_extension=_dotted(settings.dataset.caption_extension),
            shuffle_caption=settings.dataset.shuffle_caption,
            keep_tokens=settings.dataset.keep_tokens,
            flip_aug=settings.dataset.flip_aug,
            is_reg=is_reg,
        )
    if not found:
        raise DatasetError(f"folder {parent} holds no <repeats>_<class> folders, such as 10_cat.")
