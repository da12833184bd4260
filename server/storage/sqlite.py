"""The store over one SQLite file: the embedded default. One process has it open, and one connection of it writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError

from server.storage import migrate
from server.storage.horizon import Horizon, Roster
from server.storage.store import Away, StoreReader, StoreTransaction, begin_history, newest_history

CACHE_KIB = 65_536
SQLITE_VERSION = sqlite3.sqlite_version_info
_DISK_TROUBLE = frozenset(
    (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY)
)
"""Read-only: what a file system becomes after it met a bad block."""


def connect(path: Path, *, writer: bool) -> sqlite3.Connection:
    """A connection with the product's settings: WAL, FULL durability, a cache that fits a busy district."""
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=256, factory=_FileConnection
        )
    except sqlite3.OperationalError as error:
        raise _told(error) from error
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=10000")
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIB if writer else CACHE_KIB // 4}")
    if not writer:
        connection.execute("PRAGMA query_only=ON")
    return connection


class _FileConnection(sqlite3.Connection):
    """A connection to whom trouble with the disk is `Away`: it is ours, it passes, and what failed was not stored."""

    def execute(self, statement: str, parameters: Any = (), /) -> sqlite3.Cursor:
        try:
            return super().execute(statement, parameters)
        except sqlite3.OperationalError as error:
            raise _told(error) from error

    def executemany(self, statement: str, rows: Iterable[Any], /) -> sqlite3.Cursor:
        try:
            return super().executemany(statement, rows)
        except sqlite3.OperationalError as error:
            raise _told(error) from error


def _told(error: sqlite3.OperationalError) -> Exception:
    if error.sqlite_errorcode & 0xFF not in _DISK_TROUBLE:
        return error
    structlog.get_logger().error("disk trouble", why=str(error), code=error.sqlite_errorname)
    return Away("The server's disk fails or is full; what you have is safe with you, try again shortly.")


class SqliteDatabase:
    """A file as the server's store."""

    exclusive = True
    """Only one process may have it open; whoever opens it makes sure."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.address = f"sqlite:///{path}"
        self.horizon, self.roster = Horizon(), Roster()
        self.incarnation = ""

    def there(self) -> bool:
        return self.path.exists()

    def open(self, new_incarnation: Callable[[], str], now_ms: Callable[[], int]) -> StoreTransaction:
        """Bring the schema up to date, begin the first history if there is none; the writer."""
        try:
            migrate.upgrade(migrate.engine_for(self.path))
        except OperationalError as error:
            raise Away(f"The database cannot be opened: {error.orig}.") from error
        self._connection = connect(self.path, writer=True)
        transaction = StoreTransaction(self._connection, self.horizon)
        with transaction.group() as tx:
            if newest_history(tx) is None:
                begin_history(tx, new_incarnation(), now_ms())
            self.incarnation = tx.incarnation
        self.horizon.begin(*transaction.look_ahead())
        return transaction

    def reader(self) -> StoreReader:
        """A reader of one's own, for one thread."""
        return StoreReader(connect(self.path, writer=False), self.roster, self.horizon)

    def close(self) -> None:
        self._connection.close()
