"""The settings of one run: values of all options, read from a command line and the config file it names."""

from __future__ import annotations

import argparse
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from sd_contract.errors import OptionError
from sd_contract.options.groups import (
    GROUPS,
    IMAGES,
    LOHA,
    LORA,
    LYCORIS,
    AugmentationOptions,
    BucketOptions,
    CaptionOptions,
    ConceptOptions,
    DatasetOptions,
    DifferenceOptions,
    LoggingOptions,
    LossOptions,
    MemoryOptions,
    MetadataOptions,
    ModelOptions,
    NetworkOptions,
    NoiseOptions,
    OptimizerOptions,
    OutputOptions,
    SampleOptions,
    StageOptions,
    StateOptions,
    TrainingOptions,
    ValidationOptions,
)
from sd_contract.options.network_arguments import network_arguments
from sd_contract.options.optimizers import ONE_RATE, SCHEDULE_FREE, optimizer_arguments
from sd_contract.options.schedules import scheduler_arguments
from sd_contract.options.table import (
    OPTIONS,
    OptionSpec,
    Value,
    check,
    kohya_options,
    names_class,
    option,
    parse_words,
    supported,
)
from sd_contract.tensors.tensor_names import Part

COMMAND_LINE = "command line"
OF_LOHA = ("algo=loha", "preset=locon", "use_tucker=True")
"""What the network type loha stands for."""
RESOLUTION = re.compile(r"\s*(\d+)\s*(?:,\s*(\d+)\s*)?")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Values of all options, checked, in groups: `settings.network.network_dim`."""

    model: ModelOptions = field(default_factory=ModelOptions)
    network: NetworkOptions = field(default_factory=NetworkOptions)
    dataset: DatasetOptions = field(default_factory=DatasetOptions)
    buckets: BucketOptions = field(default_factory=BucketOptions)
    captions: CaptionOptions = field(default_factory=CaptionOptions)
    augmentation: AugmentationOptions = field(default_factory=AugmentationOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    memory: MemoryOptions = field(default_factory=MemoryOptions)
    noise: NoiseOptions = field(default_factory=NoiseOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    validation: ValidationOptions = field(default_factory=ValidationOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    samples: SampleOptions = field(default_factory=SampleOptions)
    metadata: MetadataOptions = field(default_factory=MetadataOptions)
    state: StateOptions = field(default_factory=StateOptions)
    logging: LoggingOptions = field(default_factory=LoggingOptions)
    concept: ConceptOptions = field(default_factory=ConceptOptions)
    difference: DifferenceOptions = field(default_factory=DifferenceOptions)
    stages: StageOptions = field(default_factory=StageOptions)

    def __post_init__(self) -> None:
        network, output = self.network, self.output
        if network.network_train_unet_only and network.network_train_text_encoder_only:
            raise OptionError(
                "network_train_unet_only and network_train_text_encoder_only are both set, "
                "so nothing would be trained. Set at most one."
            )
        if output.save_last_n_epochs and not (output.save_every_n_epochs or output.save_n_epoch_ratio):
            raise OptionError(
                f"save_last_n_epochs = {output.save_last_n_epochs} keeps files that are never written. "
                "Set save_every_n_epochs too."
            )
        samples = self.samples
        paints = samples.sample_every_n_steps or samples.sample_every_n_epochs or samples.sample_at_first
        if paints and not samples.sample_prompts:
            raise OptionError("samples are asked for, but no prompts. Set sample_prompts to a file of prompts.")
        if output.save_last_n_steps and not output.save_every_n_steps:
            raise OptionError(
                f"save_last_n_steps = {output.save_last_n_steps} keeps files that are never written. "
                "Set save_every_n_steps too."
            )
        if self.dataset.resolution is not None:
            parse_resolution(self.dataset.resolution)
        if self.augmentation.dynamic_crop_resolution is not None:
            parse_resolution(self.augmentation.dynamic_crop_resolution, "dynamic_crop_resolution")
        optimizer_arguments(self.optimizer)
        scheduler_arguments(self.optimizer)
        network_arguments(network)
        if network.dim_from_weights and not network.network_weights:
            raise OptionError("dim_from_weights takes ranks from network_weights, which is not set. Set it too.")
        if self.training.full_bf16 and self.training.mixed_precision != "bf16":
            raise OptionError(
                f'full_bf16 needs mixed_precision = "bf16"; it is "{self.training.mixed_precision}". Set both.'
            )
        if self.training.ema_decay and self.optimizer.optimizer in SCHEDULE_FREE:
            raise OptionError(
                f"ema_decay keeps an average of the LoRA, and {self.optimizer.optimizer} does so itself. "
                "Leave one of them out."
            )
        eight_bits = self.memory.fp8_base or self.memory.fp8_base_unet
        if eight_bits and self.training.mixed_precision == "no":
            raise OptionError(
                'fp8_base computes in the format of mixed_precision, which is "no". Set it to "bf16".'
            )
        if eight_bits and network.network_module != "networks.lora":
            raise OptionError(
                f"fp8_base keeps layers in a form that {network.network_module} can't read. Leave one of them out."
            )
        self._refuse_unequal_rates()
        name = output.output_name
        if name and (Path(name).name != name or "\\" in name):
            raise OptionError(f"output_name = {name!r} is not a plain file name. Put the folder in output_dir.")

    def _refuse_unequal_rates(self) -> None:
        name, arguments = self.optimizer.optimizer, network_arguments(self.network)
        if name not in ONE_RATE:
            return
        rates = {self.learning_rate_of(part, encoder) for part in self.trained_parts for encoder in (1, 2)} - {0}
        ratios = (
            arguments.loraplus_lr_ratio,
            arguments.loraplus_unet_lr_ratio,
            arguments.loraplus_text_encoder_lr_ratio,
        )
        if len(rates) > 1 or any(arguments.block_weights) or any(ratio not in (None, 1.0) for ratio in ratios):
            raise OptionError(
                f"{name} finds one learning rate for all weights, but different ones are asked for "
                "(unet_lr, text_encoder_lr, block weights or LoRA+ ratios). Make them equal or leave them out; "
                "usual is learning_rate = 1."
            )

    @property
    def mode(self) -> str:
        """How the LoRA is trained."""
        return self.concept.mode or IMAGES

    @property
    def trained_parts(self) -> tuple[Part, ...]:
        """The parts of the model that get a LoRA, in the order in which the optimizer holds them."""
        if self.network.network_train_unet_only:
            return ("unet",)
        if self.network.network_train_text_encoder_only:
            return ("text_encoder",)
        return ("text_encoder", "unet")

    def learning_rate_of(self, part: Part, encoder: int = 1) -> float:
        """A part's own rate, else the common one. SDXL's second text encoder may have a rate of its own; where one
        is given, it is that of both."""
        options = self.optimizer
        if part == "unet":
            return options.learning_rate if options.unet_lr is None else options.unet_lr
        rates = options.text_encoder_lr or (options.learning_rate,)
        return rates[min(encoder, len(rates)) - 1]

    def get(self, name: str) -> Value:
        """The value of the option of that name."""
        value: Value = getattr(getattr(self, option(name).group), name)
        return value

    def values(self) -> dict[str, Value]:
        """All values by option name."""
        return {spec.name: self.get(spec.name) for spec in OPTIONS}

    @property
    def resolution(self) -> tuple[int, int] | None:
        """Width and height in pixels that the option `resolution` asks for."""
        text = self.dataset.resolution
        return None if text is None else parse_resolution(text)

    @property
    def dynamic_crop_resolution(self) -> tuple[int, int] | None:
        """The same that the option `dynamic_crop_resolution` asks for."""
        text = self.augmentation.dynamic_crop_resolution
        return None if text is None else parse_resolution(text)

    @property
    def rank(self) -> int:
        return self.network.network_dim or 4

    @property
    def alpha(self) -> float:
        return self.network.network_alpha or float(self.rank)


def trained_size(value: Callable[[str], Any]) -> Any:
    """What says how large the training images are, as it stands in a config file; `value` is that of the option of
    a name."""
    return (value("dynamic_crop_resolution") if value("dynamic_crop") else None) or value("resolution")


def parse_resolution(text: str, name: str = "resolution") -> tuple[int, int]:
    """Width and height from "512" or "768,512"; `name` is that of the option that says so."""
    match = RESOLUTION.fullmatch(text)
    if match is None:
        raise OptionError(f'{name} = "{text}" is not a size. Write "512" or "768,512" (width, height).')
    width = int(match[1])
    return width, int(match[2] or width)


def settings_from(values: Mapping[str, object], where: str = "") -> Settings:
    """Settings with these values and every other option's default. OptionError names the key and `where`."""
    checked = {name: check(name, value, where) for name, value in values.items()}
    by_group: dict[str, dict[str, Value]] = {group: {} for group in GROUPS}
    for name, value in checked.items():
        by_group[option(name).group][name] = value
    _settle_type(by_group["network"])
    return Settings(**{group: cls(**by_group[group]) for group, cls in GROUPS.items()})


