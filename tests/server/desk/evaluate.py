"""What a compiled expression comes to, by docs/guides.md: a second reading of that page, for tests only.

Phones evaluate in TypeScript; both must agree on tests/server/desk/expressions.json.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

Value = str | int | float | bool

_NUMBER = re.compile(r"\s*-?(\d+(\.\d*)?|\.\d+)\s*")


def evaluate(
    expression: Any, answers: Mapping[str, Any] | None = None, own: Value = "", row: Mapping[str, str] | None = None
) -> Value:
    """The value under these answers; `own` is the answer being checked, `row` the choice in question."""
    return _Evaluation(answers or {}, own, row or {}).value(expression)


def as_text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else "NaN" if math.isnan(value) else repr(value)
    return str(value)


def as_number(value: Value) -> float:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else math.nan
    return float(value)


def as_boolean(value: Value) -> bool:
    if isinstance(value, str):
        return value != ""
    return bool(value) and not math.isnan(value)


def _equal(left: Value, right: Value) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return as_boolean(left) == as_boolean(right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return as_number(left) == as_number(right)


def _div(left: float, right: float) -> float:
    if right:
        return left / right
    return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)


def _round(value: float, places: float = 0) -> float:
    return math.floor(value * 10**places + 0.5) / 10**places if math.isfinite(value) else value


NUMERIC: Mapping[str, Callable[..., Value]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "div": _div,
    "mod": lambda a, b: math.nan if b == 0 or math.isinf(a) else math.fmod(a, b),
    "neg": lambda a: -a,
    "number": lambda a: a,
    "int": lambda a: float(math.trunc(a)) if math.isfinite(a) else a,
    "round": _round,
    "abs": abs,
    "min": lambda *all: math.nan if any(map(math.isnan, all)) else min(all),
    "max": lambda *all: math.nan if any(map(math.isnan, all)) else max(all),
}
TEXTUAL: Mapping[str, Callable[..., Value]] = {
    "selected": lambda a, b: b in a.split(),
    "count-selected": lambda a: len(a.split()),
    "string-length": len,
    "contains": lambda a, b: b in a,
    "starts-with": lambda a, b: a.startswith(b),
    "ends-with": lambda a, b: a.endswith(b),
    "regex": lambda a, b: re.fullmatch(b, a) is not None,
    "concat": lambda *all: "".join(all),
    "string": lambda a: a,
}


class _Evaluation:
    def __init__(self, answers: Mapping[str, Any], own: Value, row: Mapping[str, str]) -> None:
        self._answers = answers
        self._own = own
        self._row = row

    def value(self, expression: Any) -> Value:
        if not isinstance(expression, list):
            value: Value = expression
            return value
        operator, *operands = expression
        if operator in NUMERIC:
            return NUMERIC[operator](*(as_number(self.value(operand)) for operand in operands))
        if operator in TEXTUAL:
            return TEXTUAL[operator](*(as_text(self.value(operand)) for operand in operands))
        method: Callable[..., Value] = getattr(self, f"_{_NAMES.get(operator, operator)}")
        return method(*operands)

    def _ref(self, name: str) -> Value:
        value: Value = self._answers.get(name, "")
        return value

    def _self(self) -> Value:
        return self._own

    def _column(self, name: str) -> Value:
        return self._row.get(name, "")

    def _or(self, left: Any, right: Any) -> bool:
        return as_boolean(self.value(left)) or as_boolean(self.value(right))

    def _and(self, left: Any, right: Any) -> bool:
        return as_boolean(self.value(left)) and as_boolean(self.value(right))

    def _not(self, operand: Any) -> bool:
        return not as_boolean(self.value(operand))

    def _boolean(self, operand: Any) -> bool:
        return as_boolean(self.value(operand))

    def _equal(self, left: Any, right: Any) -> bool:
        return _equal(self.value(left), self.value(right))

    def _unequal(self, left: Any, right: Any) -> bool:
        return not self._equal(left, right)

    def _if(self, condition: Any, then: Any, otherwise: Any) -> Value:
        return self.value(then if as_boolean(self.value(condition)) else otherwise)

    def _coalesce(self, first: Any, second: Any) -> Value:
        value = self.value(first)
        return value if as_text(value) != "" else self.value(second)


_NAMES = {"=": "equal", "!=": "unequal"}
_OWN = ("ref", "self", "column", "or", "and", "not", "boolean", "if", "coalesce")
OPERATORS = frozenset({*NUMERIC, *TEXTUAL, *_NAMES, *_OWN})
