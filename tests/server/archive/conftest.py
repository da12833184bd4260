"""A server of one's own with phones around it, and a folder for its backups."""

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
from tests.server.archive.scene import Shell, Yard


@pytest.fixture(scope="session")
def _set_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as `lamplighter init` leaves it, to be copied."""
    folder = tmp_path_factory.mktemp("set-up") / "server"
    commands.init(load_settings(data=folder))
    return folder


@pytest.fixture
def yard(tmp_path: Path, _set_up: Path) -> Iterator[Yard]:
    shutil.copytree(_set_up, tmp_path / "server")
    with running_server(tmp_path / "server") as running:
        tell_address(running.settings.data, running.address)
        field = Field(running, tmp_path)
        yield Yard(field, tmp_path)
        field.close()


@pytest.fixture
def lamplighter(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)
