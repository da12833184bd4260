"""Taking in tickets: place each one by its position and shift, and turn it into the office's commands.

Plain functions over rows that are passed in; whoever calls them stores what they say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from server.desk.dispatch import Choice, choose
from server.desk.geo import Area, AreaIndex, Datum, parse_areas
from server.desk.imports import TicketRow
from server.desk.organisation import Crew, Shift, Station
from sync.judge import Command
from sync.kinds import KINDS
from sync.problems import Refused


@dataclass(slots=True)
class Ground:
    """What dispatch needs to know: areas, stations, crews, who is on shift, and how much each crew has to do."""

    areas: AreaIndex
    stations: Mapping[str, Station]
    crews: Sequence[Crew]
    shifts: Sequence[Shift]
    load: dict[str, int]
    area_names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the office will say about one ticket, and why this crew or none."""

    commands: list[Command]
    crew: str | None
    reason: str
    area: str | None
    area_name: str | None


@dataclass(slots=True)
class Result:
    """What an import did. Of `compared` rows with a position and an area name we know, `agreed` fell into that area."""

    created: int = 0
    known: int = 0
    dispatched: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    compared: int = 0
    agreed: int = 0

    def count(self, plan: Plan, row: TicketRow, known_areas: frozenset[str]) -> None:
        """Count one planned ticket. `known_areas` holds the names of our areas, case-folded."""
        self.created += 1
        self.dispatched += plan.crew is not None
        self.reasons[plan.reason] = self.reasons.get(plan.reason, 0) + 1
        named = (row.area_name or "").casefold()
        if "position" in row.fields and named in known_areas:
            self.compared += 1
            self.agreed += named == (plan.area_name or "").casefold()

    def row(self) -> dict[str, Any]:
        """For a reply."""
        return asdict(self)


def plan(identity: str, fields: Mapping[str, Any], ground: Ground, by: str, now_ms: int) -> Plan:
    """Open a ticket, and give it to the crew that will be there first, if there is one."""
    if "kind" not in fields:
        raise Refused("bad-value", "kind is missing; a ticket needs one.", field="kind")
    faults = KINDS["created"].faults({"set": dict(fields)})
    if faults:  # before dispatch reads the position
        raise Refused("bad-value", "; ".join(faults))
    choice = _choice(fields, ground, now_ms)
    placed = dict(fields) | {
        name: value
        for name, value in (("area", choice.area), ("area_class", choice.area_class), ("station", choice.station))
        if value is not None
    }
    return _plan([Command("created", by, identity, {"set": placed}, now_ms)], identity, choice, ground, by, now_ms)


def place(identity: str, view: Mapping[str, Any], ground: Ground, by: str, now_ms: int) -> Plan:
    """Try again for a ticket nobody has."""
    return _plan([], identity, _choice(view, ground, now_ms), ground, by, now_ms)


def reason(view: Mapping[str, Any], ground: Ground, now_ms: int) -> str:
    """Why dispatch finds nobody for a ticket, or `chosen` when it would now."""
    return str(_choice(view, ground, now_ms).reason)


def _choice(fields: Mapping[str, Any], ground: Ground, now_ms: int) -> Choice:
    return choose(fields, ground.areas, ground.stations, ground.crews, ground.shifts, {}, ground.load, now_ms)


def _plan(commands: list[Command], identity: str, choice: Choice, ground: Ground, by: str, now_ms: int) -> Plan:
    if choice.crew is not None:
        commands.append(Command("assigned", by, identity, {"crew": choice.crew}, now_ms))
        ground.load[choice.crew] = ground.load.get(choice.crew, 0) + 1
    return Plan(commands, choice.crew, str(choice.reason), choice.area, ground.area_names.get(choice.area or ""))


def read_areas(options: Mapping[str, Any], data: bytes) -> list[Area]:
    """Areas of a GeoJSON file, by the properties the options name."""
    return parse_areas(
        data,
        str(options.get("id") or "id"),
        str(options.get("name") or "name"),
        str(options.get("station") or "station"),
        str(options["class"]) if options.get("class") else None,
        default_class=str(options.get("default_class") or "urban"),
        datum=Datum(str(options.get("datum") or "wgs84")),
    )
