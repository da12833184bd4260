"""The S3 server of a test run: started when the first test asks for it, gone at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.swift import Swift, swift


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    with swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest.fixture
def bucket(s3_server: Swift) -> str:
    """A bucket of the test's own."""
    return s3_server.new_bucket()
