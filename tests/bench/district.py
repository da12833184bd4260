"""A district set up through the front door alone: crews, members, phones and tickets over HTTP, whatever engine is behind it.

Names begin with the run's own word, so that a district can be set up on a server that has others. Refuses to know databases.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from clients.handset.keys import KeyList, Signer, new_device_key, public_jwk
from clients.handset.load import Connection, Enrolled, Reply, post

CREWS_A_STATION = 5
ASKING = 24
"""Requests of the office under way at once."""
TRIES = 200
Place = tuple[str, int]
"""Host and port of one server process."""


@dataclass(frozen=True, slots=True)
class District:
    """`crew_phones` have a crew and tickets of their own each; `newcomers` share one crew with many."""

    crew_phones: list[Enrolled]
    newcomers: list[Enrolled]
    crews: dict[str, str]
    """Crew by device: whose feed that phone reads."""
    stations: dict[str, str]
    """Station by device."""


class Office:
    """The office at all server processes: every request goes to another of them, and comes back when told to."""

    def __init__(self, places: list[Place], token: str, chance: Random) -> None:
        self._places = places
        self._token = token
        self._chance = chance
        self._idle: list[list[Connection]] = [[] for _ in places]
        self._asked = 0
        self._turn = asyncio.Semaphore(ASKING)
        self.turned_away = 0

    async def say(self, path: str, document: Mapping[str, Any] | bytes, *, alone: bool = False) -> Any:
        """The answer's document. `alone`: without the office's token. Raises AssertionError when it is refused for good."""
        reply = await self._until_heard(path, document, alone=alone)
        assert reply.status < 400, f"{path}: {reply.status} {reply.plain[:300]!r}"
        return json.loads(reply.plain)

    async def try_say(self, path: str, document: Mapping[str, Any]) -> int | None:
        """The status of what was refused for good (a job that is finished is not moved), or None."""
        reply = await self._until_heard(path, document, alone=False)
        return None if reply.status < 400 else reply.status

    async def _until_heard(self, path: str, document: Mapping[str, Any] | bytes, *, alone: bool) -> Reply:
        body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
        request = post(path, body, token=None if alone else self._token)
        async with self._turn:
            for _ in range(TRIES):
                reply = await self._ask(request)
                if reply.status not in (429, 503):
                    return reply
                self.turned_away += 1
                wait_s = reply.retry_after_s or 1.0
                await asyncio.sleep(wait_s + self._chance.uniform(0, wait_s))
        raise AssertionError(f"{path} was turned away {TRIES} times")

    async def _ask(self, request: bytes) -> Reply:
        self._asked += 1
        at = self._asked % len(self._places)
        host, port = self._places[at]
        while self._idle[at]:
            connection = self._idle[at].pop()
            try:
                reply = await connection.exchange(request)
                break
            except ConnectionError:
                continue  # a server hangs up on who says nothing for a while
        else:
            connection = await Connection.open(port, host)
            reply = await connection.exchange(request)
        if not connection.closed:
            self._idle[at].append(connection)
        return reply

    def close(self) -> None:
        for connections in self._idle:
            for connection in connections:
                connection.close()


async def settle(office: Office, word: str, *, phones: int, newcomers: int, tickets_each: int, first_tickets: int) -> District:
    """Set a district up: one crew for each phone, one more with many tickets for the newcomers, if there are any."""
    alone = [f"{word}-c{at}" for at in range(phones)]
    shared = f"{word}-first"
    crew_of = alone + [shared] * newcomers
    await office.say("/v1/import/org", b"{}\n" + json.dumps(_organisation(word, [*alone, shared], crew_of)).encode())
    opened = await asyncio.gather(*(_tickets(office, crew, tickets_each) for crew in alone))
    many = tuple(await _tickets(office, shared, first_tickets)) if newcomers else ()
    held = [tuple(tickets) for tickets in opened] + [many] * newcomers
    known: dict[str, KeyList] = {}
    enrolled = await asyncio.gather(*(_enrol(office, f"{word}-m{at}", tickets, known) for at, tickets in enumerate(held)))
    crews = {one.device: crew for one, crew in zip(enrolled, crew_of, strict=True)}
    station_of = {crew: f"{word}-s{at // CREWS_A_STATION}" for at, crew in enumerate([*alone, shared])}
    stations = {device: station_of[crew] for device, crew in crews.items()}
    return District(enrolled[:phones], enrolled[phones:], crews, stations)


def _organisation(word: str, crews: list[str], crew_of: list[str]) -> Mapping[str, Any]:
    stations = range(-(-len(crews) // CREWS_A_STATION))
    return {
        "stations": [{"id": f"{word}-s{at}", "name_zh": "所", "name_en": "Station"} for at in stations],
        "crews": [
            {"id": crew, "station": f"{word}-s{at // CREWS_A_STATION}", "name_zh": "班", "name_en": "Crew"}
            for at, crew in enumerate(crews)
        ],
        "members": [{"id": f"{word}-m{at}", "name_zh": "李", "name_en": "Li"} for at in range(len(crew_of))],
        "memberships": [{"crew": crew, "member": f"{word}-m{at}"} for at, crew in enumerate(crew_of)],
    }


async def _tickets(office: Office, crew: str, count: int) -> list[str]:
    return list(await asyncio.gather(*(_ticket(office, crew, at) for at in range(count))))


async def _ticket(office: Office, crew: str, at: int) -> str:
    fields = {
        "kind": "fault_repair", "address": f"抚州市临川区文昌街道柳巷{at + 1}号3单元502室", "area_class": "urban",
        "customer_name": "王秀兰", "contact_phone": "138 0000 4821",
        "description": "客户反映家中全部停电,邻居有电,空气开关未跳,疑似进户线故障。",
    }  # fmt: skip
    identity = str((await office.say("/v1/tickets", fields))["id"])
    await office.say(f"/v1/tickets/{identity}/assign", {"crew": crew})
    return identity


async def _enrol(office: Office, member: str, tickets: tuple[str, ...], known: dict[str, KeyList]) -> Enrolled:
    code = (await office.say("/v1/enrol-codes", {"member": member}))["code"]
    key = new_device_key()
    said = await office.say("/v1/enrol", {"code": code, "key": public_jwk(key), "name": member}, alone=True)
    keys = known.get(said["keys"])  # one list for a thousand phones: it is the same and takes room
    if keys is None:
        verified = KeyList.verify(said["keys"], said["root"])
        assert verified is not None, "the server's root signed its keys"
        keys = known[said["keys"]] = verified
    return Enrolled(said["device"], member, Signer(key, keys), said["token"], tickets)
