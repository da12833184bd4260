"""Chinese working days: weekends, public holidays and the weekend days worked instead (`workdays.toml`).

Knows dates, not tickets. A day of a year without a published paper is judged Monday to Friday, and whatever touched
such a day says it is provisional.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from server.desk.data import read_toml

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Workday:
    """A date reached by counting, and whether an unpublished year was crossed on the way (`calendar_provisional`)."""

    day: date
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class Calendar:
    """The published exceptions. `zone` and `closing_time` say when an acceptance counts as the next working day's."""

    off: frozenset[date]
    worked: frozenset[date]
    years: frozenset[int]
    zone: ZoneInfo
    closing_time: time

    def is_workday(self, day: date) -> bool:
        """Whether people work on that day, make-up days included."""
        return day in self.worked or (day.weekday() < 5 and day not in self.off)

    def add_workdays(self, day: date, n: int) -> Workday:
        """The n-th working day after `day`, which itself is day 0 (before it, when n is negative)."""
        step = _DAY if n >= 0 else -_DAY
        provisional = day.year not in self.years
        left = abs(n)
        while left:
            day += step
            provisional = provisional or day.year not in self.years
            left -= self.is_workday(day)
        return Workday(day, provisional)

    def acceptance_day(self, at: int) -> Workday:
        """Day 0 of something accepted at that moment.

        From closing time on, and on any free day, it counts as the next working day: otherwise a later acceptance could
        be due earlier.
        """
        local = self.local(at)
        if self.is_workday(local.date()) and local.time() < self.closing_time:
            return Workday(local.date(), local.year not in self.years)
        return self.add_workdays(local.date(), 1)

    def workdays_between(self, first: date, last: date) -> int:
        """How many working days lie after `first` up to and including `last`; 0 when `last` is not later."""
        return sum(self.is_workday(day) for day in _days(first + _DAY, last))

    def published(self, first: date, last: date) -> bool:
        """Whether every year from `first` to `last` has a published calendar."""
        return all(year in self.years for year in range(first.year, last.year + 1))

    def end_of_day(self, day: date) -> int:
        """The last millisecond of that day in the calendar's zone."""
        midnight = datetime.combine(day + _DAY, time.min, tzinfo=self.zone)
        return int(midnight.timestamp()) * 1000 - 1

    def local(self, at: int) -> datetime:
        """That moment on the calendar's wall clock."""
        return datetime.fromtimestamp(at / 1000, UTC).astimezone(self.zone)


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += _DAY


def _dates(year: int, spans: Iterable[str]) -> Iterator[date]:
    """The dates of spans such as "05-01" and "10-01..10-07"."""
    for span in spans:
        first, _, last = span.partition("..")
        yield from _days(date.fromisoformat(f"{year}-{first}"), date.fromisoformat(f"{year}-{last or first}"))


def parse_calendar(document: Mapping[str, Any]) -> Calendar:
    """The calendar a document shaped like `workdays.toml` describes."""
    years = {int(year): rows for year, rows in document["year"].items()}
    return Calendar(
        off=frozenset(day for year, rows in years.items() for day in _dates(year, rows["off"])),
        worked=frozenset(day for year, rows in years.items() for day in _dates(year, rows["work"])),
        years=frozenset(years),
        zone=ZoneInfo(document["office"]["tz"]),
        closing_time=time.fromisoformat(document["office"]["closing_time"]),
    )


@cache
def state_council() -> Calendar:
    """The shipped calendar."""
    return parse_calendar(read_toml("workdays.toml"))


def add_workdays(day: date, n: int) -> Workday:
    """The n-th working day after `day` on the shipped calendar; `day` itself is day 0."""
    return state_council().add_workdays(day, n)
