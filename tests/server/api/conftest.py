"""One server on each engine for the tests of each module; tests keep apart by using members and tickets of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.api.world import World, running_world
from tests.services.postgres import Postgres

ENGINES = ("sqlite", "postgres")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A module may name fewer engines, where none makes a difference and the tests are many (`--all-engines` runs them all)."""
    if "world" in metafunc.fixturenames:
        wanted = ENGINES if metafunc.config.getoption("all_engines") else getattr(metafunc.module, "ENGINES", ENGINES)
        metafunc.parametrize("world", wanted, indirect=True, scope="module")


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    limits: dict[str, object] = {}
    if request.param == "postgres":
        server: Postgres = request.getfixturevalue("postgres")
        limits["database_url"] = server.address(server.new_database())
    with running_world(tmp_path_factory.mktemp("api"), **limits) as world:
        yield world
