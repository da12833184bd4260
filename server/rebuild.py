"""Deriving everything shown from what is kept, and comparing it with what is shown.

Kept: the lines of journals, and in each record its writes with what was resolved once when they arrived (when, by whom, having
seen what), besides what the office has already said of it (verdicts, points, ratings: histories are never made anew). Derived:
what each record shows, its state and crew, which scopes see it and the feed's rows. A difference is a bug or a damaged
disk; mending gives the record a new position, so that every phone hears of it. Memory grows with the number of records.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any, NamedTuple

from server.archive.evidence import Tables, pick
from server.storage.rows import drop_feed
from server.storage.store import StoreTransaction
from sync import merge, wire
from sync.facts import Fact, FactId, Key, Record, Scope, Write
from sync.hub import Hub
from sync.journal import fact_id
from sync.judge import Rules
from sync.scopes import holders, place, published_scopes, ticket_scopes
from sync.store import OFFICE_JOURNAL, Effects

RECORDS_AT_ONCE = 50


class Difference(NamedTuple):
    """What is shown is not what follows. Slugs: `shown`, `columns`, `contested`, `scopes`, `feed`, `unsaid`, `fact`.

    `row` is the record's key in its table; the feed may show one that does not exist (`kind` empty).
    """

    slug: str
    kind: str
    id: str
    detail: str = ""
    row: int = 0

    @property
    def key(self) -> Key:
        return self.kind, self.id

    @property
    def mendable(self) -> bool:
        """A fact that its ticket does not know, or knows otherwise, was judged once and cannot be judged again here."""
        return self.slug != "fact"


@dataclass(slots=True)
class Comparison:
    """What a look at everything came to."""

    records: int = 0
    facts: int = 0
    differences: list[Difference] = field(default_factory=list)

    def add(self, slug: str, key: Key, detail: str = "", row: int = 0) -> None:
        self.differences.append(Difference(slug, *key, detail, row))


# ------------------------------------------------------------------------------------------------------------- comparing


def compare(tables: Tables, rules: Rules) -> Comparison:
    """Derive everything again from one moment of a database."""
    found = Comparison()
    facts = _Facts(tables)
    seen_in = _feed_of(tables)
    said: dict[Key, int] = {}
    wanted: list[tuple[Key, int, str]] = []
    for key, kind, identity, position, state, crew, tail, doc in pick(
        tables, "record", "key", "kind", "id", "position", "state", "crew", "tail", "doc"
    ):
        record = wire.load_record(doc)
        found.records += 1
        view = _view_of(record, rules, found, wanted) if kind == "ticket" else record.derived.get("view", {})
        if kind != "ticket":
            said[(kind, identity)] = _sum(view)
        _compare_row(found, record, view, (position, state, crew, tail))
        if seen_in.pop(key, 0) != _sum_of_scopes(record):
            found.add("feed", (kind, identity), row=key)
        for write in record.writes:
            facts.note(write)
    found.differences += [Difference("feed", "", f"#{key}", "no such record", key) for key in seen_in]
    for key, view, ticket in wanted:
        if said.get(key) != view:
            found.add("unsaid", ("ticket", ticket), f"{key[0]} {key[1]}")
    facts.compare(found)
    return found


def _view_of(record: Record, rules: Rules, found: Comparison, wanted: list[tuple[Key, int, str]]) -> dict[str, Any]:
    """A ticket folded from its writes, as the rules complete it. What they would still say has been left unsaid."""
    key, folded = (record.kind, record.id), merge.fold(record)
    if record.derived.get("contested", {}) != folded.contested:
        found.add("contested", key)
    for published in rules.consequences(record, folded.view, []):
        wanted.append(((published.kind, published.id), _sum(published.view), record.id))
    if holders(record) != frozenset(scope for scope, gone in ticket_scopes(folded.view).items() if gone is None):
        found.add("scopes", key)
    return folded.view


def _compare_row(found: Comparison, record: Record, view: dict[str, Any], row: tuple[int, Any, Any, bytes]) -> None:
    key, (position, state, crew, tail) = (record.kind, record.id), row
    if wire.record_tail(*key, view) != tail:
        found.add("shown", key)
    indexed = (view.get("state"), view.get("assigned_crew")) if record.kind == "ticket" else (None, None)
    if (record.position, *indexed) != (position, state, crew):
        found.add("columns", key)


def _feed_of(tables: Tables) -> dict[int, int]:
    """For each record by its key, a sum over the rows of the feed that show it."""
    names = dict(pick(tables, "scope", "id", "name"))
    sums: dict[int, int] = {}
    for scope, position, record, gone in pick(tables, "feed", "scope", "position", "record", "gone"):
        sums[record] = sums.get(record, 0) ^ _sum([names.get(scope), position, gone])
    return sums


def _sum_of_scopes(record: Record) -> int:
    total = 0
    for scope, (position, gone) in record.scopes.items():
        total ^= _sum([scope, position, gone])
    return total


def _sum(content: Any) -> int:
    data = json.dumps(content, sort_keys=True, default=str).encode()
    return int.from_bytes(blake2b(data, digest_size=8).digest()) | 1  # never 0, which stands for nothing


class _Facts:
    """What tickets say of each fact, as one sum a fact, to be held against the lines themselves."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._keys: dict[str, int] = {}
        self._sums: dict[int, array[int]] = {}
        for key, name, n in pick(tables, "journal", "key", "name", "n"):
            self._keys[name] = key
            self._sums[key] = array("Q", bytes(8 * (n + 1)))
        self._strange: list[tuple[str, str]] = []

    def note(self, write: Write) -> None:
        sums = self._sums.get(self._keys.get(write.chain, -1))
        said = _sum([write.fact, write.kind, write.body])
        if sums is None or write.n >= len(sums) or sums[write.n] not in (0, said):
            self._strange.append((write.fact, f"{write.chain} {write.n}"))
            return
        sums[write.n] = said

    def compare(self, found: Comparison) -> None:
        found.differences += [Difference("fact", "", fact, where) for fact, where in self._strange]
        office = self._keys.get(OFFICE_JOURNAL)
        lines = _lines(self._tables)
        for chain, n, digest, kind, ticket, slug, line in lines:
            found.facts += 1
            said = self._sums[chain][n] if chain in self._sums else 0
            judged = bool(ticket) and not slug and kind != "opening"
            if line is None or not (judged or said):
                continue
            identity = fact_id(digest)
            body = _office_body(line) if chain == office else _body(line, n, identity)
            if said != _sum([identity, kind, body]):
                found.add("fact", ("ticket", str(ticket)), identity)


