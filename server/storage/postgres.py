"""The store's transaction over PostgreSQL, for several processes at once: who waits for whom, what became of a commit.

Each process commits its own groups. A group locks its journals and records, sorted, before it reads them, and takes the feed
lock as its last act: positions, ledger and keys are numbered under it, and only the commit lets it go, so the feed's order is
its commit order here too. The SQL is the store's own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors

from server.storage.horizon import Horizon, Roster
from server.storage.session import Interrupted, Session
from server.storage.store import (
    FEED,
    Away,
    StoreReader,
    StoreTransaction,
    chain_of,
)
from sync import wire
from sync.facts import Key, Record
from sync.hub import ROWS_A_PAGE
from sync.ledger import Ledger
from sync.store import Chain, Effects

SETTLE_S = 10.0
"""How long to ask what became of a commit whose answer was lost."""
CHANNEL = "lamplighter"
PAYLOAD_BYTES = 7_000
"""Names told of in one notification; with all around them it must stay under PostgreSQL's 8,000 bytes."""

FeedRow = tuple[int, str, str, str | None, bytes]
"""(position, kind, id, why gone or None, tail)"""

_GATE, _FEED = 0x4C414D50_00000001, 0x4C414D50_00000002
_LOCK_JOURNALS = "SELECT key FROM journal WHERE journal = ANY(?) ORDER BY key FOR NO KEY UPDATE"
# Asked again after the lock: a statement sees no row that was committed while it waited.
_HELD_JOURNALS = "SELECT journal, key, doc FROM journal WHERE journal = ANY(?) ORDER BY key"
_HELD_RECORDS = (
    "SELECT record.kind, record.id, record.key, record.doc FROM record"
    " JOIN unnest(?::text[], ?::text[]) AS wanted (kind, id) ON record.kind = wanted.kind AND record.id = wanted.id"
    " ORDER BY record.key FOR NO KEY UPDATE OF record"
)
_HEAD = (
    "SELECT (SELECT incarnation FROM history ORDER BY number DESC LIMIT 1), (SELECT value FROM counter WHERE name = 'position')"
)
# Every group has its number from the beginning: whatever it does, a commit whose answer is lost can be asked for.
_BEGUN = f"{_HEAD}, pg_current_xact_id()::text"
# A page of changes in one statement, which sees one moment: head, and the first rows of each feed that is wanted.
_PAGE = (
    f"SELECT head.*, found.* FROM ({_HEAD}) AS head (incarnation, position) LEFT JOIN ("
    "SELECT wanted.scope, feed.position, record.kind, record.id, feed.gone, record.tail"
    " FROM unnest(?::text[], ?::bigint[]) AS wanted (scope, after) JOIN scope ON scope.name = wanted.scope"
    " CROSS JOIN LATERAL (SELECT * FROM feed WHERE feed.scope = scope.id AND feed.position > wanted.after"
    f" ORDER BY feed.position LIMIT {ROWS_A_PAGE}) AS feed"
    " JOIN record ON record.key = feed.record ORDER BY wanted.scope, feed.position) AS found ON true"
)
_FEED_OF = FEED.replace("feed.scope = ?", "feed.scope = (SELECT id FROM scope WHERE name = ?)")
assert _FEED_OF != FEED
_NUMBERS = (
    "SELECT (SELECT value FROM counter WHERE name = 'position'),"
    " (SELECT max(key) FROM journal), (SELECT max(key) FROM record), (SELECT max(id) FROM scope), (SELECT max(seq) FROM fact),"
    " (SELECT size FROM ledgernode), (SELECT frontier FROM ledgernode)"
)


# ------------------------------------------------------------------------------------------------------------------ reading


