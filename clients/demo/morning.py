"""What three people do that morning without any signal, as a table; how a phone records it is `story`'s.

Refuses to know phones, servers and words: remarks are names of sentences in `words`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Job:
    """One visit. `answers` maps a step of the guide to a value, a picture to take, or the name of a sentence to type.

    `score` is the customer's answer 1–5; without one the visit ends with `no_rating`, the reason there is none.
    """

    number: str
    guide: str
    answers: Mapping[str, Any]
    score: int | None = None
    no_rating: str | None = None
    cause: str | None = None
    correction: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """One member with a phone, and the visits of the morning in order. `raises` names a hazard seen on the way."""

    member: str
    phone: str
    jobs: tuple[Job, ...]
    raises: str | None = None


LATE_CALL = "GD-1016"
"""Passed on by the city hotline when almost all of its 45 minutes are gone; the limit passes during flight mode."""

TRANSFERRED, CANCELLED, CORRECTED = "GD-1003", "GD-1004", "GD-1005"
"""What the office does meanwhile: gives one ticket to another crew, cancels one, corrects the address of one."""

LATE_ARRIVAL = "GD-1002"
"""An hour old when the crew gets to it: late, and provably so."""

BY_HAND = "GD-1011"
"""Has no position; the dispatcher places it by hand."""

_FUSE = {"isolated": True, "before": "fuse_before", "fault": "fuse_before", "after": "fuse_after", "meter": "meter"}
_LINE = {"isolated": True, "before": "line", "fault": "line", "after": "fuse_after", "meter": "meter"}
"""Ticks and pictures every job by the outage guide has; its voltage comes from each."""

PEOPLE: tuple[Person, ...] = (
    Person(
        "chen",
        "phone_chen",
        (
            Job(LATE_CALL, "lv-outage", {**_FUSE, "voltage": 227.4}, score=5, cause="blown_fuse"),
            Job(
                "GD-1001",
                "lv-outage",
                {**_FUSE, "voltage": 237.6, "cause": "loose_connection", "remark": "remark_fuse"},
                score=4,
                cause="blown_fuse",
            ),
            Job(LATE_ARRIVAL, "lv-outage", {**_FUSE, "voltage": 224.8}, no_rating="away", cause="loose_connection"),
        ),
    ),
    Person(
        "li",
        "phone_li",
        (
            Job(TRANSFERRED, "lv-outage", {**_FUSE, "voltage": 225.0}, score=5, cause="loose_connection"),
            Job(CANCELLED, "lv-outage", {**_FUSE, "voltage": 219.2}, score=2, cause="loose_connection"),
        ),
    ),
    Person(
        "zhou",
        "phone_zhou",
        (
            Job(
                "GD-1006",
                "lv-outage",
                {**_LINE, "voltage": 196.4, "cause": "wind_or_ice", "remark": "remark_line"},
                no_rating="declined",
                cause="wind_or_ice",
            ),
            Job(
                CORRECTED,
                "temp-supply",
                {
                    "isolated": True,
                    "breaker": True,
                    "earth": 3.8,
                    "meter": "meter",
                    "distance": "far",
                    "remark": "remark_site",
                },
                score=5,
                correction={"address": "address_crew"},
            ),
            Job(
                "GD-1007",
                "meter-fault",
                {"insulated": True, "display": "blank", "reading": 4827, "meter": "meter", "remark": "remark_meter"},
                score=5,
                cause="equipment_defect",
            ),
        ),
        raises="raised_description",
    ),
)
