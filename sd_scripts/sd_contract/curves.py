"""The curves of a run: where sd-scripts' options want them, what each is called, which options stand beside them.

Knows nothing of how such files are written."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sd_contract.errors import OptionError
from sd_contract.options import LoggingOptions, Settings

TRACKER = "network_train"
FLUSH_S = 10.0

LOSS = "loss/current"
AVERAGE_LOSS = "loss/average"
EPOCH_LOSS = "loss/epoch_average"
"""Its place on the axis is the epoch; that of all others is the step."""
VALIDATION_BY_STEP, VALIDATION_BY_EPOCH = "loss/validation/step_average", "loss/validation/epoch_average"
DIVERGENCE_BY_STEP, DIVERGENCE_BY_EPOCH = "loss/validation/step_divergence", "loss/validation/epoch_divergence"
"""How much more the loss is on images that are not trained on than its average over the steps. Those by epoch have
the epoch as their place."""
LIMITED_LAYERS = "max_norm/keys_scaled"
LONGEST_LAYER = "max_norm/max_key_norm"
MEAN_LAYER = "norm/avg_key_norm"

_FOLDERS = frozenset(
    {
        "pretrained_model_name_or_path",
        "vae",
        "tokenizer_cache_dir",
        "train_data_dir",
        "conditioning_data_dir",
        "reg_data_dir",
        "output_dir",
        "logging_dir",
        "state_dir",
    }
)
_TRACKER_KEYS = ("flush_secs", "filename_suffix", "comment", "max_queue", "purge_step")
"""The last three are accepted: a run's folder is its own, and no queue is kept."""


RATES = "lr/"


def rate_curve(group: str) -> str:
    """The learning rate of a group of weights, as "unet" or "textencoder plus"."""
    return f"{RATES}{group}"


def estimate_curve(group: str) -> str:
    """That rate times the optimizer's own estimate."""
    return f"lr/d*lr/{group}"


@dataclass(frozen=True, kw_only=True)
class CurveFiles:
    """Where the curves of one start of a run lie, and how they are written."""

    folder: Path
    """Holds the curves of many runs."""
    prefix: str
    tracker: str
    suffix: str = ""
    flush_s: float = FLUSH_S
    """How long points are gathered before they are written."""

    def run_folder(self, started: time.struct_time) -> Path:
        return Path(f"{self.folder}/{self.prefix}{time.strftime('%Y%m%d%H%M%S', started)}")


def curve_files(options: LoggingOptions) -> CurveFiles | None:
    """What the options ask for; None when that is no curves. OptionError when `log_tracker_config` can't be
    used."""
    if not options.logging_dir:
        return None
    given = _tracker_settings(Path(options.log_tracker_config)) if options.log_tracker_config else {}
    return CurveFiles(
        folder=Path(options.logging_dir),
        prefix=options.log_prefix or "",
        tracker=options.log_tracker_name or TRACKER,
        suffix=_suffix(given.get("filename_suffix", "")),
        flush_s=_seconds(given.get("flush_secs", FLUSH_S)),
    )


def told_options(settings: Settings) -> dict[str, bool | int | float | str]:
    """The options that `log_config` keeps beside the curves: those with a value, except folders; lists as text."""
    return {
        name: value if isinstance(value, (bool, int, float, str)) else str(list(value))
        for name, value in settings.values().items()
        if value is not None and name not in _FOLDERS
    }


def _tracker_settings(path: Path) -> Mapping[str, object]:
    """The table [tensorboard]; others are for trackers that are not used."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"log_tracker_config {path} can't be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"log_tracker_config {path} is not TOML: {error}.") from error
    for key, value in tables.items():
        if not isinstance(value, dict):
            raise OptionError(f"log_tracker_config {path}: {key!r} stands in no table. Put it into [tensorboard].")
    table: dict[str, object] = tables.get("tensorboard", {})
    for key in table:
        if key not in _TRACKER_KEYS:
            raise OptionError(
                f"log_tracker_config {path}: unknown key {key!r}. [tensorboard] takes {', '.join(_TRACKER_KEYS)}."
            )
    return table


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise OptionError(f"log_tracker_config: flush_secs = {value!r}: a number from 0 on is wanted.")
    return float(value)


def _suffix(value: object) -> str:
    if not isinstance(value, str) or Path(f"x{value}").name != f"x{value}":
        raise OptionError(
            f"log_tracker_config: filename_suffix = {value!r}: a text for the end of a file name is wanted."
        )
    return value
