"""Scenes for the photo tests: one shared server, and servers of one's own for those who kill or limit it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.photos.scene import START_MS, Scene
from tests.services.swift import Swift

STORES = ("folder", "s3")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A real tus client meets every store; the rest is asked over a folder, which is quick."""
    if "shared_scene" in metafunc.fixturenames:
        stores = STORES if metafunc.function.__name__ == "test_tuspy_delivers" else STORES[:1]
        metafunc.parametrize("shared_scene", stores, indirect=True, scope="module")


def environment_of(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of a server over the store that the fixture's parameter names."""
    if request.param == "folder":
        return {}
    server: Swift = request.getfixturevalue("s3_server")
    where = {"OBJECTS_URL": f"s3://{server.new_bucket()}", "S3_ENDPOINT": server.url, "S3_ADDRESSING": "path"}
    return {f"LAMPLIGHTER_{name}": value for name, value in where.items()}


@pytest.fixture(scope="module")
def shared_scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("photos"), environment_of(request), block_bytes=4096)
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
    """Starts a server of the test's own, over a folder; keyword arguments are limits."""
    yield from _openers(tmp_path, {})


@pytest.fixture(params=["s3"])
def open_s3_scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """The same over a bucket."""
    yield from _openers(tmp_path, environment_of(request))


def _openers(folder: Path, environment: dict[str, str]) -> Iterator[Callable[..., Scene]]:
    opened: list[Scene] = []

    def open_one(**limits: float) -> Scene:
        opened.append(Scene(folder / f"server-{len(opened)}", environment, **limits))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
