"""The one door to the database: an address in, a store of that engine out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from server.settings import BadSetting
from server.storage.cluster import PostgresDatabase
from server.storage.horizon import Horizon, Roster
from server.storage.sqlite import SqliteDatabase
from server.storage.store import StoreReader, StoreTransaction


class Database(Protocol):
    """What the server needs of an engine. `exclusive`: only one process may have it open."""

    exclusive: bool
    address: str
    horizon: Horizon
    roster: Roster
    incarnation: str
    """The history being written; another one after the database came back without its newest part."""

    def there(self) -> bool:
        """Whether there is a database to look into; looking would make an SQLite file."""

    def open(self, new_incarnation: Callable[[], str], now_ms: Callable[[], int]) -> StoreTransaction:
        """Bring the schema up to date, begin a history if need be; this process's one writer."""

    def reader(self) -> StoreReader:
        """A reader of one's own, for one thread."""

    def close(self) -> None: ...


def database_of(address: str) -> Database:
    """The database at an SQLAlchemy URL. Raises `BadSetting` for an engine this version does not speak."""
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise BadSetting("LAMPLIGHTER_DATABASE_URL must be sqlite:///PATH or postgresql://USER@HOST/NAME.") from error
    if url.get_backend_name() == "sqlite" and url.database:
        return SqliteDatabase(Path(url.database))
    if url.drivername in ("postgresql", "postgresql+psycopg"):
        return PostgresDatabase(address)
    raise BadSetting(f"LAMPLIGHTER_DATABASE_URL must be sqlite:///PATH or postgresql://USER@HOST/NAME, not {url.drivername}.")
