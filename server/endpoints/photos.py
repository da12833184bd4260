"""Photos over HTTP: resumable uploads by tus 1.0.0 (https://tus.io/protocols/resumable-upload), and reading them back.

Nothing is uploaded that no stored fact names, and nothing is acknowledged before it is durable. This module refuses to
know who may do what (it asks), what a fact is, and what a photo shows.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, BinaryIO

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from server.storage.images import Derivation
from server.storage.objects import (
    Appending,
    Objects,
    Sha256,
    Upload,
    UploadId,
    Variant,
    bad_offset,
    photo_of,
    sha256_name,
    upload_name,
)
from sync.problems import Refused

if TYPE_CHECKING:
    from hashlib import _Hash


@dataclass(frozen=True, slots=True)
class PhotoLimits:
    """What one upload may cost."""

    photo_bytes_max: int = 64 * 1024 * 1024  # a 108-megapixel JPEG is about 40 MB
    metadata_bytes_max: int = 2048
    block_bytes: int = 256 * 1024  # held in memory per upload, and lost at most when a link without checksums breaks
    stall_timeout_s: float = 90.0  # a phone that sends nothing for so long will come back with a new request
    upload_expiry_ms: int = 7 * 24 * 3600 * 1000  # since the last request; a crew may be without signal for days


@dataclass(frozen=True, slots=True)
class PhotoService:
    """What the photo endpoints need from the rest of the server. Every callable may block; it runs in a thread.

    `expected(sha256)`: the sizes stored facts promised for these bytes. `completed(sha256, size)`: the original is durable
    and verified; called before the last reply, and again whenever a client asks about a finished upload, so it must be
    harmless to repeat. `authorise(request, sha256)` raises Refused if this caller may not send that photo (None: the
    request names none). `readable(request, sha256, variant)` raises Refused; what is foreign looks absent.
    `erased(sha256)`: the size of a photo that nobody may have any more; its bytes are not taken, and the phone is told that
    none are wanted.
    `stand_in(request, sha256, variant)`: another stored photo whose derived picture shows this one while there is none.
    """

    objects: Objects
    expected: Callable[[Sha256], Collection[int]]
    completed: Callable[[Sha256, int], None]
    authorise: Callable[[Request, Sha256 | None], None]
    readable: Callable[[Request, Sha256, Variant], None]
    stand_in: Callable[[Request, Sha256, Variant], Sha256 | None]
    now_ms: Callable[[], int]
    derivation: Derivation
    limits: PhotoLimits = field(default_factory=PhotoLimits)
    erased: Callable[[Sha256], int | None] = lambda sha256: None


def photo_routes(service: PhotoService) -> list[Route]:
    """The routes under `/v1/photos`. They answer problems themselves, and need no middleware."""
    uploads, pictures = _Uploads(service), _Pictures(service)
    return [
        Route("/v1/photos", _answering(uploads.collection), methods=["OPTIONS", "POST"]),
        Route("/v1/photos/by-hash/{sha256}/{variant}", _answering(pictures.read), methods=["GET", "HEAD"]),
        Route("/v1/photos/{upload}", _answering(uploads.one), methods=["OPTIONS", "HEAD", "PATCH", "DELETE", "POST"]),
    ]


SOURCE_HEADER = "Lamplighter-Source"
"""The hash of the bytes a picture was derived from: the photo's own, or those of the smaller form that stands in for it."""

_VERSION = "1.0.0"
_EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination"
_ALGORITHMS: dict[str, Callable[[], _Hash]] = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}
_CHUNK = "application/offset+octet-stream"
_READ_BYTES = 256 * 1024
_READ_OFF_BYTES_MAX = 256 * 1024
_READ_OFF_S = 1.0
_CONTENT_TYPES = {
    Variant.ORIGINAL: "application/octet-stream",
    Variant.PREVIEW: "image/jpeg",
    Variant.COPY: "image/jpeg",
}

_Handler = Callable[[Request], Awaitable[Response]]


