"""Rows ⇄ the desk's nouns: organisation and ground as they are stored."""

from __future__ import annotations

import json
from collections.abc import Sequence

from server.desk.geo import Area, AreaIndex
from server.desk.intake import Ground
from server.desk.organisation import Crew, Organisation, Place, Shift, Station
from server.storage import tables as t
from server.storage.queries import Queries
from server.storage.store import StoreTransaction


def put_areas(tx: StoreTransaction, areas: Sequence[Area]) -> None:
    """Store areas; a station an area names and nobody described yet is made, so that dispatch can go on."""
    queries = Queries(tx)
    known = {row["id"] for row in queries.rows(t.Station)}
    fresh: dict[str, dict[str, str]] = {}
    for area in areas:
        if area.station and area.station not in known:
            name = area.station_name or area.station
            fresh[area.station] = {"id": area.station, "name": name, "name_en": name}
    queries.put(t.Station, list(fresh.values()), "id")
    rows = [
        {"id": a.id, "name": a.name, "station": a.station or "", "area_class": a.area_class, "geometry": json.dumps(a.geometry)}
        for a in areas
    ]
    queries.put(t.Area, rows, "id")


def put_organisation(tx: StoreTransaction, org: Organisation, now_ms: int) -> None:
    """Store an organisation; memberships that ended are kept, because facts are judged by them."""
    queries = Queries(tx)
    queries.put(t.Station, [_station_row(station) for station in org.stations], "id")
    queries.put(t.Crew, [_crew_row(crew) for crew in org.crews], "id")
    for member in org.members:
        before = queries.one(t.Member, id=member.id)
        row: dict[str, object] = {
            "id": member.id,
            "name": member.name_zh,
            "name_en": member.name_en,
            "phone": member.phone or "",
            "role": member.role,
        }
        row |= {"skills": " ".join(sorted(member.skills)), "revoked_at": before["revoked_at"] if before else None}
        queries.put(t.Member, [row], "id")
    for membership in org.memberships:
        queries.join_crew(membership.member, membership.crew, now_ms)
    for ref in org.areas:
        area = queries.one(t.Area, id=ref.id)
        if area is not None:
            queries.put(t.Area, [area | {"station": ref.station, "area_class": ref.area_class}], "id")
    for shift in org.shifts:
        if not any(row["from_ms"] == shift.begins for row in queries.rows(t.Shift, crew=shift.crew)):
            queries.add(t.Shift, {"crew": shift.crew, "from_ms": shift.begins, "until_ms": shift.ends})


def _station_row(station: Station) -> dict[str, object]:
    place = station.position
    where = {"lat": place.lat, "lon": place.lon} if place else {}
    names = {"name": station.name_zh, "name_en": station.name_en}
    return {"id": station.id, **names, "emergency_phone": station.emergency_phone, **where}


def _crew_row(crew: Crew) -> dict[str, object]:
    where = {"lat": crew.home.lat, "lon": crew.home.lon} if crew.home else {}
    names = {"name": crew.name_zh, "name_en": crew.name_en, "vehicle": crew.vehicle or ""}
    return {"id": crew.id, "station": crew.station, **names, "skills": " ".join(sorted(crew.skills)), **where}


def _place(row: dict[str, float | None]) -> Place | None:
    return Place(row["lat"], row["lon"]) if row["lat"] is not None and row["lon"] is not None else None


def ground_of(queries: Queries) -> Ground:
    """Everything dispatch needs, as it stands."""
    areas = [
        Area(row["id"], row["name"], row["station"] or None, row["area_class"], json.loads(row["geometry"]))
        for row in queries.rows(t.Area)
    ]
    return Ground(
        AreaIndex(areas),
        {row["id"]: Station(row["id"], row["name"], row["name_en"], _place(row)) for row in queries.rows(t.Station)},
        [
            Crew(
                r["id"], r["station"], r["name"], r["name_en"], r["vehicle"] or None, frozenset(r["skills"].split()), _place(r)
            )
            for r in queries.rows(t.Crew)
        ],
        [Shift(row["crew"], row["from_ms"], row["until_ms"]) for row in queries.rows(t.Shift)],
        queries.open_jobs(),
        {area.id: area.name for area in areas},
    )
