"""Every system call that writes fails once, with EIO and with ENOSPC, while the real server works, starts, or is backed up.

Refuses to know how calls are made to fail.
"""

from __future__ import annotations

import errno
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server import commands
from server.settings import load_settings
from tests.hardship.scene import District, check_photos
from tests.hardship.syscalls import Calls, Failure
from tests.house.tree import ROOT
from tests.server.shell.serving import serving
from tests.storage.world import check_whole

NUMBERS = (errno.EIO, errno.ENOSPC)
PATIENT: dict[str, Any] = {"disk_free_bytes_min": 0, "device_requests_per_minute_max": 1_000_000}
"""Settings of a server whose one phone asks more in a minute than a hundred others."""
_KINDS = (
    ("wal", r"lamplighter\.db-wal$"),
    ("shared memory", r"lamplighter\.db-shm$"),
    ("rollback journal", r"lamplighter\.db-journal$"),
    ("database", r"lamplighter\.db$"),
    ("uploads", r"/objects/uploads/"),
    ("photos", r"/objects/photos"),
    ("backup", r"/backups"),
    ("lock", r"writer\.lock$"),
    ("address", r"server\.json$"),
    ("log", r"server\.log$"),
)
"""Kinds of files the server writes; by name, because names of photos differ from turn to turn."""


@dataclass(frozen=True, slots=True)
class Place:
    """The `at`-th call of this name on this kind of file, failing with `number`."""

    call: str
    kind: str
    at: int
    number: int

    def failure(self) -> Failure:
        return Failure(frozenset({self.call}), re.compile(dict(_KINDS)[self.kind]), self.number, at=self.at)

    def __str__(self) -> str:
        return f"{self.call} {self.at} of {self.kind}: {errno.errorcode[self.number]}"


@dataclass
class Found:
    """What a sweep came to: how many places were tried, how many came true, and every broken promise in words."""

    tried: int = 0
    struck: int = 0
    refused: int = 0
    broken: list[str] = field(default_factory=list)


Chosen = Callable[[Sequence[Place]], Sequence[Place]]
Say = Callable[[str], None]


def every(places: Sequence[Place]) -> Sequence[Place]:
    return places


def places_in(heard: Sequence[tuple[str, str]]) -> list[Place]:
    """Every place among what was heard."""
    counts = Counter((call, kind) for call, path in list(heard) for kind in [kind_of(path)] if kind is not None)
    return [
        Place(call, kind, at, number)
        for (call, kind), count in sorted(counts.items())
        for at in range(1, count + 1)
        for number in NUMBERS
    ]


def kind_of(path: str) -> str | None:
    return next((kind for kind, pattern in _KINDS if re.search(pattern, path)), None)


# ----------------------------------------------------------------------------------------------------------------- at work


def sweep_work(folder: Path, chosen: Chosen = every, say: Say = lambda text: None) -> Found:
    """A job with a photo and a word of the office, again and again; at each turn another call fails."""
    found, data = Found(), folder / "data"
    with (
        Calls() as calls,
        serving(data, launch=calls.launch, **PATIENT) as server,
        closing(District(server.address, data / "keys", folder)) as district,
    ):
        district.organise()
        for place in chosen(_usual_places(district, calls)):
            _turn(district, calls, place, found)
            say(f"{found.tried} places, {found.struck} struck: {place}")
            if server.child.poll() is not None:
                found.broken.append(f"{place}: the server ended")
                break
        found.refused = sum(status == 503 for _, status in district.statuses)
        server.signal(signal.SIGKILL)
        server.child.wait()
        _check_after(district, data)
    return found


def _usual_places(district: District, calls: Calls) -> list[Place]:
    phone = district.phone()
    for turn in ("first", "usual"):  # the first makes files that are there ever after
        heard = calls.listen()
        ticket = district.ticket()
        phone.sync()
        district.job(phone, ticket)
        assert phone.sync().done, turn
    return places_in(heard)


