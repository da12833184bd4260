"""Limits as data and their five verdicts, judged from the folded ticket."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.desk.codes import codes
from server.desk.data import read_toml
from server.desk.limits import EVENTS, LimitResult, arrival_limit, judge_limits, limits_of
from sync.clock import LIMITLESS_FUTURE, Deadline
from sync.facts import Interval, Verdict
from tests.server.desk.scenes import MINUTE, RECEIVED, moment, suspension, ticket, visit

DAY = 24 * 60 * MINUTE


def shanghai(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000)


def arrival(row: dict[str, Any], open_until: Interval | None = None) -> LimitResult:
    result = arrival_limit(row, open_until=open_until)
    assert result is not None
    return result


def arrived(minute: float, *, before: int = 0, after: int = 0) -> dict[str, Any]:
    at = RECEIVED + round(minute * MINUTE)
    return ticket(visits={"v1": visit(None, None) | {"arrived": moment(at, before=before, after=after)}})


def named(row: dict[str, Any], name: str) -> LimitResult:
    return next(result for result in judge_limits(row) if result.name == name)


@pytest.mark.parametrize(("area_class", "minutes"), [("urban", 45), ("rural", 90), ("remote", 120)])
def test_the_arrival_limit_follows_the_area_class(area_class: str, minutes: int) -> None:
    result = arrival(ticket(area_class=area_class))
    due = RECEIVED + minutes * MINUTE
    assert (result.limit_min, result.due, result.assumed) == (minutes, Deadline(due, due), False)


def test_an_unknown_area_class_gets_the_longest_limit_and_says_so() -> None:
    result = arrival(ticket(area_class=None, position=None))
    assert (result.limit_min, result.assumed) == (120, True)


@pytest.mark.parametrize(
    ("minute", "before", "after", "verdict"),
    [
        (30, 5, 5, Verdict.MET_PROVEN),
        (45, 0, 0, Verdict.MET_PROVEN),
        (44, 20, 5, Verdict.MET_CLAIMED),
        (46, 5, 30, Verdict.MISSED_CLAIMED),
        (60, 14, 30, Verdict.MISSED_PROVEN),
    ],
)
def test_bounds_decide_what_is_proven_and_the_claim_decides_the_rest(
    minute: int, before: int, after: int, verdict: Verdict
) -> None:
    result = arrival(arrived(minute, before=before * MINUTE, after=after * MINUTE))
    assert (result.verdict, result.moment) == (verdict, RECEIVED + minute * MINUTE)


def test_an_arrival_without_an_anchor_is_indeterminate() -> None:
    row = arrived(30, after=60 * MINUTE)
    row["visits"]["v1"]["arrived"]["lower"] = None
    assert arrival(row).verdict is Verdict.INDETERMINATE


def test_without_an_arrival_there_is_a_due_and_no_verdict() -> None:
    result = arrival(ticket(visits={}))
    assert (result.verdict, result.moment, result.fact) == (None, None, None)
    assert result.due.latest == RECEIVED + 45 * MINUTE


def test_the_earliest_arrival_of_a_visit_that_counts_is_judged() -> None:
    visits = {
        "late": visit(50),
        "early": visit(40),
        "contested": visit(10, standing="contested"),
        "superseded": visit(5, standing="superseded"),
    }
    assert arrival(ticket(visits=visits)).moment == RECEIVED + 40 * MINUTE


def test_an_approved_suspension_moves_the_deadline_and_any_other_does_not() -> None:
    begun, ended = RECEIVED + 10 * MINUTE, RECEIVED + 40 * MINUTE
    assert arrival(ticket(suspensions=[suspension(begun, ended)])).due.latest == RECEIVED + 75 * MINUTE
    for approved in (None, False):
        row = ticket(suspensions=[suspension(begun, ended, approved=approved)])
        assert arrival(row).due.latest == RECEIVED + 45 * MINUTE


def test_an_open_suspension_is_never_due_and_proves_nothing() -> None:
    row = ticket(suspensions=[suspension(RECEIVED + 10 * MINUTE, None)])
    assert arrival(row).due == Deadline(RECEIVED + 45 * MINUTE, LIMITLESS_FUTURE)
    now = RECEIVED + 100 * MINUTE
    assert arrival(row, Interval(now, now)).due.earliest == RECEIVED + 135 * MINUTE


def test_accepting_is_counted_from_the_first_assignment() -> None:
    row = ticket(
        assignments=[
            {"fence": 2, "crew": "c2", "at": RECEIVED + 30 * MINUTE, "by": "user:x"},
            {"fence": 1, "crew": "c1", "at": RECEIVED + 2 * MINUTE, "by": "user:x"},
        ]
    )
    assert named(row, "to_crew").verdict is Verdict.MET_PROVEN
    assert named(row, "accept").due.latest == RECEIVED + 5 * MINUTE


def test_office_acts_end_office_limits() -> None:
    row = ticket(kind="complaint", visits={}, milestones={"contacted": RECEIVED + 10 * MINUTE})
    assert named(row, "contact").verdict is Verdict.MET_PROVEN
    assert named(row, "answer").verdict is None


def test_a_limit_whose_clock_has_not_started_is_not_listed() -> None:
    assert "callback" not in {result.name for result in judge_limits(ticket(visits={}))}
    assert "callback" in {result.name for result in judge_limits(ticket())}


def test_working_day_limits_end_with_the_last_day() -> None:
    result = named(ticket(kind="meter_install", received_at=shanghai("2026-02-13T10:00")), "complete")
    assert (result.due.latest, result.limit_min, result.provisional) == (shanghai("2026-02-28") - 1, None, False)


def test_a_limit_into_an_unpublished_year_is_provisional() -> None:
    assert named(ticket(kind="meter_install", received_at=shanghai("2026-12-30T10:00")), "complete").provisional


def test_calendar_day_limits_count_every_day() -> None:
    result = named(ticket(kind="expansion_hv_single", received_at=shanghai("2026-01-01T20:00")), "complete")
    assert result.due.latest == shanghai("2026-03-13") - 1
    assert not result.provisional


def test_a_same_day_limit_is_due_that_day() -> None:
    assert named(ticket(kind="hardship_help"), "contact").due.latest == shanghai("2026-03-03") - 1


def test_a_notice_is_due_before_what_it_announces() -> None:
    row = ticket(kind="planned_outage_notice", appointment=RECEIVED + 10 * DAY, milestones={"published": RECEIVED})
    assert named(row, "publish").due.latest == RECEIVED + 3 * DAY
    assert named(row, "publish").verdict is Verdict.MET_PROVEN


@pytest.mark.parametrize(
    ("begun", "ended", "due"),
    [
        ("2026-03-03T10:00", "2026-03-03T16:00", "2026-03-09"),  # within one day: nothing lost
        ("2026-03-03T10:00", "2026-03-05T09:00", "2026-03-11"),  # two evenings stood still
        ("2026-03-06T10:00", "2026-03-09T09:00", "2026-03-10"),  # a Friday evening and a weekend
        ("2026-03-09T09:00", "2026-03-10T09:00", "2026-03-10"),  # begun on the due day, before its end
        ("2026-03-10T09:00", "2026-03-20T09:00", "2026-03-09"),  # begun after it was due: too late to help
    ],
)
def test_a_suspension_skips_the_days_at_whose_end_the_clock_stood_still(begun: str, ended: str, due: str) -> None:
    row = ticket(kind="rename", suspensions=[suspension(shanghai(begun), shanghai(ended))])
    result = named(row, "complete")
    assert result.due.earliest == result.due.latest == shanghai(due) + DAY - 1


def test_an_open_suspension_of_a_day_limit_is_never_due() -> None:
    row = ticket(kind="rename", suspensions=[suspension(RECEIVED + DAY, None)])
    assert named(row, "complete").due == Deadline(shanghai("2026-03-10") - 1, LIMITLESS_FUTURE)


spans = st.lists(st.tuples(st.integers(-2, 30), st.integers(0, 20), st.integers(0, 3), st.integers(0, 3)), max_size=4)


@given(spans=spans, kind=st.sampled_from(["fault_repair", "rename", "expansion_hv_single"]))
def test_the_true_deadline_lies_between_the_earliest_and_the_latest(
    spans: list[tuple[int, int, int, int]], kind: str
) -> None:
    half = DAY // 2 if kind != "fault_repair" else 5 * MINUTE
    exact, blurred = [], []
    for begin, length, before, after in spans:
        begun, ended = RECEIVED + begin * half, RECEIVED + (begin + length) * half
        exact.append(suspension(begun, ended))
        ends = (moment(at, before=before * half, after=after * half) for at in (begun, ended))
        blurred.append({**exact[-1], **dict(zip(("begun", "ended"), ends, strict=True))})
    truth = judge_limits(ticket(kind=kind, suspensions=exact))
    told = judge_limits(ticket(kind=kind, suspensions=blurred))
    for one, other in zip(truth, told, strict=True):
        assert one.due.earliest == one.due.latest
        assert other.due.earliest <= one.due.earliest <= other.due.latest


def test_every_kind_has_its_limits_and_every_row_its_source() -> None:
    rows = read_toml("limits.toml")["limit"]
    assert {row["kind"] for row in rows} == set(codes("kind")) - {"supply_change"}
    assert all(any(tag in row["source"] for tag in ("[seed]", "[norm]", "[ours]")) for row in rows)
    assert all(row["starts"] in EVENTS and row["ends"] in EVENTS for row in rows)
    assert all(limits_of(kind) for kind in codes("kind") if kind != "supply_change")
    assert limits_of("supply_change") == () and arrival_limit(ticket(kind="rename")) is None
