"""Real services that any test may ask for: started when first asked, one of each for a test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from server.storage import migrate
from server.storage.postgres import PostgresTransaction
from server.storage.session import Session
from server.storage.store import begin_history
from tests.scene import NOON
from tests.services.postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL, thrown away at the end."""
    with Postgres().create() as server:
        yield server


@pytest.fixture(scope="session")
def _migrated(postgres: Postgres) -> str:
    """A database at this version's schema, to be copied."""
    name = postgres.new_database()
    engine = migrate.engine_for(postgres.address(name))
    migrate.upgrade(engine)
    engine.dispose()
    return name


@pytest.fixture(scope="session")
def _begun(postgres: Postgres, _migrated: str) -> str:
    name = postgres.new_database(_migrated)
    session = Session(postgres.address(name), writer=True)
    with PostgresTransaction(session).group() as tx:
        begin_history(tx, "k1", NOON)
    session.close()
    return name


@pytest.fixture
def bare_postgres(postgres: Postgres) -> str:
    """The address of an empty database of one's own, without tables."""
    return postgres.address(postgres.new_database())


@pytest.fixture
def new_postgres(postgres: Postgres, _migrated: str) -> str:
    """The same with this version's tables."""
    return postgres.address(postgres.new_database(_migrated))


@pytest.fixture
def empty_postgres(postgres: Postgres, _begun: str) -> str:
    """The same with its first history, k1."""
    return postgres.address(postgres.new_database(_begun))
