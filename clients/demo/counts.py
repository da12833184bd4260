"""The story's accounts: what phones hold and what headquarters gives out, each counted on its own side.

Pure over values that were fetched; refuses to know where from.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VISIT_FACTS = frozenset(["acceptance", "departure", "arrival", "answer", "photo", "rating_opened", "rating", "finish"])
"""Kinds of facts the story records that stand in a visit, each in a place of its own."""


@dataclass(frozen=True, slots=True)
class Count:
    """One line of the closing table: two numbers found independently. `name` is a key of `words`."""

    name: str
    left: int
    right: int

    @property
    def agrees(self) -> bool:
        return self.left == self.right


@dataclass(frozen=True, slots=True)
class Pulled:
    """Headquarters' feed as rows by kind and id, from the lines as they came."""

    rows: Mapping[tuple[str, str], Mapping[str, Any]]

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> Pulled:
        """The newest row of each record."""
        parsed = map(json.loads, lines)
        return cls({(row["kind"], row["id"]): row["put"] for row in parsed if "put" in row})

    def kind(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """Records of one kind by id."""
        return {identity: put for (name, identity), put in self.rows.items() if name == kind}

    def ticket(self, number: str) -> Mapping[str, Any]:
        """A ticket's projection by its number."""
        return next(put for put in self.kind("ticket").values() if put.get("number") == number)


def moments(view: Mapping[str, Any]) -> Iterator[str]:
    """The fact behind every moment shown in a ticket's visits, as often as it is shown."""
    for visit in view.get("visits", {}).values():
        for value in visit.values():
            yield from _facts(value)


def _facts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _facts(item)
    elif isinstance(value, Mapping):
        if isinstance(value.get("fact"), str):
            yield value["fact"]
        else:
            for item in value.values():
                yield from _facts(item)


def matched(recorded: Sequence[str], shown: Sequence[str]) -> int:
    """How many recorded facts are shown exactly once; less than recorded when one is lost, doubled or a stranger."""
    strangers = len(set(shown) - set(recorded))
    return sum(shown.count(fact) == 1 for fact in recorded) - strangers


def photos(tickets: Iterable[Mapping[str, Any]]) -> tuple[set[str], set[str]]:
    """(named by facts, received) over these tickets, by hash."""
    named: set[str] = set()
    received: set[str] = set()
    for view in tickets:
        named |= {photo["sha256"] for visit in view.get("visits", {}).values() for photo in visit.get("photos", ())}
        received |= set(view.get("photos_received", {}))
    return named, received


def csv_rows(table: bytes) -> list[dict[str, str]]:
    """An exported table as rows by heading."""
    return list(csv.DictReader(io.StringIO(table.decode())))