def _lines(tables: Tables) -> Iterator[tuple[Any, ...]]:
    bodies = pick(tables, "body", "seq", "line")
    at, body = next(bodies, (None, None))
    for seq, *fact in pick(tables, "fact", "seq", "chain", "n", "id", "kind", "ticket", "slug"):
        while at is not None and at < seq:
            at, body = next(bodies, (None, None))
        yield (*fact, body if at == seq else None)


def _body(line: bytes, n: int, identity: FactId) -> Any:
    parsed = wire.parse_line(line, n, identity)
    return dict(parsed.body) if isinstance(parsed, Fact) else None


def _office_body(line: bytes) -> Any:
    """What an office's line says besides who, when and of what."""
    content = json.loads(line)
    return {name: value for name, value in content.items() if name not in ("n", "kind", "v", "ticket", "by", "at")}


# --------------------------------------------------------------------------------------------------------------- mending


Work = Callable[[Callable[[StoreTransaction], None]], Any]
"""Runs a function in a transaction of the writer's."""


def mend(work: Work, hub: Hub, differences: Sequence[Difference]) -> int:
    """Show what follows, where it can be mended: the number of records that moved to a new position."""
    feed = [each for each in differences if each.slug == "feed"]
    broken = sorted({each.key for each in feed if each.kind})
    moving = sorted({each.key for each in differences if each.mendable and each.kind})
    work(lambda tx: drop_feed(tx, [each.row for each in feed]))
    for some in _batches(broken):
        work(partial(_forget_scopes, keys=some))
    for some in _batches(moving):
        work(partial(_show_again, hub=hub, keys=some))
    return len(moving)


def _batches(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    for at in range(0, len(keys), RECORDS_AT_ONCE):
        yield keys[at : at + RECORDS_AT_ONCE]


def _forget_scopes(tx: StoreTransaction, keys: Sequence[Key]) -> None:
    """Take it that every scope that ever saw the record holds it, without a row: each is told anew what is so."""
    for record in tx.records(keys).values():
        record.scopes = dict.fromkeys(record.scopes, (0, None))
        view = merge.fold(record).view if record.kind == "ticket" else record.derived["view"]
        tx.apply(Effects(records=[record], tails=[wire.record_tail(record.kind, record.id, view)], views=[view]))


def _show_again(tx: StoreTransaction, hub: Hub, keys: Sequence[Key]) -> None:
    hub.again(tx, [key for key in keys if key[0] == "ticket"])
    others = tx.records([key for key in keys if key[0] != "ticket"])
    effects, position = Effects(), tx.take_positions(len(others)) if others else 0
    for key, record in others.items():
        view = record.derived["view"]
        wanted = published_scopes(record, [Scope(name) for name in holders(record)])
        effects.feed += [(scope, old, position, key, gone) for scope, old, gone in place(record, wanted, position)]
        effects.records.append(record)
        effects.views.append(view)
        effects.tails.append(wire.record_tail(*key, view))
        position += 1
    if others:
        tx.apply(effects)
