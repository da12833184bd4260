"""Rows ⇄ reference records: what phones refer to as the tables hold it, and guides as they come in."""

from __future__ import annotations

from typing import Any

from server.desk import guides, reference
from server.desk.organisation import Crew, Member, Station
from server.desk.reference import Reference
from server.storage import tables as t
from server.storage.queries import Queries
from server.storage.store import StoreReader, StoreTransaction
from sync.judge import Published


def reference_records(store: StoreReader) -> list[Published]:
    """Every reference record, made from the tables as they are inside this transaction."""
    queries = Queries(store)
    people = {
        row["id"]: Member(row["id"], row["name"], row["name_en"]) for row in queries.rows(t.Member) if row["revoked_at"] is None
    }
    members: dict[str, list[Member]] = {}
    for row in sorted(queries.rows(t.Membership), key=lambda row: str(row["member"])):
        if row["until_ms"] is None and row["member"] in people:
            members.setdefault(row["crew"], []).append(people[row["member"]])
    stations = [
        Station(row["id"], row["name"], row["name_en"], emergency_phone=row["emergency_phone"])
        for row in queries.rows(t.Station)
    ]
    crews = [Crew(row["id"], row["station"], row["name"], row["name_en"]) for row in queries.rows(t.Crew)]
    return reference.records(Reference(stations, crews, members, guide_texts(queries)))


def guide_texts(queries: Queries) -> dict[tuple[str, int], str]:
    """Every version of every guide, as text."""
    return {(row["guide"], row["version"]): row["content"] for row in queries.rows(t.Guide)}


def put_guide(tx: StoreTransaction, guide: guides.Guide, now_ms: int, by: str) -> bool:
    """Store a version unless it is there; whether it was new. Raises Refused "guide-conflict"."""
    queries = Queries(tx)
    name: dict[str, Any] = {"guide": guide["guide"]}
    known = {row["version"]: row["content"] for row in queries.rows(t.Guide, **name)}
    new = guides.admit(guide, known)
    if new:
        content = guides.as_text(guide)
        name |= {"version": guide["version"], "content": content, "imported_at": now_ms, "imported_by": by}
        queries.add(t.Guide, name)
    return new
