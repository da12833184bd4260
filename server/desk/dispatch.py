"""Which crew gets a ticket: polygon → station → crews on shift with the skills → the least expected arrival.

Pure arithmetic over what it is given; nobody reviews in between, so every refusal has a reason a dispatcher can act on.
Refuses to know who is really on the road: that is what positions and shifts say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from server.desk.data import read_toml
from server.desk.geo import Area, AreaIndex, Point, distance_m
from server.desk.organisation import Crew, Shift, Station


class Reason(StrEnum):
    """Why a crew was chosen, or why the ticket waits for a dispatcher."""

    CHOSEN = "chosen"
    NO_POSITION = "no_position"
    OUTSIDE_AREAS = "outside_areas"
    NO_STATION = "no_station"  # the area belongs to no station we know
    NOBODY_ON_SHIFT = "nobody_on_shift"
    NOBODY_WITH_SKILLS = "nobody_with_skills"


@dataclass(frozen=True, slots=True)
class Seen:
    """Where a crew was last seen (WGS-84), and when (ms)."""

    lat: float
    lon: float
    at: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One crew that could go: metres in a straight line (None when nobody knows where it is), seconds until arrival."""

    crew: str
    distance_m: int | None
    open_jobs: int
    expected_s: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The crew to assign, or None and the reason. `eta_s` is (soonest, latest); the best candidate stands first."""

    crew: str | None
    reason: Reason
    area: str | None = None
    area_class: str | None = None
    station: str | None = None
    eta_s: tuple[int, int] | None = None
    candidates: tuple[Candidate, ...] = ()


def needed_skills(kind: str) -> frozenset[str]:
    """The skills a crew needs for a kind of ticket."""
    return frozenset(_rules()["skills"].get(kind, ()))


def choose(
    ticket: Mapping[str, Any],
    areas: AreaIndex,
    stations: Mapping[str, Station],
    crews: Iterable[Crew],
    shifts: Sequence[Shift],
    positions: Mapping[str, Seen],
    load: Mapping[str, int],
    at: int,
) -> Choice:
    """The crew that will arrive first at time `at`; of equals, the one with the least id.

    `positions` and `load` (open jobs) are by crew id; a crew missing there is at its home, else its station, and idle.
    """
    position = ticket.get("position")
    if position is None:
        return Choice(None, Reason.NO_POSITION)
    site = (position["lat"], position["lon"])
    area_id = areas.lookup(*site)
    if area_id is None:
        return Choice(None, Reason.OUTSIDE_AREAS)
    area = areas.area(area_id)
    station = stations.get(area.station or "")
    if station is None:
        return _nobody(Reason.NO_STATION, area)
    duty = {shift.crew for shift in shifts if shift.begins <= at < shift.ends}
    on_shift = [crew for crew in crews if crew.station == station.id and crew.id in duty]
    if not on_shift:
        return _nobody(Reason.NOBODY_ON_SHIFT, area)
    skilled = [crew for crew in on_shift if needed_skills(ticket["kind"]) <= crew.skills]
    if not skilled:
        return _nobody(Reason.NOBODY_WITH_SKILLS, area)
    placed = ((crew, _whereabouts(crew, station, positions.get(crew.id), at)) for crew in skilled)
    candidates = [_candidate(crew, start, site, area, load.get(crew.id, 0)) for crew, start in placed]
    candidates.sort(key=lambda candidate: (candidate.expected_s, candidate.crew))
    best = candidates[0]
    return Choice(
        crew=best.crew,
        reason=Reason.CHOSEN,
        area=area.id,
        area_class=area.area_class,
        station=station.id,
        eta_s=_range(best.expected_s),
        candidates=tuple(candidates),
    )


def _rules() -> Mapping[str, Any]:
    return read_toml("dispatch.toml")


def _nobody(reason: Reason, area: Area) -> Choice:
    return Choice(None, reason, area=area.id, area_class=area.area_class, station=area.station)


def _whereabouts(crew: Crew, station: Station, seen: Seen | None, at: int) -> Point | None:
    """Where the crew starts from: its fresh position, else its home, else its station."""
    if seen is not None and at - seen.at <= _rules()["position_fresh_minutes"] * 60_000:
        return (seen.lat, seen.lon)
    place = crew.home or station.position
    return None if place is None else (place.lat, place.lon)


def _candidate(crew: Crew, start: Point | None, site: Point, area: Area, open_jobs: int) -> Candidate:
    rules = _rules()
    straight_m = None if start is None else round(distance_m(start, site))
    road_m = rules["unknown_distance_m"] if straight_m is None else straight_m * rules["detour"]
    drive_s = road_m * 3.6 / rules["speed_km_h"][area.area_class]
    busy_s = open_jobs * rules["standard_minutes_per_open_job"] * 60
    return Candidate(crew.id, straight_m, open_jobs, round(drive_s + busy_s))


def _range(expected_s: int) -> tuple[int, int]:
    rules = _rules()
    return (round(expected_s * rules["eta_low"]), round(expected_s * rules["eta_high"]))
