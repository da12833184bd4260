"""The office's commands: who has the ticket, whether it lives, and the word that ends a contest.

A command is a fact like any other, written in the office's own journal, so "who did this, when, and why" has one answer
for crews and office alike.
"""

from __future__ import annotations

from sync.facts import Side
from sync.kinds.base import Choice, Field, Flag, Identifier, Integer, Kind, Slot, State, Text
from sync.policy import Policy

REASON = Field("reason", Text(500))
_CREW = (Field("crew", Identifier(), required=True), Field("fence", Integer(1, 10**6), required=True), REASON)

ASSIGNED = Kind("assigned", "Assigned", "派工", Side.OFFICE, fields=_CREW, moves=State.DISPATCHED, assigns=True)
TRANSFERRED = Kind("transferred", "Transferred", "改派", Side.OFFICE, fields=_CREW, moves=State.DISPATCHED, assigns=True)
TOLD_BY_PHONE = Kind(
    "told_by_phone", "Told by phone", "电话派工", Side.OFFICE, fields=_CREW, moves=State.DISPATCHED, assigns=True
)
CANCELLED = Kind("cancelled", "Cancelled", "作废", Side.OFFICE, fields=(REASON,), moves=State.CANCELLED)
MERGED = Kind(
    "merged",
    "Merged under a parent",
    "并入主单",
    Side.OFFICE,
    fields=(Field("parent", Identifier(), required=True), REASON),
    moves=State.MERGED,
)
REOPENED = Kind("reopened", "Returned for rework", "退回重办", Side.OFFICE, fields=(REASON,), moves=State.REOPENED)
ARCHIVED = Kind("archived", "Archived", "归档", Side.OFFICE, fields=(REASON,), moves=State.ARCHIVED)
APPROVED = Kind(
    "suspension_judged",
    "Suspension approved or refused",
    "挂起审批",
    Side.OFFICE,
    fields=(Field("suspension", Text(64), required=True), Field("approved", Flag(), required=True), REASON),
    slot=Slot("suspensions_judged", Policy.LATEST, of="ticket", each="suspension"),
)
DECIDED = Kind(
    "decided",
    "Contest decided",
    "裁决",
    Side.OFFICE,
    fields=(
        Field("field", Text(120), required=True),
        Field("choose", Text(64), required=True),  # the fact whose value is shown from now on; of the state also "office"
        Field("reason", Text(500), required=True),
    ),
)
RELEASED = Kind(
    "quarantine_judged",
    "Quarantined fact released or refused",
    "隔离处理",
    Side.OFFICE,
    fields=(
        Field("fact", Text(64), required=True),
        Field("do", Choice(frozenset({"release", "refuse"})), required=True),
        Field("reason", Text(500), required=True),
    ),
)
