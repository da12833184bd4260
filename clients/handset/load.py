"""A load generator: thousands of phones in one process, and a client that costs less than the server it loads.

A phone here is the real `sync.replica` over a pocket that copies nothing, so what it sends and believes is what the shipped
handset sends and believes. The client speaks just enough HTTP/1.1 over keep-alive connections; requests can be made (signed,
hashed, compressed) before anything is timed. Refuses to judge what the numbers mean.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from clients.handset.keys import Signer
from clients.handset.link import PACK_FROM_BYTES
from sync.facts import FactId, Key, Reading
from sync.replica import Outgoing, Replica, Row

REPLY_WAIT_S = 300.0
PAGE_BYTES = 256 * 1024
"""As much as the Python handset asks for at once."""
FACTS_A_TICKET = 10
_TO_READ, _CHUNKED = -1, -2  # what `_left` says before the head of an answer was read, and while its body comes in chunks


# -------------------------------------------------------------------------------------------------------------- requests


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` is as it travelled; `plain` undoes gzip. `retry_after_s` is None unless the server named it."""

    status: int
    body: bytes
    packed: bool = False
    retry_after_s: float | None = None

    @property
    def plain(self) -> bytes:
        return gzip.decompress(self.body) if self.packed else self.body

    @property
    def problem(self) -> Mapping[str, Any] | None:
        """The problem document of a request that was refused as a whole."""
        if self.status < 400:
            return None
        try:
            document = json.loads(self.plain)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


def post(path: str, body: bytes, *, token: str | None = None, packed: bool = True, **headers: str) -> bytes:
    """The bytes of a POST as a phone sends it: gzip both ways, but for bodies too short to gain by it."""
    packed = packed and len(body) >= PACK_FROM_BYTES
    lines = [f"POST {path} HTTP/1.1", "host: load", "content-type: application/x-ndjson", "accept-encoding: gzip"]
    lines += ["content-encoding: gzip"] if packed else []
    lines += [f"authorization: Bearer {token}"] if token else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    sent = gzip.compress(body, 6, mtime=0) if packed else body
    return "\r\n".join([*lines, f"content-length: {len(sent)}", "", ""]).encode() + sent


def get(path: str, *, token: str | None = None) -> bytes:
    """The bytes of a GET."""
    lines = [f"GET {path} HTTP/1.1", "host: load", *([f"authorization: Bearer {token}"] if token else [])]
    return "\r\n".join([*lines, "", ""]).encode()


def body_bytes(request: bytes) -> int:
    """How long the body of a prepared request is."""
    return len(request) - request.index(b"\r\n\r\n") - 4


# ------------------------------------------------------------------------------------------------------------ connections


class Connection(asyncio.Protocol):
    """One keep-alive connection: a request out, a whole answer in (by length or in chunks)."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._body = bytearray()
        self._answer: asyncio.Future[Reply] | None = None
        self._head = b""
        self._left = _TO_READ
        self.closed = False

    @classmethod
    async def open(cls, port: int, host: str = "127.0.0.1") -> Connection:
        """A connection that is made. Raises OSError."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is of the same shape

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server hung up"))

    async def exchange(self, request: bytes) -> Reply:
        """One request, one reply. Raises ConnectionError, and TimeoutError after a time no phone would wait."""
        if self.closed or self._transport is None:
            raise ConnectionError("the server hung up")
        self._received.clear()
        self._body.clear()
        self._left = _TO_READ
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await asyncio.wait_for(self._answer, REPLY_WAIT_S)

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._left == _TO_READ and not self._read_head():
            return
        if self._left == _CHUNKED:
            self._read_chunks()
        elif len(self._received) >= self._left:
            self._finish(bytes(self._received[: self._left]))

    def _read_head(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._head = bytes(self._received[:end]).lower()
        del self._received[: end + 4]
        self._left = int(self._header(b"content-length") or 0)
        if self._header(b"transfer-encoding") == b"chunked":
            self._left = _CHUNKED
        return True

    def _header(self, name: bytes) -> bytes | None:
        at = self._head.find(b"\r\n" + name + b":")
        return None if at < 0 else self._head[at + len(name) + 3 :].split(b"\r", 1)[0].strip()

    def _read_chunks(self) -> None:
        while (end := self._received.find(b"\r\n")) >= 0:
            size = int(self._received[:end].split(b";", 1)[0], 16)
            if len(self._received) < end + 4 + size:
                return
            self._body += self._received[end + 2 : end + 2 + size]
            del self._received[: end + 4 + size]
            if size == 0:
                self._finish(bytes(self._body))
                return

    def _finish(self, body: bytes) -> None:
        if self._header(b"connection") == b"close":
            self.close()
        retry = self._header(b"retry-after")
        packed = self._header(b"content-encoding") == b"gzip"
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Reply(int(self._head[9:12]), body, packed, float(retry) if retry else None))


