"""Limits over what real phones recorded: the five verdicts, and the points that follow from them and go with them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.api.world import Phone, World


def limit(world: World, ticket: str, name: str = "arrive") -> dict[str, Any]:
    row: dict[str, Any] = next(row for row in world.view(ticket)["limits"] if row["name"] == name)
    return row


def arrive(world: World) -> tuple[str, Phone]:
    """A ticket of 45 minutes and a phone that has seen it."""
    ticket, phone = world.ticket(), world.phone()
    phone.sync()
    phone.record("note", ticket, text="carries the anchor")
    return ticket, phone


def test_an_arrival_synced_in_time_is_met_proven(world: World) -> None:
    ticket, phone = arrive(world)
    world.wait(minutes=20)
    fact = phone.record("arrival", ticket)
    phone.sync()
    row = limit(world, ticket)
    assert (row["verdict"], row["fact"], row["moment"]) == ("met_proven", fact, world.now)


def test_an_arrival_in_time_that_syncs_after_a_long_gap_is_met_claimed(world: World) -> None:
    ticket, phone = arrive(world)
    world.wait(minutes=20)
    arrived_at = world.now
    phone.record("arrival", ticket)
    world.wait(minutes=6 * 60)
    phone.sync()
    row = limit(world, ticket)
    assert (row["verdict"], row["moment"]) == ("met_claimed", arrived_at)


def test_a_late_arrival_that_syncs_after_a_long_gap_is_missed_claimed(world: World) -> None:
    ticket, phone = arrive(world)
    world.wait(minutes=90)
    phone.record("arrival", ticket)
    world.wait(minutes=6 * 60)
    phone.sync()
    assert limit(world, ticket)["verdict"] == "missed_claimed"


def test_an_arrival_after_an_anchor_that_was_late_already_is_missed_proven(world: World) -> None:
    ticket, phone = arrive(world)
    world.wait(minutes=60)
    phone.sync()
    phone.record("arrival", ticket)
    phone.sync()
    assert limit(world, ticket)["verdict"] == "missed_proven"


def test_a_lying_clock_turns_late_into_claimed_at_best(world: World) -> None:
    ticket, phone = arrive(world)
    world.wait(minutes=90)
    phone.wall_off_ms = -80 * 60_000
    phone.record("arrival", ticket)
    world.wait(minutes=6 * 60)
    phone.sync()
    assert limit(world, ticket)["verdict"] in ("met_claimed", "missed_claimed")


def test_an_arrival_in_a_journal_without_any_anchor_is_indeterminate(world: World) -> None:
    ticket, phone = world.ticket(), world.hand_phone(opened=False)
    world.wait(minutes=300)
    phone.push(phone.opening(), phone.line("arrival", n=2, ticket=ticket))
    row = limit(world, ticket)
    assert row["verdict"] == "indeterminate"
    assert world.view(ticket)["visits"]["v1"]["arrived"]["lower"] is None


def test_what_is_not_done_yet_has_a_due_time_and_no_verdict(world: World) -> None:
    row = limit(world, world.ticket())
    assert row["verdict"] is None and row["due"] == [world.now + 45 * 60_000] * 2
    assert row["source"], "and says where the limit comes from"


@pytest.mark.parametrize(("area_class", "minutes"), [("urban", 45), ("rural", 90), ("remote", 120)])
def test_the_arrival_limit_follows_the_class_of_the_ground(world: World, area_class: str, minutes: int) -> None:
    assert limit(world, world.ticket(area_class=area_class))["due"][0] == world.now + minutes * 60_000


def test_every_verdict_ever_given_stays_with_headquarters(world: World) -> None:
    ticket, phone = arrive(world)
    phone.record("arrival", ticket)
    phone.sync()
    [first] = world.hq("verdict", ticket=ticket, name="arrive")
    world.say(ticket, "correct", set={"received_at": world.now - 120 * 60_000})
    verdicts = world.hq("verdict", ticket=ticket, name="arrive")
    assert [row["verdict"] for row in verdicts] == ["met_proven", "missed_proven"]
    assert verdicts[0] == first and verdicts[1]["replaces"], "the first is not rewritten, the second says what it replaces"


# --------------------------------------------------------------------------------------------------------------- points


def finished(world: World, crew: str = "A") -> tuple[str, Phone]:
    """A ticket worked in time from door to finish, and the phone that did it."""
    ticket, phone = world.ticket(crew=crew), world.phone(crew)
    phone.sync()
    for kind in ("acceptance", "departure", "arrival", "start"):
        phone.record(kind, ticket, "v1", **({"fix": {"lat": 27.95, "lon": 116.35}} if kind == "arrival" else {}))
        world.wait(minutes=5)
    phone.record("finish", ticket, result="done")
    phone.sync()
    return ticket, phone


def entries(world: World, ticket: str) -> list[dict[str, Any]]:
    return [row for row in world.hq("points") if row["content"]["ticket"] == ticket]


def on_phone(phone: Phone) -> dict[str, dict[str, Any]]:
    return {row.id: dict(row.put) for row in phone.replica._pocket.rows("points")}


def test_points_of_a_finished_ticket_reach_the_member_and_headquarters_with_their_reasons(world: World) -> None:
    ticket, phone = finished(world)
    [entry] = entries(world, ticket)
    content = entry["content"]
    assert (content["kind"], content["member"]) == ("provisional", f"member:{phone.enrolled.member}")
    assert content["milli"] > 0 and content["rule"] == "points_v1" and content["reasons"] and content["inputs"]
    assert entry["explained"]["zh"] and len(entry["explained"]["zh"]) == len(entry["explained"]["en"])
    assert on_phone(phone) == {entry["id"]: entry}, "the member sees what headquarters sees"


def test_points_are_shared_by_the_members_of_the_visit_and_add_up(world: World) -> None:
    ticket, one = world.ticket(), world.phone()
    two = world.phone()
    one.sync()
    two.sync()
    one.record("arrival", ticket)
    two.record("note", ticket, text="helped")
    two.sync()
    one.record("finish", ticket)
    one.sync()
    live = [row["content"] for row in entries(world, ticket)]
    assert {row["member"] for row in live if row["kind"] == "provisional"} == {
        f"member:{phone.enrolled.member}" for phone in (one, two)
    }
    assert sum(row["share_milli"] for row in live if row["kind"] == "provisional") == 1000


def test_points_are_taken_back_by_a_counter_entry_when_the_ticket_is_cancelled(world: World) -> None:
    ticket, phone = finished(world)
    world.say(ticket, "cancel", reason="never happened")
    first, counter = entries(world, ticket)
    assert counter["content"]["kind"] == "reversal" and counter["refers"] == first["id"]
    assert first["content"]["milli"] + counter["content"]["milli"] == 0
    assert counter["explained"]["en"] and counter["explained"]["zh"]
    phone.sync()
    assert set(on_phone(phone)) == {first["id"], counter["id"]}, "the member sees both"


def test_points_wait_while_a_contest_is_open_and_come_with_its_decision(world: World) -> None:
    ticket, phone = world.ticket(), world.phone()
    phone.sync()
    phone.record("arrival", ticket)
    finish = phone.record("finish", ticket)
    world.say(ticket, "cancel")
    phone.sync()
    assert [row["content"]["kind"] for row in entries(world, ticket)] == ["held"]
    world.say(ticket, "decide", field="state", choose=finish, reason="the work was done")
    kinds = [row["content"]["kind"] for row in entries(world, ticket)]
    assert kinds == ["held", "reversal", "provisional"]
    assert sum(row["content"]["milli"] for row in entries(world, ticket)) > 0


def test_archiving_confirms_the_points(world: World) -> None:
    ticket, _ = finished(world)
    world.say(ticket, "archive")
    assert [row["content"]["kind"] for row in entries(world, ticket)] == ["provisional", "confirmation"]


def test_late_work_pays_less_than_work_in_time(world: World) -> None:
    in_time, _ = finished(world)
    late, phone = arrive(world)
    world.wait(minutes=60)
    phone.record("arrival", late)
    phone.record("finish", late)
    phone.sync()
    [paid], [less] = entries(world, in_time), entries(world, late)
    assert 0 < less["content"]["milli"] < paid["content"]["milli"]


def test_two_ratings_of_one_visit_do_not_hold_the_points_of_its_work(world: World) -> None:
    ticket, phone = finished(world)
    opened = phone.record("rating_opened", ticket)
    for reason in ("went in", "came back"):
        phone.record("rating", ticket, opened=opened, result="declined", reason=reason)
    phone.sync()
    live = [row["content"] for row in entries(world, ticket)]
    assert sum(row["milli"] for row in live) > 0, "nobody can decide about a rating, so nothing may wait for it"
