"""One S3 bucket as a few plain verbs: the only file that knows boto3, its errors, retries and checksums.

A store that fails, stalls or throttles is asked again a bounded number of times and then is `busy`: whoever sent something
keeps it. Refuses to know what lies in the bucket and why.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import boto3
import botocore.session
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.loaders import Loader, create_loader

from sync.problems import Refused

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

MIB = 2**20
PART_BYTES = 8 * MIB
"""Larger objects travel in parts of this size; S3 allows no smaller ones than 5 MiB."""

_DELETED_AT_ONCE_MAX = 1000  # S3's own limit
_READS_RESUMED_MAX = 3
_CONFLICTS = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload")
_ABSENT = ("NoSuchKey", "NotFound", "404")


class Absent(Exception):
    """There is no such object."""


class Taken(Exception):
    """The key holds an object already; perhaps our own, stored by a request whose answer was lost."""


@dataclass(frozen=True, slots=True)
class BucketOptions:
    """Where a bucket is and how to speak to it. Credentials come from boto3's usual chain."""

    name: str
    endpoint: str | None = None  # None: AWS itself
    public_endpoint: str | None = None  # as `link` writes it, where clients reach the store by another name
    region: str | None = None
    addressing: Literal["auto", "path", "virtual"] = "auto"
    checksums: Literal["when_required", "when_supported"] = "when_supported"
    timeout_s: float = 20.0
    attempts_max: int = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a listing."""

    key: str
    size: int


class Bucket:
    """Safe to use from many threads at once."""

    def __init__(self, options: BucketOptions) -> None:
        self.name = options.name
        self._client = _client(options, options.endpoint)
        self._public = _client(options, options.public_endpoint) if options.public_endpoint else self._client
        self._conditions = True  # until the server says that it knows none

    def size(self, key: str) -> int:
        """Bytes of an object. Raises: Absent."""
        with _door("head", key):
            return int(self._client.head_object(Bucket=self.name, Key=key)["ContentLength"])

    def get(self, key: str) -> bytes:
        """All bytes of a small object. Raises: Absent."""
        with self.open(key) as source:
            return source.read()

    def open(self, key: str) -> BinaryIO:
        """The bytes for reading; a broken connection is resumed where it broke. Raises: Absent."""
        return cast(BinaryIO, io.BufferedReader(_Download(self, key), MIB // 4))

    def list(self, prefix: str) -> Iterator[Entry]:
        """Every object below a prefix, by key."""
        with _door("list", prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
                yield from (Entry(found["Key"], found["Size"]) for found in page.get("Contents", ()))

    def put(self, key: str, source: BinaryIO, size: int, *, content_type: str, only_new: bool = False) -> None:
        """Store an object whole or not at all; `only_new`: never over another one (Taken), where the server can promise it."""
        condition = {"IfNoneMatch": "*"} if only_new and self._conditions else {}
        try:
            with _door("put", key):
                source.seek(0)
                if size > 2 * PART_BYTES:
                    self._put_parts(key, source, content_type, condition)
                else:
                    self._put_whole(key, source.read(size), content_type, condition)
        except _ConditionUnknown:
            self._conditions = False
            self.put(key, source, size, content_type=content_type)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; absent ones do no harm."""
        for start in range(0, len(keys), _DELETED_AT_ONCE_MAX):
            some = [{"Key": key} for key in keys[start : start + _DELETED_AT_ONCE_MAX]]
            with _door("delete", keys[start]):
                answer = self._client.delete_objects(Bucket=self.name, Delete={"Objects": some, "Quiet": True})  # type: ignore[typeddict-item]  # the stubs want every optional field
            if answer.get("Errors"):
                raise _busy("delete", keys[start], str(answer["Errors"][0]))

    def abort_parts(self, prefix: str, *, before_ms: int) -> int:
        """Give up multipart uploads below a prefix that began before then, with the parts they hold; how many."""
        aborted = 0
        with _door("list parts", prefix):
            for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.name, Prefix=prefix):
                for found in page.get("Uploads", ()):
                    if found["Initiated"].timestamp() * 1000 < before_ms:
                        self._abort(found["Key"], found["UploadId"])
                        aborted += 1
        return aborted

    def link(self, key: str, *, seconds: int, content_type: str, disposition: str) -> str:
        """An address that serves the object to anybody for so long."""
        wanted = {
            "Bucket": self.name,
            "Key": key,
            "ResponseContentType": content_type,
            "ResponseContentDisposition": disposition,
            "ResponseCacheControl": "no-store",
        }
        return self._public.generate_presigned_url("get_object", Params=wanted, ExpiresIn=seconds)

    def look(self) -> str | None:
        """What keeps this bucket from being used at all, in words; None when nothing does. Raises: Refused (`busy`)."""
        try:
            with _door("head bucket", self.name):
                self._client.head_bucket(Bucket=self.name)
        except Absent:
            return f"there is no bucket {self.name}; create it, without versioning"
        except _Forbidden as error:
            return f"the credentials may not use the bucket {self.name} ({error})"
        return None

    def versioned(self) -> bool:
        """Whether the bucket keeps old versions: erased photos would stay."""
        with _door("versioning", self.name):
            return self._client.get_bucket_versioning(Bucket=self.name).get("Status") == "Enabled"

    def _put_whole(self, key: str, data: bytes, content_type: str, condition: dict[str, Any]) -> None:
        self._client.put_object(
            Bucket=self.name, Key=key, Body=data, ContentType=content_type, ContentMD5=_md5(data), **condition
        )

    def _put_parts(self, key: str, source: BinaryIO, content_type: str, condition: dict[str, Any]) -> None:
        upload = self._client.create_multipart_upload(Bucket=self.name, Key=key, ContentType=content_type)["UploadId"]
        try:
            parts = list(self._parts(key, upload, source))
            self._client.complete_multipart_upload(
                Bucket=self.name, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **condition
            )
        except BaseException:
            with suppress(Refused, Absent, Taken):  # what stays is given up by the next sweep
                self._abort(key, upload)
            raise

    def _parts(self, key: str, upload: str, source: BinaryIO) -> Iterator[CompletedPartTypeDef]:
        number = 0
        while data := source.read(PART_BYTES):
            number += 1
            sent = self._client.upload_part(
                Bucket=self.name, Key=key, UploadId=upload, PartNumber=number, Body=data, ContentMD5=_md5(data)
            )
            yield {"PartNumber": number, "ETag": sent["ETag"]}

    def _abort(self, key: str, upload: str) -> None:
        with suppress(Taken), _door("abort", key):  # Taken: gone already
            self._client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload)


