"""One connection to PostgreSQL: it opens itself again when it broke, and speaks the store's statements PostgreSQL's way.

Every wait has an end. Refuses to know what the statements are for.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import psycopg
import structlog
from psycopg import errors
from psycopg.pq import TransactionStatus
from sqlalchemy import BigInteger, Float, Integer, LargeBinary, Table, make_url
from sqlmodel import SQLModel

from server.storage import tables as t
from server.storage.sql import table_of
from server.storage.store import (
    Away,
)

CONNECT_TIMEOUT_S = 5
ANSWER_S = 60.0
"""A statement that got no word for so long has lost its server, even if nobody closed the connection."""
HALF_OPEN = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3", "tcp_user_timeout": "30000"}
"""How soon we notice a host that went away silently, unless the address says otherwise; unix sockets know no such thing."""
_NOTICE_US = (
    "SELECT set_config('idle_in_transaction_session_timeout', '120s', false), set_config('tcp_keepalives_idle', '30', false),"
    " set_config('tcp_keepalives_interval', '10', false), set_config('tcp_keepalives_count', '3', false)"
)
"""And how soon the database notices that of us: until then our locks would keep every other process waiting."""

_ITS_TROUBLE = ("53", "57", "58")
"""SQLSTATE classes of what is neither ours nor the caller's fault: no room left, told to stop, a disk that fails."""
_PLANNED_ONCE = "SELECT set_config('plan_cache_mode', 'force_generic_plan', false)"
"""Our statements find their rows by keys, whatever the values: planning each anew took as long as carrying it out."""
_NEVER_OFF = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
_ORIGIN = "SELECT system_identifier::text || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8) FROM pg_control_system()"


DatabaseRefused = psycopg.Error
"""What the engine raises for a statement it will not carry out."""


class Interrupted(Away):
    """The writer's connection broke inside a transaction that did not take place; it may be begun anew."""


# ------------------------------------------------------------------------------------------------------------- connections


