"""Bringing a database to the shape this release needs: empty, old or already there.

Alembic is configured here, in code, so that it works from an installed wheel. The steps are in `migrations`; they run in one
transaction, so an upgrade that fails leaves the database as it was. Refuses to know what is in the tables.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, make_url

from server.storage import tables
from server.storage.sql import table_of

_BEGIN = "begin"  # the execution option that says how a SQLite transaction begins


class UnknownRevision(Exception):
    """The database carries a revision this release has never heard of: a newer release wrote it."""


def engine_for(path_or_url: Path | str) -> Engine:
    """An engine for migrations and office reads over a SQLite file, or whatever database a URL names.

    On SQLite no connection stays open between uses: only the writer's may outlive its transaction.
    """
    text = str(path_or_url)
    url = make_url(text) if "://" in text else make_url("sqlite://").set(database=text)
    if url.get_backend_name() != "sqlite":
        return create_engine(url)
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": 10.0})
    event.listen(engine, "begin", _begin)
    return engine


def upgrade(engine: Engine) -> None:
    """Run every step the database has not seen, all or none; nothing happens when there is none.

    Raises: UnknownRevision when a newer release has been at this database.
    """
    with engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"}).begin() as connection:
        # Asked under the write lock: of two processes that start together, the second finds the work done.
        _check_known(_revision(connection))
        command.upgrade(_config(connection), "head")


def current(engine: Engine) -> str | None:
    """The revision the database is at, or None when it has never been migrated."""
    with engine.connect() as connection:
        return _revision(connection)


def at_head(engine: Engine) -> bool:
    """Whether the database has exactly the shape this release needs."""
    return current(engine) == ScriptDirectory.from_config(_config()).get_current_head()


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
