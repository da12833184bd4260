"""What a visitor of the demo finds: fresh jobs for one crew, and a code that makes their own browser a member's phone.

The story is over by then; nothing here counts in its accounts. Refuses to know what a browser does with the code.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clients.demo import district
from clients.demo.office import Office
from clients.demo.words import Words

MEMBER = "tang"
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Job:
    """One fresh ticket. `customer`, `address`, `description` name sentences; `ago_min` is how long ago the call came."""

    kind: str
    customer: str
    address: str
    description: str
    position: tuple[float, float]
    ago_min: int
    fault_class: str | None = None
    priority: int = 2


JOBS: Sequence[Job] = (
    Job("fault_repair", "mill_who", "mill_where", "mill_what", (27.9289, 116.3641), 6, "lv_outage_household", 1),
    Job("metering_fault", "school_who", "school_where", "school_what", (27.9262, 116.3702), 50, "meter_fault", 3),
    Job("temp_supply", "barn_who", "barn_where", "barn_what", (27.9318, 116.3580), 90, None, 3),
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """The one-time code, and whose phone it makes."""

    code: str
    name: str
    crew: str
    jobs: int


def invite(address: str, admin_token: str, language: str) -> Invitation:
    """Open the jobs, give them to the visitor's crew, and make the code."""
    say, crew = Words(language), district.crew_of(MEMBER)
    names = district.names(say.language)
    with Office(address, admin_token) as office:
        for job in JOBS:
            identity = office.post("/v1/tickets", _fields(job, say))["id"]
            if office.ticket(identity)["ticket"].get("assigned_crew") != crew:
                office.say(identity, "assign", crew=crew)
        code = office.post("/v1/enrol-codes", {"member": MEMBER})["code"]
    return Invitation(code, names[MEMBER], names[crew], len(JOBS))


def _fields(job: Job, say: Words) -> Mapping[str, Any]:
    lat, lon = job.position
    fields = {
        "kind": job.kind,
        "source": "hotline",
        "received_at": time.time_ns() // 1_000_000 - job.ago_min * MINUTE_MS,
        "address": say(job.address),
        "description": say(job.description),
        "customer_name": say(job.customer),
        "contact_phone": "135-0000-2001",
        "position": {"lat": lat, "lon": lon, "source": "agent"},
        "priority": job.priority,
    }
    return fields | ({"fault_class": job.fault_class} if job.fault_class else {})
