"""The edge: turns HTTP into a call of a plain function, and what it returns or raises into a reply.

An endpoint is an ordinary function `Call -> dict | list | bytes | Reply`. Around it, in this order: body bounded while
it arrives → a worker thread: principal read from the token, roles required, body decompressed with a cap, function
called, result rendered and compressed → sent. Every refusal is an RFC 9457 problem. Refuses to know routes, business
and storage.

Pure ASGI and one thread hop, because an idle sync costs little more than this module.
"""

from __future__ import annotations

import asyncio
import json
import math
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

from server.auth import Principal, Role, Tokens, require
from server.lanes import Lane, Room
from server.log import PRINCIPAL, REQUEST_ID, SLUG
from server.tracing import SPAN, within
from sync.problems import Refused
from sync.wire import strict_json

JSON = "application/json"
NDJSON = "application/x-ndjson"
PROBLEM = "application/problem+json"

COMPRESS_FROM_BYTES = 768
"""Below it a reply gains little; an idle sync's has about 690 bytes, most of them a signed statement that does not shrink."""
SMALL_BODY_BYTES = 1024
GZIP_LEVEL = 1
"""Level 1 takes a third of level 6's time for about a tenth more bytes on NDJSON."""
GZIP_MEMBERS_MAX = 16
QUICK_BODY_BYTES_MAX = 1024
"""What brings nothing new is shorter; what is longer would be read twice, and beside all the other connections."""

_GZIP = 31  # zlib's number for "gzip framing, largest window"
_GZIP_SMALL = (zlib.DEFLATED, 26, 3)  # a window of 1 KiB and little memory: an eighth of the time, most of it making windows
_LEFT = object()


@dataclass(frozen=True, slots=True)
class Call:
    """One request as an endpoint sees it: already bounded, decompressed and authenticated."""

    method: str
    path: Mapping[str, str]
    """Parameters of the route's template."""
    body: bytes
    principal: Principal | None
    request_id: str
    scope: Scope = field(repr=False)

    def header(self, name: str) -> str | None:
        """The first header of that name (lower case), or None."""
        value = header_of(self.scope, name.encode())
        return None if value is None else value.decode("latin-1")

    def query(self) -> dict[str, str]:
        """The query's parameters. Raises bad-request when one is given twice or is not UTF-8."""
        try:
            pairs = parse_qsl(self.scope["query_string"].decode("ascii"), keep_blank_values=True, errors="strict")
        except ValueError as error:
            raise Refused("bad-request", "The query is not percent-encoded UTF-8.") from error
        query = dict(pairs)
        if len(query) != len(pairs) or any("\0" in text for pair in pairs for text in pair):
            raise Refused("bad-request", "The query names a parameter twice or holds a NUL.")
        return query

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises bad-request for anything but one strict JSON object."""
        document = strict_json(self.body)
        if not isinstance(document, dict):
            raise Refused("bad-request", "The body must be a JSON object.")
        return document


@dataclass(frozen=True, slots=True)
class Later:
    """What an endpoint answers while the writer still works: no thread waits, and `then` makes the answer of the result."""

    future: Future[Any]
    then: Callable[[Any], Answer]


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answers when a plain dict (JSON) or bytes (NDJSON) is not enough.

    An iterator of bytes is streamed, each step in a worker thread; when it fails half-way the connection is cut, so
    that nobody takes the part for the whole.
    """

    body: Mapping[str, Any] | list[Any] | bytes | Iterator[bytes] = b""
    status: int = 200
    media_type: str = ""
    """Empty: JSON for documents, NDJSON for bytes."""
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Mapping[str, Any] | list[Any] | bytes | Reply
Function = Callable[[Call], Answer | Later]
Quick = Callable[[Call], Answer | Later | None]


def _plainly_busy() -> Refused:
    return Refused("busy", retry_after_s=5)


