"""Where the keys of a file become options, one by one, and what became of each is written down. Knows options, not
formats. Whatever the file says, no value gets past the option table, and none that runs code is taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sd_contract.errors import OptionError
from sd_contract.options import (
    kohya_options,
    network_arguments,
    optimizer_arguments,
    settings_from,
    supported,
)
from sd_contract.options.groups import NetworkOptions, OptimizerOptions
from sd_contract.options.optimizers import ARGUMENTS as ARGUMENTS_OF_OPTIMIZERS
from train_tools.errors import OptionValueError
from train_tools.grids.expressions import checked_formula
from train_tools.model.config import USED, ConfigEntry, ConfigFormat, Fate, ImportedConfig
from train_tools.model.grid import BUNDLED, Formula
from train_tools.options.option import Danger
from train_tools.options.secrets import is_secret
from train_tools.options.table import OptionTable, engine_options

TableOf = Callable[[str], OptionTable | None]
"""The options of the trainer of that name; None where there is no such trainer."""

LONGEST_SHOWN = 200
NETWORK_MODULE = "networks.lora"
OTHER_NETWORKS = ("networks.", "lycoris.")
FILES: Mapping[str, tuple[str, ...]] = {
    "pretrained_model_name_or_path": (".safetensors",),
    "vae": (".safetensors",),
    "network_weights": (".safetensors",),
    "diff_load_1st_pass": (".safetensors",),
    "base_weights": (".safetensors",),
    "sample_prompts": (".txt", ".toml", ".json"),
    "tokenizer_cache_dir": (),
    "log_tracker_config": (".toml",),
}
"""Options that name files, and with which suffix one is taken out of a file of settings: never a pickle. Without a
suffix a folder is meant."""
ARGUMENTS = ("network_args", "optimizer_args")
_PATH_REASON = "a file of another machine, or one that is gone; choose it anew"
_DATASET = "the images are the version's own; import them with `train-tools dataset import`"
_PLACE = "Train Tools gives every run a place and a name of its own"
LEFT_TO_US: Mapping[str, str] = {
    **dict.fromkeys(("train_data_dir", "reg_data_dir", "in_json", "dataset_config", "dataset_repeats"), _DATASET),
    **dict.fromkeys(("conditioning_data_dir", "caption_extension", "caption_extention"), _DATASET),
    **dict.fromkeys(("output_dir", "output_name", "logging_dir", "config_file", "output_config"), _PLACE),
    **dict.fromkeys(("state_dir", "log_tracker_name", "log_prefix", "wandb_run_name"), _PLACE),
}


def nobody(name: str) -> None:
    """Knows no trainer at all."""


class Intake:
    """The keys of one file on their way to options of the trainer's `table`. `values` is all that the file says,
    for rules that look at two keys."""

    def __init__(self, format: ConfigFormat, values: Mapping[str, Any], table: OptionTable) -> None:
        self.format = format
        self._table = table
        self.values = values
        self.options: dict[str, Any] = {}
        self.axes: dict[str, tuple[Any, ...]] = {}
        self.entries: list[ConfigEntry] = []
        self.notes: list[str] = []
        self._assuming = False
        self._hidden: set[str] = set()

    def of_the_same(self, values: Mapping[str, Any]) -> Intake:
        """For a part of the file that is read by itself."""
        return Intake(self.format, values, self._table)

    def hide(self, *keys: str) -> None:
        """The values of these keys may hold a secret."""
        self._hidden.update(keys)

    def set(self, key: str, option: str, value: Any, fate: Fate | None = None, reason: str = "") -> None:
        """Sets an option, if it can have that value; else what kept it from that is written down."""
        try:
            taken = _taken(self._table, option, value)
        except _NotTakenError as error:
            self.leave(key, error.fate, error.reason, value=value)
            return
        if fate is None:
            as_said = _alike(taken, self.values.get(key, value))
            fate = Fate.RENAMED if key != option else Fate.TAKEN if as_said else Fate.CONVERTED
        self.options[option] = taken
        self._write(key, value, fate, reason, option, taken)

    def set_axis(self, option: str, values: Iterable[Any]) -> None:
        """Gives an option several values, all or none."""
        values = tuple(values)
        try:
            taken = tuple(_taken(self._table, option, value) for value in values)
        except _NotTakenError as error:
            self.leave(option, error.fate, error.reason, value=list(values))
            return
        self.axes[option] = taken
        self._write(option, list(values), Fate.TAKEN, "several values: an axis", option, taken)

    def name_trainer(self, key: str, name: str) -> None:
        """Writes down that the file is for a trainer: the one whose options are taken, or one that isn't here."""
        if name == self._table.engine:
            self._write(key, name, Fate.TAKEN, "the trainer whose options these are")
            return
        self.leave(key, Fate.NOT_SUPPORTED, "there is no such trainer here", value=name)
        self.notes.append(
            f"The file is for the trainer {name!r}; its options were read as those of {self._table.engine!r}. A "
            f"checkout of sd-scripts is made a trainer with `train-tools engine add {name} --path FOLDER`."
        )

    def add_argument(self, key: str, option: str, name: str, value: Any) -> None:
        """Sets one argument of the network or the optimizer, `name=value`."""
        text = f"{name}={value}"
        self.options[option] = (*self.options.get(option, ()), text)
        self._write(key, value, Fate.RENAMED, "", option, text)

    def leave(self, key: str, fate: Fate, reason: str, value: Any = None) -> None:
        """Writes down why a key sets nothing. What is only assumed and asks for nothing is no news."""
        assert fate not in USED, "what is used sets an option"
        if not (self._assuming and fate is Fate.WITHOUT_EFFECT):
            self._write(key, value, fate, reason)

    @contextmanager
    def assuming(self) -> Iterator[None]:
        """Whatever is set meanwhile is not in the file: it is what its program takes for granted."""
        self._assuming = True
        try:
            yield
        finally:
            self._assuming = False

    def imported(self) -> ImportedConfig:
        """All that was taken, and what became of every key."""
        if self._table.engine == BUNDLED:  # what other trainers take together, only their plans know
            for option in ARGUMENTS:
                if option in self.options:
                    self._sort_out(option)
            self.notes += _contradictions(self.options)
        return ImportedConfig(
            format=self.format,
            engine=self._table.engine,
            options=self.options,
            axes=self.axes,
            entries=tuple(self.entries),
            notes=tuple(dict.fromkeys(self.notes)),
        )

    def _write(self, key: str, value: Any, fate: Fate, reason: str, option: str = "", result: Any = None) -> None:
        hidden = key in self._hidden or is_secret(key)
        said = self.values.get(key, None if self._assuming else value)
        self.entries.append(
            ConfigEntry(
                key=_printable(key),
                value="..." if hidden else "" if said is None and self._assuming else shown_value(said),
                fate=Fate.ASSUMED if self._assuming and fate in USED else fate,
                option=option,
                result=shown_value(result) if option else "",
                reason=_printable(reason),
            )
        )

    def _sort_out(self, option: str) -> None:
        """Takes those arguments away that the network or optimizer does not know; sd-scripts would say nothing."""
        kept, refused = _accepted(self.options[option], _CHECKS[option](self.options))
        self.options[option] = kept
        for text, why in refused:
            self.entries.append(
                ConfigEntry(
                    key=option, value=_printable(text), fate=Fate.NOT_SUPPORTED, reason=_printable(str(why))
                )
            )
        if not kept:
            del self.options[option]


