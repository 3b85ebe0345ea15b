"""The modes of training: which script has each, and which options mean something in it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from sd_contract.errors import OptionError
from sd_contract.options import OPTIONS, Settings, Value, option, parse, require, settings_from
from sd_contract.options.groups import (
    ADDIFT,
    DIFFERENCE,
    ILECO,
    LECO,
    MODES,
    MULTI_ADDIFT,
    MULTI_STAGE,
    ON_IMAGES,
    ON_PAIRS,
    ON_PROMPTS,
    SLIDER,
)

EPOCHS = "max_train_epochs"
TRUE_ANYWAY = "network_train_unet_only"
"""Of every mode but that on images."""
SCRIPTS: Mapping[str, str] = {
    **dict.fromkeys(ON_PROMPTS, "train_leco.py"),
    **dict.fromkeys(ON_PAIRS, "train_difference.py"),
    MULTI_STAGE: "train_multi_stage.py",
}
"""Of the modes that have one of their own; the others' is that of the base model's family."""

PAIR = ("original_image", "target_image")
"""Options that name the files of one pair, which is learnt from instead of a dataset."""
OF_MODES: Mapping[str, tuple[str, ...]] = {
    "original_prompt": (*ON_PROMPTS, DIFFERENCE, ADDIFT),
    "target_prompt": (ILECO, LECO),
    "neutral_prompt": (LECO,),
    "positive_prompt": (SLIDER,),
    "negative_prompt": (SLIDER,),
    "prompt_guidance": ON_PROMPTS,
    "fixed_noise": (ILECO, *ON_PAIRS),
    "denoise_steps": (LECO, SLIDER),
    "denoise_guidance": (LECO, SLIDER),
    "original_image": (DIFFERENCE, ADDIFT),
    "target_image": (DIFFERENCE, ADDIFT),
    "diff_target_name": ON_PAIRS,
    "diff_revert_original_target": ON_PAIRS,
    "diff_use_diff_mask": ON_PAIRS,
    "diff_save_1st_pass": (DIFFERENCE,),
    "diff_1st_pass_only": (DIFFERENCE,),
    "diff_load_1st_pass": (DIFFERENCE,),
    "second_pass_args": (DIFFERENCE,),
    "diff_alt_ratio": (ADDIFT, MULTI_ADDIFT),
    **dict.fromkeys(
        (
            *(EPOCHS, "save_every_n_epochs", "save_n_epoch_ratio", "save_last_n_epochs"),
            *("save_last_n_epochs_state", "sample_every_n_epochs", "text_encoder_lr"),
            *("network_train_unet_only", "network_train_text_encoder_only", "prior_loss_weight"),
            *("prior_preservation_weight", "masked_loss", "masked_prior_weight"),
            *("dynamic_crop", "dynamic_crop_resolution", "dynamic_crop_zoom", "face_crop_aug_range"),
        ),
        ON_IMAGES,
    ),
    **dict.fromkeys(
        (
            *("concept_a_keywords", "concept_b_keywords", "further_concepts", "concept_tie", "concept_unmatched"),
            *("stage1_share", "stage2_lr_scale"),
        ),
        (MULTI_STAGE,),
    ),
    **dict.fromkeys(("train_batch_size", "resolution"), MODES),
    **dict.fromkeys(
        ("save_state", "save_state_on_train_end", "state_every_n_steps"),
        tuple(mode for mode in MODES if mode != MULTI_STAGE),
    ),
}
"""Options that mean something in these modes alone; it goes before what is said of their group."""
OF_SOME: Mapping[str, tuple[str, ...]] = {
    "validation": ON_IMAGES,
    "captions": (*ON_IMAGES, MULTI_ADDIFT),
    **dict.fromkeys(("buckets", "augmentation", "dataset"), (*ON_IMAGES, *ON_PAIRS)),
}
"""Groups of options that mean something in these modes alone."""


def needs_dataset(values: Mapping[str, Any]) -> bool:
    """Whether a run with these options learns from the images of a dataset: not from prompts alone, nor from one
    pair whose files it names."""
    mode = values.get("mode") or MODES[0]
    if mode in ON_PROMPTS:
        return False
    return not any(mode in OF_MODES[name] and values.get(name) for name in PAIR)


def has_meaning(name: str, group: str, mode: str) -> bool:
    """Whether an option of a group changes anything in a mode."""
    if name in OF_MODES:
        return mode in OF_MODES[name]
    return mode in OF_SOME.get(group, MODES)


def idle_in_mode(settings: Settings) -> Iterator[str]:
    """A warning for each option of another mode that is given."""
    for spec in OPTIONS:
        given = settings.get(spec.name) != spec.default and spec.name != TRUE_ANYWAY
        if given and spec.name in OF_MODES and settings.mode not in OF_MODES[spec.name]:
            instead = f": {settings.training.max_train_steps} steps are trained" if spec.name == EPOCHS else ""
            yield f"{spec.name} has no effect in mode {settings.mode}{instead}"


def in_mode(settings: Settings, modes: tuple[str, ...]) -> Settings:
    """The settings for a script that has these modes; the first is meant where none is set. OptionError for a mode
    of another script."""
    mode = settings.concept.mode or modes[0]
    if mode not in modes:
        script = SCRIPTS.get(mode, "train_network.py or sdxl_train_network.py")
        raise OptionError(f"mode = {mode} is trained by {script}. Start that, or choose another mode.")
    return replace(settings, concept=replace(settings.concept, mode=mode))


def refuse_incomplete(settings: Settings) -> None:
    """OptionError where a mode lacks what it learns from, or is asked for what it can't do."""
    options, mode = settings.concept, settings.mode
    if mode == MULTI_STAGE:
        require(settings, ("concept_a_keywords", "concept_b_keywords"))
    if mode in ON_IMAGES:
        return
    if mode in ON_PROMPTS:
        require(settings, ("original_prompt",))
    elif len(options.original_prompt) > 1:
        raise OptionError(f"mode = {mode} takes one original_prompt, which tells what its images show.")
    if mode == SLIDER and not options.positive_prompt:
        raise OptionError("mode = slider goes from prompt to prompt. Set positive_prompt and negative_prompt.")
    if settings.network.network_train_text_encoder_only:
        raise OptionError(f"network_train_text_encoder_only: mode = {mode} changes the U-Net alone. Remove it.")


