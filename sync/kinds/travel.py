"""Acceptance, departure, start (接单 出发 开始): how a crew comes to the work."""

from __future__ import annotations

from sync.facts import Side
from sync.kinds.base import FIX, Field, Kind, Number, Slot, State
from sync.policy import Policy

ACCEPTANCE = Kind(
    "acceptance",
    "Accepted",
    "接单",
    Side.FIELD,
    fields=(Field("eta_min", Number(0, 10_000)),),
    slot=Slot("accepted", Policy.EARLIEST),
    moves=State.ACCEPTED,
    needs_visit=True,
)
DEPARTURE = Kind(
    "departure",
    "Departed",
    "出发",
    Side.FIELD,
    fields=(Field("fix", FIX),),
    slot=Slot("departed", Policy.EARLIEST),
    moves=State.EN_ROUTE,
    needs_visit=True,
)
START = Kind(
    "start",
    "Work started",
    "开始处理",
    Side.FIELD,
    slot=Slot("started", Policy.EARLIEST),
    moves=State.WORKING,
    needs_visit=True,
)
