"""A backup taken while crews are at work holds one moment, whole; restored elsewhere, phones bring what came after it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from clients.handset.phone import Handset
from server.archive import commands as archives
from server.archive import photos
from server.archive.faults import Unfit
from server.archive.manifest import MANIFEST
from server.commands import Missing
from server.keys import KeyRing
from server.storage.objects import Sha256
from sync.problems import Refused
from tests.handset.scene import JPEG, server_lines
from tests.server.archive.scene import Yard, digests


class Crew(threading.Thread):
    """A phone whose member never stops writing and sending."""

    def __init__(self, phone: Handset, ticket: str) -> None:
        super().__init__()
        self.phone, self.ticket = phone, ticket
        self.rounds = 0
        self.enough = threading.Event()
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.enough.is_set():
                self.phone.note(self.ticket, f"round {self.rounds}")
                self.phone.sync()
                self.rounds += 1
        except BaseException as error:
            self.fault = error


def test_a_backup_under_load_is_one_whole_moment_and_phones_bring_what_came_later(yard: Yard) -> None:
    server = yard.field.server
    crews = []
    for member, name in (("m1", "A"), ("m3", "B")):
        phone, ticket = yard.field.phone(member), server.ticket(name)
        phone.sync()
        phone.accept(ticket)
        crews.append(Crew(phone, ticket))
    for crew in crews:
        crew.start()
    taken = [yard.backup(), yard.backup(), yard.backup(release=True)]
    for crew in crews:
        crew.enough.set()
        crew.join()
    assert [crew.fault for crew in crews] == [None, None]
    assert [backup.faults for backup in taken] == [[], [], []]
    sizes = [backup.found.evidence.facts for backup in taken]
    assert sizes == sorted(sizes) and sizes[0] > 0
    for crew in crews:
        crew.phone.note(crew.ticket, "written after the last backup")
        crew.phone.sync()

    written = {crew.phone.device: server_lines(yard.field, crew.phone) for crew in crews}
    elsewhere = yard.elsewhere()
    assert yard.restore(elsewhere) not in (None, server.service.incarnation)
    yard.continue_at(elsewhere)
    assert sum(server_lines(yard.field, crew.phone) for crew in crews) < sum(written.values())
    for crew in crews:
        crew.phone.sync()
        crew.phone.sync()
        assert server_lines(yard.field, crew.phone) == written[crew.phone.device]
        assert not crew.phone.differences()
        notes = server.view(crew.ticket)["visits"].popitem()[1]["notes"]
        assert [note["text"] for note in notes] == [f"round {n}" for n in range(crew.rounds)] + [
            "written after the last backup"
        ]


def test_the_restored_database_is_table_by_table_the_one_that_was_backed_up(yard: Yard) -> None:
    yard.morning()
    yard.field.server.stop()
    before = digests(yard.settings.database)
    yard.backup()
    elsewhere = yard.elsewhere()
    assert yard.restore(elsewhere, same_history=True) is None
    after = digests(elsewhere.database)
    assert {name for name in before if after[name] != before[name]} == {"photo"}  # its pictures are made again
    yard.continue_at(elsewhere)
    yard.field.server.service.derivation.drain()
    [photo] = _known_photos(yard)
    assert yard.field.server.service.objects.open(Sha256(photo)).read() == JPEG


def _known_photos(yard: Yard) -> list[str]:
    return [row[0] for row in yard.field.server.service.reader().run("SELECT sha256 FROM photo").fetchall()]


def test_a_photo_lies_once_in_the_folder_however_many_backups_name_it(yard: Yard) -> None:
    yard.morning()
    yard.backup()
    [photo] = [path for path in (yard.archive / "objects").rglob("*") if path.is_file()]
    before = photo.stat()
    yard.backup()
    assert len(list((yard.archive / "snapshots").iterdir())) == 2
    assert (photo.stat().st_ino, photo.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_photo_the_server_lost_is_named_and_keeps_nothing_else_from_being_saved(yard: Yard) -> None:
    phone = yard.morning()
    [photo] = _known_photos(yard)
    store = photos.path_of(yard.settings.data / "objects" / "photos", photo)
    store.unlink()
    taken = yard.backup(release=True)
    assert [(fault.slug, fault.name) for fault in taken.faults] == [("photo-lost", photo)]
    elsewhere = yard.elsewhere()
    yard.restore(elsewhere)
    yard.continue_at(elsewhere)
    received = yard.field.server.service.reader().run("SELECT received_at FROM photo").fetchall()
    assert received == [(None,)], "it may be sent again"
    assert server_lines(yard.field, phone) > 0


def test_a_photo_that_is_damaged_in_the_store_is_named_and_not_copied(yard: Yard) -> None:
    yard.morning()
    [photo] = _known_photos(yard)
    store = photos.path_of(yard.settings.data / "objects" / "photos", photo)
    store.chmod(0o600)
    store.write_bytes(JPEG[::-1])
    assert [(fault.slug, fault.name) for fault in yard.backup().faults] == [("photo-spoilt", photo)]
    assert not photos.path_of(yard.archive / "objects", photo).exists()


# ------------------------------------------------------------------------------------------------------ what is not finished


def test_a_backup_that_was_interrupted_does_not_count_and_is_cleared_by_the_next(yard: Yard) -> None:
    yard.backup()
    (yard.newest().folder / MANIFEST).unlink()
    with pytest.raises(Unfit, match="no-backup"):
        yard.verify()
    yard.backup()
    assert len(list((yard.archive / "snapshots").iterdir())) == 1
    assert yard.verify().faults == []


def test_two_backups_into_one_folder_at_once_are_refused(yard: Yard) -> None:
    inside: list[str] = []

    def meanwhile(name: str, count: int) -> None:
        if not inside:
            inside.append(name)
            with pytest.raises(Unfit, match="in-use"):
                yard.backup()

    archives.take_backup(yard.settings, yard.archive, meanwhile, with_keys=False, release=False)
    assert inside


# -------------------------------------------------------------------------------------------------------------------- keys


def test_keys_come_along_only_when_asked_and_then_nobody_else_can_read_them(yard: Yard) -> None:
    yard.backup(with_keys=False)
    assert not yard.newest().keys.exists()
    yard.backup(with_keys=True)
    assert KeyRing.load(yard.newest().keys).root.kid == KeyRing.load(yard.settings.keys_directory).root.kid
    assert {path.stat().st_mode & 0o777 for path in yard.newest().keys.iterdir()} == {0o600}


def test_a_server_is_not_restored_without_its_keys_unless_told_so(yard: Yard) -> None:
    yard.morning()
    yard.backup(with_keys=False)
    elsewhere = yard.elsewhere()
    with pytest.raises(Unfit, match="no-keys"):
        yard.restore(elsewhere)
    KeyRing.create(elsewhere.keys_directory, now_ms=1)
    with pytest.raises(Unfit, match="other-keys"):
        yard.restore(elsewhere)
    yard.restore(elsewhere, new_keys=True)


# ------------------------------------------------------------------------------------------------------------- the target


def test_a_database_that_holds_anything_is_not_restored_into(yard: Yard) -> None:
    yard.morning()
    yard.backup()
    yard.field.server.stop()
    before = digests(yard.settings.database)
    with pytest.raises(Unfit, match="not-empty"):
        yard.restore(yard.settings)
    assert digests(yard.settings.database) == before


def test_nothing_is_restored_under_a_running_server(yard: Yard) -> None:
    yard.backup()
    with pytest.raises(Missing, match="Stop it first"):
        yard.restore(yard.settings)


def test_a_restore_that_fails_on_its_way_leaves_nothing_and_can_be_repeated(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.morning()
    yard.backup()
    elsewhere = yard.elsewhere()
    give = photos.give

    def no_room(*given: object) -> bool:
        raise Refused("busy", "no room")

    monkeypatch.setattr(photos, "give", no_room)
    with pytest.raises(Refused):
        yard.restore(elsewhere)
    assert set(digests(elsewhere.database)) and not elsewhere.keys_directory.exists()
    assert sum(digest.rows for digest in digests(elsewhere.database).values()) == 0
    monkeypatch.setattr(photos, "give", give)
    yard.restore(elsewhere)


def test_the_folder_of_an_empty_path_is_no_backup(tmp_path: Path, yard: Yard) -> None:
    with pytest.raises(Unfit, match="no-backup"):
        yard.verify()
