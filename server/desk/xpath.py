"""The XPath of forms, compiled: `${cause} = 'x'` becomes the prefix list `["=", ["ref", "cause"], "x"]` that phones evaluate.

A small recursive-descent parser for the part of XPath 1.0 that a guide may use; docs/guides.md says what each operator means.
Everything else is a fault with a slug of `server/desk/findings.py`; unknown functions do not end the reading, so that one look
finds them all. Refuses to know forms: whether a step or a column exists is its caller's question.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isinf
from typing import Any, NoReturn

Expression = str | int | float | bool | list[Any]

CHARACTERS_MAX = 4000
DEPTH_MAX = 30
NODES_MAX = 250
"""Members of one expression, calculations put in; phones evaluate it at every touch."""

# name → (fewest, most operands; 0 is any number)
FUNCTIONS: Mapping[str, tuple[int, int]] = {
    "not": (1, 1),
    "if": (3, 3),
    "coalesce": (2, 2),
    "selected": (2, 2),
    "count-selected": (1, 1),
    "string-length": (1, 1),
    "contains": (2, 2),
    "starts-with": (2, 2),
    "ends-with": (2, 2),
    "regex": (2, 2),
    "concat": (1, 0),
    "string": (1, 1),
    "number": (1, 1),
    "boolean": (1, 1),
    "int": (1, 1),
    "round": (1, 2),
    "abs": (1, 1),
    "min": (1, 0),
    "max": (1, 0),
}
_CONSTANTS = {"true": True, "false": False}
_LEVELS = (("or",), ("and",), ("=", "!="), ("<=", "<", ">=", ">"), ("+", "-"), ("*", "div", "mod"))
"""Operators from loosest to tightest; all of them group to the left."""

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:\.\d*)?|\.\d+)
    | (?P<text>'[^']*'|"[^"]*")
    | \$\{\s*(?P<ref>[^{}]*?)\s*\}
    | (?P<name>[^\W\d][\w.-]*(?::[^\W\d][\w.-]*)?)
    | (?P<path>\.\.|//?|\[|\]|@|::|\|)
    | (?P<sign><=|>=|!=|[=<>+\-*(),.])
    | (?P<curly>[\u2018\u2019\u201c\u201d])
    )""",
    re.VERBOSE,
)
# What JavaScript (flag u) and Python read alike: no inline flags, no named or numbered groups, no escapes of one of them only.
_ESCAPED_BOTH = r"\\[dDwWsSbnrtfv.^$*+?()\[\]{}|/\\]"
_PORTABLE_REGEX = re.compile(
    rf"(?:{_ESCAPED_BOTH}|\\B|\[\^?(?:{_ESCAPED_BOTH}|\\-|[^\]\\\[])+\]|\((?:\?[:=!]|(?!\?))|\)|\{{\d+(?:,\d*)?\}}|[^\\\[\](){{}}])*"
)
_CLASS_OR_ESCAPE = re.compile(r"\\.|\[[^\]]*\]", re.DOTALL)
_POSSESSIVE = re.compile(r"[*+?}]\+")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong: a slug of the findings' table and the values its sentence names."""

    slug: str
    values: Mapping[str, str] = field(default_factory=dict)


class _Stop(Exception):
    """Nothing sensible can be read from here on."""

    def __init__(self, slug: str, **values: str) -> None:
        self.fault = Fault(slug, values)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str, *, own: str | None = None, columns: bool = False) -> tuple[Expression, list[Fault]]:
    """The compiled expression and everything wrong with it; it is `""` when nothing could be read.

    `own` is the step whose answer `.` names, in a constraint; `columns`: bare words are columns of the choice, in a filter.
    """
    faults: list[Fault] = []
    try:
        if len(text) > CHARACTERS_MAX:
            raise _Stop("expression-too-long", limit=str(CHARACTERS_MAX))
        parser = _Parser(list(_tokens(text)), faults, own, columns)
        return parser.whole(), faults
    except _Stop as stop:
        return "", [*faults, stop.fault]


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise _Stop("expression-unreadable", rest=text[at:].strip()[:30])
        kind = str(found.lastgroup)
        yield _Token(kind, found[kind], found.start(kind))
        at = found.end()


