"""Rating (评价): on the crew's phone, opened before the customer sees the screen and answered sealed, so a missing answer is
visible; or on the customer's own phone, from the assignment's link, which outranks it.

Whoever takes the answer seals it to the server's rating key (HPKE); neither the record nor any crew ever holds it in the clear.
"""

from __future__ import annotations

from sync.facts import Side
from sync.kinds.base import Choice, Field, Identifier, Kind, Slot, Text
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
OWN_RATING = Kind(
    "own_rating",
    "Rating from the customer's own phone",
    "客户手机评价",
    Side.OFFICE,
    fields=(
        Field("assignment", Text(80), required=True),  # "<ticket>:<fence>", because a merged ticket brings its own along
        Field("crew", Identifier()),  # whose work the page asked about
        Field("sealed", Text(2400), required=True, private=True),
        Field("kid", Text(64), required=True, private=True),
    ),
    slot=Slot("own_ratings", Policy.WRITE_ONCE, of="ticket", each="assignment"),
)
