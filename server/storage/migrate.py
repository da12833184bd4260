"""Bringing a database to the shape this release needs: empty, old or already there.

Alembic is configured here, in code, so that it works from an installed wheel. The steps are in `migrations`; they run in one
transaction, so an upgrade that fails leaves the database as it was. Refuses to know what is in the tables.
"""

from __future__ import annotations

import time
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from server.storage import tables
from server.storage.sql import table_of

_BEGIN = "begin"  # the execution option that says how a SQLite transaction begins


LOCK_TIMEOUT_MS = 2000
LOCK_PAUSE_S = 1.0
LOCK_TRIES = 60
_LOCK_NOT_AVAILABLE = "55P03"
_MIGRATING = 0x4C414D50_00000003


DatabaseFault = SQLAlchemyError
"""What looking into a database raises when it is not there or not as it should be."""


class Blocked(Exception):
    """Somebody else's long transaction kept an upgrade from its locks; the database is as it was."""


class UnknownRevision(Exception):
    """The database carries a revision this release has never heard of: a newer release wrote it."""


def engine_for(path_or_url: Path | str) -> Engine:
    """An engine for migrations and office reads over a SQLite file, or whatever database a URL names.

    On SQLite no connection stays open between uses: only the writer's may outlive its transaction.
    """
    text = str(path_or_url)
    url = make_url(text) if "://" in text else make_url("sqlite://").set(database=text)
    if url.get_backend_name() != "sqlite":
        return create_engine(url, poolclass=NullPool)
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": 10.0})
    event.listen(engine, "begin", _begin)
    return engine


def upgrade(engine: Engine, to: str = "head") -> None:
    """Run every step up to `to` that the database has not seen, all or none; nothing happens when there is none.

    Raises: UnknownRevision when a newer release has been at this database.
    """
    if engine.dialect.name == "postgresql":
        _upgrade_under_traffic(engine, to)
        return
    with engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"}).begin() as connection:
        # Asked under the write lock: of two processes that start together, the second finds the work done.
        _check_known(_revision(connection))
        command.upgrade(_config(connection), to)


def _upgrade_under_traffic(engine: Engine, to: str) -> None:
    """The same while other processes write: a step that must wait for a lock gives way after a moment and tries again.

    Whoever queues for a table lock holds up everybody who comes after; so it waits for no longer than a phone notices.
    """
    if to == "head" and at_head(engine):
        return  # a role that may not change tables asks for nothing more
    for attempt in range(LOCK_TRIES, 0, -1):
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms'")
                _check_known(_revision(connection))
                command.upgrade(_config(connection), to)
            return
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            if attempt == 1:
                raise Blocked("The upgrade found no moment in which nobody used its tables; nothing was changed.") from error
            time.sleep(LOCK_PAUSE_S)


def current(engine: Engine) -> str | None:
    """The revision the database is at, or None when it has never been migrated."""
    with engine.connect() as connection:
        return _revision(connection)


def at_head(engine: Engine) -> bool:
    """Whether the database has exactly the shape this release needs."""
    return current(engine) == ScriptDirectory.from_config(_config()).get_current_head()


def knows(revision: str) -> bool:
    """Whether this release has a step of that name."""
    return revision in [step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions()]


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    # ConfigParser reads % as the beginning of a name.
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = table_of(tables.Counter).metadata
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _check_known(revision: str | None) -> None:
    known = [step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions()]
    if revision is not None and revision not in known:
        raise UnknownRevision(
            f"The database is at revision {revision}; this release knows none beyond {known[0]}. "
            "Run the release that wrote it, or restore a backup from before."
        )


def _begin(connection: Connection) -> None:
    # Python's sqlite3 begins no transaction before CREATE TABLE, so half an upgrade could stay behind.
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))
