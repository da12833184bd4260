"""What phones of each version that was released really send: whole requests, kept as they were, for ever.

`python -m tests.hardship.released` has the present Python handset do a day with every kind of fact it writes and keeps the
request under the present version's name; do so at a release, and never write over a file that was.
"""

from __future__ import annotations

import base64
import json
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.handset.keys import load_device_key, public_jwk
from clients.handset.phone import Fix, Handset
from tests.hardship.scene import District
from tests.house.tree import ROOT
from tests.running import running_server

FOLDER = Path(__file__).with_name("released")
FIX = Fix(27.94921, 116.35812, 9, 1200)


@dataclass(frozen=True, slots=True)
class Released:
    """One request of one version, and the phone that made it."""

    version: str
    device: str
    key: dict[str, str]
    lines: int
    kinds: list[str]
    request: bytes


def released() -> Iterator[Released]:
    """Every version that was kept."""
    for path in sorted(FOLDER.glob("*.json")):
        kept = json.loads(path.read_text())
        yield Released(path.stem, **(kept | {"request": base64.b64decode(kept["request"])}))


def day(phone: Handset) -> None:
    """Every kind of fact a phone writes, on tickets of its own: it has never heard of any."""
    ticket = phone.raise_ticket({"kind": "fault_repair", "address": "柳巷18号"}).ticket
    phone.accept(ticket, eta_min=20)
    phone.depart(ticket, fix=FIX)
    arrived = phone.arrive(ticket, fix=FIX, far_reason="gate")
    phone.correct_position(ticket, FIX, of=arrived.fact)
    phone.start(ticket)
    phone.answer(ticket, "g", 1, "voltage", 231.5, unit="V", safety=True)
    phone.photo(ticket, b"\xff\xd8\xff\xe0 a photo \xff\xd9", shows="before")
    phone.note(ticket, "更换熔断器")
    phone.material(ticket, "熔断器", 1, unit="只")
    phone.amend(ticket, {"address": "柳巷19号"})
    phone.suspend(ticket, "parts")
    phone.resume(ticket)
    phone.rate(ticket, {"score": 5})
    phone.finish(ticket, result="已修复", cause="connector")
    other = phone.raise_ticket({"kind": "fault_repair", "address": "柳巷20号"}, told_number="GD-1").ticket
    phone.accept(other)
    phone.give_back(other, "other", text="不属本班")


def request_of_today(folder: Path) -> dict[str, Any]:
    """The present handset's first request after such a day."""
    with running_server(folder / "data") as server, closing(District(server.address, folder / "data/keys", folder)) as district:
        phone = district.phone()
        day(phone)
        whole = phone.replica.request(limit_bytes=65_536, now_wall=phone.replica.state.heard_at)
        lines = [json.loads(line) for line in whole.body.splitlines()[1:]]
        assert len(lines) == phone.replica.journal.n
        return {
            "device": phone.device,
            "key": public_jwk(load_device_key(folder / "phone-0" / "device.pem")),
            "lines": len(lines),
            "kinds": sorted({f"{line['kind']} v{line['v']}" for line in lines}),
            "request": base64.b64encode(whole.body).decode(),
        }


def main() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        kept = request_of_today(Path(folder))
    with (FOLDER / f"{version}.json").open("x") as file:
        file.write(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
