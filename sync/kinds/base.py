"""What a kind of fact is: a table of fields with types and limits, the place it takes in a record, and its policy.

Nothing here knows a particular kind. The types answer one question each: what is wrong with this value, if anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from sync.facts import Side
from sync.policy import Policy

YEAR_2000_MS = 946_684_800_000
YEAR_2100_MS = 4_102_444_800_000
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class State(StrEnum):
    """States of a ticket (domain §4); always derived, never written."""

    RECEIVED = "received"
    DISPATCHED = "dispatched"
    ACCEPTED = "accepted"
    EN_ROUTE = "en_route"
    ON_SITE = "on_site"
    WORKING = "working"
    COMPLETED = "completed"
    CALLBACK = "callback"
    ARCHIVED = "archived"
    SUSPENDED = "suspended"
    RETURNED = "returned"
    REOPENED = "reopened"
    MERGED = "merged"
    CANCELLED = "cancelled"


class FieldType(Protocol):
    def fault(self, value: Any) -> str | None:
        """What is wrong with the value in a few words, or None."""


@dataclass(frozen=True, slots=True)
class Text:
    characters_max: int

    def fault(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return "is not text"
        return None if len(value) <= self.characters_max else f"is longer than {self.characters_max} characters"


@dataclass(frozen=True, slots=True)
class Number:
    low: float
    high: float

    def fault(self, value: Any) -> str | None:
        if type(value) not in (int, float):
            return "is not a number"
        return None if self.low <= value <= self.high else f"is outside {self.low}…{self.high}"


@dataclass(frozen=True, slots=True)
class Integer:
    low: int
    high: int

    def fault(self, value: Any) -> str | None:
        if type(value) is not int:
            return "is not a whole number"
        return None if self.low <= value <= self.high else f"is outside {self.low}…{self.high}"


@dataclass(frozen=True, slots=True)
class Flag:
    def fault(self, value: Any) -> str | None:
        return None if type(value) is bool else "is not true or false"


@dataclass(frozen=True, slots=True)
class Choice:
    values: frozenset[str]

    def fault(self, value: Any) -> str | None:
        known = isinstance(value, str) and value in self.values
        return None if known else "is not one of " + ", ".join(sorted(self.values))


@dataclass(frozen=True, slots=True)
class Identifier:
    def fault(self, value: Any) -> str | None:
        return None if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else "is not an identifier"


@dataclass(frozen=True, slots=True)
class Sha256:
    def fault(self, value: Any) -> str | None:
        return None if isinstance(value, str) and _SHA256.fullmatch(value) else "is not a SHA-256 in hex"


@dataclass(frozen=True, slots=True)
class Moment:
    """Milliseconds since 1970, within 2000–2100."""

    def fault(self, value: Any) -> str | None:
        return Integer(YEAR_2000_MS, YEAR_2100_MS).fault(value)


@dataclass(frozen=True, slots=True)
class Shape:
    """An object with exactly these members; the first `required` ones must be there."""

    members: tuple[tuple[str, FieldType], ...]
    required: int

    def fault(self, value: Any) -> str | None:
        if not isinstance(value, dict):
            return "is not an object"
        known = dict(self.members)
        for name, _ in self.members[: self.required]:
            if name not in value:
                return f"lacks {name}"
        for name, member in value.items():
            if name not in known:
                return f"has an unknown member {name[:32]}"
            fault = known[name].fault(member)
            if fault:
                return f"{name} {fault}"
        return None


@dataclass(frozen=True, slots=True)
class AnyOf:
    types: tuple[FieldType, ...]

    def fault(self, value: Any) -> str | None:
        faults = [kind.fault(value) for kind in self.types]
        return None if None in faults else " or ".join(str(fault) for fault in faults)


@dataclass(frozen=True, slots=True)
class ListOf:
    item: FieldType
    count_max: int

    def fault(self, value: Any) -> str | None:
        if not isinstance(value, list):
            return "is not a list"
        if len(value) > self.count_max:
            return f"has more than {self.count_max} items"
        return next((fault for fault in map(self.item.fault, value) if fault), None)


LATITUDE = Number(-90, 90)
LONGITUDE = Number(-180, 180)
FIX = Shape((("lat", LATITUDE), ("lon", LONGITUDE), ("acc_m", Number(0, 1e6)), ("age_ms", Number(0, 1e9)), ("mock", Flag())), 2)
POSITION = Shape((("lat", LATITUDE), ("lon", LONGITUDE), ("acc_m", Number(0, 1e6)), ("source", Text(40))), 2)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a kind. `policy` matters where the field is a field of the ticket; `private` never leaves HQ's rules."""

    name: str
    type: FieldType
    required: bool = False
    policy: Policy = Policy.APPEND
    private: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the whole fact stands: in the visit or the ticket, once or once per value of the field `each`."""

    name: str
    policy: Policy
    of: str = "visit"
    each: str | None = None
    contested_if: str | None = None  # a true field that makes disagreement a person's matter


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fact. `moves` is the state it takes a ticket to; `corrects` says its `set` holds fields of the ticket."""

    name: str
    title: str
    title_zh: str
    side: Side
    fields: tuple[Field, ...] = ()
    slot: Slot | None = None
    moves: State | None = None
    corrects: bool = False
    needs_visit: bool = False
    assigns: bool = False
    version: int = 1
    _table: dict[str, Field] = field(init=False, repr=False, compare=False)
    _required: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_table", {item.name: item for item in self.fields})
        object.__setattr__(self, "_required", tuple(item.name for item in self.fields if item.required))

    def faults(self, body: Mapping[str, Any]) -> list[str]:
        """Every way the body does not fit the table; empty when it does."""
        found = [f"{name} is missing" for name in self._required if name not in body]
        for name, value in body.items():
            item = self._table.get(name)
            if item is None:
                found.append(f"{name[:32]} is not a field of {self.name}")
            elif (fault := item.type.fault(value)) is not None:
                found.append(f"{name} {fault}")
        return found

    @property
    def private(self) -> frozenset[str]:
        return frozenset(item.name for item in self.fields if item.private)
