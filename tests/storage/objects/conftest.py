"""The stores that must keep the contract. A new store is one line in `STORES`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.storage.bucket import Bucket, BucketOptions
from server.storage.folder import FolderObjects
from server.storage.objects import Objects
from server.storage.s3 import S3Objects
from tests.services.proxy import FaultProxy
from tests.services.swift import REGION, Swift

Opener = Callable[[], Objects]


def s3_store(endpoint: str, bucket: str, *, timeout_s: float = 30, attempts_max: int = 4) -> S3Objects:
    """A store as a server process of its own would open it."""
    options = BucketOptions(bucket, endpoint, None, REGION, "path", timeout_s=timeout_s, attempts_max=attempts_max)
    return S3Objects(Bucket(options), "north")


@pytest.fixture(scope="session")
def s3_bucket(s3_server: Swift) -> Bucket:
    """One bucket for tests that need not be alone in it; connections are kept."""
    return s3_store(s3_server.url, s3_server.new_bucket()).bucket


@pytest.fixture
def proxy(s3_server: Swift) -> Iterator[FaultProxy]:
    """A bad network in front of the S3 server."""
    with FaultProxy(("127.0.0.1", s3_server.port)) as between:
        yield between


def _folder(request: pytest.FixtureRequest) -> Opener:
    root: Path = request.getfixturevalue("tmp_path") / "objects"
    return lambda: FolderObjects(root)


def _s3(request: pytest.FixtureRequest) -> Opener:
    bucket: Bucket = request.getfixturevalue("s3_bucket")
    prefix = request.getfixturevalue("tmp_path").as_posix()
    return lambda: S3Objects(bucket, prefix)


STORES: dict[str, Callable[[pytest.FixtureRequest], Opener]] = {"folder": _folder, "s3": _s3}


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest) -> Opener:
    """Opens the same store again and again, as processes of one deployment do."""
    return STORES[request.param](request)


@pytest.fixture
def store(open_store: Opener) -> Objects:
    return open_store()
