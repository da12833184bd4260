"""A real S3 server for tests: OpenStack Swift on loopback, started when first asked for, gone with the process.

Refuses to know the product.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-swift/bin/python"
NODE = Path(__file__).with_name("swift_node.py")
USER, SECRET, REGION = "test:tester", "testing", "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": REGION}
"""For the environment of whoever speaks to it, as operators give them."""


class Swift:
    """One server; `url` is its S3 endpoint."""

    def __init__(self, folder: Path) -> None:
        assert PYTHON.exists(), "the tests' S3 server is not installed: run .ci/setup s3"
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [PYTHON, "-P", NODE, folder / "node"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )
        assert self._process.stdout is not None
        told = self._process.stdout.readline()
        assert told, f"Swift did not start:\n{(folder / 'log').read_text()}"
        self.port = int(told)
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=USER,
            aws_secret_access_key=SECRET,
            config=Config(s3={"addressing_style": "path"}),
        )

    def new_bucket(self) -> str:
        """The name of a bucket nobody else uses."""
        name = f"photos-{uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name)
        return name

    def keys(self, bucket: str) -> list[str]:
        """Everything in a bucket."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def unfinished(self, bucket: str) -> int:
        """Multipart uploads that were neither completed nor aborted."""
        return len(self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()))

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()


@contextmanager
def swift(folder: Path) -> Iterator[Swift]:
    """A server in this folder, and its credentials where boto3 and the processes we start look for them."""
    server = Swift(folder)
    before = {name: os.environ.get(name) for name in CREDENTIALS}
    os.environ.update(CREDENTIALS)
    try:
        yield server
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        server.close()
