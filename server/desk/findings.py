"""What a form's import found: faults that refuse it and notes that do not, each with its place, in Chinese and English.

The sentences are the table `findings.toml`; here is only how one is made. Refuses to know when something is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.desk.data import read_toml

LANGUAGES = ("zh", "en")
FINDINGS_MAX = 500
"""Faults, or notes, that one import lists; whoever has more has a wrong file."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found at one place. `row` counts as the spreadsheet does, from 1; None is the sheet as a whole."""

    slug: str
    sheet: str = ""
    row: int | None = None
    column: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As it stands in a reply: {slug, sheet, row, column, what: {zh, en}, instead: {zh, en}}."""
        place = {"sheet": self.sheet, "row": self.row, "column": self.column}
        what = {language: self._say(language, language) for language in LANGUAGES}
        instead = {language: self._say(f"instead_{language}", language) for language in LANGUAGES}
        return {"slug": self.slug, **place, "what": what, "instead": instead}

    def _say(self, name: str, language: str) -> str:
        values = {"column": self.column, **{key: _shortened(value) for key, value in self.values.items()}}
        return str(read_toml("findings.toml")[self.slug][name]).format(**values)


@dataclass(slots=True)
class Findings:
    """What was found so far, in order, each once."""

    faults: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    def fault(self, slug: str, sheet: str = "", row: int | None = None, column: str = "", **values: object) -> None:
        _add(self.faults, Finding(slug, sheet, row, column, _texts(values)))

    def note(self, slug: str, sheet: str = "", row: int | None = None, column: str = "", **values: object) -> None:
        _add(self.notes, Finding(slug, sheet, row, column, _texts(values)))


_SHEETS = ("", "settings", "survey", "choices")


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """As the file has them: what concerns a sheet as a whole comes before its rows."""
    places = {sheet: place for place, sheet in enumerate(_SHEETS)}
    return sorted(findings, key=lambda finding: (places.get(finding.sheet, len(places)), finding.row or 0))


def _add(found: list[Finding], finding: Finding) -> None:
    if len(found) < FINDINGS_MAX and finding not in found:
        found.append(finding)


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _shortened(value: str) -> str:
    return value if len(value) <= 400 else value[:400] + "…"