class Web:
    """Makes endpoints out of plain functions; owns the threads they run in."""

    def __init__(
        self,
        tokens: Tokens,
        *,
        workers: int,
        request_bytes_max: int,
        decompressed_bytes_max: int,
        phone_workers: int = 1,
        phones_at_once_max: int = 128,
        waiting_max: int = 4096,
        bodies_bytes_max: int = 2**27,
        busy: Callable[[], Refused] = _plainly_busy,
    ) -> None:
        self.tokens = tokens
        self.office = Lane("office", workers=workers, at_once_max=10 * workers, waiting_max=waiting_max)
        self.phones = Lane("phones", workers=phone_workers, at_once_max=phones_at_once_max, waiting_max=waiting_max)
        # Strangers: they may keep nobody waiting but each other.
        self.customers = Lane("customers", workers=2, at_once_max=32, waiting_max=256)
        self.room = Room(bodies_bytes_max)
        self.busy = busy
        self.request_bytes_max = request_bytes_max
        self.decompressed_bytes_max = decompressed_bytes_max

    def handle(
        self,
        function: Function,
        *,
        body_bytes_max: int | None = None,
        roles: Collection[Role] | None = None,
        quick: Quick | None = None,
        lane: Lane | None = None,
        media_type: str | None = None,
    ) -> Endpoint:
        """An endpoint for `Route(path, …, methods=[…])`.

        `roles` None: anybody may call, and `call.principal` is set when a valid token came along. `roles` given: one
        of them is needed (empty: any valid token). `body_bytes_max` bounds the body as sent and, when it is larger
        than the usual bound, after decompression too.

        `quick` is tried first for short bodies, on the event loop itself, and returns None for what is not quick after
        all: a thread costs as much as a whole idle sync. It must not write and must not wait. `lane` is the office's unless
        given. `media_type` of what is answered matters for the API's description alone, where it is not JSON.
        """
        bytes_max = body_bytes_max or self.request_bytes_max
        return Endpoint(self, function, bytes_max, roles, quick, lane or self.office, media_type)

    def close(self) -> None:
        """Waits for the calls under way."""
        self.office.pool.shutdown()
        self.phones.pool.shutdown()
        self.customers.pool.shutdown()


