"""What the office makes of ratings (评价): which visit an answer is about, which of several counts, and what a form may hold.

The customer's own phone outranks the crew's; both answers are kept. A link belongs to an assignment, because it is shown
before anybody knows which visit will come of it, so its answer finds the visit when that has come down. Refuses to know
seals, links and pages; who may read an answer is decided where it is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from sync.facts import FactId, Side, Write

OPEN_DAYS = 14
DAY_MS = 86_400_000
COMMENT_CHARACTERS_MAX = 300
LEVELS = (5, 4, 3, 2, 1)
DIMENSIONS = ("timeliness", "quality", "attitude", "explained")
YES_NO = ("fixed", "no_improper_charge")
REASONS = ("late", "not_fixed", "manner", "unclear", "mess")
"""Why somebody was not satisfied; asked for the two bad levels alone."""
BAD_LEVEL_MAX = 2
KEPT = "kept"
"""Member of a rating's body in place of its seal, when the customer was erased: the scores that had been opened."""


class Channel(StrEnum):
    OWN_PHONE = "own_phone_qr"
    HANDED_OVER = "handed_over_device"


class Standing(StrEnum):
    """What one answer weighs beside the others about its visit."""

    COUNTS = "counts"  # the first from the customer's own phone
    UNVERIFIED = "unverified"  # from the crew's phone: nothing proves whose answer it is
    OUTRANKED = "outranked"  # another answer about this visit counts; this one is kept beside it


class Place(NamedTuple):
    """The visit a rating is about (None while its facts are on a phone) and how it stands there."""

    visit: str | None
    standing: Standing


@dataclass(frozen=True, slots=True)
class Turn:
    """One crew's turn at a ticket, as its customer may see it: whose, when, and until when it may be rated."""

    crew: str
    at: int
    closes_at: int


# ------------------------------------------------------------------------------------------------ which visit, which counts


def is_rating(write: Write) -> bool:
    """Whether somebody's answer, or its absence, is in this fact."""
    return write.kind in ("rating", "own_rating")


def place_ratings(writes: Sequence[Write]) -> dict[FactId, Place]:
    """Where each rating among a ticket's facts belongs. The same for the same facts in any order."""
    visits = _visits(writes)
    own = sorted((w for w in writes if w.kind == "own_rating"), key=lambda w: (w.at, w.n))
    places: dict[FactId, Place] = {}
    rated: set[str] = set()
    for write in own:
        visit = _visit_rated(write, visits)
        places[write.fact] = Place(visit, Standing.OUTRANKED if visit in rated else Standing.COUNTS)
        rated |= {visit} if visit is not None else set()
    for write in writes:
        if write.kind == "rating":
            places[write.fact] = Place(write.visit, Standing.OUTRANKED if write.visit in rated else Standing.UNVERIFIED)
    return places


def turn_of(writes: Sequence[Write], ticket: str, fence: int) -> Turn | None:
    """The turn an assignment began, or None when the ticket never had that assignment."""
    begun = _assignment(writes, ticket, fence)
    if begun is None:
        return None
    crew = str(begun.body.get("crew") or begun.crew)
    visits = _visits(writes)
    visit = _bound(visits, ticket, fence, crew, max((visit.ended for visit in visits.values()), default=0))
    if visit is None:
        return Turn(crew, begun.at, begun.at + OPEN_DAYS * DAY_MS)
    return Turn(crew, visits[visit].on_site or visits[visit].begun, visits[visit].ended + OPEN_DAYS * DAY_MS)


@dataclass(slots=True)
class _Visit:
    """A visit as its facts tell it: `turns` are the (ticket, fence) they were recorded under, `crews` who recorded them."""

    begun: int
    ended: int
    on_site: int | None = None
    turns: set[tuple[str, int]] = field(default_factory=set)
    crews: set[str | None] = field(default_factory=set)