# ----------------------------------------------------------------------------------------------------------------- bursts


@dataclass(slots=True)
class Fired:
    """What a burst of requests took: all of it in wall-clock seconds, and each of them."""

    wall_s: float = 0.0
    each_s: list[float] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        return len(self.each_s) / self.wall_s


@asynccontextmanager
async def _connected(port: int, count: int) -> AsyncIterator[list[Connection]]:
    connections: list[Connection] = []
    try:
        for _ in range(count):
            connections.append(await Connection.open(port))
        yield connections
    finally:
        for connection in connections:
            connection.close()


async def _timed(connection: Connection, request: bytes, fired: Fired) -> Reply:
    begun = time.perf_counter()
    reply = await connection.exchange(request)
    fired.each_s.append(time.perf_counter() - begun)
    return reply


async def at_once(port: int, requests: Sequence[bytes]) -> Fired:
    """Every request on a connection of its own, all in the same moment; replies stand in the order of the requests."""
    fired = Fired()
    async with _connected(port, len(requests)) as connections:
        begun = time.perf_counter()
        pairs = zip(connections, requests, strict=True)
        fired.replies = list(await asyncio.gather(*(_timed(c, r, fired) for c, r in pairs)))
        fired.wall_s = time.perf_counter() - begun
    return fired


async def in_turns(port: int, requests: Sequence[bytes], *, times: int = 1, connections: int = 32) -> Fired:
    """Some connections share the requests, each sending its next one when the last was answered; `times` over.

    Over a single connection replies stand in the order of the requests.
    """
    fired = Fired()
    count = min(connections, len(requests))

    async def work(connection: Connection, mine: Sequence[bytes]) -> None:
        for _ in range(times):
            for request in mine:
                fired.replies.append(await _timed(connection, request, fired))

    async with _connected(port, count) as made:
        begun = time.perf_counter()
        await asyncio.gather(*(work(connection, requests[at::count]) for at, connection in enumerate(made)))
        fired.wall_s = time.perf_counter() - begun
    return fired


# ----------------------------------------------------------------------------------------------------------------- phones


