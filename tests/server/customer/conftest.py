"""One server for the tests of each module, and a customer with a browser that runs no script."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.api.world import World, running_world
from tests.server.customer.scene import Customers


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("customer")) as world:
        yield world


@pytest.fixture
def customers(world: World) -> Customers:
    return Customers(world)
