"""Moving a stopped server to another database and object store, whatever the engines: the same history goes on there.

Photos first, each at most once; the database last, in one transaction that counts only when every table reads back as it was.
So a move that was interrupted left an empty database, and runs again from where the photos stood.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from server.archive import photos, tape
from server.archive.backup import Progress, state_of
from server.archive.evidence import Tables, pick
from server.archive.faults import Fault, Unfit
from server.archive.restore import check_empty, compare
from server.storage import rows
from server.storage.objects import Objects, Sha256
from server.storage.rows import Loading, Snapshot
from sync.problems import Refused


@dataclass(frozen=True, slots=True)
class Stores:
    """A database and the photos that belong to it."""

    database: str
    objects: Objects


@dataclass(slots=True)
class Moved:
    """What came over. `there` photos had been brought by an earlier try; `faults` are photos the source has no more."""

    incarnation: str
    position: int
    rows: int = 0
    photos: int = 0
    there: int = 0
    faults: list[Fault] = field(default_factory=list)


def move(source: Stores, target: Stores, now_ms: int, tell: Progress) -> Moved:
    """Copy everything and compare it. Raises: `Unfit` when the target is not empty, or does not read back the same."""
    if others := rows.others(source.database):
        raise Unfit("still-open", count=others)
    with rows.snapshot(source.database) as snapshot:
        try:
            with rows.loading(target.database, snapshot.revision) as loading:
                incarnation, position, _ = state_of(_tables(snapshot))
                _check_fresh(loading, incarnation, position)
                moved = Moved(incarnation, position)
                _photos(source.objects, target.objects, _tables(snapshot), moved, now_ms, tell)
                _rows(snapshot, loading, moved, tell)
                loading.settle()
                loading.await_photos([fault.name for fault in moved.faults])
                return moved
        except rows.WrongShape as error:
            raise Unfit("shape", detail=str(error)) from error


def _tables(snapshot: Snapshot) -> Tables:
    layouts = {layout.table: layout for layout in rows.layouts()}
    return lambda name: (layouts[name], snapshot.rows(layouts[name]))


def _check_fresh(loading: Loading, incarnation: str, position: int) -> None:
    """A database that holds this very history is told from one that holds something else."""
    if "history" in loading.filled():
        there, at, _ = state_of(_tables(loading))
        if there == incarnation:
            raise Unfit("moved-already", incarnation=there, position=at, here=position)
    check_empty(loading)


def _rows(snapshot: Snapshot, loading: Loading, moved: Moved, tell: Progress) -> None:
    for layout in rows.layouts():
        meter = tape.Meter(layout)
        loading.load(layout, meter.through(snapshot.rows(layout)))
        compare(loading, layout, meter.digest)
        moved.rows += meter.digest.rows
        tell(layout.table, meter.digest.rows)


def _photos(source: Objects, target: Objects, tables: Tables, moved: Moved, now_ms: int, tell: Progress) -> None:
    for name, received in pick(tables, "photo", "sha256", "received_at"):
        size = source.size(Sha256(name))
        if size is None:
            moved.faults += [Fault("photo-lost", name)] if received is not None else []
            continue
        try:
            with source.open(Sha256(name)) as file:
                new = photos.give(file, size, target, Sha256(name), now_ms)
        except Refused as refused:
            if refused.problem.slug != "bad-hash":
                raise
            moved.faults.append(Fault("photo-spoilt", name, str(refused)))
            continue
        photos.give_pictures(source, target, Sha256(name))
        moved.photos += 1
        moved.there += not new
        if moved.photos % 100 == 0:
            tell("objects", moved.photos)
    tell("objects", moved.photos)