class _Parser:
    """One expression; `faults` receives what can be passed over."""

    def __init__(self, tokens: list[_Token], faults: list[Fault], own: str | None, columns: bool) -> None:
        self._tokens = tokens
        self._faults = faults
        self._own = own
        self._columns = columns
        self._at = 0
        self._depth = 0

    def whole(self) -> Expression:
        if len(self._tokens) > 2 * NODES_MAX:
            raise _Stop("expression-too-large", limit=str(NODES_MAX))
        expression = self._level(0)
        if self._at < len(self._tokens):
            self._unexpected(self._tokens[self._at])
        return expression

    def _level(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        left = self._level(level + 1)
        while self._ahead(*_LEVELS[level]):
            operator = self._take().text
            left = [operator, left, self._level(level + 1)]
        return left

    def _unary(self) -> Expression:
        if not self._ahead("-"):
            return self._operand()
        self._take()
        return ["neg", self._deeper(self._unary)]

    def _deeper(self, inner: Callable[[], Expression]) -> Expression:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise _Stop("expression-too-deep", limit=str(DEPTH_MAX))
        expression = inner()
        self._depth -= 1
        return expression

    def _operand(self) -> Expression:
        token = self._take()
        match token.kind:
            case "number":
                return _number(token.text)
            case "text":
                return token.text[1:-1]
            case "ref":
                return self._reference(token.text)
            case "name":
                return self._call(token.text) if self._ahead("(") else self._column(token.text)
            case "sign" if token.text == "(":
                inner = self._deeper(lambda: self._level(0))
                self._expect(")")
                return inner
            case "sign" if token.text == ".":
                return self._self()
        self._unexpected(token)

    def _reference(self, name: str) -> Expression:
        if "#" in name:
            return self._passed_over("last-saved")
        return ["self"] if name == self._own else ["ref", name]

    def _self(self) -> Expression:
        return ["self"] if self._own is not None else self._passed_over("self-outside-constraint")

    def _column(self, name: str) -> Expression:
        return ["column", name] if self._columns else self._passed_over("bare-word", word=name)

    def _call(self, name: str) -> Expression:
        operands = self._deeper(self._operands)
        assert isinstance(operands, list)
        if name in _CONSTANTS and not operands:
            return _CONSTANTS[name]
        if name not in FUNCTIONS:
            return self._passed_over("unsupported-function", function=name)
        fewest, most = FUNCTIONS[name]
        if len(operands) < fewest or (most and len(operands) > most):
            return self._passed_over("wrong-operands", function=name, count=str(len(operands)))
        if name == "regex":
            self._check_regex(operands[1])
        return [name, *operands]

    def _operands(self) -> Expression:
        self._expect("(")
        if self._ahead(")"):
            self._take()
            return []
        operands: list[Any] = [self._level(0)]
        while self._ahead(","):
            self._take()
            operands.append(self._level(0))
        self._expect(")")
        return operands

    def _check_regex(self, pattern: Any) -> None:
        if not isinstance(pattern, str):
            self._passed_over("regex-not-plain")
        elif not _is_portable(pattern):
            self._passed_over("regex-foreign", pattern=pattern[:60])

    def _passed_over(self, slug: str, **values: str) -> Expression:
        fault = Fault(slug, values)
        if fault not in self._faults:
            self._faults.append(fault)
        return ""

    def _ahead(self, *texts: str) -> bool:
        """Whether the next token is one of these signs or operator words (never a text that reads the same)."""
        if self._at >= len(self._tokens):
            return False
        token = self._tokens[self._at]
        return token.kind in ("sign", "name") and token.text in texts

    def _take(self) -> _Token:
        if self._at >= len(self._tokens):
            raise _Stop("expression-incomplete")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, text: str) -> None:
        token = self._take()
        if token.text != text or token.kind != "sign":
            self._unexpected(token)

    def _unexpected(self, token: _Token) -> NoReturn:
        if token.kind == "path":
            raise _Stop("unsupported-path", sign=token.text)
        if token.kind == "curly":
            raise _Stop("curly-quotes")
        raise _Stop("expression-unexpected", sign=token.text[:30], at=str(token.at + 1))


def _number(text: str) -> Expression:
    value = float(text)
    if isinf(value):
        raise _Stop("expression-unreadable", rest=text[:30])
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _is_portable(pattern: str) -> bool:
    if not _PORTABLE_REGEX.fullmatch(pattern) or _POSSESSIVE.search(_CLASS_OR_ESCAPE.sub("x", pattern)):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, Warning, RecursionError, OverflowError):
        return False
    return True


# ------------------------------------------------------------------------------------------------------ walking expressions


def references(expression: Any) -> Iterator[str]:
    """Every step an expression names."""
    return (part[1] for part in _parts(expression) if part[0] == "ref")


def columns_of(expression: Any) -> Iterator[str]:
    """Every column an expression names."""
    return (part[1] for part in _parts(expression) if part[0] == "column")


def size(expression: Any) -> int:
    """How many operators and values an expression has."""
    return 1 + sum(len(part) - 1 for part in _parts(expression))


def replaced(expression: Any, values: Mapping[str, Any]) -> Any:
    """The expression with the references to these steps replaced; parts are shared, because nobody changes an expression."""
    if not isinstance(expression, list):
        return expression
    if expression[0] == "ref":
        return values.get(expression[1], expression)
    return [expression[0], *(replaced(operand, values) for operand in expression[1:])]


def _parts(expression: Any) -> Iterator[list[Any]]:
    """The expression and everything in it that has operands."""
    waiting = [expression]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            yield part
            waiting += part[1:]
