"""Erasure (删除): the office's word that personal data is no longer kept, by whom and why. The act stays."""

from __future__ import annotations

from sync.facts import Side
from sync.kinds.base import Choice, Field, Identifier, Kind, Slot, Text
from sync.policy import Policy

ERASED = Kind(
    "erased",
    "Personal data erased",
    "个人信息已删除",
    Side.OFFICE,
    fields=(
        Field("what", Choice(frozenset({"customer", "photos", "member"})), required=True),
        Field("reason", Text(500), required=True),
        Field("member", Identifier()),
    ),
    slot=Slot("erased", Policy.LATEST, of="ticket", each="what"),
)
