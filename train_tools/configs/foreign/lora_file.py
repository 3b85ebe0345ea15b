"""What a LoRA file tells of its training: the `ss_` and `modelspec.` metadata that sd-scripts and others write.
They are text that anybody may have changed, so the tensors are looked at too, and where the two differ the
tensors hold. Nothing in metadata is taken for a path."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sd_contract.options import kohya_options
from sd_contract.options.known_optimizers import ALIASES
from sd_contract.tensors.tensor_files import Header
from train_tools.configs.foreign.lora_tensors import LoraTensors, read_tensors
from train_tools.configs.intake import Intake, shown_value
from train_tools.configs.rules import NOTHING, Rule, Rules, left, number, take_in, unknown
from train_tools.errors import OptionValueError
from train_tools.model.config import ConfigFormat, Fate, ImportedConfig
from train_tools.options.table import OptionTable

PREFIX = "ss_"
PATTERNS = {
    "size": re.compile(r"\(?\s*(\d+)\s*,\s*(\d+)\s*\)?"),
    "optimizer": re.compile(r"\s*([\w.]+)\s*(?:\((.*)\))?\s*", re.DOTALL),
}
OPTIMIZERS = {dotted.rpartition(".")[2]: name for dotted, name in ALIASES.items()}
"""The last part of a class's dotted name -> the name here. Classes are never looked up by it. SGD is only
offered with Nesterov's momentum."""
FAMILIES = {"sd_v1": "sd1", "sd_v2": "sd2", "sdxl": "sdxl"}
ROUNDED = 0.005
"""How far an alpha in bf16 can be from what was asked for."""
THAT_TRAINING = "it tells of that training, and decides nothing"
THOSE_IMAGES = "it tells of the images of that training; the version has its own"


@dataclass(frozen=True, kw_only=True)
class ToldBase:
    """What a LoRA file says about the base model it was trained on."""

    name: str
    sha256: str
    short_hash: str


FindBase = Callable[[ToldBase], Path | None]
"""The base model on this machine that is meant, if there is one."""


def nowhere(told: ToldBase) -> None:
    """For those who know no base models."""


def import_lora_file(
    name: str,
    header: Header,
    table: OptionTable,
    find_base: FindBase = nowhere,
    *,
    content: Path | None = None,
) -> ImportedConfig:
    """What the header tells; `content` is the file itself, where it can be read. Raises OptionValueError when the
    file tells nothing of a training."""
    if not any(key.startswith(PREFIX) for key in header.metadata):
        raise OptionValueError(
            f"{name} tells nothing of its training: it was saved without metadata, or by a program that writes "
            "none. Its training can't be repeated from it."
        )
    intake = Intake(ConfigFormat.LORA_FILE, dict(sorted(header.metadata.items())), table)
    take_in(intake, RULES, _other)
    _take_images(intake)
    _compare(intake, read_tensors(content, header))
    _base_model(intake, find_base)
    return intake.imported()


def _spelt(text: Any) -> Any:
    """The value that a text spells as Python does; the text itself where it spells none."""
    if not isinstance(text, str):
        return text
    if text in ("None", "True", "False"):
        return {"None": None, "True": True, "False": False}[text]
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        several = _json(text)
        return several if isinstance(several, list) else text


def _option(option: str, *nothing: Any) -> Rule:
    """The option that a key tells, unless it tells what is so anyway."""

    def applied(intake: Intake, key: str, value: Any) -> None:
        spelt = _spelt(value)
        kohya = kohya_options().get(option)
        if spelt is None or spelt in nothing or (kohya is not None and spelt == kohya.default):
            intake.leave(key, Fate.WITHOUT_EFFECT, "it is what happens anyway")
        else:
            intake.set(key, option, spelt)

    return applied


def _other(intake: Intake, key: str, value: Any) -> None:
    option = key.removeprefix(PREFIX)
    if key.startswith(("modelspec.", "sshs_")):
        intake.leave(key, Fate.LEFT_OUT, THAT_TRAINING)
    elif key.startswith(PREFIX) and option in kohya_options():
        _option(option)(intake, key, value)
    else:
        unknown(intake, key, value)


