"""The options of one trainer: reading values from text, checking typed ones, and what of them decides a result."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sd_contract.errors import OptionError
from sd_contract.options import OptionSpec, checked, parsed
from train_tools.errors import OptionValueError
from train_tools.model.dataset import CaptionPolicy
from train_tools.options.marks import NO_PART_OF_THE_RESULT, NOT_OFFERED, code_of, danger_of, refusal_of
from train_tools.options.option import Danger, Option
from train_tools.options.words import words_for

DATASET_OPTIONS = (
    OptionSpec(name="dataset", type="str", default=""),
    OptionSpec(name="repeats", type="int", default=None, minimum=1),
    OptionSpec(
        name="captions",
        type="str",
        default=CaptionPolicy.AS_WRITTEN.value,
        choices=tuple(policy.value for policy in CaptionPolicy),
    ),
)
"""What no trainer knows: which training images a run takes, and how. They count by the dataset's content."""


class OptionTable(Mapping[str, Option]):
    """The options of one trainer by name, ours for datasets first. A table equals only itself, so that what was
    understood with it may be remembered by it."""

    def __init__(self, engine: str, options: Iterable[Option], unknown: Callable[[str], str]) -> None:
        """`unknown` says in words what is wrong with the name of an option that isn't in the table."""
        self.engine = engine
        ours = (option_of(spec) for spec in DATASET_OPTIONS)
        self._options = {option.name: option for option in (*ours, *options)}
        self._unknown = unknown

    def __getitem__(self, name: str) -> Option:
        return self._options[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def settable(self, name: str) -> Option:
        """The option a user may set. Raises OptionValueError with the nearest name, or the reason why not."""
        found = self._options.get(name)
        if found is None and name in NOT_OFFERED:
            raise OptionValueError(f"{name} is not offered: {NOT_OFFERED[name]}.")
        if found is None:
            raise OptionValueError(self._unknown(name) + self._nearest(name))
        if found.refusal:
            raise OptionValueError(f"{name} can't be set: {found.refusal}.")
        return found

    def _nearest(self, name: str) -> str:
        wanted = name.casefold().replace("-", "_").replace(" ", "_")
        by_label = {option.label.casefold().replace(" ", "_"): option.name for option in self._options.values()}
        near = difflib.get_close_matches(wanted, by_label, n=1, cutoff=0.85)
        return f' (Is "{by_label[near[0]]}" meant?)' if near else ""

    def is_numeric(self, name: str) -> str:
        """ "int" or "float" for an option whose values are numbers, "floats" for lists of them; "" for any
        other."""
        kind = self.settable(name).spec.type
        return {"int": "int", "float": "float", "int_or_float": "float", "floats": "floats"}.get(kind, "")

    def is_list(self, name: str) -> bool:
        """Whether one value of the option is a list."""
        return self.settable(name).spec.type in ("strings", "floats")

    def default_of(self, name: str) -> Any:
        """What an option is where nobody sets it."""
        return self.settable(name).spec.default

    def value_from_text(self, name: str, text: str) -> Any:
        """The typed value of one item of a list. Raises OptionValueError naming the option and what is allowed."""
        found = self.settable(name)
        try:
            value = parsed(found.spec, text)
        except OptionError as error:
            raise OptionValueError(str(error)) from error
        _refuse_unknown_code(found, value)
        return value

    def checked_value(self, name: str, value: Any) -> Any:
        """A typed value as the trainer takes it: lists as tuples, whole numbers as floats where those are
        wanted."""
        found = self.settable(name)
        _refuse_what_is_no_text(name, value)
        try:
            taken = checked(found.spec, tuple(value) if isinstance(value, list) else value)
        except OptionError as error:
            raise OptionValueError(str(error)) from error
        _refuse_unknown_code(found, taken)
        return taken

    def canonical(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What decides a result: checked values, defaults left out, sorted by name."""
        values = {name: self.checked_value(name, value) for name, value in engine_options(options).items()}
        return {
            name: values[name]
            for name in sorted(values)
            if self[name].decides_result and values[name] != self[name].spec.default
        }


def option_of(spec: OptionSpec, **facts: Any) -> Option:
    """The option with our words and marks; `facts` are those that differ from them."""
    said = words_for(spec.name)
    return Option(
        **{
            "name": spec.name,
            "label": said.label,
            "spec": spec,
            "group": said.group,
            "help": said.help,
            "unit": said.unit,
            "usual": said.usual,
            "simple": said.simple,
            "danger": danger_of(spec.name),
            "code": code_of(spec.name),
            "refusal": refusal_of(spec.name),
            "decides_result": spec.name not in NO_PART_OF_THE_RESULT,
            **facts,
        }
    )


def engine_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the trainer is told."""
    ours = {spec.name for spec in DATASET_OPTIONS}
    return {name: value for name, value in options.items() if name not in ours}


def _refuse_unknown_code(option: Option, value: Any) -> None:
    if option.danger is Danger.CODE and option.code and isinstance(value, str) and not option.code.allows(value):
        known = ", ".join(option.code.names) or "nothing"
        raise OptionValueError(
            f"{option.name} = {value} names code that Train Tools does not know; it knows {known}. If you trust "
            f"it, say so on the command line: `train-tools engine allow ENGINE {value}`."
        )


def _refuse_what_is_no_text(name: str, value: Any) -> None:
    """A file's name may hold bytes that are no UTF-8; they can't be kept in any file of settings."""
    for text in value if isinstance(value, tuple | list) else (value,):
        if isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise OptionValueError(f"{name} = {text!r} is not UTF-8 text. Rename the file, or type it anew.")
