"""The scene of the hard days: a server in a process of its own, an office and phones that note every status they are given."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from clients.handset.phone import Handset
from server.auth import Role, Tokens
from server.keys import KeyRing
from sync.ids import uuid7
from tests.handset.scene import Clocks, work
from tests.running import ORGANISATION

ATTEMPTS = 12


@dataclass
class District:
    """Office and phones of one server, wherever it answers; `statuses` is all they were ever told."""

    address: str
    keys: Path
    folder: Path
    statuses: list[tuple[str, int]] = field(default_factory=list)
    phones: list[Handset] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        tokens = Tokens(KeyRing.load(self.keys), time.time, new_id=lambda: uuid7(time.time_ns() // 1_000_000, bytes(10)))
        self.office = self._client(base_url=self.address)
        self.office.headers["authorization"] = f"Bearer {tokens.issue('user:admin', Role.ADMIN, minutes=60)}"

    def _client(self, **options: Any) -> httpx.Client:
        return httpx.Client(timeout=60, trust_env=False, event_hooks={"response": [self._note]}, **options)

    def _note(self, response: httpx.Response) -> None:
        self.statuses.append((f"{response.request.method} {response.request.url.path}", response.status_code))

    @property
    def faults(self) -> list[tuple[str, int]]:
        """What nobody should ever be told: a fault of the server's own where `busy` is due."""
        return [told for told in self.statuses if told[1] >= 500 and told[1] != 503]

    def move(self, address: str) -> None:
        """The server answers elsewhere from now on."""
        self.address = address
        self.office.base_url = address
        for phone in self.phones:
            phone._link.address = address

    def said(self, response: httpx.Response) -> Any:
        assert response.is_success, response.text
        return response.json()

    def organise(self) -> None:
        self.said(self.office.post("/v1/import/org", content=b"{}\n" + json.dumps(ORGANISATION).encode()))

    def ticket(self, crew: str = "A") -> str:
        """A ticket, opened and given to a crew; its id."""
        fields: Mapping[str, Any] = {"kind": "fault_repair", "address": "柳巷18号", "area_class": "urban"}
        identity = str(self.said(self.office.post("/v1/tickets", json=fields))["id"])
        self.said(self.office.post(f"/v1/tickets/{identity}/assign", json={"crew": crew}))
        return identity

    def phone(self, member: str = "m1", address: str = "") -> Handset:
        """A newly enrolled phone that never waits in real time."""
        code = str(self.said(self.office.post("/v1/enrol-codes", json={"member": member}))["code"])
        name = f"phone-{len(self.phones)}"
        instruments = Clocks().instruments()
        phone = Handset.enrol(
            self.folder / name, address or self.address, code, name, instruments=instruments, client=self._client()
        )
        self.phones.append(phone)
        return phone

    def job(self, phone: Handset, ticket: str, *, photo_bytes: int = 600) -> None:
        """A whole job with a photo, recorded without any signal."""
        work(phone, ticket)
        picture = b"\xff\xd8\xff\xe0" + ticket.encode() + b"." * photo_bytes + b"\xff\xd9"
        phone.photo(ticket, picture)
        self.photos.append(sha256(picture).hexdigest())

    def stored(self, phone: Handset) -> int:
        """How many lines of this phone the server has."""
        rows = self.said(self.office.get("/v1/hq/devices"))["devices"]
        return sum(row["stored_n"] for row in rows if row["device"] == phone.device)

    def check_kept(self) -> None:
        """Whatever a phone was told is stored, is; to be asked before it speaks again."""
        for phone in self.phones:
            stated = sum(own.stated for own in phone.replica.state.journals)
            assert self.stored(phone) >= stated, f"{stated} lines were acknowledged, {self.stored(phone)} are stored"

    def check_converged(self) -> None:
        """After one good conversation: everything is there, once, and phones see what the server sees."""
        for phone in self.phones:
            told = phone.sync(attempts=ATTEMPTS)
            assert told.done, told
            assert phone.photos_waiting == 0 and not phone.differences()
            journals = phone.replica.state.journals
            assert self.stored(phone) == sum(own.n for own in journals), "lost or doubled"
            assert len(journals) == 1, "nothing made this phone doubt its journal"

    def close(self) -> None:
        for phone in self.phones:
            phone.close()
        self.office.close()


def check_photos(objects: Path, wanted: list[str]) -> None:
    """Every photo that was delivered is in the folder, whole."""
    for name in wanted:
        path = objects / "photos" / name[:2] / name
        assert sha256(path.read_bytes()).hexdigest() == name
