"""One server for the tests of each module; tests keep apart by using members and tickets of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.api.world import World, running_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("api")) as world:
        yield world
