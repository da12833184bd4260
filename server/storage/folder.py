"""Photos in a folder of this machine, for any number of its threads and processes.

Refuses to know what `objects.py` refuses to know.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Self

import structlog

from server.storage.objects import (
    ENTRIES_SEEN_MAX,
    Appending,
    Sha256,
    Upload,
    UploadId,
    Variant,
    bad_offset,
    gone,
    photo_of,
    random_id,
    sha256_name,
    upload_name,
)
from sync.problems import Refused


@dataclass(frozen=True, slots=True)
class _State:
    """What is written beside a partial file. `offset` is what was acknowledged; bytes behind it do not count."""

    size: int
    offset: int
    expires_ms: int
    metadata: str
    claim: str


class FolderObjects:
    """Photos in a folder: `photos/ab/<hash>` and `.preview`, `.copy` beside it; `uploads/ab/<upload>.part` and `.json`.

    Threads and processes of one machine may share the folder: everything about an upload happens under the file lock of
    its shard (the first two digits of the hash), which is held for one block of bytes or one final hash, never for as
    long as a phone takes to send.
    """

    def __init__(self, root: Path, *, new_id: Callable[[], str] = random_id, uploads_per_photo_max: int = 3) -> None:
        self._photos = root / "photos"
        self._uploads = root / "uploads"
        self._new_id = new_id
        self._uploads_per_photo_max = uploads_per_photo_max
        for folder in (self._photos, self._uploads):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_folder(root)

    def begin(self, sha256: Sha256, size: int, *, metadata: str, expires_ms: int) -> Upload:
        upload = UploadId(f"{sha256_name(sha256)}-{self._new_id()}")
        state = _State(size=size, offset=0, expires_ms=expires_ms, metadata=metadata, claim="")
        with self._locked(sha256):
            self._make_room(sha256)
            self._save(upload, state)
            return self._seen(upload, state)

    def look(self, upload: UploadId) -> Upload:
        with self._locked(photo_of(upload)):
            return self._seen(upload, self._state(upload))

    def resume(self, upload: UploadId, offset: int, *, expires_ms: int) -> Appending:
        with self._locked(photo_of(upload)):
            state = self._state(upload)
            seen = self._seen(upload, state)
            if seen.complete or offset != seen.offset:
                raise bad_offset(seen.offset)
            handle = os.open(self._partial(upload, "part"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if os.fstat(handle).st_size < offset:
                    self._forget(upload)
                    raise gone()
                os.ftruncate(handle, offset)
                # The newest request owns the upload: the older one is usually a dead connection that nobody told.
                claimed = replace(state, claim=self._new_id(), expires_ms=expires_ms)
                self._save(upload, claimed)
            except BaseException:
                os.close(handle)
                raise
        return _FolderAppending(self, upload, claimed, handle, offset)

    def finish(self, upload: UploadId) -> Upload:
        with self._locked(photo_of(upload)):
            state = self._state(upload)
            if not self._seen(upload, state).complete:
                if state.offset != state.size:
                    raise bad_offset(state.offset)
                self._give_name(upload, state)
            self._partial(upload, "part").unlink(missing_ok=True)
            return self._seen(upload, state)

    def discard(self, upload: UploadId) -> None:
        with self._locked(photo_of(upload)):
            self._state(upload)
            self._forget(upload)

    def sweep(self, *, now_ms: int) -> int:
        forgotten = 0
        for shard in sorted(self._uploads.iterdir()):
            with self._locked(shard.name):
                for path in sorted(shard.glob("*.json")):
                    if _read_state(path).expires_ms < now_ms:
                        self._forget(UploadId(path.stem))
                        forgotten += 1
                _remove_strays(shard)
        return forgotten

    def uploads_open(self) -> int:
        with disk():
            return sum(1 for _ in islice(self._uploads.glob("*/*.part"), ENTRIES_SEEN_MAX))

    def size(self, sha256: Sha256, variant: Variant = Variant.ORIGINAL) -> int | None:
        try:
            return self._photo(sha256, variant).stat().st_size
        except FileNotFoundError:
            return None

    def open(self, sha256: Sha256, variant: Variant = Variant.ORIGINAL) -> BinaryIO:
        try:
            return self._photo(sha256, variant).open("rb")
        except FileNotFoundError as error:
            raise Refused("not-found", f"The {variant} of this photo is not here (yet).") from error

    def link(self, sha256: Sha256, variant: Variant) -> str | None:
        return None

    def erase(self, sha256: Sha256) -> None:
        with self._locked(sha256):
            for path in list(self._shard(sha256).glob(f"{sha256}-*.json")):
                self._forget(UploadId(path.stem))
            for path in list(self._shard(sha256).glob(f"{sha256}-*")):
                path.unlink(missing_ok=True)
            for variant in Variant:
                self._photo(sha256, variant).unlink(missing_ok=True)
            folder = self._photo(sha256, Variant.ORIGINAL).parent
            if folder.exists():
                _sync_folder(folder)

    def put(self, sha256: Sha256, variant: Variant, source: Path) -> None:
        assert variant is not Variant.ORIGINAL, "an original comes only through an upload, with its hash checked"
        if self.size(sha256) is None:
            raise Refused("not-found", "There is no original to keep this picture beside.")
        with self._locked(sha256):
            draft = self._shard(sha256) / f"{sha256}-{variant}.new"
            shutil.copyfile(source, draft)
            _place(draft, self._photo(sha256, variant))

    def _photo(self, sha256: Sha256, variant: Variant) -> Path:
        name = sha256_name(sha256)  # the last door before the file system, whoever called
        return self._photos / name[:2] / (name if variant is Variant.ORIGINAL else f"{name}.{variant}")

    def _partial(self, upload: UploadId, suffix: str) -> Path:
        return self._uploads / upload[:2] / f"{upload_name(upload)}.{suffix}"

    def _shard(self, prefix: str) -> Path:
        return self._uploads / prefix[:2]

    @contextmanager
    def _locked(self, prefix: str) -> Iterator[None]:
        shard = self._shard(prefix)
        with disk():
            _make_folder(shard)
            with (shard / ".lock").open("ab") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield

    def _state(self, upload: UploadId) -> _State:
        try:
            return _read_state(self._partial(upload, "json"))
        except FileNotFoundError as error:
            raise gone() from error

    def _save(self, upload: UploadId, state: _State) -> None:
        draft = self._partial(upload, "new")
        draft.write_text(json.dumps(asdict(state)), encoding="utf-8")
        _place(draft, self._partial(upload, "json"))

    def _seen(self, upload: UploadId, state: _State) -> Upload:
        sha256 = photo_of(upload)
        complete = self.size(sha256) == state.size
        offset = state.size if complete else state.offset
        return Upload(upload, sha256, state.size, offset, state.expires_ms, state.metadata, complete)

    def _give_name(self, upload: UploadId, state: _State) -> None:
        part = self._partial(upload, "part")
        part.touch(mode=0o600)  # of no bytes at all nothing was written
        with part.open("rb") as handle:  # not for writing: an attempt that failed after the change of mode may be here again
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
            if digest != photo_of(upload) or os.fstat(handle.fileno()).st_size != state.size:
                self._forget(upload)
                raise Refused("bad-hash", f"The bytes hash to {digest}; send the photo again from the start.")
            os.fchmod(handle.fileno(), 0o400)
        _place(part, self._photo(photo_of(upload), Variant.ORIGINAL))

    def _make_room(self, sha256: Sha256) -> None:
        paths = self._shard(sha256).glob(f"{sha256}-*.json")
        stalest_first = sorted(paths, key=lambda path: _read_state(path).expires_ms)
        surplus = len(stalest_first) - self._uploads_per_photo_max + 1
        for path in stalest_first[: max(0, surplus)]:
            self._forget(UploadId(path.stem))

    def _forget(self, upload: UploadId) -> None:
        # The state goes first: a crash in between leaves a stray partial, which `sweep` removes.
        self._partial(upload, "json").unlink(missing_ok=True)
        self._partial(upload, "part").unlink(missing_ok=True)


class _FolderAppending:
    """One request writing into a partial file, for as long as the claim in its state is this request's."""

    def __init__(self, store: FolderObjects, upload: UploadId, claimed: _State, handle: int, position: int) -> None:
        self._store = store
        self._upload = upload
        self._claimed = claimed
        self._handle = handle
        self._position = position

    def write(self, block: bytes) -> None:
        size = self._claimed.size
        if self._position + len(block) > size:
            raise Refused("too-large", f"The upload was announced with {size} bytes; more arrived.")
        with self._owned():
            rest = memoryview(block)
            while rest:
                written = os.pwrite(self._handle, rest, self._position)
                self._position += written
                rest = rest[written:]

    def keep(self) -> None:
        with disk():
            os.fsync(self._handle)  # outside the lock: the slow part disturbs nobody
        with self._owned() as state:
            self._store._save(self._upload, replace(state, offset=self._position))

    def close(self) -> None:
        os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextmanager
    def _owned(self) -> Iterator[_State]:
        with self._store._locked(photo_of(self._upload)):
            state = self._store._state(self._upload)
            if state.claim != self._claimed.claim:
                raise bad_offset(state.offset)
            yield state


_TROUBLE = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE))
BUSY_RETRY_S = 30


@contextmanager
def disk() -> Iterator[None]:
    """A disk that is full or fails is the server's trouble and passes: the phone keeps its photo and asks again."""
    try:
        yield
    except OSError as error:
        if error.errno not in _TROUBLE:
            raise
        structlog.get_logger().error("disk trouble", why=str(error))
        detail = "The server cannot store photos now, its disk fails or is full; keep the photo and try later."
        raise Refused("busy", detail, retry_after_s=BUSY_RETRY_S) from error


def _read_state(path: Path) -> _State:
    return _State(**json.loads(path.read_text(encoding="utf-8")))


def _remove_strays(shard: Path) -> None:
    """Drafts and partials without a state: under the shard's lock only a crash explains them."""
    for path in list(shard.iterdir()):
        if path.suffix in (".new", ".part") and not path.with_suffix(".json").exists():
            path.unlink(missing_ok=True)


def _place(draft: Path, target: Path) -> None:
    """Move a finished file to its name so that a power cut shows the whole of it or nothing."""
    with draft.open("rb") as handle:
        os.fsync(handle.fileno())
    _make_folder(target.parent)
    os.replace(draft, target)
    _sync_folder(target.parent)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
