"""The first line of every journal: which device, whose, what app, and the journal before this one."""

from __future__ import annotations

from sync.facts import Side
from sync.kinds.base import Field, Identifier, Integer, Kind, Text

OPENING = Kind(
    "opening",
    "Journal opened",
    "启用日志",
    Side.FIELD,
    fields=(
        Field("device", Identifier(), required=True),
        Field("member", Identifier(), required=True),
        Field("app", Text(40), required=True),
        Field("previous", Text(64)),
        Field("previous_n", Integer(0, 2**53)),
        Field("previous_head", Text(64)),
        Field("why", Text(60)),
    ),
)
