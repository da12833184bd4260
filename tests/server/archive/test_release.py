"""Phones let go of a line only when it lies in a verified backup, with every photo it names."""

from __future__ import annotations

import time

import pytest

from clients.handset.phone import Handset
from server.archive import commands as archives
from server.commands import Said, office
from sync import wire
from tests.handset.scene import JPEG
from tests.server.archive.scene import Yard, silent


def durable(yard: Yard, phone: Handset) -> tuple[int, int]:
    """How far a phone's journal is stored, and how far it lies in a backup, as the server will state it."""
    rows = yard.field.server.service.reader().run("SELECT doc FROM journal WHERE device = ?", (phone.device,)).fetchall()
    [chain] = [wire.load_chain(doc) for (doc,) in rows]
    return chain.n, chain.durable


def test_after_a_verified_backup_the_server_states_how_far_it_reaches(yard: Yard) -> None:
    phone = yard.morning()
    stored, before = durable(yard, phone)
    assert before == 0
    taken = yard.backup(release=True)
    assert taken.told == 1 and durable(yard, phone) == (stored, stored)
    phone.sync()
    [own] = phone.replica.state.journals
    assert own.durable == stored
    assert yard.backup(release=True).told == 0, "nothing moved on"


def test_a_phone_lets_go_a_week_after_the_backup_and_never_without_one(yard: Yard) -> None:
    phone = yard.morning()
    week_ms = 8 * 86_400_000
    assert phone.replica.prune(time.time_ns() // 1_000_000 + week_ms) == 0
    yard.backup(release=True)
    phone.sync()
    assert phone.replica.prune(time.time_ns() // 1_000_000) == 0
    assert phone.replica.prune(time.time_ns() // 1_000_000 + week_ms) > 0


def test_a_photo_that_is_not_in_the_backup_keeps_its_fact_and_all_after_it_on_the_phone(yard: Yard) -> None:
    server, phone = yard.field.server, yard.field.phone()
    ticket = server.ticket()
    phone.sync()
    phone.accept(ticket)
    phone.note(ticket, "before the photo")
    phone.sync()
    told, _ = durable(yard, phone)
    phone.photo(ticket, JPEG + b"not sent")
    phone.note(ticket, "after the photo")
    phone.bundle_out(yard.folder / "lines")  # the lines come by another road, the photo does not yet
    phone.bundle_in(yard.folder / "lines", reply=yard.folder / "reply")
    yard.backup(release=True)
    stored, reach = durable(yard, phone)
    assert (reach, stored) == (told, told + 2)
    phone.sync()
    assert phone.photos_waiting == 0
    yard.backup(release=True)
    assert durable(yard, phone) == (stored, stored)


def test_a_backup_with_faults_or_on_the_same_disk_tells_nobody(yard: Yard) -> None:
    phone = yard.morning()
    taken = archives.take_backup(yard.settings, yard.archive, silent, with_keys=False, release=None)
    assert taken.told is None and durable(yard, phone)[1] == 0, "the folder lies on the disk it should save"


def test_a_mark_of_another_line_or_another_history_moves_nothing(yard: Yard) -> None:
    phone = yard.morning()
    yard.backup()
    [mark] = yard.verify().evidence.marks
    with office(yard.settings) as desk:
        here = yard.field.server.service.incarnation
        for lie in ({"head": "A" * 43}, {"n": mark.n - 1}, {"n": mark.n + 1}, {"journal": "office"}):
            journals = [{"journal": mark.journal, "n": mark.n, "head": mark.head} | lie]
            assert desk.post("/v1/backups", {"incarnation": here, "journals": journals}) == {"journals": 0}
        with pytest.raises(Said, match="another history"):
            desk.post("/v1/backups", {"incarnation": "k0", "journals": []})
        with pytest.raises(Said):
            desk.post("/v1/backups", {"incarnation": here, "journals": ["x"]})
    assert durable(yard, phone)[1] == 0


def test_a_backup_of_a_stopped_server_is_remembered_for_its_next_start(yard: Yard) -> None:
    phone = yard.morning()
    yard.field.server.stop()
    assert yard.backup(release=True).told == 1
    yard.field.server.start()
    stored, reach = durable(yard, phone)
    assert stored == reach > 0
