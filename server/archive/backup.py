"""Taking a backup while the server goes on writing: one moment of the database, then every photo it names.

Photos come after the moment is read, so what it names is there; a photo is never changed and never deleted by the server, so
it may be read later. Nothing counts before the manifest is written. Refuses to know what the rows mean.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path

from server.archive import photos, tape
from server.archive.evidence import Tables, pick
from server.archive.faults import Fault, Unfit
from server.archive.manifest import FORMAT, Manifest, Place, Stream, copy_secrets
from server.storage import rows
from server.storage.objects import Objects, Sha256
from server.storage.rows import Cell, Layout, Row, Snapshot
from sync.journal import fact_id
from sync.ledger import Ledger
from sync.problems import Refused

OBJECTS = Layout("objects", (("sha256", Cell.TEXT), ("size", Cell.INTEGER)), ("sha256",))
Progress = Callable[[str, int], None]
"""Told of each step: what is being done, and how much of it."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is backed up. `root` names the root key; `keys` is its folder when the keys shall come along."""

    database: str
    objects: Objects
    root: str
    keys: Path | None


@dataclass(slots=True)
class _Photos:
    """The photos of one backup as they are copied."""

    bytes: int
    missing: list[str]
    faults: list[Fault]


def take(source: Source, archive: Path, now_ms: int, tell: Progress) -> tuple[Place, list[Fault]]:
    """A new backup in the folder, and what the server no longer had. Raises: `Unfit` while another one is being taken."""
    with alone(archive):
        _clear(archive)
        place = Place(archive / "snapshots" / _name(now_ms))
        place.folder.mkdir(mode=0o700)
        with rows.snapshot(source.database) as snapshot:
            revision = snapshot.revision
            streams = {layout.table: _table(place, snapshot, layout, tell) for layout in rows.layouts()}
        copied = _Photos(0, [], [])
        listed = _stream(place.object_list, OBJECTS, _copy_photos(source, place, copied, tell))
        if source.keys is not None:
            copy_secrets(source.keys, place.keys)
        incarnation, position, ledger = state_of(reading(place))
        manifest = Manifest(
            FORMAT, now_ms, revision, incarnation, position, ledger.size, fact_id(ledger.root()), source.root,
            source.keys is not None, streams, listed, copied.bytes, tuple(copied.missing),
        )  # fmt: skip
        place.finish(manifest)
        return place, copied.faults


def reading(place: Place) -> Tables:
    """The tables of a backup."""
    return lambda name: tape.read(place.table(name))


def state_of(tables: Tables) -> tuple[str, int, Ledger]:
    """The newest history, the last position of the feed, and the ledger, as the tables say."""
    histories = sorted(pick(tables, "history", "number", "incarnation"))
    if not histories:
        raise Unfit("never-run")
    positions = dict(pick(tables, "counter", "name", "value"))
    size, frontier = next(pick(tables, "ledgernode", "size", "frontier"), (0, b""))
    ledger = Ledger(size, [frontier[at : at + 32] for at in range(0, len(frontier), 32)])
    return histories[-1][1], positions.get("position", 0), ledger


def _name(now_ms: int) -> str:
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    return f"{moment:%Y%m%dT%H%M%S}.{now_ms % 1000:03d}Z"


@contextmanager
def alone(archive: Path) -> Iterator[None]:
    """While nobody else changes the folder of backups. Raises: `Unfit`."""
    (archive / "snapshots").mkdir(mode=0o700, parents=True, exist_ok=True)
    (archive / "objects").mkdir(mode=0o700, exist_ok=True)
    with (archive / ".lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Unfit("in-use", folder=archive) from error
        yield


def _clear(archive: Path) -> None:
    """Remove what an interrupted backup left behind."""
    finished = {path.parent for path in archive.glob("snapshots/*/manifest.json")}
    for folder in archive.glob("snapshots/*"):
        if folder not in finished:
            shutil.rmtree(folder)
    for draft in archive.glob("objects/*/*.new"):
        draft.unlink()


def _table(place: Place, snapshot: Snapshot, layout: Layout, tell: Progress) -> Stream:
    stream = _stream(place.table(layout.table), layout, snapshot.rows(layout))
    tell(layout.table, stream.rows)
    return stream


def _stream(path: Path, layout: Layout, content: Iterator[Row]) -> Stream:
    with path.open("wb") as file:
        digest = tape.write(file, layout, content)
        file.flush()
        os.fsync(file.fileno())
    with path.open("rb") as written:
        return Stream(digest.rows, digest.sha256, path.stat().st_size, file_digest(written, "sha256").hexdigest())


def _copy_photos(source: Source, place: Place, copied: _Photos, tell: Progress) -> Iterator[Row]:
    """Every photo that had arrived, and whatever has arrived since: more never harms."""
    done = 0
    for name, received in pick(reading(place), "photo", "sha256", "received_at"):
        try:
            size = photos.keep(source.objects, Sha256(name), place.objects)
        except Refused:
            if received is not None:
                copied.missing.append(name)
                copied.faults.append(Fault("photo-lost", name))
            continue
        except photos.WrongBytes as error:
            copied.missing.append(name)
            copied.faults.append(Fault("photo-spoilt", name, str(error)))
            continue
        copied.bytes += size
        done += 1
        if done % 100 == 0:
            tell("objects", done)
        yield name, size
    tell("objects", done)
