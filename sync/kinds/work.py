"""What happens on site: guide answers, photos, notes, a better position (应答 照片 备注 位置更正)."""

from __future__ import annotations

from sync.facts import Side
from sync.kinds.base import (
    FIX,
    AnyOf,
    Choice,
    Field,
    Flag,
    Identifier,
    Integer,
    Kind,
    ListOf,
    Number,
    Sha256,
    Shape,
    Slot,
    State,
    Text,
)
from sync.policy import Policy

ANSWER = Kind(
    "answer",
    "Guide answer",
    "应答",
    Side.FIELD,
    fields=(
        Field("guide", Identifier(), required=True),
        Field("guide_version", Integer(1, 10**6), required=True),
        Field("step", Identifier(), required=True),
        Field("value", AnyOf((Text(2000), Number(-1e12, 1e12), Flag(), ListOf(Text(200), 50)))),
        Field("unit", Text(20)),
        Field("cannot_reason", Text(300)),
        Field("safety", Flag()),
    ),
    slot=Slot("answers", Policy.LATEST, each="step", contested_if="safety"),
    moves=State.WORKING,
    needs_visit=True,
)
PREVIEW_BYTES_MAX = 64 * 1024
COPY_BYTES_MAX = 4 * 1024 * 1024


def small_form(size_bytes_max: int) -> Shape:
    """A smaller picture the phone made of its photo: bytes of their own, which travel before the original."""
    return Shape((("sha256", Sha256()), ("size_bytes", Integer(1, size_bytes_max))), required=2)


PHOTO = Kind(
    "photo",
    "Photo",
    "照片",
    Side.FIELD,
    fields=(
        Field("sha256", Sha256(), required=True),
        Field("size_bytes", Integer(1, 64 * 1024 * 1024), required=True),
        Field("type", Text(60)),
        Field("step", Identifier()),
        Field("shows", Choice(frozenset({"before", "after", "meter", "document", "other"}))),
        Field("preview", small_form(PREVIEW_BYTES_MAX)),
        Field("copy", small_form(COPY_BYTES_MAX)),
    ),
    slot=Slot("photos", Policy.APPEND),
    needs_visit=True,
)
NOTE = Kind(
    "note",
    "Note",
    "备注",
    Side.FIELD,
    fields=(Field("text", Text(2000), required=True),),
    slot=Slot("notes", Policy.APPEND),
    needs_visit=True,
)
POSITION_CORRECTION = Kind(
    "position_correction",
    "Better position",
    "位置更正",
    Side.FIELD,
    fields=(Field("fix", FIX, required=True), Field("of", Text(64))),
    slot=Slot("positions", Policy.APPEND),
    needs_visit=True,
)
