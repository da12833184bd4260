"""After a storm: what every phone wrote is stored once, and phones, headquarters and a plain query of the database agree.

Four comparisons, each against plain SELECTs (`plain`): fact by fact, effect by effect, headquarters' feed as read over HTTP,
and every phone's copy. Refuses to excuse anything.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

from clients.handset.load import Phone
from tests.bench.district import District, Place
from tests.bench.plain import FeedRow, Plain, digest

Key = tuple[str, str]


@dataclass(slots=True)
class Audit:
    """What was compared, and everything that is amiss in words."""

    pushed: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    feed_rows: int = 0
    copies: int = 0
    bytes: int = 0
    """What the database takes on disk."""
    amiss: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        return not self.amiss

    def wrong(self, story: str) -> None:
        self.amiss.append(story)


def audit(phones: list[Phone], district: District, plain: Plain, hq: Place, hq_token: str) -> Audit:
    """Compare everything once all is quiet."""
    told = Audit(bytes=plain.bytes())
    _facts(told, phones, plain)
    feed = plain.feed()
    views = dict(_feed_over_http(hq, hq_token))
    _feeds_equal(told, views, [row for row in feed if row.scope == "hq"])
    _effects_once(told, phones, {key: view for key, view in views.items() if key[0] == "ticket"})
    by_scope: dict[str, list[FeedRow]] = {}
    for row in feed:
        by_scope.setdefault(row.scope, []).append(row)
    for phone in phones:
        _copy_equal(told, phone, district, by_scope)
    return told


def _facts(told: Audit, phones: list[Phone], plain: Plain) -> None:
    """Every line by its id; a line counts as doubled when its place in a journal is filled twice."""
    pushed = {str(identity): (journal, n) for phone in phones for journal, n, identity in phone.pocket.facts()}
    journals = {journal for journal, _ in pushed.values()}
    stored: Counter[str] = Counter()
    for chain, n, identity in plain.facts():
        if chain.split("~")[0] not in journals:
            continue  # other phones of a server that had some before
        stored[identity] += 1
        if pushed.get(identity) != (chain, n):
            told.doubled += 1
            told.wrong(f"line {n} of {chain} is stored and no phone wrote it there")
    told.pushed, told.stored = len(pushed), stored.total()
    told.doubled += stored.total() - len(stored)
    told.lost = len(pushed.keys() - stored.keys())
    if told.lost or told.doubled:
        told.wrong(f"{told.lost} facts lost, {told.doubled} doubled, of {told.pushed}")


def _feed_over_http(place: Place, token: str) -> Iterator[tuple[Key, tuple[int, dict[str, Any]]]]:
    """(kind, id) → (position, content) of headquarters' feed as an analyst reads it, page after page."""
    host, port = place
    cursor, more = "", True
    connection = HTTPConnection(host, port, timeout=600)
    while more:
        connection.request("GET", f"/v1/hq/feed?cursor={cursor}", headers={"authorization": f"Bearer {token}"})
        reply = connection.getresponse()
        assert reply.status == 200, reply.read(500)
        end: dict[str, Any] = {}
        for line in reply:
            row = json.loads(line)
            if "put" in row:
                yield (row["kind"], row["id"]), (row["at"], row["put"])
            elif row.get("end"):
                end = row
        [(history, scopes)] = end["cursor"].items()
        cursor, more = f"{history}:{scopes['hq']}", bool(end["more"])
    connection.close()


def _feeds_equal(told: Audit, views: Mapping[Key, tuple[int, dict[str, Any]]], rows: Iterable[FeedRow]) -> None:
    expected = {(row.kind, row.id): (row.at, row.digest) for row in rows if row.digest is not None}
    heard = {key: (at, digest(put)) for key, (at, put) in views.items()}
    told.feed_rows = len(expected)
    for key in sorted(expected.keys() | heard.keys()):
        if expected.get(key) != heard.get(key):
            told.wrong(f"headquarters' feed says {heard.get(key)} of {key}, a plain query {expected.get(key)}")


def _effects_once(told: Audit, phones: list[Phone], tickets: Mapping[Key, tuple[int, dict[str, Any]]]) -> None:
    """Notes and photos of all visits: each that was written shows once."""
    written: Counter[str] = Counter()
    for phone in phones:
        for journal, n, identity in phone.pocket.facts():
            line = phone.pocket.lines(journal, n, n)[0][2]
            if b'"kind":"note"' in line or b'"kind":"photo"' in line:
                written[identity] += 1
    shown: Counter[str] = Counter()
    for _, view in tickets.values():
        for visit in view.get("visits", {}).values():
            shown.update(moment["fact"] for slot in ("notes", "photos") for moment in visit.get(slot, []))
    ours = Counter({fact: count for fact, count in shown.items() if fact in written})
    if ours != written:
        told.wrong(f"{written.total()} notes and photos were written, {ours.total()} show ({len(ours)} different ones)")


def _copy_equal(told: Audit, phone: Phone, district: District, by_scope: Mapping[str, list[FeedRow]]) -> None:
    """One phone's confirmed copy against the rows of its scopes."""
    device, member = phone.enrolled.device, phone.enrolled.member
    scopes = (f"device:{device}", f"member:{member}", f"crew:{district.crews[device]}", f"station:{district.stations[device]}")
    expected: dict[Key, tuple[dict[str, int], str]] = {}
    for scope in scopes:
        for row in by_scope.get(scope, []):
            if row.digest is not None:
                expected.setdefault((row.kind, row.id), ({}, row.digest))[0][scope] = row.at
    held = {(row.kind, row.id): (row.scopes, digest(row.put)) for row in phone.pocket.rows()}
    for key in expected.keys() | held.keys():
        if expected.get(key) != held.get(key):
            told.wrong(f"{device} holds {held.get(key)} of {key}, the server {expected.get(key)}")
    told.copies += 1
