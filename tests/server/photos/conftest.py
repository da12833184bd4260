"""Scenes for the photo tests: one shared server, and servers of one's own for those who kill or limit it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.photos.scene import START_MS, Scene


@pytest.fixture(scope="module")
def shared_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("photos"), block_bytes=4096)
    yield scene
    scene.close()


@pytest.fixture
def scene(shared_scene: Scene) -> Iterator[Scene]:
    """A running server. Tests keep apart by using photos of their own."""
    yield shared_scene
    shared_scene.set_clock(START_MS)
    assert "Traceback" not in shared_scene.log()


@pytest.fixture
def open_scene(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """Starts a server of the test's own; keyword arguments are limits."""
    opened: list[Scene] = []

    def open_one(**limits: float) -> Scene:
        opened.append(Scene(tmp_path / f"server-{len(opened)}", **limits))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
