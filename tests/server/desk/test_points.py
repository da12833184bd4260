"""The points ledger: append-only, exact to a thousandth, and able to explain itself."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.desk.codes import codes
from server.desk.data import read_json, read_toml
from server.desk.limits import judge_limits
from server.desk.points import (
    WHOLE,
    Entry,
    EntryKind,
    explain,
    from_row,
    live_entries,
    net_milli,
    settle,
    split_milli,
    to_row,
)
from sync.facts import Verdict
from tests.server.desk.scenes import MINUTE, RECEIVED, moment, ticket, visit

NIGHT = RECEIVED - 6 * 60 * MINUTE  # 03:00 on the same Monday


def ledger(row: dict[str, Any], previous: list[Entry] | None = None) -> list[Entry]:
    """The whole ledger after settling that ticket."""
    known = previous or []
    return [*known, *settle(row, judge_limits(row), known)]


def total(row: dict[str, Any]) -> int:
    return sum(net_milli(ledger(row)).values())


def kinds(entries: list[Entry]) -> list[str]:
    return [str(entry.content.kind) for entry in entries]


def codes_of(entries: list[Entry]) -> set[str]:
    return {reason.code for entry in entries for reason in entry.content.reasons}


def test_a_finished_visit_pays_its_members_in_equal_parts() -> None:
    entries = ledger(ticket())
    assert kinds(entries) == ["provisional", "provisional"]
    assert net_milli(entries) == {"m1": 5000, "m2": 5000}
    assert all(entry.content.rule == "points_v1" for entry in entries)


def test_nothing_is_paid_before_the_finish() -> None:
    assert ledger(ticket(visits={"v1": visit(30, None)})) == []


def test_shares_confirmed_by_the_lead_are_followed() -> None:
    entries = ledger(ticket(visits={"v1": visit(shares={"m1": 3, "m2": 1})}))
    assert net_milli(entries) == {"m1": 7500, "m2": 2500}


@given(
    amount=st.integers(0, 10**7),
    weights=st.dictionaries(st.text(max_size=4), st.integers(0, 1000), min_size=1, max_size=9),
    salt=st.text(max_size=5),
)
def test_parts_sum_exactly_and_are_within_a_thousandth_of_fair(amount: int, weights: dict[str, int], salt: str) -> None:
    parts = split_milli(amount, weights, salt)
    assert sum(parts.values()) == amount and set(parts) == set(weights)
    whole = sum(weights.values())
    for name, weight in weights.items():
        fair = amount * weight / whole if whole else amount / len(weights)
        assert abs(parts[name] - fair) < 1 + 1e-6


def test_the_largest_remainder_gets_the_odd_thousandth() -> None:
    for n in range(20):
        assert split_milli(10, {"a": 1, "b": 2}, f"t{n}") == {"a": 3, "b": 7}


@given(members=st.sets(st.text(string.ascii_lowercase, min_size=1, max_size=3), min_size=1, max_size=12))
def test_shares_sum_to_exactly_one_and_points_to_the_visits_total(members: set[str]) -> None:
    entries = ledger(ticket(visits={"v1": visit(members=sorted(members))}))
    assert sum(entry.content.share_milli for entry in entries) == WHOLE
    assert sum(entry.content.milli for entry in entries) == 10_000


def test_the_odd_thousandth_does_not_always_fall_to_the_same_member() -> None:
    lucky = {max(split_milli(1000, dict.fromkeys("abc", 1), f"t{n}").items(), key=lambda p: p[1])[0] for n in range(40)}
    assert lucky == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("verdict", "points"),
    [
        (Verdict.MET_PROVEN, 10_000),
        (Verdict.MET_CLAIMED, 10_000),
        (Verdict.INDETERMINATE, 10_000),
        (Verdict.MISSED_CLAIMED, 8_000),
        (Verdict.MISSED_PROVEN, 8_000),
    ],
)
def test_only_a_missed_limit_counts_as_late(verdict: Verdict, points: int) -> None:
    scenes = {
        Verdict.MET_PROVEN: moment(RECEIVED + 30 * MINUTE),
        Verdict.MET_CLAIMED: moment(RECEIVED + 30 * MINUTE, after=60 * MINUTE),
        Verdict.INDETERMINATE: {**moment(RECEIVED + 30 * MINUTE, after=60 * MINUTE), "lower": None},
        Verdict.MISSED_CLAIMED: moment(RECEIVED + 50 * MINUTE, before=30 * MINUTE),
        Verdict.MISSED_PROVEN: moment(RECEIVED + 50 * MINUTE),
    }
    row = ticket(visits={"v1": visit(arrived=None) | {"arrived": scenes[verdict]}})
    entries = ledger(row)
    assert f"verdict_{verdict}" in codes_of(entries)
    assert sum(net_milli(entries).values()) == points


def test_being_early_earns_nothing() -> None:
    assert total(ticket(visits={"v1": visit(1)})) == total(ticket(visits={"v1": visit(44)}))


def test_one_photo_is_evidence_and_more_of_them_earn_nothing_and_write_nothing() -> None:
    photo = {"sha256": "0" * 64, "size": 1, "step": None}
    without = ticket(visits={"v1": visit(photos=[])})
    assert total(without) == 9_000 and "no_photo" in codes_of(ledger(without))
    one = ledger(ticket(visits={"v1": visit(photos=[photo])}))
    assert ledger(ticket(visits={"v1": visit(photos=[photo] * 9)}), one) == one


def test_a_finish_without_an_arrival_lacks_evidence() -> None:
    assert total(ticket(visits={"v1": visit(None)})) == 9_000
    assert total(ticket(visits={"v1": visit(None, photos=[])})) == 9_000


def test_late_and_without_evidence_multiply() -> None:
    assert total(ticket(visits={"v1": visit(50, photos=[])})) == 7_200


def test_difficulty_and_intensity_multiply_within_their_ranges() -> None:
    row = ticket(fault_class="transformer_fault", cause="lightning", received_at=NIGHT, visits={"v1": visit(-340)})
    entries = ledger(row)
    factors = entries[0].content.factors
    assert factors == {"base": 10_000, "difficulty": 1_700, "intensity": 1_500, "quality": 1_000}
    assert sum(net_milli(entries).values()) == 25_500
    hardest = {**row, "cause": "cable_damage", "severe_weather": True, "distance_m": 90_000, "customers_restored": 900}
    factors = ledger({**hardest, "fault_class": "transformer_fault"})[0].content.factors
    assert factors["intensity"] == 2_000 and factors["difficulty"] == 1_800


def test_night_and_free_days_pay_only_for_what_is_worked_at_once() -> None:
    assert total(ticket(kind="rename", received_at=NIGHT)) == 3_000
    saturday = ticket(received_at=RECEIVED + 5 * 24 * 60 * MINUTE, visits={"v1": visit()})
    assert "intensity_holiday" in codes_of(ledger(saturday))


def test_settling_again_appends_nothing() -> None:
    once = ledger(ticket())
    assert settle(ticket(), judge_limits(ticket()), once) == []


def test_a_changed_input_is_reversed_and_entered_afresh() -> None:
    first = ledger(ticket())
    entries = ledger(ticket(fault_class="line_down"), first)
    assert kinds(entries[2:]) == ["reversal", "reversal", "provisional", "provisional"]
    assert [entry.refers for entry in entries[2:4]] == [first[0].id, first[1].id]
    assert net_milli(entries) == net_milli(ledger(ticket(fault_class="line_down")))
    assert entries[: len(first)] == first


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"cancelled": True, "state": "cancelled"}, "reversed_cancelled"),
        ({"merged_into": "t0", "state": "merged"}, "reversed_merged"),
        ({"visits": {"v1": visit(standing="superseded")}}, "reversed_withdrawn"),
        ({"visits": {}}, "reversed_withdrawn"),
    ],
)
def test_what_no_longer_earns_nets_to_zero_and_says_why(change: dict[str, Any], code: str) -> None:
    entries = ledger(ticket(**change), ledger(ticket()))
    assert set(net_milli(entries).values()) == {0}
    assert code in codes_of(entries) and live_entries(entries) == {}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"contests": {"state": {}}}, "held_contest"),
        ({"contests": {"state": {}}, "cancelled": True}, "held_contest"),
        ({"contests": {"visits/v1/answers/earthing": {}}}, "held_contest"),
        ({"state": "reopened"}, "held_state"),
        ({"visits": {"v1": visit(standing="contested")}}, "held_visit"),
        (
            {"visits": {"v1": visit() | {"arrived": moment(RECEIVED, flags=["clock_outside_bounds"])}}},
            "held_time",
        ),
    ],
)
def test_a_hold_leaves_no_live_points_tells_why_and_can_end_in_the_members_favour(
    change: dict[str, Any], code: str
) -> None:
    held = ledger(ticket(**change), ledger(ticket()))
    assert set(net_milli(held).values()) == {0}
    assert {entry.content.kind for entry in live_entries(held).values()} == {EntryKind.HELD}
    assert code in codes_of(held)
    released = ledger(ticket(**change, points_released=True), held)
    assert sum(net_milli(released).values()) > 0


def test_a_ticket_told_by_phone_or_raised_in_the_field_settles_before_the_office_has_filled_it_in() -> None:
    told = {name: value for name, value in ticket().items() if name not in ("kind", "received_at", "area_class")}
    assert judge_limits(told) == [] and codes_of(ledger(told)) == {"held_kind"}
    assert codes_of(ledger({**told, "points_released": True})) == {"held_kind"}
    raised = {name: value for name, value in ticket().items() if name != "received_at"}
    assert total(raised) == 10_000
    assert sum(net_milli(ledger(ticket(), ledger(told))).values()) == 10_000


def test_a_contest_about_the_phone_number_holds_nothing() -> None:
    assert total(ticket(contests={"contact_phone": {}, "address": {}})) == 10_000


def test_flags_that_are_no_doubt_about_time_hold_nothing() -> None:
    flagged = visit() | {"arrived": moment(RECEIVED + 30 * MINUTE, flags=["far_from_site"])}
    assert total(ticket(visits={"v1": flagged})) == 10_000


def test_a_crew_earns_once_per_ticket_and_two_crews_each_once() -> None:
    again = {"v1": visit(30, 70), "v2": visit(100, 130)}
    assert {entry.content.visit for entry in ledger(ticket(visits=again))} == {"v1"}
    both = {"v1": visit(30, 70), "v2": visit(100, 130, crew="c2", members=["m3"])}
    assert net_milli(ledger(ticket(visits=both))) == {"m1": 5000, "m2": 5000, "m3": 10_000}


def test_archiving_confirms_once() -> None:
    entries = ledger(ticket(state="archived"), ledger(ticket()))
    assert kinds(entries[2:]) == ["confirmation", "confirmation"]
    assert ledger(ticket(state="archived"), entries) == entries
    changed = ledger(ticket(state="archived", fault_class="line_down"), entries)
    assert kinds(changed[4:]) == ["reversal", "reversal", "provisional", "provisional", "confirmation", "confirmation"]


def test_the_same_inputs_give_the_same_entries_and_ids_differ() -> None:
    entries = ledger(ticket(fault_class="line_down"), ledger(ticket()))
    assert entries == ledger(ticket(fault_class="line_down"), ledger(ticket()))
    assert len({entry.id for entry in entries}) == len(entries)
    assert [entry.ordinal for entry in entries] == list(range(len(entries)))


def test_an_entry_survives_being_stored_as_json() -> None:
    entries = ledger(ticket(fault_class="line_down", state="archived", distance_m=12_000))
    stored = [from_row(json.loads(json.dumps(to_row(entry)))) for entry in entries]
    assert stored == entries
    assert ledger(ticket(fault_class="line_down", state="archived", distance_m=12_000), stored) == entries


states: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "cancelled": st.booleans(),
        "merged_into": st.sampled_from([None, "t0"]),
        "contests": st.sampled_from([{}, {"state": {}}, {"address": {}}]),
        "fault_class": st.sampled_from([None, "line_down", "mv_outage"]),
        "cause": st.sampled_from([None, "flood", "overload"]),
        "area_class": st.sampled_from(["urban", "rural", None]),
        "severe_weather": st.booleans(),
        "points_released": st.booleans(),
        "state": st.sampled_from(["completed", "archived", "reopened"]),
        "visits": st.dictionaries(
            st.sampled_from(["v1", "v2", "v3"]),
            st.builds(
                lambda arrived, finished, standing, crew, members: visit(
                    arrived, finished, standing=standing, crew=crew, members=members
                ),
                st.sampled_from([None, 20, 50, 100]),
                st.sampled_from([None, 110, 120]),
                st.sampled_from(["counts", "contested", "superseded"]),
                st.sampled_from(["c1", "c2"]),
                st.lists(st.sampled_from(["m1", "m2", "m3"]), min_size=1, max_size=3, unique=True),
            ),
            max_size=3,
        ),
    },
)


@given(path=st.lists(states, max_size=5), last=states)
def test_the_net_depends_on_the_last_state_and_not_on_the_way_there(
    path: list[dict[str, Any]], last: dict[str, Any]
) -> None:
    entries: list[Entry] = []
    for change in (*path, last):
        before = list(entries)
        entries = ledger(ticket(**change), entries)
        assert entries[: len(before)] == before
        assert settle(ticket(**change), judge_limits(ticket(**change)), entries) == []
    straight = ledger(ticket(**last))
    assert _earned(entries) == _earned(straight)
    standing = sum(entry.content.milli for entry in live_entries(entries).values())
    assert standing == sum(net_milli(entries).values())


def _earned(entries: list[Entry]) -> dict[str, int]:
    return {member: milli for member, milli in net_milli(entries).items() if milli}


@given(states)
def test_every_entry_explains_itself_in_both_languages(change: dict[str, Any]) -> None:
    for entry in ledger(
        ticket(**change), ledger(ticket(fault_class="mv_outage", received_at=NIGHT, distance_m=30_000))
    ):
        for language in ("zh", "en"):
            sentences = explain(entry, language)
            assert sentences and all(sentence and "{" not in sentence for sentence in sentences)


def test_an_explanation_reads_like_one() -> None:
    (entry, _) = ledger(ticket(fault_class="line_down"))
    assert explain(entry, "en") == [
        "Fault repair: 10 base points",
        "Difficulty: Line down +0.4",
        "Intensity: 120 standard minutes +0.2",
        "Time limit: on time, proven, ×1",
        "2 took part; your share is 0.5",
    ]
    assert explain(entry, "zh")[1] == "难度：断线 +0.4"


def test_the_rule_prices_every_kind_and_names_only_known_codes() -> None:
    rule = read_toml("points_v1.toml")
    assert set(rule["base_milli"]) == set(codes("kind"))
    assert set(rule["difficulty"]["cause_milli"]) <= set(codes("cause"))
    assert set(rule["difficulty"]["kind_milli"]) <= set(codes("kind"))
    assert set(rule["difficulty"]["fault_class_milli"]) <= set(codes("fault_class"))
    assert set(rule["intensity"]["minutes"]["standard"]) == set(codes("fault_class"))
    assert set(rule["quality"]["verdict_milli"]) == set(Verdict)


def test_every_sentence_has_both_languages_with_the_same_values() -> None:
    for code, sentence in read_json("points_reasons.json").items():
        named = [
            sorted(name for _, name, _, _ in string.Formatter().parse(sentence[at]) if name) for at in ("zh", "en")
        ]
        assert named[0] == named[1], code