class _Uploads:
    """The tus server: one method per request method."""

    def __init__(self, service: PhotoService) -> None:
        self._service = service
        self._objects = service.objects
        self._limits = service.limits

    async def collection(self, request: Request) -> Response:
        return self._discover() if request.method == "OPTIONS" else await _tus(self._create)(request)

    async def one(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return self._discover()
        methods = {"HEAD": self._head, "PATCH": self._patch, "DELETE": self._delete}
        # Proxies that know no PATCH: https://tus.io/protocols/resumable-upload#x-http-method-override
        handler = methods.get(request.headers.get("X-HTTP-Method-Override", request.method))
        if handler is None:
            raise Refused("method-not-allowed", "An upload takes HEAD, PATCH and DELETE.")
        return await _tus(handler)(request)

    def _discover(self) -> Response:
        return Response(
            status_code=204,
            headers={
                "Tus-Resumable": _VERSION,
                "Tus-Version": _VERSION,
                "Tus-Extension": _EXTENSIONS,
                "Tus-Checksum-Algorithm": ",".join(_ALGORITHMS),
                "Tus-Max-Size": str(self._limits.photo_bytes_max),
            },
        )

    async def _create(self, request: Request) -> Response:
        metadata = request.headers.get("Upload-Metadata", "")
        sha256 = _promised_hash(metadata)
        await run_in_threadpool(self._service.authorise, request, sha256)
        if sha256 is None or len(metadata) > self._limits.metadata_bytes_max:
            raise Refused("bad-request", "Upload-Metadata must hold `sha256` and the base64 of its 64 hex digits.")
        size = _number(request, "Upload-Length")
        if size > self._limits.photo_bytes_max:
            raise Refused("too-large", f"A photo may have {self._limits.photo_bytes_max} bytes; this one has {size}.")
        if await run_in_threadpool(self._service.erased, sha256) is not None:
            unwanted = self._unwanted(UploadId(f"{sha256}-{'0' * 32}"), size)
            location = f"{request.url.path.rstrip('/')}/{unwanted.id}"
            return Response(status_code=201, headers={"Location": location, **_progress(unwanted)})
        if size not in await run_in_threadpool(self._service.expected, sha256):
            raise Refused("unknown-photo", "Push the fact that names this photo first, with its hash and exact size.")
        upload = await run_in_threadpool(self._objects.begin, sha256, size, metadata=metadata, expires_ms=self._new_expiry())
        if not upload.complete and request.headers.get("Content-Type") == _CHUNK:
            await self._receive(request, upload, 0)
        upload = await run_in_threadpool(self._settle, upload.id)
        location = f"{request.url.path.rstrip('/')}/{upload.id}"
        return Response(status_code=201, headers={"Location": location, **_progress(upload)})

    async def _head(self, request: Request) -> Response:
        upload = await self._open(request)
        headers = {"Cache-Control": "no-store", "Upload-Length": str(upload.size), "Upload-Metadata": upload.metadata}
        return Response(headers={**headers, **_progress(upload)})

    async def _patch(self, request: Request) -> Response:
        upload = await self._open(request)
        if request.headers.get("Content-Type") != _CHUNK:
            raise Refused("bad-request", f"A PATCH carries Content-Type {_CHUNK}.")
        offset = _number(request, "Upload-Offset")
        if offset != upload.offset:
            raise bad_offset(upload.offset)
        if not upload.complete:
            await self._receive(request, upload, offset)
            upload = await run_in_threadpool(self._settle, upload.id)
        return Response(status_code=204, headers=_progress(upload))

    async def _delete(self, request: Request) -> Response:
        upload = await self._open(request)
        await run_in_threadpool(self._objects.discard, upload.id)
        return Response(status_code=204)

    async def _open(self, request: Request) -> Upload:
        """The upload this request is about, if the caller may send its photo and it has not expired."""
        name = upload_name(request.path_params["upload"])
        await run_in_threadpool(self._service.authorise, request, photo_of(name))
        erased = await run_in_threadpool(self._service.erased, photo_of(name))
        if erased is not None:
            return self._unwanted(name, erased)
        upload = await run_in_threadpool(self._settle, name)
        if upload.expires_ms < self._service.now_ms():
            raise Refused("upload-gone", "This upload has expired; create it again, the photo itself is not refused.")
        return upload

    def _unwanted(self, name: UploadId, size: int) -> Upload:
        """An upload of which nothing more is wanted: the photo was erased, and the phone must not try for ever."""
        return Upload(name, photo_of(name), size, size, self._new_expiry(), "", complete=True)

    def _settle(self, name: UploadId) -> Upload:
        """Finish what is whole and tell `completed`, also after a crash or a lost reply since the last byte."""
        upload = self._objects.look(name)
        if upload.offset < upload.size:
            return upload
        if not upload.complete:
            upload = self._objects.finish(name)
            self._service.derivation.submit(upload.sha256)
        self._service.completed(upload.sha256, upload.size)
        return upload

    async def _receive(self, request: Request, upload: Upload, offset: int) -> None:
        """Store the body: with a checksum all of it or nothing; without, what could be read before the link broke."""
        checksum = _Checksum.of(request)
        announced = request.headers.get("Content-Length", "0")
        if announced.isdecimal() and offset + int(announced) > upload.size:
            raise Refused("too-large", f"The upload was announced with {upload.size} bytes; more are coming.")
        sink = await run_in_threadpool(self._objects.resume, upload.id, offset, expires_ms=self._new_expiry())
        try:
            async for block in _blocks(request, self._limits):
                await run_in_threadpool(_store, sink, block, checksum)
            if checksum is not None:
                checksum.verify()
                await run_in_threadpool(sink.keep)
        finally:
            sink.close()

    def _new_expiry(self) -> int:
        return self._service.now_ms() + self._limits.upload_expiry_ms


class _Pictures:
    """Stored photos, for those who may see them."""

    def __init__(self, service: PhotoService) -> None:
        self._service = service
        self._objects = service.objects

    async def read(self, request: Request) -> Response:
        sha256 = sha256_name(request.path_params["sha256"])
        variant = _variant(request.path_params["variant"])
        await run_in_threadpool(self._service.readable, request, sha256, variant)
        source, size = await run_in_threadpool(self._find, request, sha256, variant)
        # The source, because a stand-in gives way to the photo's own; the size, because a picture may be made anew.
        tag = f'"{source}-{variant}-{size}"'
        if tag in request.headers.get("If-None-Match", ""):
            return Response(status_code=304, headers={"ETag": tag})
        headers = {**_harmless(sha256, variant), SOURCE_HEADER: source, "Content-Length": str(size), "ETag": tag}
        if request.method == "HEAD":
            return Response(headers=headers, media_type=_CONTENT_TYPES[variant])
        link = await run_in_threadpool(self._objects.link, source, variant)
        if link is not None:
            # Not to be kept: the next one who asks may not be allowed to read, and the address soon leads nowhere.
            return RedirectResponse(link, 307, {"Cache-Control": "no-store", SOURCE_HEADER: source})
        handle = await run_in_threadpool(self._objects.open, source, variant)
        return StreamingResponse(_read(handle), headers=headers, media_type=_CONTENT_TYPES[variant])

    def _find(self, request: Request, sha256: Sha256, variant: Variant) -> tuple[Sha256, int]:
        """Whose picture to show and its size: the photo's own, or for the time being that of a smaller form."""
        size = self._objects.size(sha256, variant)
        if size is not None:
            return sha256, size
        source = self._service.stand_in(request, sha256, variant)
        size = None if source is None else self._objects.size(source, variant)
        if source is None or size is None:
            raise Refused("not-found", f"The {variant} of this photo is not here (yet).")
        return source, size


class _Checksum:
    """What `Upload-Checksum` promises of one request body."""

    def __init__(self, algorithm: str, promised: bytes) -> None:
        self._running = _ALGORITHMS[algorithm]()
        self._promised = promised

    @classmethod
    def of(cls, request: Request) -> _Checksum | None:
        header = request.headers.get("Upload-Checksum")
        if header is None:
            return None
        algorithm, _, encoded = header.partition(" ")
        promised = _base64(encoded)
        if algorithm not in _ALGORITHMS or not promised:
            raise Refused("bad-request", f"Upload-Checksum is one of {', '.join(_ALGORITHMS)}, a space, and base64.")
        return cls(algorithm, promised)

    def update(self, block: bytes) -> None:
        self._running.update(block)

    def verify(self) -> None:
        if not hmac.compare_digest(self._running.digest(), self._promised):
            raise Refused("bad-hash", "The body does not have its checksum; nothing of it was stored. Send it again.")


def _store(sink: Appending, block: bytes, checksum: _Checksum | None) -> None:
    sink.write(block)
    if checksum is None:
        sink.keep()
    else:
        checksum.update(block)


async def _blocks(request: Request, limits: PhotoLimits) -> AsyncIterator[bytes]:
    """The body in blocks. A link that breaks or falls silent still yields what it brought, and then raises."""
    waiting = bytearray()
    chunks = request.stream()
    while True:
        try:
            with anyio.fail_after(limits.stall_timeout_s):
                chunk = await anext(chunks, None)
        except (ClientDisconnect, TimeoutError) as error:
            if waiting:
                yield bytes(waiting)
            raise Refused("busy", "The bytes stopped coming; ask where to continue.") from error
        if chunk is None:
            break
        waiting += chunk
        if len(waiting) >= limits.block_bytes:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


def _tus(handler: _Handler) -> _Handler:
    """Requires the protocol's version, and answers with it."""

    async def endpoint(request: Request) -> Response:
        if request.headers.get("Tus-Resumable") != _VERSION:
            raise Refused("tus-version", f"Send the header Tus-Resumable: {_VERSION}.")
        response = await handler(request)
        response.headers["Tus-Resumable"] = _VERSION
        return response

    return endpoint


def _answering(handler: _Handler) -> _Handler:
    """Turns Refused into its problem document, with the headers a tus client looks for."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as refused:
            answer = _problem(refused)
            if not await _read_off(request):
                answer.headers["Connection"] = "close"
            return answer

    return endpoint


async def _read_off(request: Request) -> bool:
    """Whether the rest of a refused body could be read off quickly.

    A connection with half a request in it must not be kept (it would never be used again), and closing one at once can
    take the answer with it; so a little is read, and the connection closed if that was not all.
    """
    read = 0
    try:
        with anyio.move_on_after(_READ_OFF_S):
            async for chunk in request.stream():
                read += len(chunk)
                if read > _READ_OFF_BYTES_MAX:
                    return False
            return True
    except RuntimeError:  # Starlette's word for a body that was read to its end before
        return True
    except ClientDisconnect:
        pass
    return False


def _problem(refused: Refused) -> Response:
    headers = {"Tus-Resumable": _VERSION, "Cache-Control": "no-store"}
    if refused.problem.slug == "tus-version":
        headers["Tus-Version"] = _VERSION
    if "offset" in refused.extra:
        headers["Upload-Offset"] = str(refused.extra["offset"])
    body = json.dumps(refused.document(), ensure_ascii=False)
    return Response(body, refused.problem.status, headers, media_type="application/problem+json")


def _progress(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.offset), "Upload-Expires": formatdate(upload.expires_ms / 1000, usegmt=True)}


def _promised_hash(metadata: str) -> Sha256 | None:
    """The `sha256` of an Upload-Metadata header (`key base64,key base64`), if header and hash are well formed."""
    found: dict[str, bytes] = {}
    for pair in metadata.split(","):
        key, _, encoded = pair.strip().partition(" ")
        value = _base64(encoded)
        if not key or value is None or key in found:
            return None
        found[key] = value
    name = found.get("sha256", b"").decode("ascii", "replace")
    try:
        return sha256_name(name)
    except Refused:
        return None


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _number(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise Refused("bad-request", f"{header} must be a whole number of bytes.")
    return int(text)


def _variant(text: str) -> Variant:
    try:
        return Variant(text)
    except ValueError as error:
        raise Refused("not-found", f"A photo has {', '.join(Variant)}.") from error


def _harmless(sha256: Sha256, variant: Variant) -> dict[str, str]:
    """Headers that keep a browser from running what a stranger sent: an original is downloaded, never shown."""
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-cache",
    }
    if variant is Variant.ORIGINAL:
        headers["Content-Disposition"] = f'attachment; filename="{sha256}.bin"'
    return headers


def _read(handle: BinaryIO) -> Iterator[bytes]:
    with handle:
        while block := handle.read(_READ_BYTES):
            yield block
