"""What the commands about backups do with the settings of this server, without the words around it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from server.archive.backup import Progress, Source, take
from server.archive.evidence import Evidence, Mark, Tables, examine
from server.archive.faults import Fault, Unfit
from server.archive.manifest import place_of
from server.archive.move import Moved, Stores, move
from server.archive.prune import Pruned, prune
from server.archive.restore import Target, restore
from server.archive.tape import Damaged
from server.archive.verify import Verified, verify
from server.commands import Missing, office, open_service
from server.desk.office import OfficeRules
from server.keys import KeyRing
from server.rebuild import Comparison, compare, mend
from server.service import Clock, DataInUse, take_folder
from server.settings import Settings
from server.storage import rows
from server.storage.database import database_of
from server.storage.places import objects_of
from server.visit_links import Assignment, VisitLinks

MARKS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was taken and read again. `told` journals may now be let go by phones; None: nobody was told.

    `pruned`: what was let go of earlier ones; None when that was not asked for, or this one is not good enough.
    """

    found: Verified
    lost: list[Fault]
    told: int | None
    pruned: Pruned | None

    @property
    def faults(self) -> list[Fault]:
        """Everything that was wrong, each once: of photos the server had lost, how it noticed."""
        return [*self.lost, *(fault for fault in self.found.faults if fault.slug != "photo-lost")]


def take_backup(
    settings: Settings, archive: Path, tell: Progress, *, with_keys: bool, release: bool | None, keep: int | None = None
) -> Backup:
    """Take a backup, read it again, and tell the server how far phones need not keep what they sent.

    `release` None: only when the backup does not lie on the disk it shall save. `keep`: how many good backups to leave, this
    one among them; None: all.
    """
    keys = settings.keys_directory
    if not keys.exists():
        raise Missing(f"{settings.data} is not set up yet; run `lamplighter init` first.")
    root = KeyRing.load(keys).root.kid
    source = Source(settings.database, objects_of(settings), root, keys if with_keys else None)
    place, lost = take(source, archive, Clock().now_ms(), tell)
    found = verify(place, tell, every_photo=False)
    safe = archive.stat().st_dev != settings.data.stat().st_dev if release is None else release
    told = _release(settings, found) if safe and not found.grave else None
    pruned = None
    if keep is not None and not found.grave:
        try:
            pruned = prune(archive, keep, tell)
        except Damaged as error:
            lost = [*lost, Fault("unpruned", archive.name, str(error))]
    return Backup(found, lost, told, pruned)


def _release(settings: Settings, found: Verified) -> int:
    """Tell the server, running or not, what lies inside a verified backup."""
    assert found.manifest is not None, "a backup without a manifest has grave faults"
    marks, told = iter(found.evidence.marks), 0
    with office(settings) as desk:
        while some := list(islice(marks, MARKS_AT_ONCE)):
            body = {"incarnation": found.manifest.incarnation, "journals": [_plain(mark) for mark in some]}
            told += desk.post("/v1/backups", body)["journals"]
    return told


def _plain(mark: Mark) -> dict[str, object]:
    return {"journal": mark.journal, "n": mark.n, "head": mark.head}


def verify_backup(archive: Path, name: str | None, tell: Progress) -> Verified:
    """Read a backup again, all of it."""
    return verify(place_of(archive, name), tell)


def restore_backup(
    settings: Settings, archive: Path, name: str | None, tell: Progress, *, same_history: bool, new_keys: bool
) -> tuple[Verified, str | None]:
    """Fill this server's empty database and object store; the name of the history that begins, if one does."""
    place = place_of(archive, name)
    incarnation = None if same_history else "k" + secrets.token_hex(5)
    with _alone(settings):
        target = Target(settings.database, objects_of(settings), settings.keys_directory, incarnation, Clock().now_ms())
        return restore(place, target, tell, new_keys=new_keys), incarnation


def move_server(settings: Settings, database: str, objects: str, tell: Progress) -> Moved:
    """Copy this server's database and photos to where they shall be from now on."""
    places = {"database_url": database or settings.database, "objects_url": objects or settings.objects}
    there = settings.model_copy(update=places)
    database_of(there.database)
    with _alone(settings):
        source, target = Stores(settings.database, objects_of(settings)), Stores(there.database, objects_of(there))
        return move(source, target, Clock().now_ms(), tell)


def examine_live(settings: Settings) -> Evidence:
    """Hash every chain and the ledger of the database in use, running or not."""
    with _tables(settings) as tables:
        return examine(tables, lambda photo: True)


def compare_live(settings: Settings) -> Comparison:
    """Derive everything again and compare it with what is shown, running or not."""
    links = VisitLinks(KeyRing.load(settings.keys_directory))
    # What a rating says is not compared, only that it was told: its seal need not be broken.
    rules = OfficeRules(lambda sealed: {}, lambda ticket, fence: links.path(Assignment(ticket, fence)))
    with _tables(settings) as tables:
        return compare(tables, rules)


def rebuild(settings: Settings) -> tuple[Comparison, int]:
    """Compare, and mend what differs while no server runs; how many records were shown again."""
    found = compare_live(settings)
    if not any(difference.mendable for difference in found.differences):
        return found, 0
    try:
        service = open_service(settings)
    except DataInUse as error:
        raise Missing(f"{error} Stop it first.") from error
    try:
        return found, mend(service.writer.work, service.hub, found.differences)
    finally:
        service.close()


@contextmanager
def _tables(settings: Settings) -> Iterator[Tables]:
    """Every table of the database in use, at one moment."""
    if not database_of(settings.database).there():
        raise Unfit("never-run")
    layouts = {layout.table: layout for layout in rows.layouts()}
    with rows.snapshot(settings.database) as snapshot:
        yield lambda name: (layouts[name], snapshot.rows(layouts[name]))


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """No server owns the data folder meanwhile. Raises: `Missing`."""
    try:
        lock = take_folder(settings.data)
    except DataInUse as error:
        raise Missing(f"{error} Stop it first.") from error
    with lock:
        yield
