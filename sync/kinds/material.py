"""Material used (材料): what was built in, how much of it; every entry of a visit stays."""

from __future__ import annotations

from sync.facts import Side
from sync.kinds.base import Field, Kind, Number, Slot, Text
from sync.policy import Policy

MATERIAL = Kind(
    "material",
    "Material used",
    "材料使用",
    Side.FIELD,
    fields=(
        Field("code", Text(60)),
        Field("name", Text(120), required=True),
        Field("quantity", Number(0, 1e6), required=True),
        Field("unit", Text(20)),
    ),
    slot=Slot("materials", Policy.APPEND),
    needs_visit=True,
)