def _turn(district: District, calls: Calls, place: Place, found: Found) -> None:
    (phone,), ticket = district.phones, district.ticket()
    phone.sync()
    district.job(phone, ticket)
    before = len(district.faults)
    failure = calls.fail(place.failure())
    told = phone.sync(attempts=2)
    phone.sync(attempts=1)
    district.office.post(f"/v1/tickets/{ticket}/transfer", json={"crew": "B"})
    calls.heal()
    found.tried += 1
    found.struck += failure.struck
    found.broken += [f"{place}: {what} was told {status}" for what, status in district.faults[before:]]
    again = phone.sync(attempts=3)
    if not again.done or phone.photos_waiting:
        found.broken.append(f"{place}: not well again: {told}, {again}")


def _check_after(district: District, data: Path) -> None:
    """What was acknowledged is there when the server starts without any fault; then everything else comes too."""
    check_whole(data / "lamplighter.db")
    with serving(data, disk_free_bytes_min=0) as server:
        district.move(server.address)
        district.check_kept()
        district.check_converged()
        check_photos(data / "objects", district.photos)


# ------------------------------------------------------------------------------------------------- at start, and backing up


def sweep_start(
    folder: Path, chosen: Chosen = every, say: Say = lambda text: None, known: Sequence[Place] | None = None
) -> Found:
    """The server starts, or says in a sentence why not; the next time it starts, and all is there. `known`: no look first."""
    found, data = Found(), folder / "data"
    commands.init(load_settings(data=data))
    with Calls() as calls:
        if known is None:
            heard = calls.listen()
            with serving(data, launch=calls.launch):
                known = [place for place in places_in(heard) if place.kind != "log"]
        for place in chosen(known):
            failure = calls.fail(place.failure())
            try:
                with serving(data, launch=calls.launch):
                    pass
            except AssertionError:
                _look_at_end(found, place, (data / "server.log").read_text())
            found.tried += 1
            found.struck += failure.struck
            calls.heal()
            say(f"{found.tried} places, {found.struck} struck: {place}")
    with serving(data):
        pass
    check_whole(data / "lamplighter.db")
    return found


def sweep_backup(
    folder: Path, chosen: Chosen = every, say: Say = lambda text: None, known: Sequence[Place] | None = None
) -> Found:
    """A backup is whole and true, or the command fails with a sentence and earlier ones stay; the next one is whole."""
    found, data, archive = Found(), folder / "data", folder / "backups"
    commands.init(load_settings(data=data))
    with serving(data, disk_free_bytes_min=0) as server:
        with closing(District(server.address, data / "keys", folder)) as district:
            district.organise()
            phone, ticket = district.phone(), district.ticket()
            phone.sync()
            district.job(phone, ticket)
            assert phone.sync().done
        with Calls() as calls:
            if known is None:
                heard = calls.listen()
                assert _backup(calls, data, archive)[0] == 0
                known = [place for place in places_in(heard) if place.kind == "backup"]
            for place in chosen(known):
                failure = calls.fail(place.failure())
                status, text = _backup(calls, data, archive)
                calls.heal()
                found.tried += 1
                found.struck += failure.struck
                there_already = place.call.startswith("mkdir") and _verified(calls, data, archive)
                if failure.struck and status == 0 and not there_already:
                    found.broken.append(f"{place}: the command says that it is done")
                if status:
                    _look_at_end(found, place, text)
                say(f"{found.tried} places, {found.struck} struck: {place}")
            assert _backup(calls, data, archive)[0] == 0
            assert _verified(calls, data, archive)
    return found


def _look_at_end(found: Found, place: Place, text: str) -> None:
    found.refused += 1
    if "Traceback" in text or not text.strip():
        found.broken.append(f"{place}: ended without a sentence: {text[-300:]}")


def _backup(calls: Calls, data: Path, archive: Path) -> tuple[int, str]:
    return _command(calls, data, "backup", str(archive))


def _verified(calls: Calls, data: Path, archive: Path) -> bool:
    return _command(calls, data, "verify-backup", str(archive))[0] == 0


def _command(calls: Calls, data: Path, *words: str) -> tuple[int, str]:
    environment = {"LAMPLIGHTER_DATA": str(data), "LAMPLIGHTER_LANG": "en", "PATH": "/usr/bin:/bin"}
    child = calls.launch(
        [sys.executable, "-m", "server", *words], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    text, _ = child.communicate()
    return child.returncode, text.decode()
