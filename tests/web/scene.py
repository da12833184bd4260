"""The district a browser test happens in: the demo's stations, crews, members and work guides on a real server."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from clients.demo import district
from server.service import Clock
from server.storage.tables import Journal, Phone, PhotoBytes, PhotoUse, StoredFact
from tests.running import RunningServer

CREW, MEMBER = "qx-line", "wu"
OTHER_CREW, OTHER_MEMBER = "qx-hv", "sun"
MINUTE_MS = 60_000


class District(RunningServer):
    """A server whose crew `qx-line` has work; `outage` is a job of six steps and four photos.

    `ahead_ms` is how far its clock, and so the world's, has moved on beyond this machine's.
    """

    ahead_ms = 0

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, clock=Clock(now_ms=self.now_ms), **settings)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    def pass_time(self, ms: int) -> None:
        """So much time passes in the world; the office signs in again."""
        self.ahead_ms += ms
        self.office.headers["authorization"] = f"Bearer {self.token()}"

    def settle(self) -> None:
        """Import who works here, and their guides."""
        self.organise(json.loads(district.read_bytes("org.json")))
        for form in district.guides().values():
            self.said(self.office.post("/v1/import/guide", content=b"{}\n" + form))

    @contextmanager
    def unreachable_for_phones(self) -> Iterator[None]:
        """The office works on at another address; nobody answers at the one the phones know."""
        address = self.port
        self.stop()
        self.port = 0
        self.start()
        self.office.base_url = httpx.URL(self.address)
        try:
            yield
        finally:
            self.stop()
            self.port = address
            self.start()
            self.office.base_url = httpx.URL(self.address)

    def outage(self, crew: str | None = CREW, *, ago_min: int = 6, **fields: Any) -> str:
        """A household without light, at the mill; the ticket's id."""
        mill = {
            "kind": "fault_repair",
            "fault_class": "lv_outage_household",
            "address": "青溪镇水碾路3号",
            "area_class": "rural",
            "description": "全屋无电，邻居家正常。",
            "customer_name": "何秀英",
            "contact_phone": "135-0000-2001",
            "position": {"lat": 27.9633, "lon": 116.3622, "source": "agent"},
            "received_at": time.time_ns() // 1_000_000 - ago_min * MINUTE_MS,
            "priority": 1,
        }
        return self.ticket(crew, **{**mill, **fields})

    def stored_facts(self) -> list[str]:
        """The id of every fact of a phone that HQ holds, as often as it holds it."""
        queries = self.service.queries()
        phones = {phone["id"] for phone in queries.rows(Phone)}
        chains = {chain["key"] for chain in queries.rows(Journal) if chain["device"] in phones}
        rows = [row for row in queries.rows(StoredFact) if row["chain"] in chains]
        return [urlsafe_b64encode(row["id"]).rstrip(b"=").decode() for row in rows]

    def feed_contents(self, kind: str) -> list[dict[str, Any]]:
        """What every record of a kind holds, as headquarters gets it."""
        return [row["put"] for row in self.feed(kind)]

    @property
    def is_on(self) -> bool:
        """Whether somebody answers at its address."""
        return self._server is not None

    def photos_named(self) -> set[str]:
        """The SHA-256 of every photo, of whatever form, that a stored fact names."""
        return {row["sha256"] for row in self.service.queries().rows(PhotoUse)}

    def known_time(self, kind: str) -> tuple[int, int]:
        """Between which moments the newest fact of a kind can have happened, as far as the server can prove."""
        row = max(self.service.queries().rows(StoredFact, kind=kind), key=lambda row: row["seq"])
        return row["lower"], row["upper"]

    def whole_photos(self) -> list[str]:
        """The SHA-256 of every photo, of whatever form, whose bytes HQ has whole."""
        return [row["sha256"] for row in self.service.queries().rows(PhotoBytes) if row["received_at"] is not None]


@contextmanager
def settled_district(folder: Path, **settings: Any) -> Iterator[District]:
    """The district with its guides, until the block ends."""
    with District(folder, **settings) as server:
        server.settle()
        yield server
