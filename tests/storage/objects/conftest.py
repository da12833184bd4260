"""The stores that must keep the contract. A new store is one line in `STORES`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from server.storage.objects import FolderObjects, Objects

STORES: dict[str, Callable[[Path], Objects]] = {"folder": FolderObjects}


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Objects]:
    """Opens the same store again and again, as processes of one deployment do."""
    return lambda: STORES[request.param](tmp_path / "objects")


@pytest.fixture
def store(open_store: Callable[[], Objects]) -> Objects:
    return open_store()
