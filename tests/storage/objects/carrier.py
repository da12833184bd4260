"""A server process that carries on one upload until it is whole, whoever else does: `carrier BUCKET ENDPOINT UPLOAD FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from server.storage.objects import UploadId
from sync.problems import Refused
from tests.storage.objects.conftest import s3_store

LATER = 2_000_000_000_000
BLOCK_BYTES = 10_000


def carry(bucket: str, endpoint: str, upload: UploadId, data: bytes) -> int:
    """Deliver `data` in small blocks; how many of them this process got acknowledged."""
    store = s3_store(endpoint, bucket)
    acknowledged = 0
    while (seen := store.look(upload)).offset < len(data):
        try:
            with store.resume(upload, seen.offset, expires_ms=LATER) as sink:
                for start in range(seen.offset, len(data), BLOCK_BYTES):
                    sink.write(data[start : start + BLOCK_BYTES])
                    sink.keep()
                    acknowledged += 1
        except Refused as refused:
            assert refused.problem.slug == "bad-offset", refused
    store.finish(upload)
    return acknowledged


if __name__ == "__main__":
    bucket, endpoint, upload, file = sys.argv[1:]
    print(carry(bucket, endpoint, UploadId(upload), Path(file).read_bytes()))
