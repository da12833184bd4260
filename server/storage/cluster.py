"""A PostgreSQL database and all the processes that have it open: their word of each commit, its histories, who may do what."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import structlog
from psycopg import sql
from sqlalchemy.exc import OperationalError

from server.storage import migrate
from server.storage import tables as t
from server.storage.horizon import Horizon, Roster
from server.storage.postgres import CHANNEL, PostgresReader, PostgresTransaction
from server.storage.session import CONNECT_TIMEOUT_S, TABLES, Session, connect, libpq_address, origin_of
from server.storage.store import (
    Away,
    StoreReader,
    StoreTransaction,
    adopt_history,
    begin_history,
    newest_history,
)

# ------------------------------------------------------------------------------------------------- word from other processes


class Listener:
    """Keeps a horizon true while other processes commit; while it cannot hear them, the horizon is not known."""

    def __init__(self, address: str, database: PostgresDatabase) -> None:
        self._address = libpq_address(address)
        self._database = database
        self._stopped = threading.Event()
        self.heard = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with connect(self._address) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._database.go_deaf()
                    self._hear(connection)
            except (Away, psycopg.Error) as error:
                structlog.get_logger().warning("no word from other processes", why=str(error).splitlines()[0])
            self._database.go_deaf()
            self._stopped.wait(1.0)

    def _hear(self, connection: psycopg.Connection[Any]) -> None:
        while not self._stopped.is_set():
            if not self._database.horizon.known:
                self._database.look_ahead()  # after LISTEN: what is committed from here on is heard
                self.heard.set()
            for notice in connection.notifies(timeout=0.5):
                word = json.loads(notice.payload)
                # A process of the release before names no journals.
                journals = None if word["people"] else word.get("journals")
                self._database.horizon.advance(word["newest"], word["ledger"], journals)
                if word["people"]:
                    self._database.look_again()
                if self._stopped.is_set():
                    return


# --------------------------------------------------------------------------------------------------------------- all of it


APPEND_ONLY = (t.StoredFact, t.Body, t.Guide)
"""Tables whose rows the server writes once: its role has no right to change or delete them. Erasure is another role's."""
DELETES_FROM = (t.Feed, t.Lease, t.EnrolCode)


def grant(address: str, role: str) -> None:
    """Give a role that exists the rights a server needs, and no more, as the owner of the tables. Raises: `psycopg.Error`."""
    name = sql.Identifier(role)
    with psycopg.connect(libpq_address(address)) as connection:
        run = connection.execute
        run(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(name))
        run(sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(name))
        run(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(name))
        run(sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}").format(name))
        for table, model in TABLES.values():
            # Rows are locked before they are written, and a lock asks for the right to update.
            rights = "INSERT" if model in APPEND_ONLY else "INSERT, UPDATE"
            rights += ", DELETE" if model in DELETES_FROM else ""
            run(sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(rights), sql.Identifier(table.name), name))


class PostgresDatabase:
    """A PostgreSQL database as the server's store; any number of processes may have it open."""

    exclusive = False

    def __init__(self, address: str) -> None:
        self.address = address
        self.horizon, self.roster = Horizon(), Roster()
        self.go_deaf()  # until other processes can be heard
        self.incarnation = ""

    def there(self) -> bool:
        return True  # a database that is not is the engine's own error, and says so

    def open(self, new_incarnation: Callable[[], str], now_ms: Callable[[], int]) -> StoreTransaction:
        """Bring the schema up to date, begin a history if need be, hear of other processes; the writer of this one."""
        self._new_incarnation, self._now_ms = new_incarnation, now_ms
        try:
            migrate.upgrade(migrate.engine_for(self.address))
        except OperationalError as error:
            raise Away(f"The database cannot be opened: {str(error.orig).splitlines()[0]}") from error
        self._session = Session(self.address, writer=True, opened=self._claim)
        self._looker = self.reader()
        """The listener's own."""
        transaction = PostgresTransaction(self._session, self.horizon)
        with transaction.group():
            pass  # opens the session, and with it the history
        self._listener = Listener(self.address, self)
        self._listener.heard.wait(CONNECT_TIMEOUT_S)
        return transaction

    def reader(self) -> StoreReader:
        """A reader of one's own, for one thread."""
        return PostgresReader(Session(self.address, writer=False, opened=self._claim), self.roster, self.horizon)

    def close(self) -> None:
        self._listener.stop()
        self._looker.close()
        self._session.close()

    def look_ahead(self) -> None:
        """Read what there is, once, to hear only of changes afterwards."""
        with self._looker.snapshot():
            self.horizon.begin(*self._looker.look_ahead())
        self.roster.forget()
        self.roster.deaf = False

    def look_again(self) -> None:
        """The office's own work was done elsewhere: people may have changed, or a new history begun."""
        self.roster.forget()
        self.incarnation = self._looker.incarnation

    def go_deaf(self) -> None:
        """Trust nothing that word from other processes keeps true."""
        self.horizon.known, self.roster.deaf = False, True
        self.roster.forget()

    def _claim(self, session: Session) -> None:
        """On every new connection: is this still the server, and the timeline, our history is written on?

        After a promotion or a restore the newest commits may be gone: that is another history, and phones repair themselves.
        Whoever finds it out first begins it.
        """
        session.origin = origin_of(session)
        found = newest_history(StoreReader(session))
        if found is None or found[1] != session.origin:
            with PostgresTransaction(session).group(alone=True) as tx:
                found = newest_history(tx)  # as of now, when nobody else can
                if found is None or found[1] not in (None, "", session.origin):
                    begin_history(tx, self._new_incarnation(), self._now_ms(), session.origin)
                elif not found[1]:
                    adopt_history(tx, session.origin)
                self.incarnation = (newest_history(tx) or ("", None))[0]
            self.go_deaf()
        else:
            if self.incarnation not in ("", found[0]):
                self.go_deaf()  # what is remembered is of the history before
            self.incarnation = found[0]
