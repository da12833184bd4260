"""What was measured, against what it should be: rows with a gate and an aim, the table, and the file of raw numbers."""

from __future__ import annotations

import json
import platform
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Target:
    """The number a row is held to. `higher` says which side of gate and aim is the good one."""

    title: str
    unit: str
    gate: float | None
    aim: float | None
    higher: bool

    def reaches(self, value: float, bound: float) -> bool:
        """Whether a value is on the good side of a bound."""
        return value >= bound if self.higher else value <= bound


# One SQLite server with everything switched on: token, validation, chain, signature, merge, feed, office rules, access log.
TARGETS: Mapping[str, Target] = {
    "push": Target("push ÷ SQLite INSERT floor", "×", 0.12, 0.25, True),
    "push_cpu": Target("server CPU per 1000 pushed facts", "s", 0.15, 0.08, False),
    "storm_p99": Target("storm: p99 of one push", "s", 8, 4, False),
    "memory": Target("memory of the server after the storm", "MB", 400, 300, False),
    "replay": Target("replay (asked by head) ÷ own first push", "×", 2, 4, True),
    "replay_bytes": Target("replay: body up", "B", 4.4 * 1024, 0.5 * 1024, False),
    "replay_naive": Target("replay (same bytes) ÷ own first push", "×", None, None, True),
    "idle": Target("idle sync ÷ echo", "×", 0.25, 0.45, True),
    "idle_up": Target("idle sync: body up", "B", 700, 500, False),
    "idle_down": Target("idle sync: body down", "B", 700, 500, False),
    "pull": Target("pull of 30 tickets ÷ echo", "×", 0.08, 0.15, True),
    "first": Target("first sync of 500 tickets, p50", "ms", 18, 9, False),
    "first_at_once": Target("first sync, 100 phones at once, median", "s", 4, 2, False),
    "hq": Target("HQ feed", "rows/s", 65_000, 130_000, True),
    "hq_memory": Target("HQ feed: growth of memory while it runs", "MB", None, None, False),
    "grow_push": Target("push with more stored ÷ with less", "×", 1.3, 1.1, False),
    "grow_pull": Target("pull with more stored ÷ with less", "×", 1.3, 1.1, False),
    "grow_idle": Target("idle with more stored ÷ with less", "×", 1.3, 1.1, False),
    "ready": Target("ready again after kill −9, with more stored", "s", 5, 1, False),
    "day": Target("facts of a 200-fact day, compressed", "B", 8 * 1024, 4 * 1024, False),
}

POSTGRES: Mapping[str, Target] = {
    **TARGETS,
    "push": Target("push ÷ PostgreSQL INSERT floor, 8 connections", "×", 0.15, 0.35, True),
}
ENGINES: Mapping[str, Mapping[str, Target]] = {"SQLite": TARGETS, "PostgreSQL": POSTGRES}


@dataclass(slots=True)
class Measured:
    """One row: every repetition's value and floor as they were taken. The median of the values is what is judged."""

    name: str
    values: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    measured: list[float] = field(default_factory=list)
    """What was divided by the floor to give each value."""
    floor_unit: str = ""
    engine: str = "SQLite"

    @property
    def target(self) -> Target:
        return ENGINES[self.engine][self.name]

    @property
    def value(self) -> float:
        return median(self.values)

    @property
    def missed(self) -> bool:
        """Whether a gate stands and the value is on the wrong side of it."""
        gate = self.target.gate
        return gate is not None and not self.target.reaches(self.value, gate)

    @property
    def verdict(self) -> str:
        target = self.target
        if target.gate is None:
            return "told"
        if self.missed:
            return "MISSED"
        return "aim met" if target.aim is not None and target.reaches(self.value, target.aim) else "gate met"


class Book:
    """Collects the rows in the order of the table, and the counts that must add up."""

    def __init__(self, say: Callable[[str], None], engine: str = "SQLite") -> None:
        self.say = say
        self.engine = engine
        self.rows: dict[str, Measured] = {}
        self.counts: dict[str, int] = {}
        self.notes: list[str] = []

    def add(self, name: str, value: float) -> None:
        """One repetition of a plain value."""
        self._row(name).values.append(value)

    def compare(self, name: str, measured: float, floor: float, unit: str) -> None:
        """One repetition of a ratio: what was measured and its floor in the same moment."""
        row = self._row(name)
        row.floor_unit = unit
        row.measured.append(measured)
        row.floors.append(floor)
        row.values.append(measured / floor)

    def count(self, name: str, number: int) -> None:
        self.counts[name] = self.counts.get(name, 0) + number

    def _row(self, name: str) -> Measured:
        if name not in self.rows:
            self.rows[name] = Measured(name, engine=self.engine)
        return self.rows[name]

    @property
    def ordered(self) -> list[Measured]:
        return [self.rows[name] for name in TARGETS if name in self.rows]

    @property
    def missed(self) -> list[Measured]:
        return [row for row in self.ordered if row.missed]


def show(book: Book, console: Console) -> None:
    """The table, the counts, and what should be known about this run."""
    table = Table(title=f"One server on {book.engine}, everything switched on", title_justify="left")
    for heading in ("measure", "value", "floor", "ratio", "gate", "aim", "verdict"):
        table.add_column(
            heading, justify="left" if heading in ("measure", "verdict") else "right", no_wrap=heading != "measure"
        )
    for row in book.ordered:
        table.add_row(*_cells(row), style="red" if row.missed else None)
    console.print(table)
    for name, number in book.counts.items():
        console.print(f"{name}: {number:,}")
    for note in book.notes:
        console.print(note)


def _cells(row: Measured) -> Sequence[str]:
    target = row.target
    sign = ("≥ " if target.higher else "≤ ") if target.gate is not None else ""
    bounds = [sign + _number(bound) if bound is not None else "–" for bound in (target.gate, target.aim)]
    if row.floors:
        unit = row.floor_unit
        shown = [f"{_number(median(row.measured))} {unit}", f"{_number(median(row.floors))} {unit}", _number(row.value)]
    else:
        shown = [f"{_number(row.value)} {target.unit}", "–", "–"]
    return [target.title, *shown, *bounds, row.verdict]


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def save(book: Book, path: Path, sizes: Mapping[str, Any]) -> None:
    """Raw numbers of every repetition, with the machine they were taken on."""
    document = {
        "machine": {"python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version, "system": platform.platform()},
        "engine": book.engine,
        "sizes": sizes,
        "rows": [
            {
                "name": row.name,
                "title": row.target.title,
                "unit": row.target.unit,
                "value": row.value,
                "gate": row.target.gate,
                "aim": row.target.aim,
                "verdict": row.verdict,
                "repetitions": row.values,
                "measured": row.measured,
                "floors": row.floors,
                "floor_unit": row.floor_unit,
            }
            for row in book.ordered
        ],
        "counts": book.counts,
        "notes": book.notes,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
