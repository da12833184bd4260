"""One real server for a whole module; every test has phones and tickets of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.handset.scene import Field, Road, bad_road
from tests.running import RunningServer, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("server") / "data") as running:
        yield running


@pytest.fixture
def field(server: RunningServer, tmp_path: Path) -> Iterator[Field]:
    made = Field(server, tmp_path)
    yield made
    made.close()


@pytest.fixture
def own_field(tmp_path: Path) -> Iterator[Field]:
    """A field whose server a test may stop, start and shift in time."""
    with running_server(tmp_path / "server") as running:
        made = Field(running, tmp_path)
        yield made
        made.close()


@pytest.fixture
def road(server: RunningServer) -> Iterator[Road]:
    with bad_road(server) as made:
        yield made