class Endpoint:
    """A plain function at the edge, as an ASGI application."""

    __slots__ = ("_body_bytes_max", "_decompressed_bytes_max", "_lane", "_quick", "_web", "function", "media_type", "roles")

    def __init__(
        self,
        web: Web,
        function: Function,
        body_bytes_max: int,
        roles: Collection[Role] | None,
        quick: Quick | None,
        lane: Lane,
        media_type: str | None,
    ) -> None:
        self._lane = lane
        self.media_type = media_type
        self._web = web
        self.function = function
        self._quick = quick
        self._body_bytes_max = body_bytes_max
        self._decompressed_bytes_max = max(web.decompressed_bytes_max, body_bytes_max)
        self.roles = None if roles is None else tuple(roles)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if self._lane.full and _declared_bytes(scope) > QUICK_BODY_BYTES_MAX:
                raise self._web.busy()  # before it has sent all of it
            body = await read_body(scope, receive, self._body_bytes_max, self._web.room, self._web.busy)
            rendered = self._answer_quickly(scope, body) or await self._answer_beside(scope, body)
        except Refused as refused:
            rendered = refusal(refused, scope)
        except ClientGone:
            return  # half a body is no request, and nobody waits for an answer
        if isinstance(rendered.body, bytes):
            await send_whole(scope, send, rendered)
        else:
            await _send_stream(self._lane.pool, scope, receive, send, rendered)

    def _answer_quickly(self, scope: Scope, body: bytes) -> Rendered | None:
        if self._quick is None or len(body) > QUICK_BODY_BYTES_MAX:
            return None
        outcome = self._answer(self._quick, scope, body)
        assert not isinstance(outcome, Later), "what must wait is not quick"
        return outcome

    async def _answer_beside(self, scope: Scope, body: bytes) -> Rendered:
        """Raises: busy, when too many wait already."""
        lane, room = self._lane, self._web.room
        if lane.full or not room.take(len(body)):
            raise self._web.busy()
        lane.waiting += 1
        waits = True
        try:
            async with lane.turn:
                lane.waiting -= 1
                waits = False
                return await self._in_turn(lane, scope, body)
        finally:
            room.give_back(len(body))
            lane.waiting -= waits

    async def _in_turn(self, lane: Lane, scope: Scope, body: bytes) -> Rendered:
        loop = asyncio.get_running_loop()
        outcome = await loop.run_in_executor(lane.pool, self._answer, self.function, scope, body)
        while isinstance(outcome, Later):
            await asyncio.wait([asyncio.wrap_future(outcome.future)])
            outcome = await loop.run_in_executor(lane.pool, self._finish, outcome, scope)
        assert outcome is not None, "only a quick function may decline"
        return outcome

    def _answer(self, function: Quick, scope: Scope, body: bytes) -> Rendered | Later | None:
        """Everything between the bytes and the reply; None when a quick function declined. Never raises."""
        return _guarded(scope, lambda: function(self._call(scope, body)))

    def _finish(self, later: Later, scope: Scope) -> Rendered | Later | None:
        """The answer that had to wait. Never raises."""
        return _guarded(scope, lambda: later.then(later.future.result()))

    def _call(self, scope: Scope, body: bytes) -> Call:
        if "\0" in scope["path"]:
            raise Refused("not-found")
        principal = self._principal(scope)
        if principal is not None:
            scope[PRINCIPAL] = principal.role
        if self.roles is not None:
            require(principal, *self.roles)
        plain = decompressed(body, header_of(scope, b"content-encoding"), self._decompressed_bytes_max)
        return Call(scope["method"], scope.get("path_params", {}), plain, principal, request_id(scope), scope)

    def _principal(self, scope: Scope) -> Principal | None:
        header = header_of(scope, b"authorization")
        if header is None or header[:7].lower() != b"bearer ":
            return None
        try:
            return self._web.tokens.verify(header[7:].decode("latin-1"))
        except Refused:
            if self.roles is None:
                return None  # a push is authorised by the device's key; only the pull after it will miss the token
            raise


def _guarded(scope: Scope, make: Callable[[], Answer | Later | None]) -> Rendered | Later | None:
    """What a function answers, rendered; a refusal as its problem; anything else it raises as a logged `internal`."""
    if SPAN not in scope:
        return _made(scope, make)
    with within(scope):
        return _made(scope, make)


def _made(scope: Scope, make: Callable[[], Answer | Later | None]) -> Rendered | Later | None:
    try:
        answer = make()
        if answer is None or isinstance(answer, Later):
            return answer
        return render(answer, accepts_gzip(header_of(scope, b"accept-encoding")))
    except Refused as refused:
        return refusal(refused, scope)
    except Exception:
        scope[SLUG] = "internal"
        return internal_problem(request_id(scope))


def request_id(scope: Scope) -> str:
    """The id the log gave this request."""
    return str(scope.get(REQUEST_ID, "-"))


# --- bodies -------------------------------------------------------------------------------------------------


class ClientGone(Exception):
    """The client left before its body was complete."""


async def read_body(
    scope: Scope, receive: Receive, bytes_max: int, room: Room | None = None, busy: Callable[[], Refused] = _plainly_busy
) -> bytes:
    """The whole body as sent. Raises too-large as early as it is known, busy when there is no `room`, and ClientGone."""
    if _declared_bytes(scope) > bytes_max:
        raise _too_large(bytes_max)
    chunks: list[bytes] = []
    size_bytes = held_bytes = 0
    more = True
    try:
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk = message.get("body", b"")
            size_bytes += len(chunk)
            if size_bytes > bytes_max:
                raise _too_large(bytes_max)
            chunks.append(chunk)
            more = message.get("more_body", False)
            if more and room is not None:
                if not room.take(len(chunk)):
                    raise busy()
                held_bytes += len(chunk)
    finally:
        if room is not None:
            room.give_back(held_bytes)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _declared_bytes(scope: Scope) -> int:
    declared = header_of(scope, b"content-length")
    return int(declared[:20]) if declared is not None and declared.isdigit() else 0


