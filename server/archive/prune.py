"""Letting go of old backups: their moments first, then every photo that none of the rest names.

A backup without its manifest does not exist, so what is interrupted here is cleared away by the next one, and no photo that a
finished backup names is ever removed. Refuses to decide how many are enough.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.archive import tape
from server.archive.backup import Progress, alone
from server.archive.manifest import Place, places


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was let go."""

    snapshots: int
    photos: int
    photo_bytes: int


def prune(archive: Path, keep: int, tell: Progress) -> Pruned:
    """Keep the newest backups and what they name; about 100 MB of memory for a million photos.

    Raises: `Unfit` while another backup is being taken, `Damaged` when it cannot be read what a kept one names: then nothing
    was let go.
    """
    assert keep >= 1, keep
    with alone(archive):
        finished = places(archive)
        old, kept = finished[:-keep], finished[-keep:]
        named = _named(kept)
        for done, place in enumerate(old, 1):
            place.give_up()
            shutil.rmtree(place.folder)
            tell("snapshots", done)
        sizes = [_removed(path) for path in _photos(archive) if bytes.fromhex(path.name) not in named]
        tell("objects", len(sizes))
    return Pruned(len(old), len(sizes), sum(sizes))


def _named(kept: Sequence[Place]) -> set[bytes]:
    try:
        return {bytes.fromhex(str(row[0])) for place in kept for row in tape.read(place.object_list)[1]}
    except OSError as error:
        raise tape.Damaged(str(error)) from error


def _photos(archive: Path) -> Iterator[Path]:
    return (path for path in (archive / "objects").glob("??/*") if len(path.name) == 64)


def _removed(path: Path) -> int:
    size = path.stat().st_size
    path.unlink()
    return size
