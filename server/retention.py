"""Retention: what is kept for so many days is erased when they are over, a few tickets at a time.

Days count from when a ticket was archived, cancelled or merged. A ticket that was erased before and has received such data
again, because a phone came back late, is due at once. Refuses to know how erasing is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from server.erasure import CUSTOMER, PERSONAL, PHOTOS, Order, erase_ticket, forget_bytes
from server.storage import erasing
from server.storage.queries import Queries
from sync.problems import Refused

if TYPE_CHECKING:
    from server.service import Service

DAY_MS = 86_400_000
TICKETS_A_ROUND = 200
BY = "system:retention"
_PAGE = 500
_ENDED = ("archived", "cancelled", "merged")
_ENDINGS = frozenset(_ENDED)


@dataclass(frozen=True, slots=True)
class Due:
    """A ticket of which something is kept longer than it should be."""

    ticket: str
    number: str
    what: tuple[str, ...]


@dataclass(slots=True)
class Round:
    """What a round erased, or would."""

    tickets: list[Due] = field(default_factory=list)
    codes: int = 0
    more: bool = False

    def as_row(self) -> dict[str, Any]:
        rows = [{"ticket": due.ticket, "number": due.number, "what": list(due.what)} for due in self.tickets]
        return {"tickets": rows, "codes": self.codes, "more": self.more}


def look(service: Service, *, tickets_max: int = TICKETS_A_ROUND) -> Round:
    """What is due now; `more` when there is more than a round takes."""
    found = Round()
    for due in _due(service):
        if len(found.tickets) == tickets_max:
            found.more = True
            break
        found.tickets.append(due)
    days = service.settings.retention_codes_days
    if days:
        before = service.now_ms() - days * DAY_MS
        found.codes = erasing.old_codes(service.reader(), before)
    return found


def apply(service: Service, *, tickets_max: int = TICKETS_A_ROUND) -> Round:
    """Erase what is due, each ticket in a transaction of its own. Raises: forbidden as `erase_ticket` does."""
    found = look(service, tickets_max=tickets_max)
    held = erasing.held_lines(service.reader()) if found.tickets else {}
    for due in found.tickets:
        erase_ticket(service, due.ticket, Order(BY, "retention", due.what), held)
    if found.codes:
        before = service.now_ms() - service.settings.retention_codes_days * DAY_MS
        service.writer.work(lambda tx: erasing.drop_codes(tx, before))
    if found.tickets or found.codes:
        service.writer.scrub()
    return found


def keep_house(service: Service) -> None:
    """The server's own part: at once what a crash left over, and a round a day; the next hour if there is more."""
    left = erasing.left_over(service.reader())
    if left:
        forget_bytes(service, left)
    now, holder = service.now_ms(), service.new_id()
    if not service.writer.work(lambda tx: Queries(tx).take_lease("retention", holder, now, now + DAY_MS)):
        return
    try:
        found = apply(service)
    except Refused as refusal:
        structlog.get_logger().warning("retention is not applied", why=refusal.detail)
        return
    if found.more:
        service.writer.work(lambda tx: Queries(tx).give_back_leases(holder))


def _due(service: Service) -> Iterator[Due]:
    queries = service.queries()
    for state in _ENDED:
        after = 0
        while page := queries.tickets(state=state, crew=None, after=after, rows_max=_PAGE):
            for line in page:
                what = tuple(_overdue(service, line.id, line.view))
                if what:
                    yield Due(line.id, str(line.view.get("number", "")), what)
            after = page[-1].key


def _overdue(service: Service, ticket: str, view: Any) -> Iterator[str]:
    erased, settings = view.get("erased", {}), service.settings
    if _names(view, erased) and _is_over(service, ticket, view, settings.retention_customer_days, erased.get(CUSTOMER)):
        yield CUSTOMER
    over = _is_over(service, ticket, view, settings.retention_photos_days, erased.get(PHOTOS))
    if over and erasing.photos_in_use(service.reader(), ticket):
        yield PHOTOS


def _names(view: Any, erased: Any) -> bool:
    """Whether there is anything to take out. Before the first time free words may hide anywhere, so it always is."""
    return CUSTOMER not in erased or not PERSONAL.isdisjoint(view)


def _is_over(service: Service, ticket: str, view: Any, days: int, erased: Any) -> bool:
    if erased is not None:
        return True
    ended = _ended_at(service.queries(), ticket, view) if days else None
    return ended is not None and ended < service.now_ms() - days * DAY_MS


def _ended_at(queries: Queries, ticket: str, view: Any) -> int | None:
    if view["state"] != "merged":
        closing = view.get("closing") or {}
        return closing.get("at")
    found = queries.record("ticket", ticket)  # a merger does not show when it took place
    writes = found[0].writes if found else []
    return max((write.at for write in writes if write.kind in _ENDINGS), default=None)
