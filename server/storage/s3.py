"""Photos in an S3 bucket, for any number of server processes on any number of machines.

S3 has no locks and no appending, so an upload is a handful of small objects that are written once, under names of their own,
and never changed; their names alone tell how far it has come:

    uploads/ab/<upload>/begun.<size>.<expires>            what was promised; inside: the client's metadata
    uploads/ab/<upload>/claim.<number>.<expires>.<owner>  the newest request to go on with it
    uploads/ab/<upload>/piece.<start>.<end>.<owner>       acknowledged bytes

The offset is how far pieces reach without a gap, so it never goes back, whoever writes, and two who write at once harm
nobody. What is promised of "acknowledged" needs a store that lists what it has stored (S3 itself does since 2020, and so do
Ceph and MinIO). Refuses to know what `objects.py` refuses to know, and how a bucket is spoken to.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import BinaryIO, Self
from weakref import WeakValueDictionary

from server.storage.bucket import Absent, Bucket, Entry, Taken
from server.storage.folder import disk
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

_MEMORY_BYTES = 2**20  # of one body; the rest of it waits in a temporary file
_BLOCK_BYTES = 2**18
_HOUR_MS = 3_600_000
_FINISH_TRIES_MAX = 3
_OPAQUE = "application/octet-stream"
_TYPES = {Variant.ORIGINAL: _OPAQUE, Variant.PREVIEW: "image/jpeg", Variant.COPY: "image/jpeg"}


@dataclass(frozen=True, slots=True)
class Piece:
    key: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Ordered: the greater one is the newer, and of two made at the same moment exactly one is."""

    number: int
    owner: str
    expires_ms: int

    def __gt__(self, other: Claim) -> bool:
        return (self.number, self.owner) > (other.number, other.owner)


@dataclass(slots=True)
class Traces:
    """Everything stored of one upload, as its listing tells."""

    begun: str = ""
    size: int = 0
    claim: Claim = field(default_factory=lambda: Claim(0, "", 0))
    pieces: list[Piece] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def due(self, now_ms: int) -> bool:
        """Whether all this is to be forgotten: expired, or left by a crash without its beginning."""
        return not self.begun or self.claim.expires_ms < now_ms

    @property
    def reach(self) -> int:
        """How far the pieces go without a gap."""
        chain = self.chain()
        return chain[-1].end if chain else 0

    def chain(self) -> list[Piece]:
        """The fewest pieces that cover everything up to the reach; they may overlap."""
        chain: list[Piece] = []
        reach, best = 0, None
        for piece in sorted(self.pieces, key=lambda piece: piece.start):
            if piece.start > reach:
                if best is None or best.end < piece.start:
                    break
                chain.append(best)
                reach, best = best.end, None
            if piece.end > reach and (best is None or piece.end > best.end):
                best = piece
        return chain if best is None else [*chain, best]


