"""Arrival (到达现场): the fact the arrival limit is judged by.

The earliest arrival of a visit stands; a second tap stays beside it. The position may be missing (refused, no fix yet) and
may follow later as a position correction: an arrival is recorded at once and never waits for a satellite.
"""

from __future__ import annotations

from sync.facts import Side
from sync.kinds.base import FIX, Field, Kind, Slot, State, Text
from sync.policy import Policy

ARRIVAL = Kind(
    "arrival",
    "Arrived",
    "到达现场",
    Side.FIELD,
    fields=(Field("fix", FIX), Field("far_reason", Text(300)), Field("no_fix_reason", Text(120))),
    slot=Slot("arrived", Policy.EARLIEST),
    moves=State.ON_SITE,
    needs_visit=True,
)
