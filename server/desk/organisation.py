"""Who works where: stations, crews, members and shifts from one JSON or TOML document, all of it or nothing.

The tables below say what each kind of row holds; one small function reads them and lists every mistake at once, because
a person fixing a file wants all of them. Refuses to know how the rows are stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from server.desk.codes import codes
from server.desk.imports import parse_document
from sync.kinds.base import Identifier
from sync.problems import Refused


@dataclass(frozen=True, slots=True)
class Place:
    """A WGS-84 position in degrees."""

    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Station:
    id: str
    name_zh: str
    name_en: str
    position: Place | None = None
    emergency_phone: str | None = None


@dataclass(frozen=True, slots=True)
class AreaRef:
    """Which station an imported area belongs to, and its class."""

    id: str
    station: str
    area_class: str


@dataclass(frozen=True, slots=True)
class Crew:
    id: str
    station: str
    name_zh: str
    name_en: str
    vehicle: str | None = None
    skills: frozenset[str] = frozenset()
    home: Place | None = None


@dataclass(frozen=True, slots=True)
class Member:
    id: str
    name_zh: str
    name_en: str
    phone: str | None = None
    skills: frozenset[str] = frozenset()
    role: str = "member"


@dataclass(frozen=True, slots=True)
class Membership:
    crew: str
    member: str


@dataclass(frozen=True, slots=True)
class Shift:
    """Crew `crew` is on duty from `begins` up to, not including, `ends` (ms since 1970)."""

    crew: str
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Organisation:
    stations: tuple[Station, ...] = ()
    areas: tuple[AreaRef, ...] = ()
    crews: tuple[Crew, ...] = ()
    members: tuple[Member, ...] = ()
    memberships: tuple[Membership, ...] = ()
    shifts: tuple[Shift, ...] = ()


class _Wrong(Exception):
    """What is wrong with one value, in a few words."""


Reader = Callable[[Any, tzinfo], Any]
_TELEPHONE = re.compile(r"(?=.*[0-9].*[0-9].*[0-9])[0-9+() -]{3,30}")


def _identifier(value: Any, zone: tzinfo) -> str:
    fault = Identifier().fault(value)
    if fault:
        raise _Wrong(fault)
    return str(value)


def _text(value: Any, zone: tzinfo) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > 120 or "\x00" in value:
        raise _Wrong("must be text of 1 to 120 characters")
    return value.strip()


def _telephone(value: Any, zone: tzinfo) -> str:
    if not isinstance(value, str) or not _TELEPHONE.fullmatch(value.strip()):
        raise _Wrong("must be a telephone number: digits, with + - ( ) and spaces as you like")
    return value.strip()


def _place(value: Any, zone: tzinfo) -> Place:
    try:
        lat, lon = float(value["lat"]), float(value["lon"])
    except (TypeError, KeyError, ValueError) as error:
        raise _Wrong("must be {lat, lon} in degrees") from error
    if not (abs(lat) <= 90 and abs(lon) <= 180):
        raise _Wrong(f"{lat}, {lon} is not on earth")
    return Place(lat, lon)


def _moment(value: Any, zone: tzinfo) -> int:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        placed = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return round(placed.timestamp() * 1000)
    except (TypeError, ValueError, OverflowError) as error:
        raise _Wrong("must be a date and time such as 2026-03-01T08:00") from error


def _one_of(which: str) -> Reader:
    def read(value: Any, zone: tzinfo) -> str:
        if not isinstance(value, str) or value not in codes(which):
            raise _Wrong(f"{value!r} is not one of {', '.join(codes(which))}")
        return value

    return read


def _some_of(which: str) -> Reader:
    def read(value: Any, zone: tzinfo) -> frozenset[str]:
        if not isinstance(value, list):
            raise _Wrong("must be a list")
        return frozenset(_one_of(which)(item, zone) for item in value)

    return read


@dataclass(frozen=True, slots=True)
class _Table:
    """How one list of the document reads: `required` and `optional` fields, and which list an id must be found in."""

    make: Callable[..., Any]
    required: Mapping[str, Reader]
    optional: Mapping[str, Reader]
    found_in: Mapping[str, str]


_RENAMED = {"from": "begins", "to": "ends"}
"""Words of the document that are not names in Python."""

_NAMES: Mapping[str, Reader] = {"name_zh": _text, "name_en": _text}
_TABLES: Mapping[str, _Table] = {
    "stations": _Table(Station, {"id": _identifier, **_NAMES}, {"position": _place, "emergency_phone": _telephone}, {}),
    "areas": _Table(
        AreaRef,
        {"id": _identifier, "station": _identifier, "area_class": _one_of("area_class")},
        {},
        {"station": "stations"},
    ),
    "crews": _Table(
        Crew,
        {"id": _identifier, "station": _identifier, **_NAMES},
        {"vehicle": _text, "skills": _some_of("skill"), "home": _place},
        {"station": "stations"},
    ),
    "members": _Table(
        Member,
        {"id": _identifier, **_NAMES},
        {"phone": _text, "skills": _some_of("skill"), "role": _one_of("role")},
        {},
    ),
    "memberships": _Table(Membership, {"crew": _identifier, "member": _identifier}, {}, {"crew": "crews", "member": "members"}),
    "shifts": _Table(Shift, {"crew": _identifier, "from": _moment, "to": _moment}, {}, {"crew": "crews"}),
}


def parse_organisation(data: bytes, tz: str = "Asia/Shanghai") -> Organisation:
    """The organisation a document describes; times without an offset are read in `tz`.

    Raises Refused "bad-import" with every mistake in the document (`mistakes`).
    """
    document = parse_document(data, "organisation")
    zone = _zone(tz)
    mistakes = [f"{name}: no such list" for name in document if name not in _TABLES]
    lists = {name: _rows(name, table, document.get(name, []), zone, mistakes) for name, table in _TABLES.items()}
    _check_references(lists, mistakes)
    if mistakes:
        raise Refused("bad-import", "The organisation is wrong: " + "; ".join(mistakes), mistakes=mistakes)
    return Organisation(**{name: tuple(made for _, made in rows) for name, rows in lists.items()})


def _zone(tz: str) -> tzinfo:
    try:
        return ZoneInfo(tz)
    except (ValueError, OSError, KeyError) as error:
        raise Refused("bad-import", f"There is no time zone {tz!r}; take an IANA name: Asia/Shanghai.") from error


def _rows(name: str, table: _Table, rows: Any, zone: tzinfo, mistakes: list[str]) -> list[tuple[str, Any]]:
    """(label, row) for each row that reads; what is wrong with the others is added to `mistakes`."""
    if not isinstance(rows, list):
        mistakes.append(f"{name}: must be a list")
        return []
    made = []
    for position, row in enumerate(rows, start=1):
        label = f"{name} {position}"
        values, faults = _values(table, row, zone)
        if faults:
            mistakes += [f"{label}: {fault}" for fault in faults]
        else:
            made.append((label, table.make(**values)))
    return made


def _values(table: _Table, row: Any, zone: tzinfo) -> tuple[dict[str, Any], list[str]]:
    if not isinstance(row, dict):
        return {}, ["must be a table"]
    readers = {**table.required, **table.optional}
    faults = [f"{field} is missing" for field in table.required if field not in row]
    faults += [f"{field} is not known here" for field in row if field not in readers]
    values = {}
    for field, reader in readers.items():
        if field not in row:
            continue
        try:
            values[_RENAMED.get(field, field)] = reader(row[field], zone)
        except _Wrong as wrong:
            faults.append(f"{field} {wrong}")
    return values, faults


def _check_references(lists: Mapping[str, Sequence[tuple[str, Any]]], mistakes: list[str]) -> None:
    """Ids used twice, references that lead nowhere, shifts that end before they begin."""
    ids: dict[str, set[str]] = {}
    for name in ("stations", "areas", "crews", "members"):
        ids[name] = set()
        for label, row in lists[name]:
            if row.id in ids[name]:
                mistakes.append(f"{label}: id {row.id} was used before")
            ids[name].add(row.id)
    for name, table in _TABLES.items():
        for field, other in table.found_in.items():
            for label, row in lists[name]:
                if getattr(row, field) not in ids[other]:
                    mistakes.append(f"{label}: {field} {getattr(row, field)} is not in {other}")
    for label, shift in lists["shifts"]:
        if shift.ends <= shift.begins:
            mistakes.append(f"{label}: it ends before it begins")
