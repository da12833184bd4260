"""Whole tables as streams of rows: read from one moment of a live database, or loaded into an empty one, on any engine.

The order of a table's rows, and what a cell holds, are the same on every engine, so that one digest fits them all. Columns are
named by the layout that travels with the rows, not by this release. Refuses to know what the rows mean.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

from alembic.migration import MigrationContext
from sqlalchemy import (
    Connection,
    Float,
    Integer,
    LargeBinary,
    Select,
    Table,
    bindparam,
    collate,
    column,
    func,
    insert,
    inspect,
    select,
    table,
    text,
    update,
)

from server.storage import migrate
from server.storage import tables as t
from server.storage.sql import compiled, table_of
from server.storage.store import StoreTransaction

ROWS_AT_ONCE = 1000
PATIENCE_S = 5.0
Row = Sequence[Any]


class Cell(StrEnum):
    """What a column holds; NULL besides."""

    INTEGER = "integer"
    REAL = "real"
    TEXT = "text"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Layout:
    """A table as it travels: its columns in order, and the columns that order its rows (its primary key)."""

    table: str
    columns: tuple[tuple[str, Cell], ...]
    order: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.columns]


def layouts() -> list[Layout]:
    """Every table of this release, by name."""
    return [_layout(found) for _, found in sorted(table_of(t.Counter).metadata.tables.items())]


def _layout(found: Table) -> Layout:
    columns = tuple((each.name, _cell(each.type)) for each in found.columns)
    return Layout(found.name, columns, tuple(each.name for each in found.primary_key.columns))


def _cell(kind: object) -> Cell:
    for sort, cell in ((LargeBinary, Cell.BYTES), (Integer, Cell.INTEGER), (Float, Cell.REAL)):
        if isinstance(kind, sort):
            return cell
    return Cell.TEXT


class WrongShape(Exception):
    """The rows do not fit the database; the message says why."""


class Snapshot:
    """A database at one moment."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._postgres = connection.dialect.name == "postgresql"

    @property
    def revision(self) -> str:
        """The shape the database has."""
        return str(MigrationContext.configure(self._connection).get_current_revision())

    def rows(self, layout: Layout) -> Iterator[Row]:
        """Every row of a table in its order, a few at a time: memory does not grow with the table."""
        statement = self._ordered(layout).execution_options(yield_per=ROWS_AT_ONCE)
        for page in self._connection.execute(statement).partitions():
            yield from page

    def _ordered(self, layout: Layout) -> Select[Any]:
        source = _plain(layout)
        cells = dict(layout.columns)
        # Text stands in the order of its bytes everywhere, whatever language a PostgreSQL server was made for.
        translated = {name for name in layout.order if self._postgres and cells[name] is Cell.TEXT}
        by = [collate(source.c[name], "C") if name in translated else source.c[name] for name in layout.order]
        return select(*source.columns).order_by(*by)