class PostgresReader(StoreReader):
    """A look at the store over a session; use one per thread."""

    BEGIN_LOOK = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

    def __init__(self, session: Session, roster: Roster | None = None, horizon: Horizon | None = None) -> None:
        super().__init__(session, roster, horizon)
        self._session = session
        self._head: tuple[str, int] | None = None
        """(incarnation, position) of the moment that is looked at."""
        self._ahead: dict[tuple[str, int], list[FeedRow]] = {}
        """Rows of that moment by feed and the position before them."""

    @contextmanager
    def page(self, wanted: Mapping[str, int]) -> Iterator[None]:
        feeds = {scope: after for scope, after in wanted.items() if not self._nothing_after(scope, after)}
        rows = self._run(_PAGE, (list(feeds), list(feeds.values()))).fetchall()
        self._head = rows[0][:2]
        self._ahead = {feed: [] for feed in wanted.items()}
        for _, _, scope, *row in rows:
            if scope is not None:
                self._ahead[(scope, feeds[scope])].append(tuple(row))
        try:
            yield
        finally:
            self._head, self._ahead = None, {}

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        try:
            self._begin_look()
        except Away:
            self._begin_look()  # a connection that broke while nobody used it is made anew
        try:
            yield
        finally:
            self._head = None
            if self._connection.in_transaction:
                self._run("COMMIT")

    def _begin_look(self) -> None:
        with self._session.pipeline():
            self._run(self.BEGIN_LOOK)
            head = self._run(_HEAD)
        self._head = head.fetchone()

    @property
    def incarnation(self) -> str:
        return super().incarnation if self._head is None else self._head[0]

    @property
    def position(self) -> int:
        return super().position if self._head is None else self._head[1]

    def feed(self, scope: str, after: int, rows_max: int) -> Sequence[FeedRow]:
        known = self._ahead.get((scope, after))
        if known is not None and rows_max <= ROWS_A_PAGE:
            return known[:rows_max]
        if self._nothing_after(scope, after):
            return []
        return self._run(_FEED_OF, (scope, after, rows_max)).fetchall()

    def _nothing_after(self, scope: str, after: int) -> bool:
        """As of the last commit heard of: whoever asks again hears of a newer one."""
        horizon = self._horizon
        return horizon is not None and horizon.known and horizon.newest.get(scope, 0) <= after


# ------------------------------------------------------------------------------------------------------------------ writing


