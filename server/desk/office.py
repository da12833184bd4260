"""What the office concludes from a ticket that changed: limits, points, ratings, contests, and who did what.

Runs inside the commit, on the folded ticket. Everything it publishes is a record headquarters can pull; histories (verdicts,
entries, commands, ratings) are immutable, because their ids follow from their content. Refuses to know how rows are stored
and how merging works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from server.desk import points, ratings
from server.desk.limits import LimitResult, judge_limits
from sync import wire
from sync.facts import HQ, Record, Scope, Side, Write
from sync.judge import Published

# What a person of the office did with somebody's work is told to headquarters one by one; opening and assigning
# tickets is told by the ticket itself.
_TOLD = frozenset(
    (
        *("transferred", "told_by_phone", "cancelled", "merged", "reopened", "archived"),
        *("corrected", "decided", "quarantine_judged", "suspension_judged", "erased"),
    )
)
OpenRating = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Opens a sealed answer: {ticket, visit, opened, sealed, kid}, or {assignment, sealed, kid} from the customer's own phone,
→ the answer, or {"fault": …}."""
RatingPath = Callable[[str, int], str]
"""(ticket, fence) → the path of that assignment's own rating page."""


@dataclass(frozen=True, slots=True)
class OfficeRules:
    """The office's rules as the hub calls them."""

    open_rating: OpenRating
    rating_path: RatingPath

    def consequences(self, record: Record, view: dict[str, Any], fresh: Sequence[Write]) -> list[Published]:
        """Adds `limits` and `rating_path` to the view; publishes what changed and what people did."""
        ticket = desk_ticket(record.id, view)
        if view["assigned_crew"]:
            view["rating_path"] = self.rating_path(record.id, view["fence"])
        limits = judge_limits(ticket) if view.get("kind") and view.get("received_at") else []
        published = _commands(record, fresh) + self._ratings(record) + _contests(record, view)
        if limits:
            view["limits"] = [_limit_row(limit) for limit in limits]
            published += _verdicts(record, view, limits)
        if view.get("visits") or record.derived.get("points"):
            published += _settle(record, ticket, limits)
        return published

    def _ratings(self, record: Record) -> list[Published]:
        """A rating goes to headquarters alone: the person rated can neither read nor delay it.

        Told by the ticket that holds the visit in the end (one that was merged, or told by phone, has handed it on), and
        told again when an answer found its visit or lost its rank.
        """
        rated = [write for write in record.writes if ratings.is_rating(write)]
        if not rated or record.target is not None:
            return []
        places = ratings.place_ratings(record.writes)
        before: dict[str, list[str | None]] = record.derived.get("ratings", {})
        now = {str(fact): [place.visit, str(place.standing)] for fact, place in places.items()}
        record.derived["ratings"] = now
        return [
            Published("rating", write.fact, (HQ,), _rating_row(write, places[write.fact], self._answer(write)))
            for write in rated
            if before.get(write.fact) != now[write.fact]
        ]

    def _answer(self, write: Write) -> Mapping[str, Any]:
        if ratings.KEPT in write.body:
            kept: Mapping[str, Any] = write.body[ratings.KEPT]
            return kept
        if write.kind == "own_rating":
            return self.open_rating(write.body)
        if write.body["result"] != "answered":
            return {}
        if "sealed" not in write.body or "kid" not in write.body:
            return {"fault": "bad-encoding"}
        return self.open_rating({"ticket": write.ticket, "visit": write.visit, **write.body})


def desk_ticket(identity: str, view: Mapping[str, Any]) -> dict[str, Any]:
    """The folded ticket as the desk reads it: suspensions paired with their ends, closing and merging named."""
    return {
        **view,
        "id": identity,
        "cause": view.get("cause") or _found_cause(view),
        "cancelled": view["state"] == "cancelled",
        "suspensions": _suspensions(view),
        "contests": view.get("contests", {}),
    }


def _found_cause(view: Mapping[str, Any]) -> str | None:
    """What the crew found and said on finishing; the office's own word, if there is one, comes before it."""
    finished = [visit["finished"] for visit in view["visits"].values() if visit["standing"] == "counts" and "finished" in visit]
    first: Mapping[str, Any] = min(finished, key=lambda moment: (moment["at"], moment["fact"]), default={})
    cause: str | None = first.get("cause")
    return cause


