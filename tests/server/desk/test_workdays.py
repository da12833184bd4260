"""Working days of the State Council calendar."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.desk.data import read_toml
from server.desk.workdays import add_workdays, state_council
from tests.server.desk.scenes import real_file

SHANGHAI = ZoneInfo("Asia/Shanghai")
days = st.dates(date(2024, 1, 1), date(2026, 11, 30))


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp() * 1000)


@pytest.mark.parametrize(
    ("accepted", "due"),
    [
        ("2025-09-26", "2025-10-10"),
        ("2025-01-24", "2025-02-07"),
        ("2025-04-30", "2025-05-12"),
        ("2026-02-13", "2026-02-27"),
        ("2025-06-27", "2025-07-04"),
    ],
)
def test_five_working_days_end_where_the_calendar_says(accepted: str, due: str) -> None:
    reached = add_workdays(date.fromisoformat(accepted), 5)
    assert (reached.day, reached.provisional) == (date.fromisoformat(due), False)


def test_a_year_without_a_paper_is_provisional() -> None:
    assert add_workdays(date(2026, 12, 31), 1).provisional
    assert add_workdays(date(2027, 3, 1), 0).provisional
    assert not add_workdays(date(2026, 12, 24), 5).provisional


@pytest.mark.parametrize(
    ("accepted", "day_zero"),
    [
        ("2026-03-02T17:59:59", "2026-03-02"),
        ("2026-03-02T18:00:00", "2026-03-03"),
        ("2026-03-06T20:00:00", "2026-03-09"),
        ("2026-03-07T10:00:00", "2026-03-09"),
        ("2026-02-14T10:00:00", "2026-02-14"),
        ("2026-02-14T19:00:00", "2026-02-24"),
    ],
)
def test_after_closing_time_and_on_free_days_the_next_working_day_is_day_zero(accepted: str, day_zero: str) -> None:
    assert state_council().acceptance_day(at(accepted)).day == date.fromisoformat(day_zero)


@given(day=days, n=st.integers(1, 20))
def test_adding_working_days_lands_on_the_n_th_of_them(day: date, n: int) -> None:
    calendar = state_council()
    reached = calendar.add_workdays(day, n).day
    assert calendar.is_workday(reached)
    assert calendar.workdays_between(day, reached) == n


@given(day=days, hours=st.integers(0, 200))
def test_accepting_later_is_never_due_earlier(day: date, hours: int) -> None:
    calendar = state_council()
    first = at(day.isoformat())
    assert calendar.acceptance_day(first).day <= calendar.acceptance_day(first + hours * 3_600_000).day


def test_a_day_ends_with_its_last_millisecond() -> None:
    assert state_council().end_of_day(date(2026, 3, 2)) == at("2026-03-03") - 1


def test_every_year_names_the_paper_that_published_it() -> None:
    years = read_toml("workdays.toml")["year"]
    assert set(years) == {"2024", "2025", "2026"}
    assert all(rows["source"].startswith("https://www.gov.cn/") for rows in years.values())


@pytest.mark.parametrize("year", [2024, 2025, 2026])
def test_the_calendar_agrees_with_an_independent_record(year: int) -> None:
    record = json.loads(real_file(f"workdays/{year}.json"))
    exceptions = {date.fromisoformat(row["date"]): not row["isOffDay"] for row in record["days"]}
    assert record["papers"] == [read_toml("workdays.toml")["year"][str(year)]["source"]]
    day = date(year, 1, 1)
    while day.year == year:
        assert state_council().is_workday(day) == exceptions.get(day, day.weekday() < 5), day
        day += timedelta(days=1)