def shown_value(value: Any) -> str:
    """A value for people: as JSON writes it, cut where nobody reads on."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        text = repr(type(value))
    return _printable(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} ...")


class _NotTakenError(Exception):
    """An option does not take a value; never leaves this module."""

    def __init__(self, fate: Fate, reason: str) -> None:
        super().__init__(reason)
        self.fate, self.reason = fate, reason


def _taken(table: OptionTable, option: str, value: Any) -> Any:
    """The value as the option has it. Raises _NotTakenError."""
    if refusal := _refusal(table, option, value):
        raise _NotTakenError(*refusal)
    try:
        if isinstance(value, Formula):
            return checked_formula(table, option, value.text)
        return _checked(table, option, value)
    except OptionValueError as error:
        fate = Fate.NOT_SUPPORTED if option == "network_module" else Fate.NOT_USABLE
        raise _NotTakenError(fate, str(error)) from error


def _refusal(table: OptionTable, option: str, value: Any) -> tuple[Fate, str] | None:
    """Why an option is not set at all, whatever its type says."""
    if value is None or value in ("", [], {}):
        return Fate.WITHOUT_EFFECT, "it is empty"
    if is_secret(option):
        return Fate.REFUSED, "a secret; it is not kept with settings"
    if option in LEFT_TO_US:
        return Fate.LEFT_OUT, LEFT_TO_US[option]
    if code := _runs_code(table, option, value):
        return Fate.REFUSED, code
    if problem := _file_problem(table, option, value):
        return Fate.REFUSED, problem
    if option not in table:
        return _not_in_table(table, option, value)
    return (Fate.LEFT_OUT, table[option].refusal) if table[option].refusal else None


def _runs_code(table: OptionTable, option: str, value: Any) -> str:
    text = value if isinstance(value, str) else ""
    known = table[option].code if option in table else None
    if option == "resume":
        return "states of other trainers hold pickles, which run code; Train Tools goes on from its own by itself"
    if known is not None and known.allows(text):
        return ""
    if option in table and text in (*table[option].spec.choices, *table[option].spec.aliases):
        return ""
    if option == "network_module" and text and not text.startswith(OTHER_NETWORKS):
        return "it names code that would be run"
    if (option == "optimizer_type" and "." in text) or (option == "lr_scheduler_type" and text):
        return "it names code that would be run; choose one of the known names"
    return ""


def _file_problem(table: OptionTable, option: str, value: Any) -> str:
    """Why the files that an option names are not taken; nothing when they are, or when it names none."""
    names_files = option in FILES or (option in table and table[option].danger is Danger.PATH)
    suffixes = FILES.get(option, (".safetensors",))
    for text in value if isinstance(value, list | tuple) else (value,):
        if not names_files or not isinstance(text, str):
            return ""  # the option's type tells it better
        path = Path(text)
        try:
            here = path.is_absolute() and (path.is_file() if suffixes else path.is_dir())
        except (OSError, ValueError):
            here = False
        if not here:
            return _PATH_REASON
        if suffixes and path.suffix.lower() not in suffixes:
            return f"only {', '.join(suffixes)} files are taken out of settings: others can run code"
    return ""


def _not_in_table(table: OptionTable, option: str, value: Any) -> tuple[Fate, str]:
    kohya = kohya_options().get(option)
    if kohya is not None and value == kohya.default:
        return Fate.WITHOUT_EFFECT, "it is what happens anyway"
    if kohya is not None:
        return Fate.NOT_SUPPORTED, "the trainer that is used has no such option; sd-scripts has"
    try:
        table.settable(option)
    except OptionValueError as error:
        return Fate.UNKNOWN, str(error)
    raise AssertionError("what is not in a table can't be set")


def _checked(table: OptionTable, option: str, value: Any) -> Any:
    """The value as the option has it; what only its spelling keeps from being one is spelt anew. Raises
    OptionValueError."""
    kind = table[option].spec.type
    if isinstance(value, str) and kind == "bool":
        raise OptionValueError(
            f"{option} = {json.dumps(value)}: true or false is wanted. sd-scripts takes any text for true."
        )
    if isinstance(value, str) and kind != "str":
        return table.value_from_text(option, value.strip())
    if kind == "bool" and type(value) is int and value in (0, 1):
        return table.checked_value(option, bool(value))
    if kind == "str" and type(value) in (int, float):
        return table.checked_value(option, str(value))
    if kind == "int" and isinstance(value, float) and value.is_integer():
        return table.checked_value(option, int(value))
    return table.checked_value(option, value)


def _alike(taken: Any, value: Any) -> bool:
    plain = list(taken) if isinstance(taken, tuple) else taken
    as_list = value if isinstance(value, list) or not isinstance(plain, list) else [value]
    same_kind = all(isinstance(plain, kind) == isinstance(value, kind) for kind in (str, bool))
    return bool(plain == as_list) and same_kind


def _accepted(
    texts: Iterable[str], check: Callable[[tuple[str, ...]], object]
) -> tuple[tuple[str, ...], list[tuple[str, OptionError]]]:
    """As many of the arguments as can stand together, and the others with the reason. One may need another that
    comes later, so what is refused is tried once more."""
    kept: list[str] = []
    refused: list[tuple[str, OptionError]] = []
    waiting = list(texts)
    for _ in range(2):
        refused = []
        for text in waiting:
            try:
                check((*kept, text))
            except OptionError as error:
                refused.append((text, error))
            else:
                kept.append(text)
        waiting = [text for text, _ in refused]
    return tuple(kept), refused


def _network_check(options: Mapping[str, Any]) -> Callable[[tuple[str, ...]], object]:
    module = options.get("network_module", NETWORK_MODULE)
    return lambda texts: network_arguments(NetworkOptions(network_module=module, network_args=texts))


def _optimizer_check(options: Mapping[str, Any]) -> Callable[[tuple[str, ...]], object]:
    name = options.get("optimizer_type", OptimizerOptions().optimizer_type)
    if name not in ARGUMENTS_OF_OPTIMIZERS:
        return lambda texts: None
    return lambda texts: optimizer_arguments(OptimizerOptions(optimizer_type=name, optimizer_args=texts))


_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], Callable[[tuple[str, ...]], object]]] = {
    "network_args": _network_check,
    "optimizer_args": _optimizer_check,
}


def _contradictions(options: Mapping[str, Any]) -> list[str]:
    """What keeps options from being trained together, in words; of other trainers' options nothing is known."""
    known = {
        name: value
        for name, value in engine_options(options).items()
        if supported(name) and not isinstance(value, Formula)
    }
    try:
        settings_from(known)
    except OptionError as error:
        return [f"These options can't be trained together: {error}"]
    return []


def _printable(text: str) -> str:
    """The text with what is no UTF-8, or moves a terminal, written out."""
    escaped = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in escaped)