def decompressed(body: bytes, encoding: bytes | None, bytes_max: int) -> bytes:
    """The body without its `Content-Encoding`. Raises too-large for a bomb, bad-compression unless it is whole gzip."""
    if encoding is None or encoding == b"identity":
        return body
    if encoding.lower() != b"gzip":
        raise Refused("bad-compression", "Send the body as gzip or plain; no other Content-Encoding is understood.")
    try:
        return _gunzip(body, bytes_max)
    except zlib.error as error:
        raise Refused("bad-compression") from error


def _gunzip(body: bytes, bytes_max: int) -> bytes:
    parts: list[bytes] = []
    room_bytes = bytes_max
    rest = body
    for _ in range(GZIP_MEMBERS_MAX):
        member = zlib.decompressobj(_GZIP)
        part = member.decompress(rest, room_bytes + 1)
        if len(part) > room_bytes:
            raise Refused("too-large", f"The body is larger than {bytes_max} bytes decompressed; send fewer lines.")
        if not member.eof:
            raise Refused("bad-compression", "The gzip body ends too early.")
        parts.append(part)
        room_bytes -= len(part)
        rest = member.unused_data
        if not rest:
            return b"".join(parts)
    raise Refused("bad-compression", f"More than {GZIP_MEMBERS_MAX} gzip members.")


def _too_large(bytes_max: int) -> Refused:
    return Refused("too-large", f"The body is larger than {bytes_max} bytes; send it in parts.", limit_bytes=bytes_max)


# --- replies ------------------------------------------------------------------------------------------------

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A reply as it goes out; `body` is whole or a stream."""

    status: int
    headers: Headers
    body: bytes | Iterator[bytes]


def render(answer: Answer, gzip: bool) -> Rendered:
    """What an endpoint returned, as bytes and headers; compressed from 768 bytes on when the client takes gzip."""
    reply = answer if isinstance(answer, Reply) else Reply(answer)
    body = to_json(reply.body) if isinstance(reply.body, (Mapping, list)) else reply.body
    media_type = reply.media_type or (JSON if isinstance(reply.body, (Mapping, list)) else NDJSON)
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in reply.headers.items()]
    if body != b"":
        headers.append((b"content-type", media_type.encode()))
    if "cache-control" not in {name.lower() for name in reply.headers}:
        headers.append((b"cache-control", b"no-store"))
    if gzip and _is_text(media_type) and not (isinstance(body, bytes) and len(body) <= COMPRESS_FROM_BYTES):
        headers += [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
        body = _packed(body) if isinstance(body, bytes) else _compressed(body)
    return Rendered(reply.status, headers, body)


def refusal(refused: Refused, scope: Scope) -> Rendered:
    """The refusal as the answer to this request, and noted for log and metrics."""
    scope[SLUG] = refused.problem.slug
    return problem(refused, request_id(scope))


def problem(refused: Refused, request_id: str) -> Rendered:
    """The refusal as an RFC 9457 problem document, with the request's id."""
    headers = [(b"content-type", PROBLEM.encode()), (b"cache-control", b"no-store")]
    if refused.problem.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if "retry_after_s" in refused.extra:
        headers.append((b"retry-after", str(math.ceil(refused.extra["retry_after_s"])).encode()))
    return Rendered(refused.problem.status, headers, to_json({**refused.document(), "request_id": request_id}))


def internal_problem(request_id: str) -> Rendered:
    """The answer to a fault of ours; call it while the exception is handled, it logs the traceback."""
    structlog.get_logger().error("internal", request_id=request_id, exc_info=True)
    return problem(Refused("internal", f"Please report this with the id {request_id}."), request_id)


def to_json(document: Mapping[str, Any] | list[Any]) -> bytes:
    # "replace": a detail may quote half a character that somebody sent.
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "replace")


