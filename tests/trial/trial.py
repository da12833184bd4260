"""Import the real file, staff its areas, let fifty handsets work a shift offline with real photos, and count everything.

Needs the folder `shared/data` beside the checkout; made for `python -m tests.trial` and its test.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.handset.simulator import Counts, simulate_shift
from tests.running import running_server

HANDSETS = 50
TICKETS = 500
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it: the import's own report, the shift's counts, and what headquarters holds afterwards."""

    report: Mapping[str, Any]
    result: Mapping[str, Any]
    counts: Counts
    states: Mapping[str, int]
    seconds: Mapping[str, float]

    @property
    def agreement(self) -> float:
        """Share of rows with a position and a known area that fell into the area the file itself names."""
        return float(self.result["agreed"]) / float(self.result["compared"])


def run(data: Path, folder: Path, say: Say = lambda sentence: None) -> Trial:
    """The whole trial in `folder`."""
    seconds: dict[str, float] = {}
    with running_server(folder / "server") as server:
        office = server.office
        areas = (data / "areas_la_2020.geojson").read_bytes()
        options = {"id": "OBJECTID", "name": "name_2", "station": "region"}
        said = office.post("/v1/import/areas", content=json.dumps(options).encode() + b"\n" + areas).json()
        say(f"areas: {said['areas']} of {said['stations']} stations")
        document = organisation(areas, int(time.time() * 1000))
        said = office.post("/v1/import/org", content=b"{}\n" + json.dumps(document).encode()).json()
        say(f"organisation: {said['crews']} crews on shift, {said['members']} members")

        begun = time.monotonic()
        rows = (data / "tickets_myla311_2017.csv").read_bytes()
        mapping = json.dumps({"mapping": "myla311", "shift_to_now": True}).encode()
        imported = office.post("/v1/import/tickets", content=mapping + b"\n" + rows, timeout=600).json()
        seconds["import"] = time.monotonic() - begun
        say(f"import: {_import_line(imported)} in {seconds['import']:.1f} s")

        codes = [server.code(member["id"]) for member in document["members"]]
        photos = [path.read_bytes() for path in sorted((data / "photos").glob("*.jpg"))]
        begun = time.monotonic()
        counts = simulate_shift(
            server.address, codes, homes=folder / "phones", tickets=TICKETS, photos=photos, photos_each=2, seed=2017
        )
        seconds["shift"] = time.monotonic() - begun
        say(f"shift: {counts.phones} phones, {counts.tickets} tickets, {counts.recorded} facts in {seconds['shift']:.1f} s")
        states = server.service.queries().counts()
    return Trial(imported["file"], imported["result"], counts, states, seconds)


def organisation(areas: bytes, now_ms: int) -> dict[str, Any]:
    """A crew of one for each handset, spread over the stations by their share of areas, on shift all day."""
    regions = [feature["properties"].get("region") for feature in json.loads(areas)["features"]]
    stations = sorted({_identifier(region) for region in regions if region})
    shares = sorted(stations * (HANDSETS // len(stations)) + stations[: HANDSETS % len(stations)])
    every_skill = ["low_voltage", "high_voltage", "metering", "live_working", "customer_service"]
    day = 12 * 3_600_000
    hours = {"from": _iso(now_ms - day), "to": _iso(now_ms + day)}
    return {
        "stations": [{"id": name, "name_zh": name, "name_en": name} for name in stations],
        "crews": [
            {"id": f"crew-{i}", "station": name, "name_zh": f"{i}班", "name_en": f"Crew {i}", "skills": every_skill}
            for i, name in enumerate(shares)
        ],
        "members": [{"id": f"member-{i}", "name_zh": f"成员{i}", "name_en": f"Member {i}"} for i in range(HANDSETS)],
        "memberships": [{"crew": f"crew-{i}", "member": f"member-{i}"} for i in range(HANDSETS)],
        "shifts": [{"crew": f"crew-{i}", **hours} for i in range(HANDSETS)],
    }


def _identifier(region: str) -> str:
    return region.strip().replace(" ", "-")


def _iso(at_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(at_ms / 1000))


def _import_line(imported: Mapping[str, Any]) -> str:
    file, result = imported["file"], imported["result"]
    return (
        f"{file['read']} rows = {file['accepted']} accepted + {file['duplicate_in_file']} twice + {file['rejected']} refused; "
        f"{file['with_position']} with a position + {file['without_position']} without; {result['dispatched']} dispatched; "
        f"agreement {result['agreed']}/{result['compared']}"
    )
