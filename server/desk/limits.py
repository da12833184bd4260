"""Which limits a ticket has and what can be said of each: the policies are data (`limits.toml`), the verdicts five.

Reads the folded ticket of headquarters' view. Refuses to know how bounds come about (`sync.clock`) and what follows
from a verdict (warnings, points). Only a visit that counts can end a limit, and only an approved suspension stops its
clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

from server.desk.data import read_toml
from server.desk.workdays import Calendar, state_council
from sync.clock import LIMITLESS_FUTURE, LIMITLESS_PAST, Deadline, Suspension, deadline, verdict
from sync.facts import Interval, Verdict

Ticket = Mapping[str, Any]
"""One folded ticket, as headquarters sees it."""

_MINUTE_MS = 60_000
_CLOCK_UNITS = {"min": _MINUTE_MS, "h": 60 * _MINUTE_MS}
_DAY_UNITS = ("wd", "cd")
_LONGEST_WALK_DAYS = 4000


@dataclass(frozen=True, slots=True)
class Limit:
    """One row of `limits.toml`. `amounts` maps area class → amount; the key None holds an amount for every class."""

    kind: str
    name: str
    starts: str
    ends: str
    amounts: Mapping[str | None, int]
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class LimitResult:
    """What is said of one limit of one ticket.

    `verdict` and `moment` (effective time, `fact` its line) are None while the event has not happened. `provisional`
    means the due day crossed a year without a published calendar; `assumed` that the area class was unknown.
    """

    name: str
    amount: int
    unit: str
    due: Deadline
    verdict: Verdict | None
    moment: int | None
    fact: str | None
    provisional: bool
    assumed: bool
    source: str

    @property
    def limit_min(self) -> int | None:
        """The limit in minutes; None for limits in days."""
        scale = _CLOCK_UNITS.get(self.unit)
        return None if scale is None else self.amount * scale // _MINUTE_MS


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened: effective time, hard bounds, the fact that says so (None for the office's own acts)."""

    at: int
    bounds: Interval
    fact: str | None = None


def limits_of(kind: str | None) -> Sequence[Limit]:
    """The limits of a kind in the order of the file; empty for a kind that has none, or is not known yet."""
    return _limits().get(kind or "", ())


def judge_limits(ticket: Ticket, *, open_until: Interval | None = None) -> list[LimitResult]:
    """Every limit of the ticket whose clock has started, in the order of the file.

    `open_until` bounds a suspension that has not ended, as in `sync.clock.deadline`.
    """
    results = [_judge(ticket, limit, open_until) for limit in limits_of(ticket.get("kind"))]
    return [result for result in results if result is not None]


def arrival_limit(ticket: Ticket, *, open_until: Interval | None = None) -> LimitResult | None:
    """The limit that an arrival ends; None for kinds that promise no arrival."""
    for limit in limits_of(ticket.get("kind")):
        if limit.ends == "arrived":
            return _judge(ticket, limit, open_until)
    return None


@cache
def _limits() -> Mapping[str, Sequence[Limit]]:
    table: dict[str, list[Limit]] = {}
    for row in read_toml("limits.toml")["limit"]:
        limit = _parse_limit(row)
        table.setdefault(limit.kind, []).append(limit)
    return table


def _parse_limit(row: Mapping[str, Any]) -> Limit:
    amount = row["amount"]
    amounts = {None: amount} if isinstance(amount, int) else dict(amount)
    assert row["starts"] in EVENTS and row["ends"] in EVENTS, row
    assert row["unit"] in _CLOCK_UNITS or row["unit"] in _DAY_UNITS, row
    return Limit(row["kind"], row["name"], row["starts"], row["ends"], amounts, row["unit"], row["source"])


def _judge(ticket: Ticket, limit: Limit, open_until: Interval | None) -> LimitResult | None:
    start = EVENTS[limit.starts](ticket)
    if start is None:
        return None
    amount, assumed = _amount(limit, ticket.get("area_class"))
    due, provisional = _due(start.bounds, amount, limit.unit, _suspensions(ticket), open_until)
    end = EVENTS[limit.ends](ticket)
    return LimitResult(
        name=limit.name,
        amount=amount,
        unit=limit.unit,
        due=due,
        verdict=None if end is None else verdict(end.bounds, end.at, due),
        moment=None if end is None else end.at,
        fact=None if end is None else end.fact,
        provisional=provisional,
        assumed=assumed,
        source=limit.source,
    )


def _amount(limit: Limit, area_class: str | None) -> tuple[int, bool]:
    """The amount for that class, and whether it was assumed (then the longest, so that nobody is late by a guess)."""
    if None in limit.amounts:
        return limit.amounts[None], False
    if area_class in limit.amounts:
        return limit.amounts[area_class], False
    return max(limit.amounts.values()), True


# --- events -----------------------------------------------------------------------------------------------------------


def _received(ticket: Ticket) -> Moment | None:
    return _exact(ticket.get("received_at"))


def _appointment(ticket: Ticket) -> Moment | None:
    return _exact(ticket.get("appointment"))