class PostgresTransaction(StoreTransaction):
    """This process's writer. Other processes have theirs: see the module's first words for who waits for whom."""

    def __init__(self, session: Session, horizon: Horizon | None = None) -> None:
        super().__init__(session, horizon)
        self._session = session
        self._alone = False
        self._xact = ""
        self._position: int | None = None
        self._head: tuple[str, int] = ("", 0)
        self._chains: dict[str, list[tuple[int, bytes]]] = {}
        self._records: dict[Key, tuple[int, bytes] | None] = {}

    def passing(self, error: BaseException) -> bool:
        in_the_way = (errors.DeadlockDetected, errors.SerializationFailure, errors.UniqueViolation, Interrupted)
        return isinstance(error, in_the_way)

    # ------------------------------------------------------------------------------------------------------------- locks

    def hold(self, journals: Iterable[str], keys: Iterable[Key]) -> None:
        names, wanted = sorted(journals), sorted(keys)
        if not names and not wanted:
            return
        with self._session.pipeline():
            self._run(_LOCK_JOURNALS, (names,))
            records = self._run(_HELD_RECORDS, _columns(wanted))
            chains = self._run(_HELD_JOURNALS, (names,))
        self._chains |= {name: [] for name in names}
        for name, key, doc in chains:
            self._chains[name].append((key, doc))
        self._remember(wanted, records)

    def chains(self, journal: str) -> list[Chain]:
        if journal not in self._chains:
            self.hold([journal], [])
        return [chain_of(key, doc) for key, doc in self._chains[journal]]

    def records(self, keys: Iterable[Key]) -> dict[Key, Record]:
        wanted = list(keys)
        missing = sorted(key for key in wanted if key not in self._records)
        if missing:
            self._remember(
                missing, self._run(_HELD_RECORDS, ([kind for kind, _ in missing], [identity for _, identity in missing]))
            )
        found = {key: self._records[key] for key in wanted}
        return {key: wire.load_record(row[1]) for key, row in found.items() if row is not None}

    def _remember(self, wanted: Iterable[Key], rows: Iterable[tuple[str, str, int, bytes]]) -> None:
        self._records |= dict.fromkeys(wanted)
        for kind, identity, number, doc in rows:
            self._records[(kind, identity)] = (number, doc)
            self._seen_record((kind, identity), number)

    def _number(self) -> None:
        """Take the feed lock, once, and read what is numbered under it."""
        if self._position is not None:
            return
        with self._session.pipeline():
            self._run("SELECT pg_advisory_xact_lock(?)", (_FEED,))
            numbers = self._run(_NUMBERS)
        position, journal, record, scope, fact, size, frontier = numbers.fetchone()
        self._position = position
        self._next = {"journal": journal or 0, "record": record or 0, "scope": scope or 0, "fact": fact or 0}
        edge = frontier or b""
        self._ledger = Ledger(size or 0, [edge[at : at + 32] for at in range(0, len(edge), 32)])

    def scrub(self) -> None:
        """PostgreSQL's own vacuum does it, in its time."""

    # ------------------------------------------------------------------------------------------------- what is numbered

    @property
    def position(self) -> int:
        return self._head[1] if self._position is None else self._position

    @property
    def incarnation(self) -> str:
        return self._head[0]

    @property
    def ledger(self) -> Ledger:
        self._number()
        return super().ledger

    def take_positions(self, count: int) -> int:
        self._number()
        return super().take_positions(count)

    def apply(self, effects: Effects) -> None:
        self._number()
        with self._session.pipeline():
            super().apply(effects)
        if self._moved:
            self._position = self._moved[""]

    def _insert(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        self.executemany(statement, rows)

    # ------------------------------------------------------------------------------------------------------ begin and end

    def _begin(self, *, alone: bool) -> None:
        self._chains.clear()
        self._records.clear()
        self._next.clear()
        self._ledger = self._position = None
        self._alone, self._xact = alone, ""  # until the database has given it a number
        with self._session.pipeline():
            self._run("BEGIN")
            self._run(f"SELECT pg_advisory_xact_lock{'' if alone else '_shared'}(?)", (_GATE,))
            head = self._run(_BEGUN)
        incarnation, position, self._xact = head.fetchone()
        self._head = (incarnation, position)

    def _commit(self) -> None:
        self._tell()
        try:
            self._run("COMMIT")
        except (psycopg.OperationalError, Away) as error:
            self._session.close()  # whatever it was: the next connection knows what became of it
            if not self._landed():
                raise Interrupted("The connection broke before the commit took place.") from error

    def _tell(self) -> None:
        """Word to the other processes of what this commit changes; they hear it when it is visible, and never without it."""
        if not (self._moved or self._journals or self._alone):
            return
        ledger = self.edge() if self._ledger is not None else None
        for newest, journals in _words(self._moved, sorted(self._journals)):
            word = {"newest": newest, "journals": journals, "people": self._alone, "ledger": ledger}
            self._run("SELECT pg_notify(?, ?)", (CHANNEL, json.dumps(word, separators=(",", ":"))))

    def _landed(self) -> bool:
        """Whether a commit whose answer was lost took place after all. Raises `Away` when nobody can tell."""
        if not self._xact:
            return False
        origin = self._session.origin
        until = time.monotonic() + SETTLE_S
        while True:
            try:
                status = self._run("SELECT pg_xact_status(?::xid8)", (self._xact,)).fetchone()[0]
            except errors.InvalidParameterValue:
                return False  # a number the server never gave out: it crashed before anything of it was kept
            except Away:
                status = "in progress"
            if self._session.origin != origin:
                raise Away("The database was replaced by its replica; try again.")  # transactions are numbered anew there
            if status != "in progress":
                return bool(status == "committed")
            if time.monotonic() > until:
                raise Away("The database did not say whether this was stored; try again.")
            time.sleep(0.1)


def _columns(keys: Sequence[Key]) -> tuple[list[str], list[str]]:
    return [kind for kind, _ in keys], [identity for _, identity in keys]


def _words(newest: Mapping[str, int], journals: Sequence[str]) -> Iterator[tuple[dict[str, int], list[str]]]:
    """As many of these at a time as a notification takes; once even if there are none."""
    some: tuple[dict[str, int], list[str]] = ({}, [])
    room_bytes = PAYLOAD_BYTES
    for name, position in [*newest.items(), *((journal, None) for journal in journals)]:
        takes_bytes = len(json.dumps([name, position]))
        if takes_bytes > room_bytes:
            yield some
            some, room_bytes = ({}, []), PAYLOAD_BYTES
        room_bytes -= takes_bytes
        if position is None:
            some[1].append(name)
        else:
            some[0][name] = position
    yield some
