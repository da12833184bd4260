"""The scene of the backup tests: a district at work, its backups, and other places they may be brought to."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clients.handset.phone import Handset
from server.__main__ import main
from server.archive import commands as archives
from server.archive import tape
from server.archive.commands import Backup
from server.archive.manifest import Place, place_of
from server.archive.verify import Verified
from server.service import tell_address
from server.settings import Settings, load_settings
from server.storage import rows
from tests.handset.scene import JPEG, Field, work


def silent(name: str, count: int) -> None:
    """Nobody listens to the progress."""


def digests(database: str) -> dict[str, tape.Digest]:
    """What every table of a database holds, as one digest each."""
    with rows.snapshot(database) as snapshot:
        return {layout.table: tape.digest(layout, snapshot.rows(layout)) for layout in rows.layouts()}


@dataclass
class Yard:
    """One server with phones, and the folder of its backups."""

    field: Field
    folder: Path

    @property
    def settings(self) -> Settings:
        return self.field.server.settings

    @property
    def archive(self) -> Path:
        return self.folder / "backups"

    def morning(self) -> Handset:
        """A phone that has done a job with a photo, all of it with the server."""
        phone, ticket = self.field.phone(), self.field.server.ticket()
        phone.sync()
        work(phone, ticket)
        again = self.field.server.ticket()
        phone.sync()
        phone.accept(again)
        phone.photo(again, JPEG)
        phone.sync()
        assert phone.photos_waiting == 0 and not phone.differences()
        return phone

    def backup(self, *, with_keys: bool = True, release: bool = False) -> Backup:
        return archives.take_backup(self.settings, self.archive, silent, with_keys=with_keys, release=release)

    def newest(self) -> Place:
        return place_of(self.archive)

    def verify(self) -> Verified:
        return archives.verify_backup(self.archive, None, silent)

    def elsewhere(self, **settings: Any) -> Settings:
        """Settings of a server that was never set up."""
        return load_settings(data=self.folder / "elsewhere", **settings)

    def restore(self, settings: Settings, *, same_history: bool = False, new_keys: bool = False) -> str | None:
        """Restore the newest backup there; the name of the history that begins."""
        options = {"same_history": same_history, "new_keys": new_keys}
        return archives.restore_backup(settings, self.archive, None, silent, **options)[1]

    def continue_at(self, settings: Settings) -> None:
        """The server goes on with other settings, at the same address."""
        self.field.server.stop()
        self.field.server.settings = settings
        self.field.server.start()
        tell_address(settings.data, self.field.server.address)


class Shell:
    """Types commands in this process, as if each were a program of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.setenv("COLUMNS", "400")

    def __call__(self, settings: Settings, *words: str | Path, lang: str = "en") -> tuple[int, str, str]:
        """Exit status, what was said, and what was complained of."""
        self._monkeypatch.setenv("LAMPLIGHTER_DATA", str(settings.data))
        self._monkeypatch.setenv("LAMPLIGHTER_LANG", lang)
        self._monkeypatch.setattr(sys, "argv", ["lamplighter", *map(str, words)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = self._capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err
