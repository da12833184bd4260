"""A form's sheets → the steps and choices of a guide, as phones take them; everything that does not fit is listed with its row.

Reading goes on after a fault, so that one import shows them all. docs/guides.md is this module in words. Refuses to know
versions, files and expressions' grammar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.desk import spreadsheet, xpath
from server.desk.findings import Findings
from server.desk.form_choices import Lists
from server.desk.form_texts import TRANSLATED, Texts
from server.desk.form_types import Selection, Unsupported, type_of
from server.desk.spreadsheet import Workbook, worded
from server.desk.xpath import Expression
from sync.kinds.base import Identifier

STEPS_MAX = 200
GROUPS_DEEP_MAX = 20
UNIT_CHARACTERS_MAX = 20
SHOWS = ("before", "after", "meter", "document", "other")
_SURVEY_COLUMNS = frozenset(
    [
        *("type", "name", "label", "hint", "required", "relevant", "constraint", "jr:constraintMsg", "choice_filter"),
        *("calculate", "appearance", "parameters", "readonly", "trigger", "disabled"),
        *("unit", "normal_low", "normal_high", "safety", "shows"),
    ]
)
_NUMBERS = ("数字", "number steps")
_PHOTOS = ("照片", "photo steps")
_BELONGS = {"unit": _NUMBERS, "normal_low": _NUMBERS, "normal_high": _NUMBERS, "shows": _PHOTOS}
_TYPE_OF_COLUMN = {"unit": "number", "normal_low": "number", "normal_high": "number", "shows": "photo"}


@dataclass(frozen=True, slots=True)
class Form:
    """What a form asks: `choices` are the lists its steps use."""

    steps: list[dict[str, Any]]
    choices: dict[str, list[dict[str, Any]]]


@dataclass(slots=True)
class _Draft:
    """A step whose expressions are parsed and not yet checked against each other."""

    row: int
    step: dict[str, Any]
    expressions: dict[str, Expression] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Calculation:
    row: int
    expression: Expression


@dataclass(frozen=True, slots=True)
class _Block:
    """An open group: its name, its row, and the relevance everything in it inherits."""

    name: str
    row: int
    kind: str
    relevant: Expression | None


def read_form(workbook: Workbook, findings: Findings) -> Form:
    """The form's steps and choices, as far as they can be read; faults and notes are added to `findings`."""
    return _Reader(workbook, findings).read()


