"""The scene of the erasure tests: one customer's traces in everything a server holds, and a search for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import httpx

from clients.handset.phone import Handset
from server.archive import commands as archives
from server.auth import Role
from server.settings import Settings
from server.storage import rows
from tests.handset.scene import Field

NAME, PHONE, ADDRESS = "欧阳修远", "13987654321", "梧桐苑7幢402室"
OTHER_PHONE, ACCOUNT, METER = "13711112222", "AC-99887766", "ME-55443322"
TRACES = (NAME, PHONE, ADDRESS, OTHER_PHONE, ACCOUNT, METER, "铁门密码")
PICTURE = b"\xff\xd8\xff\xe0" + b"the inside of somebody's home" * 40 + b"\xff\xd9"
EXPORTS = ("ticket", "points", "verdict", "rating")


@dataclass
class House:
    """A server, and what of the customer can be found in it."""

    field: Field

    @property
    def settings(self) -> Settings:
        return self.field.server.settings

    @property
    def office(self) -> httpx.Client:
        return self.field.server.office

    def job(self, phone: Handset, *, archived: bool = True) -> str:
        """A job as they are: the customer stands in fields, notes, answers, reasons, a contest and a photo."""
        server = self.field.server
        said: dict[str, Any] = {"customer_name": NAME, "contact_phone": PHONE, "address": ADDRESS, "account_no": ACCOUNT}
        said |= {"meter_asset_no": METER, "description": f"{NAME}来电，{PHONE}", "position": {"lat": 27.95, "lon": 116.35}}
        ticket = server.ticket(**said)
        phone.sync()
        phone.accept(ticket)
        phone.depart(ticket)
        phone.arrive(ticket, no_fix_reason=f"{ADDRESS}地下室")
        phone.start(ticket)
        phone.answer(ticket, "g", 1, "reading", f"表号{METER}")
        phone.answer(ticket, "g", 1, "voltage", 231.5, unit="V")
        phone.note(ticket, "铁门密码2468")
        phone.amend(ticket, {"contact_phone": OTHER_PHONE, "remarks": "铁门密码2468"})
        phone.photo(ticket, PICTURE)
        server.command(ticket, "correct", set={"contact_phone": PHONE + "0"})
        phone.finish(ticket, result="done")
        phone.rate(ticket, {"overall": 5, "comment": f"{NAME}：铁门密码别忘了"})
        assert phone.sync().done
        assert server.view(ticket)["contests"]
        if archived:
            server.command(ticket, "archive", reason=f"已告知{NAME}")
            phone.sync()
        return ticket

    def erase(self, ticket: str, *, what: str = "all", role: Role = Role.ADMIN) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.field.server.token(role)}"}
        return self.office.post(f"/v1/tickets/{ticket}/erase", json={"what": what, "reason": "asked"}, headers=headers)

    def found(self, ticket: str, traces: tuple[str, ...] = TRACES) -> list[str]:
        """Where traces of the customer are: tables, files, feeds, exports, answers."""
        return [
            f"{place}: {trace}"
            for place, data in self._everything(ticket)
            for trace, sought in (*((each, each.encode()) for each in traces), ("the picture", PICTURE[:40]))
            if sought in data
        ]

    def _everything(self, ticket: str) -> Iterator[tuple[str, bytes]]:
        with rows.snapshot(self.settings.database) as snapshot:
            for layout in rows.layouts():
                for row in snapshot.rows(layout):
                    cells = (cell if isinstance(cell, bytes) else str(cell).encode() for cell in row)
                    yield f"table {layout.table}", b"\n".join(cells)
        for path in sorted(self.settings.data.rglob("*")):
            if path.is_file():
                yield f"file {path.name}", path.read_bytes()
        reading = {"authorization": f"Bearer {self.field.server.token(Role.HQ)}"}
        asked = ["/v1/hq/feed", *(f"/v1/hq/export/{kind}" for kind in EXPORTS)]
        for path_ in asked:
            yield path_, self.office.get(path_, headers=reading).content
        for path_ in ("/v1/tickets", f"/v1/tickets/{ticket}", f"/v1/explain/ticket/{ticket}?field=contact_phone"):
            yield path_, self.office.get(path_).content

    def assert_all_verifies(self) -> None:
        evidence = archives.examine_live(self.settings)
        assert evidence.faults == [] and evidence.erased > 0
        assert archives.compare_live(self.settings).differences == []


PICTURE_NAME = sha256(PICTURE).hexdigest()


@dataclass
class Erased:
    """A job that was erased, what was shown of it before, and two phones that have not heard of it yet."""

    house: House
    phone: Handset
    other: Handset
    ticket: str
    before: dict[str, Any]
    points: list[dict[str, Any]]
    position_before: int
    position: int

    @classmethod
    def of(cls, house: House) -> Erased:
        server, phone, other = house.field.server, house.field.phone(), house.field.phone("m2")
        ticket = house.job(phone, archived=False)
        other.sync()
        shown = server.said(house.office.get(f"/v1/tickets/{ticket}"))
        points = server.feed("points")
        position = server.said(house.erase(ticket))["position"]
        return cls(house, phone, other, ticket, shown["ticket"], points, shown["position"], position)
