"""What phones refer to and no ticket tells: their station, its crews and work guides, as records of each station's scope.

Every record is made whole from what the office holds now; the engine moves only what differs. Refuses to know rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.desk.organisation import Crew, Member, Station
from sync.facts import Scope
from sync.judge import Published


@dataclass(frozen=True, slots=True)
class Reference:
    """What the office holds: `members` are a crew's present ones, `guides` the texts of all versions."""

    stations: Sequence[Station]
    crews: Sequence[Crew]
    members: Mapping[str, Sequence[Member]]
    guides: Mapping[tuple[str, int], str]


def records(held: Reference) -> list[Published]:
    """Every reference record with all scopes that should hold it."""
    stations = [Published("station", station.id, (_scope(station.id),), _station(station)) for station in held.stations]
    crews = [
        Published("crew", crew.id, (_scope(crew.station),), _crew(crew, held.members.get(crew.id, ()))) for crew in held.crews
    ]
    everywhere = tuple(sorted({_scope(station.id) for station in held.stations}))
    return stations + crews + [Published("guide", name, everywhere, view) for name, view in guide_views(held.guides)]


def guide_views(guides: Mapping[tuple[str, int], str]) -> Iterable[tuple[str, dict[str, Any]]]:
    """(record id, what phones see) of every version; all but a guide's newest are superseded."""
    newest: dict[str, int] = {}
    for guide, version in guides:
        newest[guide] = max(version, newest.get(guide, 0))
    for (guide, version), text in sorted(guides.items()):
        yield f"{guide}:{version}", {**json.loads(text), "superseded": version < newest[guide]}


def _scope(station: str) -> Scope:
    return Scope(f"station:{station}")


def _station(station: Station) -> dict[str, Any]:
    view: dict[str, Any] = {"id": station.id, "name": {"zh": station.name_zh, "en": station.name_en}}
    return view | ({"emergency_phone": station.emergency_phone} if station.emergency_phone else {})


def _crew(crew: Crew, members: Iterable[Member]) -> dict[str, Any]:
    people = [{"id": member.id, "name": {"zh": member.name_zh, "en": member.name_en}} for member in members]
    return {"id": crew.id, "name": {"zh": crew.name_zh, "en": crew.name_en}, "station": crew.station, "members": people}
