"""Filling an empty database and object store from a backup, checked before and after, whole or not at all.

Phones may know more than the backup: unless the same history goes on, a new one begins in the same transaction, and they
send again what is not here. Refuses to know which engine it fills.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from server.archive import photos, tape
from server.archive.backup import Progress
from server.archive.faults import Fault, Unfit
from server.archive.manifest import Manifest, Place, copy_secrets
from server.archive.verify import Verified, verify
from server.keys import KeyRing
from server.storage import rows
from server.storage.objects import Objects, Sha256
from server.storage.rows import Layout, Loading


@dataclass(frozen=True, slots=True)
class Target:
    """Where it goes. `incarnation` names the history to begin, or is None when the same one goes on."""

    database: str
    objects: Objects
    keys: Path
    incarnation: str | None
    now_ms: int


def restore(place: Place, target: Target, tell: Progress, *, new_keys: bool = False) -> Verified:
    """Fill the target. Raises: `Unfit` when the backup or the target is not fit for it; nothing was changed then.

    Single photos that are lost or damaged keep nothing back: they count as not arrived, and phones may send them again.
    """
    found = verify(place, tell)
    if found.grave or found.manifest is None:
        raise Unfit("bad-backup", folder=place.folder, faults=found.grave)
    _check_keys(place, target, found.manifest, new_keys=new_keys)
    lost = {fault.name for fault in found.faults if fault.about_photo}
    try:
        with rows.loading(target.database, found.manifest.revision) as loading:
            check_empty(loading)
            _give_photos(place, target, lost, tell)
            for name, stream in found.manifest.tables.items():
                layout, content = tape.read(place.table(name))
                loading.load(layout, content)
                compare(loading, layout, tape.Digest(stream.rows, stream.sha256))
                tell(name, stream.rows)
            _settle(loading, target, lost)
            _place_keys(place, target, found.manifest)
    except rows.WrongShape as error:
        raise Unfit("shape", detail=str(error)) from error
    return found


def check_empty(loading: Loading) -> None:
    """Raises: `Unfit` when the database holds anything."""
    filled = loading.filled()
    if filled:
        raise Unfit("not-empty", tables=", ".join(filled))


def compare(loading: Loading, layout: Layout, wanted: tape.Digest) -> None:
    """Read a table back from where it was loaded. Raises: `Unfit` when it is not what was read."""
    if tape.digest(layout, loading.rows(layout)) != wanted:
        raise Unfit("differs", table=layout.table)


def _settle(loading: Loading, target: Target, lost: set[str]) -> None:
    loading.settle()
    loading.forget_pictures()
    loading.await_photos(sorted(lost))
    if target.incarnation is not None:
        loading.begin_history(target.incarnation, target.now_ms)


def _give_photos(place: Place, target: Target, lost: set[str], tell: Progress) -> None:
    done = 0
    for name, size in tape.read(place.object_list)[1]:
        if name in lost:
            continue
        with photos.path_of(place.objects, name).open("rb") as file:
            photos.give(file, size, target.objects, Sha256(name), target.now_ms)
        done += 1
        if done % 100 == 0:
            tell("objects", done)
    tell("objects", done)


def _check_keys(place: Place, target: Target, manifest: Manifest, *, new_keys: bool) -> None:
    """A server without its keys is another server to every phone: that must not happen by mistake."""
    if target.keys.exists():
        if KeyRing.load(target.keys).root.kid != manifest.root and not new_keys:
            raise Unfit("other-keys", folder=target.keys)
    elif not manifest.with_keys and not new_keys:
        raise Unfit("no-keys", folder=target.keys)


def _place_keys(place: Place, target: Target, manifest: Manifest) -> None:
    if target.keys.exists():
        return
    if not manifest.with_keys:
        KeyRing.create(target.keys, now_ms=target.now_ms)
        return
    draft = target.keys.with_name(f"{target.keys.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    copy_secrets(place.keys, draft)
    os.replace(draft, target.keys)


def lost_photos(found: Verified) -> list[Fault]:
    """The photos a restore had to do without."""
    return [fault for fault in found.faults if fault.about_photo]
