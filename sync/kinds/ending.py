"""How a visit ends or pauses: finish, return with a reason, suspension and resumption (完成 退回 挂起 恢复)."""

from __future__ import annotations

from sync.facts import Side
from sync.kinds.base import Choice, Field, Kind, Slot, State, Text
from sync.policy import Policy

FINISH = Kind(
    "finish",
    "Finished",
    "完成",
    Side.FIELD,
    fields=(Field("result", Text(300)), Field("cause", Text(60))),
    slot=Slot("finished", Policy.EARLIEST),
    moves=State.COMPLETED,
    needs_visit=True,
)
RETURN = Kind(
    "return",
    "Returned",
    "退回",
    Side.FIELD,
    fields=(
        Field("reason", Choice(frozenset({"wrong_specialty", "not_as_described", "no_access", "other"})), required=True),
        Field("text", Text(500)),
    ),
    slot=Slot("returned", Policy.EARLIEST),
    moves=State.RETURNED,
    needs_visit=True,
)
SUSPENSION = Kind(
    "suspension",
    "Suspended",
    "挂起",
    Side.FIELD,
    fields=(Field("reason", Text(300), required=True),),
    slot=Slot("suspended", Policy.APPEND),
    moves=State.SUSPENDED,
    needs_visit=True,
)
RESUMPTION = Kind(
    "resumption",
    "Resumed",
    "恢复",
    Side.FIELD,
    slot=Slot("resumed", Policy.APPEND),
    moves=State.WORKING,
    needs_visit=True,
)