def _assigned(ticket: Ticket) -> Moment | None:
    """The first assignment: a transfer does not restart what the customer was promised."""
    return _exact(min((row["at"] for row in ticket.get("assignments") or ()), default=None))


def _of_visits(field: str) -> Callable[[Ticket], Moment | None]:
    """The earliest such moment of the visits that count; of equals, the one with the least fact id."""

    def find(ticket: Ticket) -> Moment | None:
        visits = (ticket.get("visits") or {}).values()
        rows = [visit[field] for visit in visits if visit["standing"] == "counts" and visit.get(field)]
        return _field_moment(min(rows, key=lambda row: (row["at"], row["fact"]))) if rows else None

    return find


def _of_office(name: str) -> Callable[[Ticket], Moment | None]:
    """An act of the office, from the ticket's optional `milestones` (name → ms)."""
    return lambda ticket: _exact((ticket.get("milestones") or {}).get(name))


EVENTS: Mapping[str, Callable[[Ticket], Moment | None]] = {
    "received": _received,
    "appointment": _appointment,
    "assigned": _assigned,
    **{name: _of_visits(name) for name in ("accepted", "departed", "arrived", "started", "finished")},
    **{name: _of_office(name) for name in ("called_back", "contacted", "answered", "published", "reminded")},
}


def _exact(at: int | None) -> Moment | None:
    return None if at is None else Moment(at, Interval(at, at))


def _field_moment(row: Mapping[str, Any]) -> Moment:
    return Moment(row["at"], _bounds(row), row["fact"])


def _bounds(row: Mapping[str, Any]) -> Interval:
    return Interval(row["lower"], row["upper"])


# --- due --------------------------------------------------------------------------------------------------------------


def _suspensions(ticket: Ticket) -> list[Suspension]:
    return [
        Suspension(_bounds(row["begun"]), _bounds(row["ended"]) if row.get("ended") else None)
        for row in ticket.get("suspensions") or ()
        if row.get("approved") is True
    ]


def _due(
    start: Interval, amount: int, unit: str, suspensions: Sequence[Suspension], open_until: Interval | None
) -> tuple[Deadline, bool]:
    """The deadline and whether it is provisional."""
    if unit in _DAY_UNITS:
        return _due_in_days(start, amount, suspensions, open_until, unit=unit)
    limit_ms = amount * _CLOCK_UNITS[unit]
    if limit_ms >= 0:
        return deadline(start, limit_ms, suspensions, open_until), False
    lower = LIMITLESS_PAST if start.lower is None else start.lower + limit_ms
    return Deadline(lower, start.upper + limit_ms), False


def _due_in_days(
    start: Interval, amount: int, suspensions: Sequence[Suspension], open_until: Interval | None, *, unit: str
) -> tuple[Deadline, bool]:
    """The reasoning of `sync.clock.deadline`, in days: D₁ with every suspension at its shortest, D₂ at its longest.

    A day does not count when the clock stands still at its end, because that is when it would have been due.
    """
    calendar = state_council()
    counts = calendar.is_workday if unit == "wd" else _every_day
    shortest, longest = _stops(suspensions, open_until)
    first = _day_zero(calendar, start.upper, unit)
    latest, last = _walk_days(calendar, first, amount, longest, counts)
    provisional = unit == "wd" and not calendar.published(first, last)
    if start.lower is None:
        return Deadline(LIMITLESS_PAST, latest), provisional
    earliest, _ = _walk_days(calendar, _day_zero(calendar, start.lower, unit), amount, shortest, counts)
    return Deadline(earliest, latest), provisional


Stops = list[tuple[int, int]]
"""(begin, end) of each time the clock stood still."""


def _stops(suspensions: Sequence[Suspension], open_until: Interval | None) -> tuple[Stops, Stops]:
    """The suspensions at their shortest and at their longest."""
    shortest: Stops = []
    longest: Stops = []
    for suspension in suspensions:
        ended = suspension.ended or open_until or Interval(None, LIMITLESS_FUTURE)
        if ended.lower is not None:
            shortest.append((suspension.begun.upper, ended.lower))
        begun = LIMITLESS_PAST if suspension.begun.lower is None else suspension.begun.lower
        longest.append((begun, ended.upper))
    return shortest, longest


def _day_zero(calendar: Calendar, at: int, unit: str) -> date:
    return calendar.acceptance_day(at).day if unit == "wd" else calendar.local(at).date()


def _every_day(day: date) -> bool:
    return True


def _walk_days(
    calendar: Calendar, day: date, amount: int, stops: Sequence[tuple[int, int]], counts: Callable[[date], bool]
) -> tuple[int, date]:
    """The end of the n-th day after `day` that counts (of the first from `day` on, when n is 0), and that day."""
    left = amount
    if amount == 0:
        day, left = day - timedelta(days=1), 1
    for _ in range(_LONGEST_WALK_DAYS):
        day += timedelta(days=1)
        due = calendar.end_of_day(day)
        stop = max((stop for begin, stop in stops if begin <= due < stop), default=None)
        if stop == LIMITLESS_FUTURE:
            break
        if stop is None and counts(day):
            left -= 1
        if left == 0:
            return due, day
    return LIMITLESS_FUTURE, day