def _suspensions(view: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each suspension with the first resumption after it in the same visit, and the office's word on it."""
    judged = view.get("suspensions_judged", {})
    rows: list[dict[str, Any]] = []
    for visit in view["visits"].values():
        resumed = visit.get("resumed", [])
        for begun in visit.get("suspended", []):
            ended = next((moment for moment in resumed if moment["at"] >= begun["at"]), None)
            word = judged.get(begun["fact"], {}).get("approved")
            rows.append({"begun": begun, "ended": ended, "reason": begun["reason"], "approved": word})
    return rows


def _limit_row(limit: LimitResult) -> dict[str, Any]:
    row = {
        "name": limit.name,
        "amount": limit.amount,
        "unit": limit.unit,
        "source": limit.source,
        "due": [limit.due.earliest, limit.due.latest],
        "verdict": str(limit.verdict) if limit.verdict else None,
        "moment": limit.moment,
        "fact": limit.fact,
    }
    return row | ({"provisional": True} if limit.provisional else {}) | ({"assumed": True} if limit.assumed else {})


def _verdicts(record: Record, view: Mapping[str, Any], limits: Sequence[LimitResult]) -> list[Published]:
    """One immutable row for each verdict that was ever given, so an export can be made again."""
    said: dict[str, str] = record.derived.setdefault("verdicts", {})
    published = []
    for row in view["limits"]:
        if row["verdict"] is None:
            continue
        content = _digest(row)
        if said.get(row["name"]) != content:
            before = said.get(row["name"])
            said[row["name"]] = content
            body = {"ticket": record.id, "number": view.get("number"), **row, "replaces": before}
            published.append(Published("verdict", _digest(body), (HQ,), body))
    return published


def _settle(record: Record, ticket: Mapping[str, Any], limits: Sequence[LimitResult]) -> list[Published]:
    rows: list[dict[str, Any]] = record.derived.setdefault("points", [])
    entries = points.settle(ticket, limits, [points.from_row(row) for row in rows])
    published = []
    for entry in entries:
        row = points.to_row(entry)
        rows.append(row)
        body = {
            **row,
            "number": ticket.get("number"),
            "explained": {lang: points.explain(entry, lang) for lang in ("zh", "en")},
        }
        scopes = (Scope(entry.content.member), HQ)
        published.append(Published("points", entry.id, scopes, body))
    return published


def _contests(record: Record, view: Mapping[str, Any]) -> list[Published]:
    """A contest is a record of its own whose id follows from object and field; settled, it stays and says so."""
    now: Mapping[str, Any] = view.get("contests", {})
    before: list[str] = record.derived.get("contest_paths", [])
    if not now and not before:
        return []
    record.derived["contest_paths"] = sorted({*before, *now})
    published = []
    for path in record.derived["contest_paths"]:
        body = {"ticket": record.id, "number": view.get("number"), "field": path, "open": path in now}
        body |= now.get(path, {})
        published.append(Published("contest", _digest([record.id, path]), (HQ,), body))
    return published


def _commands(record: Record, fresh: Sequence[Write]) -> list[Published]:
    return [
        Published(
            "command",
            write.fact,
            (HQ,),
            {"ticket": record.id, "kind": write.kind, "by": write.by, "at": write.at, **{"said": write.body}},
        )
        for write in fresh
        if write.side is Side.OFFICE and write.kind in _TOLD
    ]


def _rating_row(write: Write, place: ratings.Place, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What headquarters sees. An answer from the crew's phone stays unverified: no code of a customer's own proves it yet,
    and nothing inside the seal can, because whoever holds the phone may have written it."""
    own = write.kind == "own_rating"
    row = {
        "ticket": write.ticket,
        "visit": place.visit,
        "crew": write.body.get("crew") if own else write.crew,
        "channel": str(ratings.Channel.OWN_PHONE if own else ratings.Channel.HANDED_OVER),
        "result": "answered" if own else write.body["result"],
        "at": write.at,
        "interval": [write.lower, write.upper],
        "answer": {name: value for name, value in answer.items() if name != "code"},
        "standing": str(place.standing),
    }
    return row | ({"waiting": place.visit is None} if own else {"opened": write.body["opened"]})


def _digest(value: Any) -> str:
    return sha256(wire.encode(value)).hexdigest()[:32]