class Loading(Snapshot):
    """An empty database being filled: everything in one transaction, so it is there whole or not at all."""

    def filled(self) -> list[str]:
        """The tables that hold rows."""
        names = [name for name in inspect(self._connection).get_table_names() if name != "alembic_version"]
        return [name for name in sorted(names) if self._connection.execute(select(1).select_from(table(name)).limit(1)).first()]

    def load(self, layout: Layout, rows: Iterable[Row]) -> None:
        """Put rows into a table."""
        if self._postgres:
            self._copy(layout, rows)
        else:
            text = str(insert(_plain(layout)).values(dict.fromkeys(layout.names)).compile(self._connection.engine))
            pages = iter(rows)
            while page := [tuple(row) for row in islice(pages, ROWS_AT_ONCE)]:
                self._connection.exec_driver_sql(text, page)

    def _copy(self, layout: Layout, rows: Iterable[Row]) -> None:
        quote = self._connection.dialect.identifier_preparer.quote
        names = ", ".join(quote(name) for name in layout.names)
        cursor = self._connection.connection.cursor()
        with cursor.copy(f"COPY {quote(layout.table)} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def settle(self) -> None:
        """Make the loaded rows this database's own: what it numbers by itself goes on behind them."""
        history = table_of(t.History)
        if "origin" in {each["name"] for each in inspect(self._connection).get_columns("history")}:
            # They come from elsewhere on purpose; that is not a database that changed behind the server's back.
            self._connection.execute(update(history).values(origin=None))
        if self._postgres:
            self._renumber()
            self._connection.execute(text("ANALYZE"))  # the first requests must not be planned for empty tables

    def _renumber(self) -> None:
        for layout in layouts():
            for name in layout.order:
                sequence = self._connection.scalar(select(func.pg_get_serial_sequence(layout.table, name)))
                if sequence is not None:
                    highest = self._connection.scalar(select(func.max(_plain(layout).c[name])))
                    self._connection.execute(select(func.setval(sequence, (highest or 0) + 1, False)))

    def begin_history(self, incarnation: str, now_ms: int) -> None:
        """Leave the loaded history at its last position and begin the next."""
        history, counter = table_of(t.History), table_of(t.Counter)
        position = self._connection.scalar(select(counter.c.value).where(counter.c.name == "position"))
        last = self._connection.scalar(select(func.max(history.c.number))) or 0
        self._connection.execute(update(history).where(history.c.number == last).values(fork_position=position))
        row = {"number": last + 1, "incarnation": incarnation, "begun_at": now_ms, "fork_position": None}
        self._connection.execute(insert(history).values(row))

    def await_photos(self, names: Iterable[str]) -> None:
        """Let photos that did not come along count as not arrived."""
        photo = table_of(t.PhotoBytes)
        for name in names:
            self._connection.execute(update(photo).where(photo.c.sha256 == name).values(received_at=None, details=None))

    def forget_pictures(self) -> None:
        """Have previews and working copies made again: only the photos themselves came along."""
        self._connection.execute(update(table_of(t.PhotoBytes)).values(details=None))


def others(url: str) -> int:
    """How many others are connected, as far as the engine tells; of SQLite the lock of the data folder does.

    Whoever has just gone may be seen a moment longer.
    """
    engine = migrate.engine_for(url)
    if engine.dialect.name != "postgresql":
        return 0
    activity = table("pg_stat_activity", column("datname"), column("pid"), column("backend_type"))
    theirs = (activity.c.datname == func.current_database(), activity.c.pid != func.pg_backend_pid())
    counted = select(func.count()).select_from(activity).where(*theirs, activity.c.backend_type == "client backend")
    until = time.monotonic() + PATIENCE_S
    try:
        while True:
            with engine.connect() as connection:
                count = connection.scalar(counted) or 0
            if count == 0 or time.monotonic() > until:
                return count
            time.sleep(0.1)
    finally:
        engine.dispose()


@contextmanager
def snapshot(url: str) -> Iterator[Snapshot]:
    """One moment of a database that others go on writing. Nothing can be written through it."""
    engine = migrate.engine_for(url)
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only=ON")
            connection.execute(select(func.count()).select_from(table_of(t.Counter)))  # the moment is now
            yield Snapshot(connection)
    finally:
        engine.dispose()


@contextmanager
def loading(url: str, revision: str) -> Iterator[Loading]:
    """A database to fill, of the shape the rows had. When the block ends well they are kept and brought to this release's.

    Raises: `WrongShape`.
    """
    engine = migrate.engine_for(url)
    try:
        if not migrate.knows(revision):
            raise WrongShape(f"the rows are of revision {revision}, which this release does not know")
        migrate.upgrade(engine, revision)
        with engine.begin() as connection:
            target = Loading(connection)
            if target.revision != revision:
                raise WrongShape(f"the database is at revision {target.revision} already, the rows are of {revision}")
            yield target
        migrate.upgrade(engine)
    finally:
        engine.dispose()


def _plain(layout: Layout) -> Any:
    return table(layout.table, *[column(name) for name in layout.names])


def drop_feed(tx: StoreTransaction, records: Iterable[int]) -> None:
    """Take every row of the feed away that shows these records; they must be shown again."""
    feed = table_of(t.Feed)
    tx.executemany(compiled(feed.delete().where(feed.c.record == bindparam("record"))), [(key,) for key in records])
