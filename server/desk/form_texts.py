"""The texts of a form in Chinese and English: which column says what in which language, and what is missing.

A text in one language is shown in both; the form's author is told so once for each kind of text.
"""

from __future__ import annotations

from collections.abc import Mapping

from server.desk.findings import Findings
from server.desk.spreadsheet import Column, Sheet, Workbook

Label = dict[str, str]
"""{"zh": …, "en": …}."""

CHARACTERS_MAX = {"label": 300, "hint": 1000, "jr:constraintMsg": 300}
_SHOWN = {"jr:constraintMsg": "constraint_message"}
TRANSLATED = frozenset(["label", "hint", "jr:constraintMsg"])


class Texts:
    """Looks up texts row by row and remembers what lacked a language."""

    def __init__(self, workbook: Workbook, findings: Findings) -> None:
        self._findings = findings
        self._missing: dict[tuple[str, str], int] = {}
        self._whole = 0
        self._rows: dict[str, dict[int, Mapping[str, str]]] = {}
        for sheet in (workbook.survey, workbook.choices):
            self._rows[sheet.name] = {row.number: row.cells for row in sheet.rows}
            for column in sheet.columns:
                if column.language not in ("", "zh", "en") and column.name in TRANSLATED:
                    findings.note("other-language", sheet.name, None, column.heading)

    def has(self, name: str, sheet: Sheet, row: int) -> bool:
        """Whether there is any text of this kind in a row."""
        return bool(self._found(name, sheet, row))

    def text(self, name: str, sheet: Sheet, row: int) -> Label | None:
        """The text of a row in both languages, or None when there is none."""
        found = self._found(name, sheet, row)
        if not found:
            return None
        shown = _SHOWN.get(name, name)
        for text in found.values():
            if "${" in text:
                self._findings.fault("label-with-answer", sheet.name, row, shown)
            if len(text) > CHARACTERS_MAX[name]:
                self._findings.fault("text-too-long", sheet.name, row, shown, limit=CHARACTERS_MAX[name])
        if len(found) > 1:
            self._whole += 1
        else:
            self._missing[(sheet.name, shown)] = self._missing.get((sheet.name, shown), 0) + 1
        default = found.get("") or next(iter(found.values()))
        return {language: found.get(language, default) for language in ("zh", "en")}

    def finish(self) -> None:
        """Say what lacked a translation."""
        if self._missing and not self._whole:
            self._findings.note("one-language", "survey")
        else:
            for (sheet, shown), count in self._missing.items():
                self._findings.note("missing-translation", sheet, None, shown, count=count)

    def _found(self, name: str, sheet: Sheet, row: int) -> dict[str, str]:
        """Texts by language; "" is the column without one, which stands for whichever is missing."""
        cells = self._rows[sheet.name].get(row, {})
        columns: list[Column] = [column for column in sheet.columns if column.name == name]
        texts = {column.language: cells[column.heading] for column in columns if column.heading in cells}
        return {language: texts[language] for language in ("zh", "en", "") if language in texts}
