"""A load generator: requests prepared in advance, fired over keep-alive connections, each answer timed.

Speaks just enough HTTP/1.1 to cost little beside the server it measures. Preparing (signing, hashing, compressing) is apart
from firing, so that a measurement holds the server's time and not the client's. Refuses to judge what the numbers mean.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from clients.handset.instruments import Instruments
from clients.handset.keys import PrivateKey, new_device_key, public_jwk, sign_checkpoint
from clients.handset.link import Link
from sync import journal, wire
from sync.facts import FactId
from sync.wire import Envelope

FactToWrite = tuple[str, str | None, str | None, Mapping[str, Any]]
"""(kind, ticket, visit, body) of a line to come."""


# --------------------------------------------------------------------------------------------------------------- timings


@dataclass(slots=True)
class Timings:
    """What came of a run: `latencies_s` by request in the order they were given (0.0 where the connection broke)."""

    latencies_s: list[float]
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    bytes_in: int = 0
    broken: int = 0

    @property
    def per_second(self) -> float:
        """Requests answered a second."""
        return len(self.latencies_s) / self.seconds if self.seconds else 0.0

    def percentile_ms(self, percent: float) -> float:
        """The latency that `percent` of the answered requests did not exceed, in milliseconds."""
        answered = sorted(latency for latency in self.latencies_s if latency)
        if not answered:
            return 0.0
        return 1000 * answered[min(len(answered) - 1, int(len(answered) * percent / 100))]


def request(
    address: str, method: str, path: str, body: bytes = b"", *, token: str | None = None, zipped: bool = False, **headers: str
) -> bytes:
    """A whole HTTP/1.1 request as bytes. `zipped`: compress the body and say so."""
    if zipped:
        body = gzip.compress(body, 6, mtime=0)
        headers["content_encoding"] = "gzip"
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    lines = [f"{method} {path} HTTP/1.1", f"host: {urlsplit(address).netloc}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def run(address: str, requests: Sequence[bytes], concurrency: int) -> Timings:
    """Fire prepared requests over `concurrency` connections, each taking the next one when it has its answer."""
    parts = urlsplit(address)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    timings = Timings([0.0] * len(requests))
    queue = iter(enumerate(requests))
    begun = time.perf_counter()
    workers = min(concurrency, max(1, len(requests)))
    await asyncio.gather(*(_work(host, port, queue, timings) for _ in range(workers)))
    timings.seconds = time.perf_counter() - begun
    return timings


async def _work(host: str, port: int, queue: Iterable[tuple[int, bytes]], timings: Timings) -> None:
    loop = asyncio.get_running_loop()
    connection: _Connection | None = None
    for index, raw in queue:
        if connection is None or connection.closed:
            _, connection = await loop.create_connection(_Connection, host, port)
        begun = time.perf_counter()
        try:
            status, size = await connection.ask(raw)
        except ConnectionError:
            timings.broken += 1
            connection = None
            continue
        timings.latencies_s[index] = time.perf_counter() - begun
        timings.statuses[status] += 1
        timings.bytes_in += size
    if connection is not None:
        connection.leave()


class _Connection(asyncio.Protocol):
    """One keep-alive connection: a request out, a whole answer in (by length or in chunks), its bytes only counted."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._answer: asyncio.Future[tuple[int, int]] | None = None
        self._status = 0
        self._size = 0
        self._left = -1  # bytes of the body to come; -1 before the head was read, -2 while it comes in chunks
        self._hang_up = False
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server hung up"))

    def ask(self, raw: bytes) -> asyncio.Future[tuple[int, int]]:
        """(status, bytes of the body) of the answer, when it is whole."""
        assert self._transport is not None, "connected"
        self._buffer.clear()
        self._left, self._size = -1, 0
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(raw)
        return self._answer

    def leave(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._left == -1 and not self._read_head():
            return
        if self._left == -2:
            self._read_chunks()
        elif len(self._buffer) >= self._left:
            self._size = self._left
            self._finish()

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[:end]).lower()
        del self._buffer[: end + 4]
        self._status = int(head[9:12])
        self._hang_up = b"\r\nconnection: close" in head
        at = head.find(b"\r\ncontent-length:")
        self._left = int(head[at + 17 :].split(b"\r", 1)[0]) if at >= 0 else 0
        if b"\r\ntransfer-encoding: chunked" in head:
            self._left = -2
        return True

    def _read_chunks(self) -> None:
        while (end := self._buffer.find(b"\r\n")) >= 0:
            size = int(self._buffer[:end].split(b";", 1)[0], 16)
            if len(self._buffer) < end + 4 + size:
                return
            del self._buffer[: end + 4 + size]
            self._size += size
            if size == 0:
                self._finish()
                return

    def _finish(self) -> None:
        if self._hang_up:
            self.closed = True
            self.leave()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._status, self._size))


