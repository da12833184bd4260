"""Photos between an object store and a folder of files named by their hash. Each is hashed on its way and never changed.

Refuses to know which photos are needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from hashlib import file_digest, sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from server.archive.manifest import sync_folder
from server.storage.objects import Objects, Sha256, Variant, sha256_name
from sync.problems import Refused

BLOCK_BYTES = 1 << 20
UPLOAD_HOURS_MS = 24 * 3_600_000


class WrongBytes(Exception):
    """A photo's bytes are not those its name says; the message is what they hash to."""


def path_of(folder: Path, name: str) -> Path:
    """Where a photo lies in such a folder."""
    return folder / name[:2] / sha256_name(name)


def size_of(path: Path) -> int | None:
    """Bytes there, or None."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return None


def keep(store: Objects, name: Sha256, folder: Path) -> int:
    """Copy a photo into the folder unless it lies there whole; its size. Raises: `Refused` not-found, `WrongBytes`."""
    size = store.size(name)
    if size is None:
        raise Refused("not-found", "The photo is not in the object store.")
    target = path_of(folder, name)
    if size_of(target) == size:
        return size
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = target.with_suffix(".new")
    with store.open(name) as source, draft.open("wb") as file:
        _copy(source, file, name)
        file.flush()
        os.fsync(file.fileno())
    draft.chmod(0o400)
    check(draft, name)
    os.replace(draft, target)
    sync_folder(target.parent)
    return size


def check(path: Path, name: str) -> None:
    """Read a file again. Raises: `WrongBytes` when it is another photo, `FileNotFoundError`."""
    with path.open("rb") as file:
        found = file_digest(file, "sha256").hexdigest()
    if found != name:
        raise WrongBytes(found)


def give(source: BinaryIO, size: int, store: Objects, name: Sha256, now_ms: int) -> bool:
    """Put a photo into a store as a phone would, so that the store hashes it again; whether it was new there.

    Raises: `Refused` bad-hash when the bytes are others.
    """
    if store.size(name) == size:
        return False
    upload = store.begin(name, size, metadata="", expires_ms=now_ms + UPLOAD_HOURS_MS)
    try:
        with store.resume(upload.id, 0, expires_ms=upload.expires_ms) as appending:
            for block in _blocks(source):
                appending.write(block)
            appending.keep()
        store.finish(upload.id)
    except BaseException:
        with suppress(Refused):
            store.discard(upload.id)
        raise
    return True


def give_pictures(source: Objects, target: Objects, name: Sha256) -> None:
    """Take the pictures made of a photo along."""
    for variant in (Variant.PREVIEW, Variant.COPY):
        size = source.size(name, variant)
        if size is None or target.size(name, variant) == size:
            continue
        with TemporaryDirectory() as folder, source.open(name, variant) as picture:
            file = Path(folder, "picture")
            file.write_bytes(picture.read())
            target.put(name, variant, file)


def _copy(source: BinaryIO, target: BinaryIO, name: str) -> None:
    hashed = sha256()
    for block in _blocks(source):
        hashed.update(block)
        target.write(block)
    if hashed.hexdigest() != name:
        raise WrongBytes(hashed.hexdigest())


def _blocks(source: BinaryIO) -> Iterator[bytes]:
    while block := source.read(BLOCK_BYTES):
        yield block