def _length(intake: Intake, key: str, value: Any) -> None:
    """Epochs, where the file's numbers agree that whole epochs were meant; else steps."""
    epochs, steps = (number(intake.values.get(name)) for name in ("ss_num_epochs", "ss_max_train_steps"))
    batches = number(intake.values.get("ss_num_batches_per_epoch"))
    accumulated = number(intake.values.get("ss_gradient_accumulation_steps")) or 1
    by_epochs = epochs >= 1 and (not steps or not batches or steps == epochs * -(-batches // accumulated))
    wanted = "ss_num_epochs" if by_epochs else "ss_max_train_steps"
    if key != wanted:
        intake.leave(key, Fate.WITHOUT_EFFECT, f"{wanted} says how long it was")
    else:
        option = "max_train_epochs" if by_epochs else "max_train_steps"
        intake.set(key, option, _spelt(value))


def _network_args(intake: Intake, key: str, value: Any) -> None:
    told = _json(value)
    if not isinstance(told, dict):
        intake.leave(key, Fate.NOT_USABLE, "it is no JSON object")
        return
    if intake.values.get("ss_network_dropout", "None") != "None":
        told.pop("dropout", None)  # sd-scripts writes that option here too
    given = {str(name): argument for name, argument in told.items() if argument is not None}
    for name, argument in given.items():
        intake.add_argument(key, "network_args", name, argument)
    if not given:
        intake.leave(key, Fate.WITHOUT_EFFECT, "it asks for nothing")


def _optimizer(intake: Intake, key: str, value: Any) -> None:
    """A class's name with its arguments in brackets. Only the last part of a name that we know counts."""
    written = PATTERNS["optimizer"].fullmatch(str(value))
    name = OPTIMIZERS.get(written[1].rsplit(".", 1)[-1]) if written else None
    if written is None or name is None:
        intake.leave(key, Fate.NOT_SUPPORTED, "there is no such optimizer here")
        return
    intake.set(key, "optimizer_type", name)
    arguments = _arguments(written[2] or "")
    for argument, argument_value in arguments.items():
        intake.add_argument(key, "optimizer_args", argument, argument_value)
    if written[2] and not arguments:
        intake.leave(key, Fate.NOT_USABLE, "its arguments can't be read")


def _arguments(text: str) -> dict[str, str]:
    """`a=1,betas=(0.9, 0.99)` as texts by name; what is no such list is nothing. It is parsed, not run."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    if not isinstance(call, ast.Call):
        return {}
    return {word.arg: ast.unparse(word.value).strip("()").replace(" ", "") for word in call.keywords if word.arg}


def _resolution(intake: Intake, key: str, value: Any) -> None:
    size = PATTERNS["size"].fullmatch(str(value))
    if size is None:
        intake.leave(key, Fate.NOT_USABLE, "it is no size")
    else:
        intake.set(key, "resolution", f"{size[1]},{size[2]}")


def _prediction(intake: Intake, key: str, value: Any) -> None:
    if str(value).endswith("_v") or value == "v":
        intake.set(key, "v_parameterization", True)
    else:
        intake.leave(key, Fate.LEFT_OUT, "the base model's file tells its family and what it predicts")


def _progress(intake: Intake, key: str, value: Any) -> None:
    intake.leave(key, Fate.LEFT_OUT, THAT_TRAINING)
    reached, planned = number(intake.values.get("ss_steps")), number(intake.values.get("ss_max_train_steps"))
    if key == "ss_steps" and 0 < reached < planned:
        intake.notes.append(
            f"The file was saved after {reached:g} of {planned:g} steps; a training like it has all {planned:g}."
        )


def _take_images(intake: Intake) -> None:
    """What trainings with a dataset file tell of their first images, instead of in keys of their own."""
    datasets = _tables(_json(intake.values.get("ss_datasets", "[]")))
    if not datasets:
        return
    subsets = _tables(datasets[0].get("subsets"))
    for told, options in ((datasets[0], OF_DATASETS), ((subsets or [{}])[0], OF_SUBSETS)):
        for name, option in options.items():
            value = told.get(name)
            if value not in (*NOTHING, kohya_options()[option].default):
                if option == "resolution" and isinstance(value, list):
                    value = ",".join(map(str, value))
                intake.set(f"ss_datasets {name}", option, value)
    if len(datasets) > 1 or len(subsets) > 1:
        intake.notes.append("It was trained on several datasets or folders; the options of the first were taken.")


def _tables(value: Any) -> list[dict[str, Any]]:
    return [table for table in value if isinstance(table, dict)] if isinstance(value, list) else []


def _compare(intake: Intake, tensors: LoraTensors) -> None:
    """Tensors can't lie: where the metadata say something else, or nothing, they hold."""
    if not tensors.is_lora:
        intake.notes.append("Its tensors are those of another kind of network, which can't be trained here.")
        return
    for option, shown in (("network_dim", tensors.rank), ("network_alpha", tensors.alpha)):
        _hold(intake, option, shown, tensors.several_ranks)
    _hold_part(intake, "network_train_unet_only", "text encoder", is_there=tensors.trains_text_encoder)
    _hold_part(intake, "network_train_text_encoder_only", "U-Net", is_there=tensors.trains_unet)
    said = str(intake.values.get("ss_base_model_version", ""))
    if (
        said
        and said.endswith("_v") != (intake.values.get("modelspec.prediction_type") == "v")
        and "xl" not in said
    ):
        intake.notes += _prediction_doubt(intake)
    family = next((name for start, name in FAMILIES.items() if said.startswith(start)), "")
    if family and tensors.family and family != tensors.family:
        intake.notes.append(
            f"ss_base_model_version says {shown_value(said)}, but its tensors are those of a LoRA for "
            f"{tensors.family} models. Choose the base model by what you know."
        )


def _prediction_doubt(intake: Intake) -> list[str]:
    told = intake.values.get("modelspec.prediction_type")
    if told not in ("v", "epsilon"):
        return []
    return [f"ss_base_model_version and modelspec.prediction_type ({told}) contradict each other."]


def _hold(intake: Intake, option: str, shown: float | None, several: bool) -> None:
    told = intake.options.get(option)
    if not shown or (several and told is not None):
        return
    if told is not None and math.isclose(told, shown, rel_tol=ROUNDED):
        return
    if told is None:
        with intake.assuming():
            intake.set(f"tensors: {option}", option, shown, reason="not in the metadata, but seen in the tensors")
        return
    intake.notes.append(f"The metadata say {option} = {told:g}, but the tensors show {shown:g}, which was taken.")
    intake.set(f"tensors: {option}", option, shown, Fate.CONVERTED, f"the metadata say {told:g}")


def _hold_part(intake: Intake, without: str, part: str, *, is_there: bool) -> None:
    if not is_there:
        with intake.assuming():
            intake.set(f"tensors: {without}", without, True, reason=f"no tensor of the {part} is in the file")


def _base_model(intake: Intake, find_base: FindBase) -> None:
    told = ToldBase(
        name=str(intake.values.get("ss_sd_model_name", "")),
        sha256=str(intake.values.get("ss_new_sd_model_hash", "")).lower(),
        short_hash=str(intake.values.get("ss_sd_model_hash", "")).lower(),
    )
    if not (told.name or told.sha256 or told.short_hash):
        return
    found = find_base(told)
    if found is not None:
        intake.set("base model", "pretrained_model_name_or_path", str(found), Fate.CONVERTED, "known by its hash")
        return
    hash_ = told.short_hash or told.sha256[:10]
    name = shown_value(told.name) + (f" (hash {shown_value(hash_)})" if hash_ else "")
    intake.notes.append(
        f"It was trained on {name}, which is not among the base models known here. Choose it yourself."
    )


def _json(value: Any) -> Any:
    try:
        return json.loads(value)
    except (TypeError, ValueError, RecursionError):
        return None


OF_DATASETS: Mapping[str, str] = {
    "batch_size_per_device": "train_batch_size",
    "resolution": "resolution",
    **{name: name for name in ("enable_bucket", "min_bucket_reso", "max_bucket_reso", "bucket_no_upscale")},
}
OF_SUBSETS: Mapping[str, str] = {
    name: name
    for name in (
        *("color_aug", "flip_aug", "random_crop", "shuffle_caption", "keep_tokens", "keep_tokens_separator"),
        *("secondary_separator", "enable_wildcard", "caption_prefix", "caption_suffix", "resize_interpolation"),
    )
}

RULES: Rules = {
    "ss_network_module": _option("network_module"),
    "ss_network_dim": _option("network_dim"),
    "ss_network_alpha": _option("network_alpha"),
    "ss_network_args": _network_args,
    "ss_optimizer": _optimizer,
    "ss_num_epochs": _length,
    "ss_max_train_steps": _length,
    "ss_lr_warmup_steps": _option("lr_warmup_steps", 0),
    "ss_max_token_length": _option("max_token_length", 75),
    "ss_batch_size_per_device": _option("train_batch_size"),
    "ss_resolution": _resolution,
    "ss_debiased_estimation": _option("debiased_estimation_loss"),
    "ss_base_model_version": _prediction,
    "modelspec.prediction_type": _prediction,
    "ss_steps": _progress,
    "ss_epoch": _progress,
    "ss_lowram": left("it belongs to the machine"),
    **dict.fromkeys(
        (
            *("ss_output_name", "ss_session_id", "ss_training_started_at", "ss_training_finished_at"),
            *("ss_sd_scripts_commit_hash", "ss_num_batches_per_epoch", "ss_sd_model_name", "ss_sd_model_hash"),
            *("ss_new_sd_model_hash", "ss_vae_name", "ss_vae_hash", "ss_new_vae_hash", "ss_gradient_dtype"),
        ),
        left(THAT_TRAINING),
    ),
    **dict.fromkeys(
        (
            *("ss_num_train_images", "ss_num_reg_images", "ss_num_validation_images", "ss_tag_frequency"),
            *("ss_dataset_dirs", "ss_reg_dataset_dirs", "ss_bucket_info", "ss_datasets", "ss_total_batch_size"),
        ),
        left(THOSE_IMAGES),
    ),
}
