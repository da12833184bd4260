"""A proxy on loopback that makes the network bad on purpose, between a client and any TCP or unix-socket server.

What it does wrong is told while it runs, from the test's own thread:

    with FaultProxy(("127.0.0.1", 5432)) as proxy:
        proxy.latency_s = 0.05                                  # every block of bytes, each way
        proxy.fault(Fault.CUT, when=rb"PUT .*photos/")          # the reply to the next such request never arrives: it was done
        proxy.fault(Fault.ANSWER, answer=UNAVAILABLE, times=3)  # the server is not asked at all
        proxy.sever()                                           # every open connection is reset
        with proxy.outage(): ...                                # connections are refused

A fault waits for a block of bytes from the client that matches `when` and then strikes that connection. Refuses to know
protocols, but for one thing: HTTP's `100 Continue` is no reply, so a cut after it still loses the real one.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

_BLOCK_BYTES = 65536
_CONTINUE = b"HTTP/1.1 100"


def http_answer(status: int, reason: str = "", body: bytes = b"", content_type: str = "text/plain") -> bytes:
    """A whole HTTP reply, for `Fault.ANSWER`."""
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close"
    return head.encode() + b"\r\n\r\n" + body


UNAVAILABLE = http_answer(503, "Service Unavailable")


class Fault(StrEnum):
    """What can happen to one request."""

    CUT = "cut"
    """It is delivered; of the reply `after_bytes` arrive, then the connection closes."""
    RESET = "reset"
    """The same, with a reset instead of an orderly close."""
    HOLE = "hole"
    """It is delivered; the reply never comes and the connection stays open."""
    ANSWER = "answer"
    """It is not delivered; `answer` is sent instead and the connection closes."""
    DROP = "drop"
    """It is not delivered; the connection is reset."""


@dataclass(slots=True)
class Armed:
    """One fault that was told; `struck` counts how often it has come true."""

    kind: Fault
    when: re.Pattern[bytes]
    after_bytes: int
    answer: bytes
    times: int
    struck: int = 0


@dataclass(eq=False, slots=True)
class _Link:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    struck: Armed | None = None
    passed: int = 0


class FaultProxy:
    """Listens on `port` of loopback from the start of the `with` block to its end."""

    def __init__(self, upstream: tuple[str, int] | str, *, port: int = 0) -> None:
        self.latency_s = 0.0
        self.bytes_per_s: float | None = None
        self.port = port
        self._upstream = upstream
        self._armed: list[Armed] = []
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fault(
        self, kind: Fault, *, when: bytes = b"", after_bytes: int = 0, answer: bytes = UNAVAILABLE, times: int = 1
    ) -> Armed:
        """Let the next `times` matching requests fail so; assert on `struck` that they did."""
        armed = Armed(kind, re.compile(when, re.DOTALL), after_bytes, answer, times)
        self._armed.append(armed)
        return armed

    def heal(self) -> None:
        """No more faults, at full speed; connections in a hole stay there."""
        self._armed.clear()
        self.latency_s, self.bytes_per_s = 0.0, None

    def sever(self) -> None:
        """Reset every open connection."""
        self._call(self._sever)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Inside, nobody listens: connections are refused, and the open ones are reset."""
        self._do(self._stop_listening())
        try:
            yield
        finally:
            self._do(self._listen())

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *error: object) -> None:
        self._do(self._end())
        self._call(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _call(self, function: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(function)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._sever()

    async def _end(self) -> None:
        await self._stop_listening()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _sever(self) -> None:
        for link in list(self._links):
            _reset(link.client)
            _reset(link.server)

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            if isinstance(self._upstream, str):
                replies, server = await asyncio.open_unix_connection(self._upstream)
            else:
                replies, server = await asyncio.open_connection(*self._upstream)
        except OSError:
            _reset(client)
            return
        link = _Link(client, server)
        self._links.add(link)
        both = [asyncio.ensure_future(self._requests(link, reader)), asyncio.ensure_future(self._replies(link, replies))]
        self._tasks.update(both)
        await asyncio.wait(both)
        self._tasks.difference_update(both)
        self._links.discard(link)

    async def _requests(self, link: _Link, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while block := await reader.read(_BLOCK_BYTES):
                armed = self._strike(block)
                if armed is not None:
                    link.struck, link.passed = armed, 0
                    if armed.kind in (Fault.ANSWER, Fault.DROP):
                        self._refuse(link, armed)
                        return
                await self._slowly(block)
                link.server.write(block)
                await link.server.drain()
        link.server.close()

    async def _replies(self, link: _Link, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while block := await reader.read(_BLOCK_BYTES):
                armed = link.struck
                if armed is not None and not block.startswith(_CONTINUE):
                    if armed.kind is Fault.HOLE:
                        continue
                    block = block[: max(0, armed.after_bytes - link.passed)]
                    link.passed += len(block)
                await self._slowly(block)
                link.client.write(block)
                await link.client.drain()
                if armed is not None and armed.kind is not Fault.HOLE and link.passed >= armed.after_bytes:
                    self._end_link(link, armed)
                    return
        if link.struck is None or link.struck.kind is not Fault.HOLE:
            link.client.close()

    def _strike(self, block: bytes) -> Armed | None:
        for armed in self._armed:
            if armed.struck < armed.times and armed.when.search(block):
                armed.struck += 1
                return armed
        return None

    def _refuse(self, link: _Link, armed: Armed) -> None:
        link.server.close()
        if armed.kind is Fault.DROP:
            _reset(link.client)
        else:
            link.client.write(armed.answer)
            link.client.close()

    def _end_link(self, link: _Link, armed: Armed) -> None:
        link.server.close()
        if armed.kind is Fault.RESET:
            _reset(link.client)
        else:
            link.client.close()

    async def _slowly(self, block: bytes) -> None:
        pause = self.latency_s + (len(block) / self.bytes_per_s if self.bytes_per_s else 0.0)
        if pause:
            await asyncio.sleep(pause)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close at once with a reset, as a machine does that knows nothing of the connection."""
    found = writer.get_extra_info("socket")
    if found is not None and found.family != socket.AF_UNIX:
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
