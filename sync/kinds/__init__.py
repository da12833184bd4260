"""Every kind of fact, one line each. A new kind is one file beside this one and one name in this list."""

from __future__ import annotations

from sync.kinds import arrival, ending, office, opening, rating, ticket, travel, work
from sync.kinds.base import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        opening.OPENING,
        ticket.CREATED,
        ticket.CORRECTED,
        ticket.RAISED,
        ticket.AMENDED,
        ticket.PHOTO_RECEIVED,
        travel.ACCEPTANCE,
        travel.DEPARTURE,
        travel.START,
        arrival.ARRIVAL,
        work.ANSWER,
        work.PHOTO,
        work.NOTE,
        work.POSITION_CORRECTION,
        rating.RATING_OPENED,
        rating.RATING,
        ending.FINISH,
        ending.RETURN,
        ending.SUSPENSION,
        ending.RESUMPTION,
        office.ASSIGNED,
        office.TRANSFERRED,
        office.TOLD_BY_PHONE,
        office.CANCELLED,
        office.MERGED,
        office.REOPENED,
        office.ARCHIVED,
        office.APPROVED,
        office.DECIDED,
        office.RELEASED,
    )
}