class _Download(io.RawIOBase):
    """One object being read. Its ETag is asked for again after a break, so two versions are never mixed."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket = bucket
        self._key = key
        self._position = 0
        self._etag = ""
        self._breaks = 0
        self._fetch()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        while True:
            try:
                data = self._body.read(len(view))
                break
            except BotoCoreError as error:
                self._breaks += 1
                if self._breaks > _READS_RESUMED_MAX:
                    raise _busy("read", self._key, str(error)) from error
                self._body.close()
                self._fetch()
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()

    def _fetch(self) -> None:
        rest = {"Range": f"bytes={self._position}-", "IfMatch": self._etag} if self._position else {}
        with _door("get", self._key):
            found = self._bucket._client.get_object(Bucket=self._bucket.name, Key=self._key, **rest)  # type: ignore[arg-type]  # the stubs know no dict of some fields
        self._body, self._etag = found["Body"], found["ETag"]


def _client(options: BucketOptions, endpoint: str | None) -> S3Client:
    config = Config(
        signature_version="s3v4",
        connect_timeout=min(options.timeout_s, 5.0),
        read_timeout=options.timeout_s,
        retries={"mode": "standard", "total_max_attempts": options.attempts_max},
        max_pool_connections=40,  # as many as threads that serve photos
        s3={"addressing_style": options.addressing},
        request_checksum_calculation=options.checksums,
        response_checksum_validation=options.checksums,
    )
    # A session of its own: boto3's default one is shared by the process and not safe to make clients with in threads.
    session = botocore.session.get_session()
    session.register_component("data_loader", _models())
    ours = boto3.session.Session(botocore_session=session)
    return ours.client("s3", endpoint_url=endpoint, region_name=options.region, config=config)


@cache
def _models() -> Loader:
    """boto3's description of S3: megabytes of JSON, read once in a process."""
    return create_loader()


def _md5(data: bytes) -> str:
    # Every S3 server checks this one, whatever it knows of newer checksums; photos are proved by SHA-256, elsewhere.
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


class _Forbidden(Refused):
    def __init__(self, detail: str) -> None:
        super().__init__("busy", detail)


class _ConditionUnknown(Exception):
    """The server knows no conditional writes."""


@contextmanager
def _door(verb: str, key: str) -> Iterator[None]:
    """botocore's errors in our words; each that is not an answer to the question is logged and `busy`."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _ABSENT:
            raise Absent(key) from error
        if code in _CONFLICTS or code == "412":
            raise Taken(key) from error
        if code in ("NotImplemented", "501") and verb == "put":
            raise _ConditionUnknown from error
        if code in ("403", "AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId"):
            _log(verb, key, code)
            raise _Forbidden(code) from error
        raise _busy(verb, key, code) from error
    except NoCredentialsError as error:
        _log(verb, key, str(error))
        raise _Forbidden("no credentials were found") from error
    except BotoCoreError as error:
        raise _busy(verb, key, f"{type(error).__name__}: {error}") from error


def _busy(verb: str, key: str, reason: str) -> Refused:
    _log(verb, key, reason)
    return Refused("busy", "Photos cannot be stored or read now; keep the photo and try later.")


def _log(verb: str, key: str, reason: str) -> None:
    structlog.get_logger().error("object store", verb=verb, key=key, reason=reason)