def _visits(writes: Iterable[Write]) -> dict[str, _Visit]:
    visits: dict[str, _Visit] = {}
    for write in writes:
        if write.visit is None or write.side is not Side.FIELD:
            continue
        visit = visits.setdefault(write.visit, _Visit(write.at, write.at))
        visit.begun, visit.ended = min(visit.begun, write.at), max(visit.ended, write.at)
        visit.turns.add((write.ticket or "", write.fence))
        visit.crews.add(write.crew)
        if write.kind == "arrival":
            visit.on_site = write.at if visit.on_site is None else min(visit.on_site, write.at)
    return visits


def _visit_rated(write: Write, visits: Mapping[str, _Visit]) -> str | None:
    ticket, _, fence = str(write.body["assignment"]).rpartition(":")
    return _bound(visits, ticket, int(fence), write.body.get("crew"), write.at)


def _bound(visits: Mapping[str, _Visit], ticket: str, fence: int, crew: str | None, at: int) -> str | None:
    """The visit of an assignment that somebody who answered at this moment means: the one begun last by then."""
    found = [name for name, visit in visits.items() if (ticket, fence) in visit.turns]
    if not found:
        # Told by phone: the crew recorded under a number it typed in, and so under no assignment.
        found = [name for name, visit in visits.items() if crew in visit.crews and _told(visit, ticket)]
    begun = [name for name in found if visits[name].begun <= at]
    if begun:
        return max(begun, key=lambda name: (visits[name].begun, name))
    return min(found, key=lambda name: (visits[name].begun, name), default=None)


def _told(visit: _Visit, ticket: str) -> bool:
    return all(other != ticket and fence == 0 for other, fence in visit.turns)


def _assignment(writes: Iterable[Write], ticket: str, fence: int) -> Write | None:
    found = [write for write in writes if write.ticket == ticket and _assigns(write, fence)]
    return min(found, key=lambda write: (write.at, write.fact), default=None)


def _assigns(write: Write, fence: int) -> bool:
    if write.side is Side.OFFICE:
        return "crew" in write.body and write.body.get("fence") == fence
    return write.kind == "raised" and fence == 0


# ------------------------------------------------------------------------------------------------------------ what a form holds


class BadForm(Exception):
    """The form must be shown again; `why` is one of: missing, too-long, unreadable."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


def parse_form(form: Mapping[str, str]) -> dict[str, Any]:
    """A form's fields as the answer that is sealed. Raises: BadForm."""
    if not form.keys() <= FORM_FIELDS:
        raise BadForm("unreadable")
    answer: dict[str, Any] = {"overall": _level(form.get("overall", ""))}
    if answer["overall"] is None:
        raise BadForm("missing")
    answer |= {name: _level(form.get(name, "")) for name in DIMENSIONS}
    answer |= {name: _yes_no(form.get(name, "")) for name in YES_NO}
    if answer["overall"] <= BAD_LEVEL_MAX:
        answer["reasons"] = [name for name in REASONS if f"why_{name}" in form] or None
    answer["comment"] = _comment(form.get("comment", "")) or None
    return {name: value for name, value in answer.items() if value is not None}


FORM_FIELDS = frozenset(("overall", *DIMENSIONS, *YES_NO, "comment", *(f"why_{name}" for name in REASONS)))


def _level(text: str) -> int | None:
    if not text:
        return None
    if text not in {str(level) for level in LEVELS}:
        raise BadForm("unreadable")
    return int(text)


def _yes_no(text: str) -> bool | None:
    if text not in ("", "yes", "no"):
        raise BadForm("unreadable")
    return {"yes": True, "no": False}.get(text)


def _comment(text: str) -> str:
    """The customer's words with plain line ends and without characters nobody can see."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    comment = "".join(c for c in plain if c == "\n" or not (c < " " or "\x7f" <= c <= "\x9f")).strip()
    if len(comment) > COMMENT_CHARACTERS_MAX:
        raise BadForm("too-long")
    return comment