class S3Objects:
    """Photos at `photos/ab/<hash>`, pictures at `.preview` and `.copy` beside, all below `prefix`."""

    def __init__(
        self,
        bucket: Bucket,
        prefix: str = "",
        *,
        link_s: int | None = None,
        new_id: Callable[[], str] = random_id,
        uploads_per_photo_max: int = 3,
        pieces_max: int = 100,
    ) -> None:
        """`link_s`: how long a `link` is good, None for no links; `pieces_max`: more become one at the next resume."""
        self.bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._link_s = link_s
        self._new_id = new_id
        self._uploads_per_photo_max = uploads_per_photo_max
        self._pieces_max = pieces_max

    def begin(self, sha256: Sha256, size: int, *, metadata: str, expires_ms: int) -> Upload:
        upload = UploadId(f"{sha256_name(sha256)}-{self._new_id()}")
        self._make_room(sha256)
        self._write(f"{self._folder(upload)}begun.{size:015}.{expires_ms:015}", metadata.encode())
        complete = self.size(sha256) == size
        return Upload(upload, sha256, size, size if complete else 0, expires_ms, metadata, complete)

    def look(self, upload: UploadId) -> Upload:
        return self._seen(upload, self._traces(upload))

    def resume(self, upload: UploadId, offset: int, *, expires_ms: int) -> Appending:
        with _alone(upload):
            traces = self._traces(upload)
            if self.size(photo_of(upload)) == traces.size:
                raise bad_offset(traces.size)
            if offset != traces.reach:
                raise bad_offset(traces.reach)
            claim = Claim(traces.claim.number + 1, self._new_id(), expires_ms)
            self._write(f"{self._folder(upload)}claim.{claim.number:06}.{expires_ms:015}.{claim.owner}", b"")
            # Another process may have stored bytes before it could see this claim: it did, or it sees it and stops.
            traces = self._owned(upload, claim)
            if offset != traces.reach:
                raise bad_offset(traces.reach)
            self._tidy(upload, traces, claim)
        return _S3Appending(self, upload, claim, traces.size, offset)

    def finish(self, upload: UploadId) -> Upload:
        for _ in range(_FINISH_TRIES_MAX):
            traces = self._traces(upload)
            with suppress(Absent):  # pieces were made one, or another finished: look again
                if self.size(photo_of(upload)) != traces.size:
                    if traces.reach != traces.size:
                        raise bad_offset(traces.reach)
                    self._give_name(upload, traces)
                self.bucket.delete([piece.key for piece in traces.pieces])
                return self._seen(upload, traces)
        raise Refused("busy", "The bytes of this upload are being moved; ask again.")

    def discard(self, upload: UploadId) -> None:
        with _alone(upload):
            self._forget(self._traces(upload))

    def sweep(self, *, now_ms: int) -> int:
        listed = groupby(self.bucket.list(f"{self._prefix}uploads/"), key=lambda entry: _upload_of(entry.key))
        due = [name for name, entries in listed if traces_of(entries).due(now_ms)]
        self.bucket.abort_parts(self._prefix, before_ms=now_ms - _HOUR_MS)  # what takes longer has died
        return sum(self._sweep(UploadId(name), now_ms) for name in due)

    def uploads_open(self) -> int:
        seen = islice(self.bucket.list(f"{self._prefix}uploads/"), ENTRIES_SEEN_MAX)
        return len({_upload_of(entry.key) for entry in seen if "/piece." in entry.key})

    def size(self, sha256: Sha256, variant: Variant = Variant.ORIGINAL) -> int | None:
        try:
            return self.bucket.size(self._photo(sha256, variant))
        except Absent:
            return None

    def open(self, sha256: Sha256, variant: Variant = Variant.ORIGINAL) -> BinaryIO:
        try:
            return self.bucket.open(self._photo(sha256, variant))
        except Absent as error:
            raise Refused("not-found", f"The {variant} of this photo is not here (yet).") from error

    def link(self, sha256: Sha256, variant: Variant) -> str | None:
        if self._link_s is None:
            return None
        saved = f'attachment; filename="{sha256}.bin"' if variant is Variant.ORIGINAL else "inline"
        key = self._photo(sha256, variant)
        return self.bucket.link(key, seconds=self._link_s, content_type=_TYPES[variant], disposition=saved)

    def erase(self, sha256: Sha256) -> None:
        listed = self.bucket.list(f"{self._prefix}uploads/{sha256[:2]}/{sha256_name(sha256)}-")
        for _, entries in groupby(listed, key=lambda entry: _upload_of(entry.key)):
            self._forget(traces_of(entries))
        self.bucket.delete([self._photo(sha256, variant) for variant in Variant])

    def put(self, sha256: Sha256, variant: Variant, source: Path) -> None:
        assert variant is not Variant.ORIGINAL, "an original comes only through an upload, with its hash checked"
        if self.size(sha256) is None:
            raise Refused("not-found", "There is no original to keep this picture beside.")
        with source.open("rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            self.bucket.put(self._photo(sha256, variant), handle, size, content_type=_TYPES[variant])

    def _photo(self, sha256: Sha256, variant: Variant = Variant.ORIGINAL) -> str:
        name = sha256_name(sha256)  # the last door before the bucket, whoever called
        return f"{self._prefix}photos/{name[:2]}/{name if variant is Variant.ORIGINAL else f'{name}.{variant}'}"

    def _folder(self, upload: UploadId) -> str:
        return f"{self._prefix}uploads/{upload[:2]}/{upload_name(upload)}/"

    def _write(self, key: str, data: bytes) -> None:
        self.bucket.put(key, io.BytesIO(data), len(data), content_type=_OPAQUE)

    def _traces(self, upload: UploadId) -> Traces:
        traces = traces_of(self.bucket.list(self._folder(upload)))
        if not traces.begun:
            raise gone()
        return traces

    def _seen(self, upload: UploadId, traces: Traces) -> Upload:
        try:
            metadata = self.bucket.get(traces.begun).decode()
        except Absent as error:
            raise gone() from error
        sha256 = photo_of(upload)
        complete = self.size(sha256) == traces.size
        offset = traces.size if complete else traces.reach
        return Upload(upload, sha256, traces.size, offset, traces.claim.expires_ms, metadata, complete)

    def _owned(self, upload: UploadId, claim: Claim) -> Traces:
        """The upload as it stands; `bad-offset` if another request has taken it over since."""
        traces = self._traces(upload)
        if traces.claim.owner != claim.owner:
            raise bad_offset(traces.reach)
        return traces

    def _append(self, upload: UploadId, claim: Claim, start: int, body: BinaryIO, size: int) -> None:
        with _alone(upload):
            self._owned(upload, claim)
            key = f"{self._folder(upload)}piece.{start:015}.{start + size:015}.{claim.owner}"
            self.bucket.put(key, body, size, content_type=_OPAQUE)

    def _tidy(self, upload: UploadId, traces: Traces, claim: Claim) -> None:
        """Drop what older requests left; the new is there first, so the reach never goes back."""
        folder = self._folder(upload)
        old = [key for key in traces.keys if key.startswith(f"{folder}claim.") and not key.endswith(claim.owner)]
        if len(traces.pieces) > self._pieces_max:
            with _temporary() as whole:
                self._collect(traces, whole)
                key = f"{folder}piece.{0:015}.{traces.reach:015}.{claim.owner}"
                self.bucket.put(key, whole, traces.reach, content_type=_OPAQUE)
            old += [piece.key for piece in traces.pieces]
        self.bucket.delete(old)

    def _collect(self, traces: Traces, target: BinaryIO) -> str:
        """Write all acknowledged bytes to `target`; their SHA-256."""
        digest, reach = hashlib.sha256(), 0
        for piece in traces.chain():
            with self.bucket.open(piece.key) as source:
                source.read(reach - piece.start)
                while block := source.read(_BLOCK_BYTES):
                    digest.update(block)
                    with disk():
                        target.write(block)
            reach = piece.end
        return digest.hexdigest()

    def _give_name(self, upload: UploadId, traces: Traces) -> None:
        sha256 = photo_of(upload)
        with _temporary() as whole:
            digest = self._collect(traces, whole)
            if digest != sha256 or whole.tell() != traces.size:
                self._forget(traces)
                raise Refused("bad-hash", f"The bytes hash to {digest}; send the photo again from the start.")
            try:
                self.bucket.put(self._photo(sha256), whole, traces.size, content_type=_OPAQUE, only_new=True)
            except Taken:  # by another that finished it, or by ourselves and the answer was lost
                if self.size(sha256) != traces.size:
                    self.bucket.put(self._photo(sha256), whole, traces.size, content_type=_OPAQUE)

    def _make_room(self, sha256: Sha256) -> None:
        listed = self.bucket.list(f"{self._prefix}uploads/{sha256[:2]}/{sha256}-")
        found = [traces_of(entries) for _, entries in groupby(listed, key=lambda entry: _upload_of(entry.key))]
        stalest_first = sorted(found, key=lambda traces: traces.claim.expires_ms)
        surplus = len(stalest_first) - self._uploads_per_photo_max + 1
        for traces in stalest_first[: max(0, surplus)]:
            self._forget(traces)

    def _sweep(self, upload: UploadId, now_ms: int) -> bool:
        """Forget one upload that is due; whether it was one, and not only what a crash left of one."""
        with _alone(upload):
            # Listed anew: of an upload that began meanwhile the first listing may have missed the beginning.
            traces = traces_of(self.bucket.list(self._folder(upload)))
            if not traces.due(now_ms):
                return False
            self._forget(traces)
            return bool(traces.begun)

    def _forget(self, traces: Traces) -> None:
        # The beginning goes first: a crash in between leaves strays, which `sweep` removes.
        if traces.begun:
            self.bucket.delete([traces.begun])
        self.bucket.delete([key for key in traces.keys if key != traces.begun])


class _S3Appending:
    """One request's bytes, kept here until they are to be acknowledged, for as long as its claim is the newest."""

    def __init__(self, store: S3Objects, upload: UploadId, claim: Claim, size: int, position: int) -> None:
        self._store = store
        self._upload = upload
        self._claim = claim
        self._size = size
        self._position = position
        self._waiting = _temporary()
        self._checked = False

    def write(self, block: bytes) -> None:
        if self._position + self._waiting.tell() + len(block) > self._size:
            raise Refused("too-large", f"The upload was announced with {self._size} bytes; more arrived.")
        if not self._checked:  # once, to spare the phone the rest; what counts is looked at again before it is kept
            self._store._owned(self._upload, self._claim)
            self._checked = True
        with disk():
            self._waiting.write(block)

    def keep(self) -> None:
        size = self._waiting.tell()
        if size == 0:
            self._store._owned(self._upload, self._claim)
            return
        self._store._append(self._upload, self._claim, self._position, self._waiting, size)
        self._position += size
        self._waiting.seek(0)
        self._waiting.truncate()

    def close(self) -> None:
        self._waiting.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def traces_of(entries: Iterable[Entry]) -> Traces:
    """What the names of an upload's objects say."""
    traces = Traces()
    for entry in entries:
        kind, *told = entry.key.rpartition("/")[2].split(".")
        traces.keys.append(entry.key)
        if kind == "begun":
            traces.begun, traces.size = entry.key, int(told[0])
            traces.claim = max(traces.claim, Claim(0, "begun", int(told[1])))
        elif kind == "claim":
            traces.claim = max(traces.claim, Claim(int(told[0]), told[2], int(told[1])))
        elif kind == "piece":
            traces.pieces.append(Piece(entry.key, int(told[0]), int(told[1])))
    return traces


def _upload_of(key: str) -> str:
    return key.split("/")[-2]


def _temporary() -> BinaryIO:
    return tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # type: ignore[return-value]  # it is one in all but name


_locks: WeakValueDictionary[UploadId, threading.Lock] = WeakValueDictionary()
_locks_lock = threading.Lock()


def _alone(upload: UploadId) -> threading.Lock:
    """This process's lock of one upload: among its threads exactly one of many that ask at once goes on."""
    with _locks_lock:
        lock = _locks.get(upload)
        if lock is None:
            lock = _locks[upload] = threading.Lock()
        return lock