class _Reader:
    def __init__(self, workbook: Workbook, findings: Findings) -> None:
        self._book = workbook
        self._findings = findings
        self._texts = Texts(workbook, findings)
        self._survey = worded(workbook.survey)
        self._drafts: list[_Draft] = []
        self._calculations: dict[str, _Calculation] = {}
        self._names: dict[str, int] = {}
        self._ids: set[str] = set()
        self._blocks: list[_Block] = []
        self._lists = Lists(workbook, findings, self._texts)
        self._compiled: dict[str, Expression] = {}
        self._unused: dict[str, int] = {}

    def read(self) -> Form:
        for row, cells in self._survey:
            self._row(row, cells)
        for block in self._blocks:
            self._findings.fault("group-not-closed", "survey", block.row, value=block.name)
        self._note_unused()
        self._ids = {draft.step["id"] for draft in self._drafts}
        steps = [self._finished(draft) for draft in self._drafts]
        used = {name for draft in self._drafts for name in _references(draft)}
        for name, calculation in self._calculations.items():
            self._calculated(name, ())
            if name not in used and not self._used_by_others(name):
                self._findings.note("calculation-unused", "survey", calculation.row, value=name)
        if not any(step["type"] != "note" for step in steps):
            self._findings.fault("no-steps", "survey")
        if len(steps) > STEPS_MAX:
            self._findings.fault("too-many-steps", "survey", count=len(steps), limit=STEPS_MAX)
        self._texts.finish()
        return Form(steps, self._lists.used())

    def _used_by_others(self, name: str) -> bool:
        return any(name in xpath.references(other.expression) for other in self._calculations.values())

    # -------------------------------------------------------------------------------------------------------- one row

    def _row(self, row: int, cells: Mapping[str, str]) -> None:
        if spreadsheet.is_yes(cells.get("disabled", "")):
            return
        written = cells.get("type", "")
        if not written:
            if cells.keys() & (_SURVEY_COLUMNS - {"type"}):
                self._fault("no-type", row)
            return
        block = spreadsheet.as_block(written)
        if block is not None:
            self._open(row, cells, block[1]) if block[0] == "begin" else self._close(row, block[1])
            return
        kind = type_of(written, cells)
        if kind == "metadata":
            self._findings.note("metadata", "survey", row, "type", type=written)
        elif kind == "position" and not self._flag(row, cells, "required"):
            self._findings.note("position-skipped", "survey", row, "type")
        elif kind == "calculate":
            self._calculate(row, cells)
        else:
            self._step(row, cells, written, kind)

    def _open(self, row: int, cells: Mapping[str, str], kind: str) -> None:
        if kind != "group":
            self._unsupported(row, cells["type"], Unsupported.of("repeat"))
        if len(self._blocks) == GROUPS_DEEP_MAX:
            self._fault("too-many-groups", row, limit=GROUPS_DEEP_MAX)
        if self._texts.has("label", self._book.survey, row):
            self._findings.note("group-label", "survey", row)
        relevant = self._expression(row, cells, "relevant")
        self._count_unused(cells, "appearance", "parameters")
        above = self._blocks[-1].relevant if self._blocks else None
        self._blocks.append(_Block(cells.get("name", ""), row, kind, _both(above, relevant)))

    def _close(self, row: int, kind: str) -> None:
        if self._blocks and self._blocks[-1].kind == kind:
            self._blocks.pop()
        else:
            self._fault("group-not-open", row)

    def _calculate(self, row: int, cells: Mapping[str, str]) -> None:
        name = self._name(row, cells)
        if "calculate" not in cells:
            self._fault("no-calculation", row, "calculation")
        if cells.get("trigger"):
            self._fault("trigger-column", row, "trigger")
        value = self._expression(row, cells, "calculate") if "calculate" in cells else ""
        relevant = self._relevance(row, cells)
        if relevant is not None:
            value = ["if", relevant, "" if value is None else value, ""]
        if name:
            self._calculations[name] = _Calculation(row, "" if value is None else value)

    def _step(self, row: int, cells: Mapping[str, str], written: str, kind: Any) -> None:
        name = self._name(row, cells, fallback=f"note-{row}" if kind == "note" else "")
        if kind == "position":
            kind = Unsupported.of("position")
        if isinstance(kind, Unsupported):
            self._unsupported(row, written, kind)
            kind = "text"  # what else is wrong with the row is said all the same
        step: dict[str, Any] = {"id": name, "type": "text"}
        draft = _Draft(row, step)
        if isinstance(kind, Selection):
            self._selection(draft, cells, kind)
        else:
            self._plain(draft, cells, written, kind)
        self._words(row, step)
        self._marks(row, cells, step)
        self._rules(draft, cells, name)
        if name:
            self._drafts.append(draft)

    def _unsupported(self, row: int, written: str, kind: Unsupported) -> None:
        if kind.appearance:
            self._fault("appearance-not-supported", row, "appearance", value=kind.appearance, **kind.hint)
        else:
            self._fault("unsupported-type", row, "type", type=written, **kind.hint)

    def _selection(self, draft: _Draft, cells: Mapping[str, str], kind: Selection) -> None:
        draft.step |= {"type": "choices" if kind.several else "choice", "list": kind.list}
        self._lists.use(kind, draft.row)
        if kind.or_other:
            self._fault("or-other", draft.row, "type")
        wanted = self._expression(draft.row, cells, "choice_filter", columns=True)
        if wanted is not None:
            draft.expressions["filter"] = wanted
            for column in sorted({*xpath.columns_of(wanted)} - self._lists.columns):
                self._fault("unknown-choice-column", draft.row, "choice_filter", value=column)
        self._count_unused(cells, "appearance", "parameters")

    def _plain(self, draft: _Draft, cells: Mapping[str, str], written: str, kind: str) -> None:
        row, step = draft.row, draft.step
        own = spreadsheet.kind_of(written)
        step["type"] = {"integer": "number", "range": "number"}.get(kind, kind)
        if kind == "integer":
            step["integer"] = True
        if own is not None and own.constraint:
            draft.expressions["constraint"] = xpath.parse(own.constraint, own=step["id"])[0]
        if kind == "range":
            self._range(draft, cells)
        else:
            self._count_unused(cells, "parameters")
        if kind != "signature":
            self._count_unused(cells, "appearance")
        if self._flag(row, cells, "readonly") and kind != "note":
            self._findings.note("readonly", "survey", row, "read_only")
            step["type"] = "note"
        self._count_unused(cells, "choice_filter")

    def _range(self, draft: _Draft, cells: Mapping[str, str]) -> None:
        written = cells.get("parameters", "")
        given = dict(part.split("=", 1) for part in written.replace(";", " ").replace(",", " ").split() if "=" in part)
        low, high, by = (_number(given.get(name, default)) for name, default in (("start", "1"), ("end", "10"), ("step", "1")))
        if low is None or high is None or by is None or low > high or by <= 0:
            self._fault("bad-range", draft.row, "parameters", value=written)
            return
        if all(isinstance(value, int) for value in (low, high, by)):
            draft.step["integer"] = True
        if by != 1:
            self._findings.note("range-step", "survey", draft.row, "parameters", value=by)
        draft.expressions["constraint"] = ["and", [">=", ["self"], low], ["<=", ["self"], high]]

    # -------------------------------------------------------------------------------------------------- parts of a step

    def _name(self, row: int, cells: Mapping[str, str], fallback: str = "") -> str:
        name = cells.get("name") or fallback
        if not name:
            self._fault("no-name", row, "name")
        elif Identifier().fault(name):
            self._fault("bad-name", row, "name", value=name)
            return ""
        elif name in self._names:
            self._fault("duplicate-name", row, "name", value=name, other=self._names[name])
        else:
            self._names[name] = row
            return name
        return ""

    def _words(self, row: int, step: dict[str, Any]) -> None:
        label = self._texts.text("label", self._book.survey, row)
        if label is None:
            self._fault("no-label", row, "label")
        step["label"] = label or {"zh": "", "en": ""}
        for word, column in (("hint", "hint"), ("constraint_message", "jr:constraintMsg")):
            text = self._texts.text(column, self._book.survey, row)
            if text is not None:
                step[word] = text

    def _marks(self, row: int, cells: Mapping[str, str], step: dict[str, Any]) -> None:
        kind = step["type"]
        if self._flag(row, cells, "required"):
            if kind == "note":
                self._findings.note("note-required", "survey", row, "required")
            else:
                step["required"] = True
        if self._flag(row, cells, "safety"):
            if kind == "note":
                where = {"where_zh": "需要作答的", "where_en": "steps that are answered"}
                self._fault("misplaced-column", row, "safety", type=kind, **where)
            else:
                step["safety"] = True
        for column, (zh, en) in _BELONGS.items():
            if column in cells and kind != _TYPE_OF_COLUMN[column]:
                self._fault("misplaced-column", row, column, type=kind, where_zh=zh, where_en=en)
        if kind == "number":
            self._number_marks(row, cells, step)
        if kind == "photo" and "shows" in cells:
            if cells["shows"] not in SHOWS:
                self._fault("bad-shows", row, "shows", value=cells["shows"])
            step["shows"] = cells["shows"]

    def _number_marks(self, row: int, cells: Mapping[str, str], step: dict[str, Any]) -> None:
        if "unit" in cells:
            step["unit"] = cells["unit"]
            if len(cells["unit"]) > UNIT_CHARACTERS_MAX:
                self._fault("text-too-long", row, "unit", limit=UNIT_CHARACTERS_MAX)
        normal = [_number(cells[name]) if name in cells else None for name in ("normal_low", "normal_high")]
        for name, value in zip(("normal_low", "normal_high"), normal, strict=True):
            if name in cells and value is None:
                self._fault("bad-number", row, name, value=cells[name])
        low, high = normal
        if low is not None and high is not None and low <= high:
            step["normal"] = [low, high]
        elif "normal_low" in cells or "normal_high" in cells:
            self._fault("half-normal", row, "normal_low")

    def _rules(self, draft: _Draft, cells: Mapping[str, str], name: str) -> None:
        row = draft.row
        relevant = self._relevance(row, cells)
        if relevant is not None:
            draft.expressions["relevant"] = relevant
        constraint = self._expression(row, cells, "constraint", own=name)
        both = _both(draft.expressions.get("constraint"), constraint)
        if both is not None:
            draft.expressions["constraint"] = both
        if "calculate" in cells:
            self._fault("calculation-on-step", row, "calculation", type=draft.step["type"])
        if "trigger" in cells:
            self._fault("trigger-column", row, "trigger")

    def _relevance(self, row: int, cells: Mapping[str, str]) -> Expression | None:
        above = self._blocks[-1].relevant if self._blocks else None
        return _both(above, self._expression(row, cells, "relevant"))

    def _flag(self, row: int, cells: Mapping[str, str], column: str) -> bool:
        written = cells.get(column, "")
        answer = spreadsheet.is_yes(written) if written else False
        if answer is None:
            self._fault("bad-required" if column == "required" else "bad-yes-no", row, column, value=written)
        return bool(answer)

    # ------------------------------------------------------------------------------------------------------ expressions

    def _expression(
        self, row: int, cells: Mapping[str, str], column: str, *, own: str | None = None, columns: bool = False
    ) -> Expression | None:
        if column not in cells:
            return None
        expression, faults = xpath.parse(cells[column], own=own, columns=columns)
        shown = {"calculate": "calculation"}.get(column, column)
        for fault in faults:
            self._fault(fault.slug, row, shown, **fault.values)
        return expression

    def _finished(self, draft: _Draft) -> dict[str, Any]:
        for name, expression in draft.expressions.items():
            column = "choice_filter" if name == "filter" else name
            draft.step[name] = self._inlined(expression, draft.row, column, ())
        return draft.step

    def _inlined(self, expression: Expression, row: int, column: str, within: tuple[str, ...]) -> Expression:
        """The expression with calculated values put in; references that lead nowhere are faults."""
        values: dict[str, Any] = {}
        grown = xpath.size(expression)
        for name in xpath.references(expression):
            if name in self._calculations:
                values[name] = self._calculated(name, within)
                grown += xpath.size(values[name]) - 1
            elif name not in self._ids:
                self._fault("unknown-step", row, column, value=name or "${}")
        if grown > xpath.NODES_MAX:
            self._fault("expression-too-large", row, column, limit=xpath.NODES_MAX)
            return ""
        return xpath.replaced(expression, values)  # type: ignore[no-any-return]  # an expression of any shape

    def _calculated(self, name: str, within: tuple[str, ...]) -> Expression:
        if name not in self._compiled:
            calculation = self._calculations[name]
            if name in within:
                self._fault("calculation-cycle", calculation.row, "calculation", value=name)
                return ""
            if len(within) == xpath.DEPTH_MAX:
                self._fault("expression-too-deep", calculation.row, "calculation", limit=xpath.DEPTH_MAX)
                return ""
            within = (*within, name)
            self._compiled[name] = self._inlined(calculation.expression, calculation.row, "calculation", within)
        return self._compiled[name]

    # ------------------------------------------------------------------------------------------------------------ small

    def _fault(self, slug: str, row: int, column: str = "", **values: object) -> None:
        self._findings.fault(slug, "survey", row, column, **values)

    def _count_unused(self, cells: Mapping[str, str], *columns: str) -> None:
        for column in columns:
            if column in cells:
                self._unused[column] = self._unused.get(column, 0) + 1

    def _note_unused(self) -> None:
        """Columns that are not ours, and ours where they did nothing, each once with how many cells it has."""
        for column in self._book.survey.columns:
            count = sum(column.heading in row.cells for row in self._book.survey.rows)
            ours = column.name in _SURVEY_COLUMNS and (not column.language or column.name in TRANSLATED)
            if count and not ours:
                self._findings.note("unused-column", "survey", None, column.heading, count=count)
        for name, count in self._unused.items():
            self._findings.note("unused-column", "survey", None, name, count=count)


def _both(one: Expression | None, other: Expression | None) -> Expression | None:
    if one is None or other is None:
        return other if one is None else one
    return ["and", one, other]


def _references(draft: _Draft) -> Iterator[str]:
    for expression in draft.expressions.values():
        yield from xpath.references(expression)


def _number(text: str) -> int | float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not abs(value) < 1e12:
        return None
    return int(value) if value.is_integer() else value