def _settle_type(network: dict[str, Value]) -> None:
    """TrainTrain's network type loha is a network of LyCORIS under the field's other names."""
    if network.get("network_type") == LOHA and network.get("network_module", LORA) == LORA:
        given = network.get("network_args", ())
        assert isinstance(given, tuple)
        network |= {"network_module": LYCORIS, "network_args": (*OF_LOHA, *map(str, given))}


@dataclass(frozen=True)
class CommandLine:
    """What a command line gives: values of options, the file with further ones, and whether that file is to be
    written instead of read."""

    values: Mapping[str, Value]
    config_file: Path | None
    output_config: bool
    allowed_code: tuple[str, ...] = ()
    """Classes that options may name though they are not known here."""


def read_command_line(arguments: Sequence[str]) -> CommandLine:
    """The words of a command line as checked values. Reads no file."""
    given = vars(build_parser().parse_args(arguments))
    config_file, output_config = given.pop("config_file", None), given.pop("output_config", False)
    allowed = tuple(given.pop("allow_code", ()))
    values = {
        name: True if words is True else parse_words(name, _listed(words), COMMAND_LINE)
        for name, words in given.items()
    }
    return CommandLine(values, _with_suffix(Path(config_file)) if config_file else None, output_config, allowed)


def read_settings(arguments: Sequence[str]) -> Settings:
    """Settings from a command line and the `--config_file` it names; the command line wins."""
    line = read_command_line(arguments)
    values = read_config_file(line.config_file) if line.config_file else {}
    settings = settings_from({**values, **line.values})
    refuse_code(settings, line.allowed_code)
    return settings