def _packed(body: bytes) -> bytes:
    if len(body) > SMALL_BODY_BYTES:
        return zlib.compress(body, GZIP_LEVEL, _GZIP)
    packer = zlib.compressobj(GZIP_LEVEL, *_GZIP_SMALL)
    return packer.compress(body) + packer.flush()


def _compressed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    for chunk in chunks:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()


def _is_text(media_type: str) -> bool:
    return media_type.startswith("text/") or "json" in media_type


@lru_cache(256)
def accepts_gzip(header: bytes | None) -> bool:
    for part in (header or b"").lower().split(b","):
        name, _, quality = part.partition(b";")
        if name.strip() in (b"gzip", b"*"):
            return quality.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False


async def send_whole(scope: Scope, send: Send, rendered: Rendered) -> None:
    assert isinstance(rendered.body, bytes)
    headers = [*rendered.headers, (b"x-request-id", request_id(scope).encode())]
    if rendered.status != 304:  # there it would have to be the length of what is not sent
        headers.append((b"content-length", str(len(rendered.body)).encode()))
    await send({"type": "http.response.start", "status": rendered.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else rendered.body})


async def _send_stream(pool: ThreadPoolExecutor, scope: Scope, receive: Receive, send: Send, rendered: Rendered) -> None:
    assert not isinstance(rendered.body, bytes)
    loop = asyncio.get_running_loop()
    gone = asyncio.ensure_future(_disconnected(receive))
    headers = [*rendered.headers, (b"x-request-id", request_id(scope).encode())]
    try:
        await send({"type": "http.response.start", "status": rendered.status, "headers": headers})
        while scope["method"] != "HEAD" and not gone.done():
            chunk = await loop.run_in_executor(pool, next, rendered.body, _LEFT)
            if chunk is _LEFT:
                break
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()
        close = getattr(rendered.body, "close", None)
        if close is not None:
            await loop.run_in_executor(pool, close)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


# --- around the routes --------------------------------------------------------------------------------------

_SLUG_OF_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}


def exception_handlers() -> dict[Any, ExceptionHandler]:
    """For `Starlette(exception_handlers=…)`: unknown addresses, wrong methods and faults elsewhere, as problems."""
    return {HTTPException: _http_exception, Refused: _refused, Exception: _unexpected}


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    slug = _SLUG_OF_STATUS.get(error.status_code, "bad-request")
    return _response(refusal(Refused(slug), request.scope), request.scope, error.headers or {})


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _response(refusal(error, request.scope), request.scope, {})


async def _unexpected(request: Request, error: Exception) -> Response:
    # Starlette logs the exception by raising it again behind this reply; once is enough.
    refused = Refused("internal", f"Please report this with the id {request_id(request.scope)}.")
    # This reply is made outside of every middleware, so it brings the security headers itself.
    headers = {name.decode(): value.decode() for name, value in SECURITY_HEADERS}
    return _response(problem(refused, request_id(request.scope)), request.scope, headers)


def _response(rendered: Rendered, scope: Scope, headers: Mapping[str, str]) -> Response:
    response = Response(b"" if scope["method"] == "HEAD" else rendered.body, rendered.status, dict(headers))
    for name, value in rendered.headers:
        response.headers[name.decode()] = value.decode("latin-1")
    response.headers["x-request-id"] = request_id(scope)
    return response


SECURITY_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]


class SecurityHeaders:
    """ASGI middleware: headers that keep a browser from doing anything with a reply that it was not meant for.

    A reply that brings its own (the web clients' pages) keeps them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: Headers = list(message.get("headers", ()))
                present = {name for name, _ in headers}
                headers += [header for header in SECURITY_HEADERS if header[0] not in present]
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, guarded if scope["type"] == "http" else send)


def header_of(scope: Scope, name: bytes) -> bytes | None:
    for present, value in scope["headers"]:
        if present == name:
            return bytes(value)
    return None