class Session:
    """One connection that opens itself again after it broke; statements are those of the store, with `?` for parameters.

    Raises: `Away` when the database cannot be reached or is in trouble, `Interrupted` when the writer's connection broke.
    """

    def __init__(self, address: str, *, writer: bool, opened: Callable[[Session], None] = lambda session: None) -> None:
        self._address = libpq_address(address)
        self._writer = writer
        self._opened = opened
        self._connection: psycopg.Connection[Any] | None = None
        self.origin = ""
        """Which server this is and since which promotion; empty when it will not say."""
        self.asked_s: float | None = None
        """Since when an answer is awaited."""
        _patience.watch(self)

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> psycopg.Cursor[Any]:
        with self._awaited():
            return self._execute(statement, parameters)

    def _execute(self, statement: str, parameters: Sequence[Any]) -> psycopg.Cursor[Any]:
        connection = self._ready()
        within = connection.info.transaction_status != TransactionStatus.IDLE
        try:
            return connection.execute(spoken(statement), parameters, binary=True)
        except psycopg.OperationalError as error:
            self._give_up_spoilt(error)
            if within or not self.lost:
                raise
        return self._ready().execute(spoken(statement), parameters, binary=True)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        given = list(rows)
        if not given:
            return
        with self._awaited():
            connection = self._ready()
            if statement.startswith("INSERT"):
                text, columns = bulk(statement, _leaves_key(statement, given))
                cells = list(zip(*given, strict=True))
                connection.execute(text, [list(cells[at]) for at in columns], binary=True)
            else:
                with connection.cursor(binary=True) as cursor:
                    cursor.executemany(spoken(statement), given)

    @contextmanager
    def pipeline(self) -> Iterator[None]:
        """Statements inside travel together; results are there when it ends."""
        with self._awaited(), self._ready().pipeline():
            yield

    @contextmanager
    def _awaited(self) -> Iterator[None]:
        outermost, self.asked_s = self.asked_s is None, self.asked_s or time.monotonic()
        try:
            yield
        except psycopg.OperationalError as error:
            self._give_up_spoilt(error)
            if self.lost:
                broke = "The connection to the database broke; try again."
                raise Interrupted(broke) if self._writer else Away(broke) from error
            if (error.sqlstate or "")[:2] in _ITS_TROUBLE:
                raise Away("The database is in trouble; what you have is safe with you, try again shortly.") from error
            raise
        finally:
            if outermost:
                self.asked_s = None

    def _give_up_spoilt(self, error: psycopg.OperationalError) -> None:
        """What the server did not report is trouble with the line: half an answer may wait on it, so nothing more is asked."""
        if error.sqlstate is None:
            self.close()

    def hang_up(self) -> None:
        """End the connection under whoever waits for an answer on it; callable from any thread."""
        connection = self._connection
        with suppress(OSError, psycopg.Error):
            if connection is not None:
                with socket.socket(fileno=os.dup(connection.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)

    @property
    def in_transaction(self) -> bool:
        connection = self._connection
        return connection is not None and connection.info.transaction_status in (
            TransactionStatus.INTRANS,
            TransactionStatus.INERROR,
            TransactionStatus.ACTIVE,
        )

    @property
    def lost(self) -> bool:
        return self._connection is None or self._connection.closed

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _ready(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._address)
            try:
                self._opened(self)
            except psycopg.OperationalError as error:
                self._connection.close()
                raise Away("The connection to the database broke as it was made; try again.") from error
            except BaseException:
                self._connection.close()
                raise
        return self._connection


class _Patience:
    """One thread that ends the wait of sessions whose server fell silent: half-open lines, pools that hang."""

    def __init__(self) -> None:
        self.begin_anew()
        os.register_at_fork(after_in_child=self.begin_anew)

    def begin_anew(self) -> None:
        """A forked process has none of its parent's sessions and threads."""
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()
        self._turn = threading.Lock()
        self._thread: threading.Thread | None = None

    def watch(self, session: Session) -> None:
        with self._turn:
            self._sessions.add(session)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="patience", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(min(1.0, ANSWER_S / 4))
            with self._turn:
                sessions = list(self._sessions)
            for session in sessions:
                asked_s = session.asked_s
                if asked_s is not None and time.monotonic() - asked_s > ANSWER_S:
                    structlog.get_logger().warning("the database fell silent", seconds=ANSWER_S)
                    session.hang_up()
            del sessions


_patience = _Patience()


def connect(address: str) -> psycopg.Connection[Any]:
    try:
        connection = psycopg.connect(address, autocommit=True, prepare_threshold=1, application_name="lamplighter")
        connection.prepared_max = 500
        # What is acknowledged must survive a power cut, whatever the cluster's own default is.
        connection.execute(_NEVER_OFF)
        connection.execute(_NOTICE_US)
        connection.execute(_PLANNED_ONCE)
        return connection
    except psycopg.OperationalError as error:
        raise Away("The database does not answer; what you have is safe with you, try again shortly.") from error


def libpq_address(address: str) -> str:
    """An SQLAlchemy URL as libpq understands it, with a limit to waiting for a host that is gone."""
    url = make_url(address)
    url = url.set(drivername="postgresql")
    limits = {"connect_timeout": str(CONNECT_TIMEOUT_S), **HALF_OPEN}
    url = url.update_query_dict({name: value for name, value in limits.items() if name not in url.query})
    return url.render_as_string(hide_password=False)


def origin_of(session: Session) -> str:
    """Which server this is and since which promotion: another answer means another history. Empty when it will not say."""
    try:
        return str(session.execute(_ORIGIN).fetchone()[0])  # type: ignore[index]
    except (errors.InsufficientPrivilege, errors.UndefinedFunction):
        return ""
    except (errors.ObjectNotInPrerequisiteState, errors.FeatureNotSupported) as error:
        raise Away("This database is a standby that only reads; try again when it was promoted.") from error


# ------------------------------------------------------------------------------------------------------------- statements


def _tables() -> dict[str, tuple[Table, type[SQLModel]]]:
    classes = [each for each in vars(t).values() if isinstance(each, type) and issubclass(each, SQLModel)]
    models = [model for model in classes if model is not SQLModel]
    return {table_of(model).name: (table_of(model), model) for model in models}


TABLES = _tables()
_INSERT = re.compile(r"INSERT INTO (\w+) \(([^)]*)\) VALUES \(([^)]*)\)(.*)", re.DOTALL)


@cache
def spoken(statement: str) -> bytes:
    """A statement of the store as psycopg takes it. A key that the store leaves to the database is drawn from its sequence."""
    found = _INSERT.match(statement)
    if found and _keyless(found[1]):
        key = _names(found[2])[0]
        drawn = f"VALUES (coalesce(?, nextval(pg_get_serial_sequence('{found[1]}', '{key}')))"
        statement = statement.replace("VALUES (?", drawn, 1)
    return statement.replace("%", "%%").replace("?", "%s").encode()


@cache
def bulk(statement: str, without_key: bool) -> tuple[bytes, tuple[int, ...]]:
    """An INSERT of one row as one of any number, its columns sent as arrays; and which columns of the rows those are."""
    found = _INSERT.match(statement)
    assert found is not None, f"not an INSERT of one row: {statement}"
    table, _ = TABLES[found[1]]
    names = _names(found[2])
    columns = tuple(range(1 if without_key else 0, len(names)))
    arrays = ", ".join(f"%b::{_type(table, names[at])}[]" for at in columns)
    listed = ", ".join(names[at] for at in columns)
    return f"INSERT INTO {found[1]} ({listed}) SELECT * FROM unnest({arrays}){found[4]}".encode(), columns


def _leaves_key(statement: str, rows: Sequence[Sequence[Any]]) -> bool:
    found = _INSERT.match(statement)
    return found is not None and _keyless(found[1]) and all(row[0] is None for row in rows)


@cache
def _keyless(table: str) -> bool:
    """Whether rows of this table may come without their key."""
    known, model = TABLES[table]
    (key, *others) = known.primary_key.columns
    return not others and isinstance(key.type, Integer) and not model.model_fields[key.name].is_required()


def _names(listed: str) -> list[str]:
    return [name.strip().strip('"') for name in listed.split(",")]


def _type(table: Table, column: str) -> str:
    kind = table.columns[column].type
    for known, name in ((BigInteger, "bigint"), (Integer, "integer"), (LargeBinary, "bytea"), (Float, "float8")):
        if isinstance(kind, known):
            return name
    return "text"
