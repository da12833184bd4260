"""One phone of a storm: the real replica on its way between server processes, and what it met there.

A phone that is told to wait waits that long and up to as long again; one that is hung up on tries elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from clients.handset.load import Connection, Phone, Reply
from sync.replica import Outgoing
from tests.bench.district import Place

RESTS_MAX = 60
TURNED_AWAY = (429, 503)
BROKEN_PAUSE_S = 1.0


@dataclass(slots=True)
class Tally:
    """What one sort of request met: seconds of each that was answered, statuses, and hang-ups."""

    each_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    hung_up: int = 0
    bytes_down: int = 0


class Front:
    """The server processes as phones meet them, and the tallies of everything they were asked."""

    def __init__(self, places: list[Place], chance: Random) -> None:
        self.places = places
        self.chance = chance
        self.tallies: dict[str, Tally] = {}

    def tally(self, sort: str) -> Tally:
        return self.tallies.setdefault(sort, Tally())


class Device:
    """One phone on its way between processes."""

    def __init__(self, phone: Phone, front: Front, at: int) -> None:
        self.phone = phone
        self._front = front
        self._at = at
        self._connection: Connection | None = None

    async def ask(self, sort: str, request: bytes) -> Reply:
        """The answer of some process to these bytes, however often the phone is turned away or hung up on."""
        tally = self._front.tally(sort)
        while True:
            begun = time.perf_counter()
            try:
                reply = await (await self._connected()).exchange(request)
            except OSError:  # also a connection that broke or waited in vain
                tally.hung_up += 1
                self._leave()
                await self._pause(BROKEN_PAUSE_S)
                continue
            tally.statuses[reply.status] += 1
            tally.bytes_down += len(reply.body)
            if reply.status not in TURNED_AWAY:
                tally.each_s.append(time.perf_counter() - begun)
                return reply
            await self._pause(reply.retry_after_s or 1.0)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds + self._front.chance.uniform(0, seconds))

    async def _connected(self) -> Connection:
        """A connection to another process than last time; with one process the same connection again."""
        if len(self._front.places) > 1:
            self._leave()
            self._at += self._front.chance.randint(1, len(self._front.places) - 1)
        if self._connection is None or self._connection.closed:
            host, port = self._front.places[self._at % len(self._front.places)]
            self._connection = await Connection.open(port, host)
        return self._connection

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        self._leave()

    def believe(self, sort: str, reply: Reply) -> bool:
        """Apply a reply, whatever it is. True when the phone has nothing left to send and has seen a whole page."""
        replica = self.phone.replica
        if reply.status != 200:
            document = reply.problem or {}
            self._front.tally(sort).problems[str(document.get("slug"))] += 1
            replica.refused(document, self.phone.reading())
            return False
        applied = replica.apply(reply.plain, self.phone.reading())
        if applied.problem is not None:
            self._front.tally(sort).problems[str(applied.problem.get("slug"))] += 1
        return applied.complete and not applied.more and not replica.waiting

    async def sync(self, sort: str, *, limit_bytes: int = 256 * 1024) -> bool:
        """One request and its reply. True when the phone is at rest."""
        _, request = self.phone.request(limit_bytes=limit_bytes)
        return self.believe(sort, await self.ask(sort, request))

    async def rest(self, sort: str, *, limit_bytes: int = 256 * 1024) -> None:
        """Sync until nothing waits on either side. Raises AssertionError when that never comes."""
        for _ in range(RESTS_MAX):
            if await self.sync(sort, limit_bytes=limit_bytes):
                return
        met = self._front.tally(sort)
        raise AssertionError(f"a phone did not come to rest in {RESTS_MAX} syncs ({sort}): {met.statuses}, {met.problems}")

    async def come_back(self, outgoing: Outgoing, request: bytes, *, loses: bool) -> None:
        """The storm as one phone lives it: push, perhaps without hearing the reply, the same bytes again, an idle sync."""
        reply = await self.ask("push", request)
        if loses:
            self.phone.replica.lost(outgoing)
            self.believe("ask by head", await self.ask("ask by head", self.phone.request()[1]))
        else:
            self.believe("push", reply)
        again = await self.ask("same bytes again", request)
        assert again.status == 200, again.plain[:300]
        await self.sync("idle sync")
