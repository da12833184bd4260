"""Rating (评价): opened before the customer sees the screen, answered sealed, so a missing answer is visible.

The crew's phone seals the answer to the server (HPKE); neither the record nor any crew ever holds it in the clear.
"""

from __future__ import annotations

from sync.facts import Side
from sync.kinds.base import Choice, Field, Kind, Slot, Text
from sync.policy import Policy

RATING_OPENED = Kind(
    "rating_opened",
    "Handed to the customer",
    "交客户评价",
    Side.FIELD,
    slot=Slot("rating_opened", Policy.APPEND),
    needs_visit=True,
)
RATING = Kind(
    "rating",
    "Rating",
    "评价",
    Side.FIELD,
    fields=(
        Field("opened", Text(64), required=True),
        Field("result", Choice(frozenset({"answered", "declined", "abandoned", "away"})), required=True),
        Field("sealed", Text(1200), private=True),
        Field("kid", Text(64), private=True),
        Field("reason", Text(300)),
    ),
    slot=Slot("rating", Policy.WRITE_ONCE),
    needs_visit=True,
)