class Pocket:
    """A phone's storage as plain dictionaries, without a way back: what is measured is the server."""

    def __init__(self) -> None:
        self._state: bytes | None = None
        self._lines: dict[str, list[tuple[int, FactId, bytes]]] = {}
        self._rows: dict[Key, Row] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def load_state(self) -> bytes | None:
        return self._state

    def save_state(self, raw: bytes) -> None:
        self._state = raw

    def append(self, journal: str, n: int, identity: FactId, raw: bytes) -> None:
        self._lines.setdefault(journal, []).append((n, identity, raw))

    def lines(self, journal: str, first: int, last: int) -> list[tuple[int, FactId, bytes]]:
        return self._lines.get(journal, [])[max(0, first - 1) : last]

    def drop_lines(self, journal: str, last: int) -> None:
        """Nothing is dropped: a load ends before a phone forgets."""

    def row(self, key: Key) -> Row | None:
        return self._rows.get(key)

    def save_row(self, row: Row) -> None:
        self._rows[(row.kind, row.id)] = row

    def drop_row(self, key: Key) -> None:
        self._rows.pop(key, None)

    def rows(self, kind: str | None = None) -> Iterable[Row]:
        return [row for key, row in self._rows.items() if kind is None or key[0] == kind]

    def facts(self) -> Iterator[tuple[str, int, FactId]]:
        """(journal, n, id) of every line that was ever written here."""
        for name, lines in self._lines.items():
            yield from ((name, n, identity) for n, identity, _ in lines)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a phone has after enrolment, and the tickets its crew holds."""

    device: str
    member: str
    signer: Signer
    token: str
    tickets: tuple[str, ...]


class Phone:
    """One phone; every new one begins a journal of its own."""

    def __init__(self, enrolled: Enrolled, serial: str) -> None:
        self.enrolled = enrolled
        self._serial = serial
        self._made = 0
        self._tick = 0
        self.pocket = Pocket()
        self.replica = Replica.enrol(
            self.pocket,
            enrolled.signer,
            self._new_id,
            device=enrolled.device,
            member=enrolled.member,
            app="1.0.0",
            reading=self.reading(),
        )

    def _new_id(self) -> str:
        self._made += 1
        digest = hashlib.sha256(f"{self._serial}/{self.enrolled.device}/{self._made}".encode()).hexdigest()
        return f"0199{digest[:4]}-{digest[4:8]}-7{digest[8:11]}-a{digest[11:14]}-{digest[14:26]}"

    def reading(self) -> Reading:
        """Half a minute of work between two facts, the last of them now."""
        self._tick += 1
        return Reading(time.time_ns() // 1_000_000 - 3_600_000 + self._tick * 31_417, 5_000_000 + self._tick * 31_415, "b3")

    def work(self, facts: int) -> None:
        """Record this many facts, ten on each ticket."""
        for at in range(facts):
            ticket = self.enrolled.tickets[at // FACTS_A_TICKET % len(self.enrolled.tickets)]
            step = at % FACTS_A_TICKET
            if step == 0:
                visit = self._new_id()
            kind, body = _fact(step, self._tick)
            self.replica.record(kind, self.reading(), ticket=ticket, visit=visit, body=body)

    def outgoing(self, *, limit_bytes: int = PAGE_BYTES) -> Outgoing:
        """What the phone would send now."""
        return self.replica.request(limit_bytes=limit_bytes, now_wall=time.time_ns() // 1_000_000)

    def packed(self, outgoing: Outgoing) -> bytes:
        """The bytes of the HTTP request."""
        return post("/v1/sync", outgoing.body, token=self.enrolled.token)

    def request(self, *, limit_bytes: int = PAGE_BYTES) -> tuple[Outgoing, bytes]:
        """What the phone would send now, and the bytes of the HTTP request."""
        outgoing = self.outgoing(limit_bytes=limit_bytes)
        return outgoing, self.packed(outgoing)

    def fresh_pull(self, *, limit_bytes: int = PAGE_BYTES) -> bytes:
        """A request of a phone that has nothing new and wants everything in its scopes."""
        cursor, self.replica.state.cursor = self.replica.state.cursor, {}
        try:
            return self.request(limit_bytes=limit_bytes)[1]
        finally:
            self.replica.state.cursor = cursor

    def heard(self, reply: Reply) -> None:
        """Apply a reply. Raises AssertionError unless it is a whole one without a problem."""
        assert reply.status == 200, f"{reply.status}: {reply.plain[:300]!r}"
        applied = self.replica.apply(reply.plain, self.reading())
        assert applied.problem is None and applied.complete, applied


_FIX = {"lat": 27.94921, "lon": 116.35812, "acc_m": 9, "age_ms": 1200}


def _fact(step: int, tick: int) -> tuple[str, dict[str, Any]]:
    """The kind and body of a fact by its place in a visit: 250 bytes or so a line, as in the field."""
    drift = tick % 97 / 100_000
    fix = {**_FIX, "lat": round(27.94921 + drift, 5), "lon": round(116.35812 + drift, 5)}
    photo = {"sha256": hashlib.sha256(str(tick).encode()).hexdigest(), "size_bytes": 2_000_000 + tick, "shows": "before"}
    visit: tuple[tuple[str, dict[str, Any]], ...] = (
        ("acceptance", {"eta_min": 20}),
        ("departure", {"fix": fix}),
        ("arrival", {"fix": fix}),
        ("answer", _answer("voltage", 220 + tick % 17, unit="V")),
        ("answer", _answer("breaker", "closed")),
        ("answer", _answer("earthing-checked", True, safety=True)),
        ("photo", photo),
        ("note", {"text": "更换进户线接头,绝缘正常,已恢复供电。"}),
        ("start", {}),
        ("finish", {"result": "已修复", "cause": "connector"}),
    )
    return visit[step]


def _answer(step: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"guide": "fault-repair-lv", "guide_version": 3, "step": step, "value": value, **more}
