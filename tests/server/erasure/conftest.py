"""A server over either engine with a phone, and a job done for a customer whom nobody must find again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import commands
from server.service import tell_address
from server.settings import load_settings
from tests.handset.scene import Field
from tests.running import running_server
from tests.server.archive.scene import Shell
from tests.server.erasure.scene import Erased, House


@pytest.fixture(scope="session")
def _set_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as `lamplighter init` leaves it, to be copied."""
    folder = tmp_path_factory.mktemp("set-up") / "server"
    commands.init(load_settings(data=folder))
    return folder


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path, _set_up: Path) -> Iterator[House]:
    """Over each engine."""
    options = {} if request.param == "sqlite" else {"database_url": request.getfixturevalue("new_postgres")}
    shutil.copytree(_set_up, tmp_path / "server")
    with running_server(tmp_path / "server", **options) as running:
        yield House(field := Field(running, tmp_path))
        field.close()


@pytest.fixture
def one_house(tmp_path: Path, _set_up: Path) -> Iterator[House]:
    """Over SQLite alone, where the engine makes no difference."""
    shutil.copytree(_set_up, tmp_path / "server")
    with running_server(tmp_path / "server") as running:
        tell_address(running.settings.data, running.address)
        yield House(field := Field(running, tmp_path))
        field.close()


@pytest.fixture(scope="module")
def erased(tmp_path_factory: pytest.TempPathFactory, _set_up: Path) -> Iterator[Erased]:
    """One erasure that several tests look at."""
    folder = tmp_path_factory.mktemp("erased")
    shutil.copytree(_set_up, folder / "server")
    with running_server(folder / "server") as running:
        yield Erased.of(House(field := Field(running, folder)))
        field.close()


@pytest.fixture
def lamplighter(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)
