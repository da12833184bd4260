"""The choices of a form: its lists by name, which of them the steps use, and what is wrong with their rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.desk import spreadsheet
from server.desk.findings import Findings
from server.desk.form_texts import Texts
from server.desk.form_types import Selection
from server.desk.spreadsheet import Workbook, worded

_OWN_COLUMNS = frozenset(["list_name", "name", "label"])
_MEDIA = frozenset(["image", "big-image", "audio", "video"])


class Lists:
    """The choices sheet: lists by name, and which of them the form uses."""

    def __init__(self, workbook: Workbook, findings: Findings, texts: Texts) -> None:
        self._findings = findings
        self._texts = texts
        self._sheet = workbook.choices
        self._twice = any(
            spreadsheet.is_yes(cells.get("allow_choice_duplicates", "")) for _, cells in worded(workbook.settings)
        )
        self.columns = frozenset(
            column.name
            for column in self._sheet.columns
            if column.name not in _OWN_COLUMNS - {"name"} | _MEDIA and not column.language
        )
        """What a choice_filter may name; all of it travels with the choices."""
        self._note_unused()
        self._rows: dict[str, list[tuple[int, Mapping[str, str]]]] = {}
        self._used: dict[str, list[dict[str, Any]]] = {}
        for row, cells in worded(self._sheet):
            if "list_name" in cells:
                self._rows.setdefault(cells["list_name"], []).append((row, cells))
            elif "name" in cells:
                findings.fault("no-list-name", "choices", row, "list_name")

    def use(self, kind: Selection, row: int) -> None:
        """A step selects from this list."""
        if kind.list.startswith("${"):
            self._findings.fault("choices-from-answers", "survey", row, "type", value=kind.list)
        elif kind.list not in self._rows:
            self._findings.fault("unknown-list", "survey", row, "type", value=kind.list or "–")
        elif kind.list not in self._used:
            self._used[kind.list] = [self._choice(kind, *found) for found in self._rows[kind.list]]
            self._check_twice(kind.list)
        if kind.several:
            self._check_spaces(kind.list)

    def used(self) -> dict[str, list[dict[str, Any]]]:
        return self._used

    def _note_unused(self) -> None:
        for column in self._sheet.columns:
            count = sum(column.heading in row.cells for row in self._sheet.rows)
            if count and column.name not in _OWN_COLUMNS | self.columns:
                self._findings.note("unused-column", "choices", None, column.heading, count=count)

    def _choice(self, kind: Selection, row: int, cells: Mapping[str, str]) -> dict[str, Any]:
        name = cells.get("name", "")
        if not name:
            self._findings.fault("no-choice-name", "choices", row, "name")
        label = self._texts.text("label", self._sheet, row)
        if label is None:
            self._findings.note("choice-without-label", "choices", row, "label", value=name)
            label = {"zh": name, "en": name}
        others = {column: text for column, text in cells.items() if column in self.columns and column != "name"}
        return {"name": name, "label": label, **others}

    def _check_twice(self, name: str) -> None:
        seen: set[str] = set()
        for row, cells in self._rows[name]:
            if cells.get("name") in seen and not self._twice:
                self._findings.fault("duplicate-choice", "choices", row, "name", value=cells["name"], list=name)
            seen.add(cells.get("name", ""))

    def _check_spaces(self, name: str) -> None:
        for row, cells in self._rows.get(name, ()):
            if len(cells.get("name", "").split()) > 1:
                self._findings.fault("choice-with-space", "choices", row, "name", value=cells["name"], list=name)