SECOND_GROUPS = frozenset({"network", "optimizer", "noise", "loss"})
SECOND_TOO = ("max_train_steps", "train_batch_size")
"""What `second_pass_args` may set: options of these groups, and these."""


def taken_by_second_pass(values: Mapping[str, Any]) -> Iterator[str]:
    """These values as `second_pass_args`, as far as a second pass can have values of its own."""
    for name, value in values.items():
        if option(name).group in SECOND_GROUPS or name in SECOND_TOO:
            yield f"{name}={shlex.join(value) if isinstance(value, tuple) else str(value)}"


def second_pass(settings: Settings) -> Settings:
    """The settings that the second LoRA of mode difference is trained with: those of the first but for
    `second_pass_args`. OptionError for an argument that can't be used."""
    own: dict[str, Value] = {}
    for text in settings.difference.second_pass_args:
        name, equals, written = (part.strip() for part in text.partition("="))
        if not equals:
            raise OptionError(f'second_pass_args: "{text}" can\'t be used. Write name=value, as network_dim=4.')
        spec = option(name, "second_pass_args")
        if spec.group not in SECOND_GROUPS and name not in SECOND_TOO:
            raise OptionError(f"second_pass_args: {name} is the same in both passes. Set it for the whole run.")
        if name in own:
            raise OptionError(f"second_pass_args: {name} stands there twice. Remove one of them.")
        own[name] = parse(name, written, "second_pass_args")
    return settings_from({**settings.values(), **own}) if own else settings
