"""Disks that fail and disks that are full, under the real server process: nothing acknowledged is lost, and it says why."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.hardship import sweep
from tests.hardship.scene import District, check_photos
from tests.hardship.sweep import PATIENT, Place
from tests.server.shell.serving import serving
from tests.storage.world import check_whole


def sample(count: int) -> sweep.Chosen:
    """As many places, spread evenly; `python -m tests.hardship` tries every one."""

    def chosen(places: Sequence[Place]) -> Sequence[Place]:
        return [places[at * len(places) // count] for at in range(min(count, len(places)))]

    return chosen


def test_whichever_call_of_the_working_server_fails_nothing_acknowledged_is_lost_and_nobody_is_told_500(tmp_path: Path) -> None:
    found = sweep.sweep_work(tmp_path, sample(12))
    assert found.broken == []
    assert found.struck >= 6 and found.refused >= 3


def test_a_start_whose_call_fails_says_why_and_the_next_one_is_well(tmp_path: Path) -> None:
    found = sweep.sweep_start(tmp_path, known=[Place("openat", "database", 1, errno.EIO)])
    assert found.broken == []
    assert found.struck == 1


def test_a_backup_whose_call_fails_says_so_and_the_next_one_is_whole(tmp_path: Path) -> None:
    found = sweep.sweep_backup(tmp_path, known=[Place("fsync", "backup", 3, errno.ENOSPC)])
    assert found.broken == []
    assert found.struck == found.refused == 1


# ---------------------------------------------------------------------------------------------------------------- full disk

DISK_MIB = 8


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A real file system of a few MiB. Mounting asks for rights: without them, whoever wants it is skipped by name."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip("a file system of its own needs the right to mount; the sweep of failing calls shows ENOSPC without it")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 65536):
                pass
        except OSError:
            assert os.statvfs(disk).f_bavail == 0
    return ballast


def test_on_a_full_disk_phones_are_told_to_come_back_and_the_day_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        data = disk / "data"
        with (
            serving(data, **{**PATIENT, "disk_free_bytes_min": 2**20}) as server,
            closing(District(server.address, data / "keys", tmp_path)) as district,
        ):
            district.organise()
            phone = district.phone()
            tickets = [district.ticket() for _ in range(12)]
            phone.sync()
            district.job(phone, tickets[0])
            assert phone.sync().done
            ballast = fill(disk)
            refusals = []
            for ticket in tickets[1:]:
                district.job(phone, ticket, photo_bytes=60_000)
                refusals.append(phone.sync(attempts=1).problem)
            assert refusals[-1] is not None and refusals[-1]["slug"] == "busy" and refusals[-1]["retry_after_s"] > 0
            ready = district.office.get("/readyz")
            assert ready.status_code == 503 and "MiB free" in ready.json()["checks"]["disk"]
            assert district.office.get("/livez").status_code == 200
            district.check_kept()
            ballast.unlink()
            district.check_converged()
            assert district.office.get("/readyz").status_code == 200
            assert district.faults == []
            server.signal(signal.SIGKILL)
            server.child.wait()
            check_whole(data / "lamplighter.db")
            check_photos(data / "objects", district.photos)
