"""Where the bytes of photos live: originals named by their SHA-256, unfinished uploads, and derived pictures.

An original appears under its name only after the whole file was hashed again and made durable, and is never changed; only
erasure removes it. This module refuses to know what a photo shows, who may send or see it, and how its bytes travel.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, NewType, Protocol, Self

from sync.problems import Refused

ENTRIES_SEEN_MAX = 10_000
"""How many entries of a store are looked at to say how it is: that must stay cheap."""

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

    def uploads_open(self) -> int:
        """Unfinished uploads that brought bytes already; about, and no more than `ENTRIES_SEEN_MAX` entries are looked at."""

    def size(self, sha256: Sha256, variant: Variant = Variant.ORIGINAL) -> int | None:
        """Bytes stored, or None."""

    def open(self, sha256: Sha256, variant: Variant = Variant.ORIGINAL) -> BinaryIO:
        """The bytes for reading; `not-found` if there are none. The caller closes it."""

    def link(self, sha256: Sha256, variant: Variant) -> str | None:
        """An address where anybody may fetch these bytes for a short while, or None where the store gives none."""

    def erase(self, sha256: Sha256) -> None:
        """Forget the photo, its pictures and every upload of it; harmless when there is none."""

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


def random_id() -> str:
    """32 hex digits."""
    return uuid.uuid4().hex


def bad_offset(offset: int) -> Refused:
    """The problem that tells a client where to go on."""
    return Refused("bad-offset", f"Continue at offset {offset}.", offset=offset)


def gone() -> Refused:
    """The problem of an upload that expired, was discarded or never was."""
    return Refused("upload-gone", "This upload is not here any more; create it again, the photo itself is not refused.")