# -------------------------------------------------------------------------------------------------------- what devices say


class LoadDevice:
    """An enrolled device without storage: it writes, chains and signs request bodies one after another."""

    def __init__(self, key: PrivateKey, device: str, member: str, token: str, instruments: Instruments | None = None) -> None:
        self._key = key
        self._instruments = instruments or Instruments()
        self.token = token
        self.journal = self._instruments.new_id()
        self.n = 0
        self._head = journal.genesis(self.journal)
        self._opening: FactToWrite = ("opening", None, None, {"device": device, "member": member, "app": "load/1"})

    @classmethod
    def enrol(cls, link: Link, code: str, name: str) -> LoadDevice:
        """A device of the member the code is for. Raises Unreachable, Declined."""
        key = new_device_key()
        said = link.ask("POST", "/v1/enrol", {"code": code, "key": public_jwk(key), "name": name})
        return cls(key, said["device"], said["member"], said["token"])

    def push(self, facts: Iterable[FactToWrite], *, cursor: Mapping[str, Mapping[str, int]] | None = None) -> bytes:
        """The body of the next push; the journal's opening line comes first by itself. Push bodies must be sent in order."""
        facts = [self._opening, *facts] if self.n == 0 else list(facts)
        after, first = self.head, self.n + 1
        raws = [self._line(*fact) for fact in facts]
        signed = sign_checkpoint(self._key, self.journal, self.n, self.head)
        envelope = Envelope(
            self.journal, self.n, self.head, first=first, after=after, checkpoint=signed, cursor=cursor or {}, app="load/1"
        )
        return b"\n".join([wire.write_envelope(envelope, len(raws)), *raws, b""])

    def idle(self, cursor: Mapping[str, Mapping[str, int]] | None = None, *, limit_bytes: int = 65_536) -> bytes:
        """A body that says nothing new: an idle sync with a full cursor, a first sync with an empty one."""
        envelope = Envelope(self.journal, self.n, self.head, cursor=cursor or {}, app="load/1", limit_bytes=limit_bytes)
        return wire.write_envelope(envelope, 0) + b"\n"

    @property
    def head(self) -> FactId:
        return journal.fact_id(self._head)

    def _line(self, kind: str, ticket: str | None, visit: str | None, body: Mapping[str, Any]) -> bytes:
        reading = self._instruments.reading()
        header = {"ticket": ticket, "visit": visit, "fence": 0 if ticket else None}
        stamps = {"wall": reading.wall, "mono": reading.mono, "boot": reading.boot}
        raw = wire.write_line(self.n + 1, kind, header | stamps, body)
        self.n += 1
        self._head = journal.link(self._head, raw)
        return raw


def cursor_of(reply: bytes) -> dict[str, dict[str, int]]:
    """The cursor in a reply's end line, to go on from; empty when it has none."""
    end = wire.parse_reply(reply).end
    return {} if end is None else json.loads(json.dumps(end["cursor"]))
