"""A lean HTTP/1.1 keep-alive client for load: bytes made beforehand go out, status and body come back.

A general client would cost more than the server it measures. It knows only what uvicorn answers with: a content-length.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import uvloop

from clients.handset.link import PACK_FROM_BYTES

T = TypeVar("T")
REPLY_WAIT_S = 300.0


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` is as it travelled; `plain` undoes gzip."""

    status: int
    body: bytes
    packed: bool

    @property
    def plain(self) -> bytes:
        return gzip.decompress(self.body) if self.packed else self.body


@dataclass(slots=True)
class Fired:
    """What a burst of requests took: all of it in wall-clock seconds, and each of them."""

    wall_s: float = 0.0
    each_s: list[float] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        return len(self.each_s) / self.wall_s


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Reply] | None = None
        self._missing = 0  # bytes of the reply that are still to come, 0 while its header is not whole

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class, of the same shape

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._missing -= len(data)
        if self._missing > 0:
            return
        received = bytes(self._received)
        end = received.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        header = received[:end].lower()
        size = int(header.partition(b"content-length:")[2].partition(b"\r\n")[0])
        self._missing = end + size - len(received)
        if self._missing > 0:
            return
        self._received.clear()
        self._missing = 0
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Reply(int(header[9:12]), received[end:], b"content-encoding: gzip" in header))

    async def exchange(self, request: bytes) -> Reply:
        """One request, one reply."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def post(path: str, body: bytes, *, token: str | None = None, packed: bool = True, **headers: str) -> bytes:
    """The bytes of a POST as a phone sends it: gzip both ways, but for bodies too short to gain by it."""
    packed = packed and len(body) >= PACK_FROM_BYTES
    lines = [f"POST {path} HTTP/1.1", "host: bench", "content-type: application/x-ndjson", "accept-encoding: gzip"]
    lines += ["content-encoding: gzip"] if packed else []
    lines += [f"authorization: Bearer {token}"] if token else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    sent = gzip.compress(body, 6, mtime=0) if packed else body
    return "\r\n".join([*lines, f"content-length: {len(sent)}", "", ""]).encode() + sent


def body_bytes(request: bytes) -> int:
    """How long the body of a prepared request is."""
    return len(request) - request.index(b"\r\n\r\n") - 4


@asynccontextmanager
async def _connected(port: int, count: int) -> AsyncIterator[list[_Connection]]:
    loop = asyncio.get_running_loop()
    connections = []
    try:
        for _ in range(count):
            _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
            connections.append(connection)
        yield connections
    finally:
        for connection in connections:
            connection.close()


async def _timed(connection: _Connection, request: bytes, fired: Fired) -> Reply:
    begun = time.perf_counter()
    reply = await asyncio.wait_for(connection.exchange(request), REPLY_WAIT_S)
    fired.each_s.append(time.perf_counter() - begun)
    return reply


async def _at_once(port: int, requests: Sequence[bytes]) -> Fired:
    fired = Fired()
    async with _connected(port, len(requests)) as connections:
        begun = time.perf_counter()
        pairs = zip(connections, requests, strict=True)
        fired.replies = list(await asyncio.gather(*(_timed(c, r, fired) for c, r in pairs)))
        fired.wall_s = time.perf_counter() - begun
    return fired


async def _in_turns(port: int, requests: Sequence[bytes], times: int, at_once: int) -> Fired:
    fired = Fired()

    async def work(connection: _Connection, mine: Sequence[bytes]) -> None:
        for _ in range(times):
            for request in mine:
                fired.replies.append(await _timed(connection, request, fired))

    async with _connected(port, at_once) as connections:
        begun = time.perf_counter()
        await asyncio.gather(*(work(c, requests[i::at_once]) for i, c in enumerate(connections)))
        fired.wall_s = time.perf_counter() - begun
    return fired


def at_once(port: int, requests: Sequence[bytes]) -> Fired:
    """Every request on a connection of its own, all in the same moment; replies stand in the order of the requests."""
    return _run(_at_once(port, requests))


def in_turns(port: int, requests: Sequence[bytes], *, times: int = 1, connections: int = 32) -> Fired:
    """Some connections share the requests, each sending its next one when the last was answered; `times` over."""
    return _run(_in_turns(port, requests, times, min(connections, len(requests))))


def _run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