def refuse_code(settings: Settings, allowed: Iterable[str] = ()) -> None:
    """OptionError for a class that an option names and the command line does not allow: a config file that was
    copied from somewhere must not run what it likes."""
    for spec in OPTIONS:
        value = settings.get(spec.name)
        if spec.classes and value not in (*spec.choices, *allowed) and names_class(value):
            raise OptionError(
                f"{spec.name} = {value} names code that is not known here. If you trust it, allow it on the "
                f"command line: --allow_code {value}."
            )


def require(settings: Settings, names: Iterable[str]) -> None:
    """OptionError for the first of these options that has no value."""
    for name in names:
        if settings.get(name) in (None, "", ()):
            raise OptionError(
                f"option {name!r} is missing: {option(name).help}. "
                f"Give --{name} on the command line or {name} in the config file."
            )


def read_config_file(path: Path) -> dict[str, object]:
    """Checked values from a flat TOML file; one level of sections is allowed and their names mean nothing."""
    path = _with_suffix(path)
    where = str(path)
    values: dict[str, object] = {}
    for key, value in _flat(_toml(path), where):
        if key in values:
            raise OptionError(f"{where}: option {key!r} stands there twice. Remove one of them.")
        values[key] = value
    return {key: check(key, value, where) for key, value in values.items() if not _unsupported_default(key, value)}


def _with_suffix(path: Path) -> Path:
    return path if path.suffix == ".toml" else path.with_name(path.name + ".toml")


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"config file {path} can't be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"{path} is not TOML: {error}.") from error


def _flat(table: Mapping[str, Any], where: str) -> Iterable[tuple[str, object]]:
    for key, value in table.items():
        if not isinstance(value, dict):
            yield key, value
            continue
        for inner_key, inner_value in value.items():
            if isinstance(inner_value, dict):
                raise OptionError(
                    f"{where}: [{key}.{inner_key}] is a table inside a table. Only one level of sections is "
                    f"allowed: move its options to [{key}]."
                )
            yield inner_key, inner_value


def _unsupported_default(key: str, value: object) -> bool:
    """A kohya option that this engine lacks, written with the value that it would have anyway."""
    kohya = kohya_options().get(key)
    return (
        not supported(key) and kohya is not None and type(value) is type(kohya.default) and value == kohya.default
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionError(f"{COMMAND_LINE}: {message}.")

    def parse_args(self, arguments: Any = None, namespace: Any = None) -> Any:
        known, unknown = self.parse_known_args(arguments, namespace)
        for word in unknown:
            if word.startswith("--"):
                option(word[2:].partition("=")[0], COMMAND_LINE)
            raise OptionError(f"{COMMAND_LINE}: {word!r} belongs to no option.")
        return known


def build_parser() -> argparse.ArgumentParser:
    """The command line `--name value`; it yields only what was given, as words."""
    width = int(os.environ.get("COLUMNS", "110"))
    parser = _Parser(
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=42, width=width),
    )
    parser.add_argument("--config_file", metavar="FILE", help="TOML file with options; the command line wins")
    parser.add_argument(
        "--output_config", action="store_true", help="write the other options into that file and train nothing"
    )
    parser.add_argument(
        "--allow_code",
        nargs="+",
        metavar="CLASS",
        help="classes that optimizer_type and lr_scheduler_type may name",
    )
    for group in GROUPS:
        section = parser.add_argument_group(group)
        for spec in OPTIONS:
            if spec.group == group:
                section.add_argument(f"--{spec.name}", **_argument(spec))
    return parser


def _argument(spec: OptionSpec) -> dict[str, Any]:
    if spec.type == "bool":
        return {"action": "store_true", "help": spec.help}
    default = "" if spec.default in (None, ()) else f" (default {spec.default})"
    allowed = f"; one of {', '.join(map(str, spec.choices))}" if spec.choices else ""
    nargs = {"nargs": "*"} if spec.type in ("strings", "floats") else {}
    return {"metavar": spec.type.upper(), "help": spec.help + allowed + default, **nargs}


def _listed(words: str | list[str]) -> list[str]:
    return [words] if isinstance(words, str) else words
