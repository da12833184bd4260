"""Where the bytes of photos live: originals named by their SHA-256, unfinished uploads, and derived pictures.

An original appears under its name only after the whole file was hashed again and made durable, and is never changed or
removed here. This module refuses to know what a photo shows, who may send or see it, and how its bytes travel.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, NewType, Protocol, Self

from sync.problems import Refused

Sha256 = NewType("Sha256", str)
"""64 lower-case hex digits: the name of a photo."""

UploadId = NewType("UploadId", str)
"""The photo's name, a hyphen and 32 hex digits: one attempt to deliver it."""


class Variant(StrEnum):
    """What can be had of one photo."""

    ORIGINAL = "original"
    PREVIEW = "preview"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class Upload:
    """How far one upload has come. `complete`: the original is stored and verified, by this upload or by another."""

    id: UploadId
    sha256: Sha256
    size: int
    offset: int
    expires_ms: int
    metadata: str
    complete: bool


class Appending(Protocol):
    """The right to write at the end of one upload, until somebody else resumes it or this is closed."""

    def write(self, block: bytes) -> None:
        """Add bytes, not acknowledged yet; `bad-offset` once another request took over, `too-large` past the end."""

    def keep(self) -> None:
        """Make everything written so far durable; only then may it be acknowledged."""

    def close(self) -> None:
        """Let go. What was written since the last `keep` does not count."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Objects(Protocol):
    """An object store for photos. Every store passes `tests/storage/objects`."""

    def begin(self, sha256: Sha256, size: int, *, metadata: str, expires_ms: int) -> Upload:
        """Open an upload of `size` bytes hashing to `sha256`; of too many for one photo the stalest is dropped."""

    def look(self, upload: UploadId) -> Upload:
        """The upload as it stands; `upload-gone` if there is none."""

    def resume(self, upload: UploadId, offset: int, *, expires_ms: int) -> Appending:
        """Take over an unfinished upload at its present offset (`bad-offset` otherwise) and move its expiry."""

    def finish(self, upload: UploadId) -> Upload:
        """Hash the whole file again and give it its name; `bad-hash`, and the upload forgotten, if it is another."""

    def discard(self, upload: UploadId) -> None:
        """Forget an upload. A stored photo stays."""

    def sweep(self, *, now_ms: int) -> int:
        """Forget every upload that expired before `now_ms`, with what a crash left behind; the number forgotten."""

    def size(self, sha256: Sha256, variant: Variant = Variant.ORIGINAL) -> int | None:
        """Bytes stored, or None."""

    def open(self, sha256: Sha256, variant: Variant = Variant.ORIGINAL) -> BinaryIO:
        """The bytes for reading; `not-found` if there are none. The caller closes it."""

    def put(self, sha256: Sha256, variant: Variant, source: Path) -> None:
        """Store a derived picture beside its original, replacing an earlier one; `not-found` without the original."""


_SHA256 = re.compile(r"[0-9a-f]{64}")
_UPLOAD = re.compile(r"[0-9a-f]{64}-[0-9a-f]{32}")


def sha256_name(text: str) -> Sha256:
    """`text` as a photo's name; `not-found` for anything else, so no name can be a path."""
    if not _SHA256.fullmatch(text):
        raise Refused("not-found", "A photo is named by 64 lower-case hex digits.")
    return Sha256(text)


def upload_name(text: str) -> UploadId:
    """`text` as an upload's name; `not-found` for anything else."""
    if not _UPLOAD.fullmatch(text):
        raise Refused("not-found", "There is no such upload address.")
    return UploadId(text)


def photo_of(upload: UploadId) -> Sha256:
    """The photo an upload delivers."""
    return Sha256(upload_name(upload)[:64])


def _random_id() -> str:
    return uuid.uuid4().hex


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

    def __init__(self, root: Path, *, new_id: Callable[[], str] = _random_id, uploads_per_photo_max: int = 3) -> None:
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
        with self._locked(photo_of(upload)), _disk():
            state = self._state(upload)
            seen = self._seen(upload, state)
            if seen.complete or offset != seen.offset:
                raise bad_offset(seen.offset)
            handle = os.open(self._partial(upload, "part"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if os.fstat(handle).st_size < offset:
                    self._forget(upload)
                    raise _gone()
                os.ftruncate(handle, offset)
                # The newest request owns the upload: the older one is usually a dead connection that nobody told.
                claimed = replace(state, claim=self._new_id(), expires_ms=expires_ms)
                self._save(upload, claimed)
            except BaseException:
                os.close(handle)
                raise
        return _FolderAppending(self, upload, claimed, handle, offset)

    def finish(self, upload: UploadId) -> Upload:
        with self._locked(photo_of(upload)), _disk():
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

    def put(self, sha256: Sha256, variant: Variant, source: Path) -> None:
        assert variant is not Variant.ORIGINAL, "an original comes only through an upload, with its hash checked"
        if self.size(sha256) is None:
            raise Refused("not-found", "There is no original to keep this picture beside.")
        with self._locked(sha256), _disk():
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
        _make_folder(shard)
        with (shard / ".lock").open("ab") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _state(self, upload: UploadId) -> _State:
        try:
            return _read_state(self._partial(upload, "json"))
        except FileNotFoundError as error:
            raise _gone() from error

    def _save(self, upload: UploadId, state: _State) -> None:
        draft = self._partial(upload, "new")
        with _disk():
            draft.write_text(json.dumps(asdict(state)), encoding="utf-8")
            _place(draft, self._partial(upload, "json"))

    def _seen(self, upload: UploadId, state: _State) -> Upload:
        sha256 = photo_of(upload)
        complete = self.size(sha256) == state.size
        offset = state.size if complete else state.offset
        return Upload(upload, sha256, state.size, offset, state.expires_ms, state.metadata, complete)

    def _give_name(self, upload: UploadId, state: _State) -> None:
        part = self._partial(upload, "part")
        with part.open("a+b") as handle:
            handle.seek(0)
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
        with self._owned(), _disk():
            rest = memoryview(block)
            while rest:
                written = os.pwrite(self._handle, rest, self._position)
                self._position += written
                rest = rest[written:]

    def keep(self) -> None:
        with _disk():
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


def bad_offset(offset: int) -> Refused:
    """The problem that tells a client where to go on."""
    return Refused("bad-offset", f"Continue at offset {offset}.", offset=offset)


def _gone() -> Refused:
    return Refused("upload-gone", "This upload is not here any more; create it again, the photo itself is not refused.")


@contextmanager
def _disk() -> Iterator[None]:
    """A full disk is the server's trouble and passes: the phone keeps its photo and asks again."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Refused("busy", "The server has no room for photos now; keep the photo and try later.") from error
        raise


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
