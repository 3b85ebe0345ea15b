"""Formulas over a run's options: arithmetic, brackets, min, max and round. Nothing else is understood, so that a
grid file from somebody else can do no harm."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import Any

from train_tools.errors import OptionValueError
from train_tools.model.grid import Formula
from train_tools.options.table import OptionTable

FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "round": round}
ALLOWED = "Allowed are numbers, names of options, + - * / // ( ) and min, max, round"
LONGEST = 500

_NODES = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.FloorDiv,
    ast.UAdd,
    ast.USub,
    ast.Name,
    ast.Load,
    ast.Call,
    ast.Constant,
)


def refuse_unknown_names(table: OptionTable, name: str, formula: Formula) -> None:
    """Raises OptionValueError, with the character, for a formula that can't be understood."""
    for used in names_in(name, formula):
        try:
            table.settable(used)
        except OptionValueError as error:
            raise OptionValueError(f"{name} = {formula}: {error}") from error


def names_in(name: str, formula: Formula) -> frozenset[str]:
    """The options that a formula is made of."""
    return _understood(name, formula).names


def value_of(table: OptionTable, name: str, formula: Formula, get: Callable[[str], Any]) -> Any:
    """The formula's value as the option takes it; `get` gives the values of other options."""
    understood = _understood(name, formula)
    values = {used: get(used) for used in understood.names}
    if understood.is_name:
        return _typed(table, name, formula, next(iter(values.values())))
    numbers = {used: _number(name, formula, used, value) for used, value in values.items()}
    try:
        result = eval(understood.code, {"__builtins__": {}, **FUNCTIONS}, numbers)
    except (ArithmeticError, TypeError, ValueError) as error:
        shown = ", ".join(f"{used} = {value}" for used, value in sorted(numbers.items()))
        raise OptionValueError(f"{name} = {formula} can't be computed with {shown}: {error}.") from error
    return _typed(table, name, formula, result)


class _Understood:
    """A formula taken apart once."""

    def __init__(self, name: str, formula: Formula) -> None:
        tree = _parsed(name, formula)
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            _refuse(name, formula, node, called)
        self.names = frozenset(
            node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called
        )
        self.is_name = isinstance(tree.body, ast.Name)
        self.code: CodeType = compile(tree, "<formula>", "eval")


@lru_cache(maxsize=2000)
def _understood(name: str, formula: Formula) -> _Understood:
    return _Understood(name, formula)


def _parsed(name: str, formula: Formula) -> ast.Expression:
    if len(formula.text) > LONGEST:
        raise OptionValueError(f"{name} = {formula.text[:40]}...: a formula has at most {LONGEST} characters.")
    try:
        return ast.parse(formula.text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = getattr(error, "offset", None) or 1
        raise OptionValueError(
            f"{name} = {formula}: character {at + 1}: this is no formula. {ALLOWED}."
        ) from error


def _refuse(name: str, formula: Formula, node: ast.AST, called: set[int]) -> None:
    fine = isinstance(node, _NODES)
    if isinstance(node, ast.Constant):
        fine = isinstance(node.value, int | float) and not isinstance(node.value, bool)
    if isinstance(node, ast.Call):
        fine = isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS and not node.keywords
    if isinstance(node, ast.Name) and node.id in FUNCTIONS:
        fine = id(node) in called
    if not fine:
        at = getattr(node, "col_offset", 0)
        raise OptionValueError(
            f"{name} = {formula}: character {at + 2}: this can't stand in a formula. {ALLOWED}."
        )


def _number(name: str, formula: Formula, used: str, value: Any) -> int | float:
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if value is None:
        raise OptionValueError(f"{name} = {formula} can't be computed: {used} is not set. Give it a value.")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OptionValueError(f"{name} = {formula} can't be computed: {used} = {value} is no number.")
    return value


def _typed(table: OptionTable, name: str, formula: Formula, value: Any) -> Any:
    """The result as the option takes it: a whole number where one is wanted."""
    if table.is_numeric(name) == "int" and isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return table.checked_value(name, value)
    except OptionValueError as error:
        advice = " Put round( ) around it." if table.is_numeric(name) == "int" and isinstance(value, float) else ""
        raise OptionValueError(f"{error} It was computed from {formula}.{advice}") from error
