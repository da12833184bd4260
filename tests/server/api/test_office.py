"""The office at work over HTTP: tickets in, crews chosen, commands with their conflicts, contests that open and close."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from server.auth import Role
from sync.judge import Command
from sync.problems import Refused
from tests.server.api.world import START_MS, Phone, World, good, slug

EAST = {"lat": 27.95, "lon": 116.35}
NOWHERE = {"lat": 10.0, "lon": 10.0}


def fresh_phone(world: World, crew: str = "A") -> Phone:
    phone = world.phone(crew)
    phone.sync()
    return phone


def refused(world: World, ticket: str, command: str, /, *, role: Role = Role.DISPATCHER, **body: Any) -> str:
    """The slug of a command that must change nothing."""
    with world.untouched():
        return slug(world.ask("POST", f"/v1/tickets/{ticket}/{command}", role=role, json=body))


# ------------------------------------------------------------------------------------------------------ in, and to whom


def test_a_ticket_goes_to_the_crew_of_the_polygon_it_lies_in(world: World) -> None:
    made = world.post("/v1/tickets", {"kind": "fault_repair", "position": EAST}, role=Role.AGENT)
    view = world.view(made["id"])
    assert made["reason"] == "chosen" and made["crew"] in ("A", "B")
    assert (view["area"], view["station"], view["area_class"]) == ("east", "s1", "urban")
    assert view["state"] == "dispatched" and view["assigned_crew"] == made["crew"]
    assert world.post("/v1/tickets", {"kind": "fault_repair", "position": {"lat": 27.95, "lon": 116.15}})["crew"] == "C"


def test_the_crew_with_less_to_do_gets_the_next_ticket(world: World) -> None:
    crews = [world.post("/v1/tickets", {"kind": "fault_repair", "position": EAST})["crew"] for _ in range(8)]
    assert set(crews) == {"A", "B"}


def test_what_nobody_can_be_sent_to_waits_with_the_reason(world: World) -> None:
    wanted = {
        "no_position": world.ticket(crew=None),
        "outside_areas": world.ticket(crew=None, position=NOWHERE),
        "nobody_with_skills": world.ticket(crew=None, kind="expansion_hv_single", position=EAST),
    }
    listed = {row["id"]: row["reason"] for row in world.get("/v1/unplaced", role=Role.AGENT)["tickets"]}
    assert {reason: ticket for ticket, reason in listed.items() if ticket in wanted.values()} == wanted
    placed = world.ticket()
    assert placed not in listed


def test_a_corrected_position_lets_dispatch_place_what_waited(world: World) -> None:
    ticket = world.ticket(crew=None)
    before = world.post("/v1/dispatch", {}, role=Role.DISPATCHER)
    world.say(ticket, "correct", set={"position": EAST})
    after = world.post("/v1/dispatch", {}, role=Role.DISPATCHER)
    assert before["reasons"].get("chosen", 0) == 0 and after["reasons"]["chosen"] == 1
    assert world.view(ticket)["state"] == "dispatched"


def test_outside_the_shift_nobody_is_sent(world: World) -> None:
    now, world.now = world.now, START_MS + 60 * 24 * 3_600_000
    try:
        made = world.post(
            "/v1/tickets",
            {"kind": "fault_repair", "position": EAST},
            token=world.service.tokens.issue("user:x", Role.AGENT, minutes=5),
        )
        assert (made["crew"], made["reason"]) == (None, "nobody_on_shift")
    finally:
        world.now = now


def test_a_ticket_is_found_by_number_and_lists_go_page_by_page(world: World) -> None:
    made = [world.post("/v1/tickets", {"kind": "hazard", "number": f"PAGE-{i}"}) for i in range(5)]
    assert world.get("/v1/tickets/PAGE-3")["id"] == made[3]["id"]
    listed, after = [], 0
    while after is not None:
        page = world.get("/v1/tickets", params={"state": "received", "limit": 2, "after": after})
        listed += [row["id"] for row in page["tickets"]]
        after = page["next"]
    assert len(listed) == len(set(listed)) and {row["id"] for row in made} <= set(listed)
    assert {row["assigned_crew"] for row in world.get("/v1/tickets", params={"crew": "B"})["tickets"]} <= {"B"}


def test_a_number_belongs_to_one_ticket(world: World) -> None:
    one, two = world.ticket(number="TWICE-1"), world.ticket(number="TWICE-2")
    with world.untouched():
        assert slug(world.ask("POST", "/v1/tickets", json={"kind": "hazard", "number": "TWICE-1"})) == "state-conflict"
    assert refused(world, two, "correct", set={"number": "TWICE-1"}) == "state-conflict"
    world.say(one, "correct", set={"number": "TWICE-1", "priority": 2})
    assert world.get("/v1/tickets/TWICE-1")["id"] == one


def test_one_number_asked_for_ten_times_at_once_is_given_once(world: World) -> None:
    def ask(_: int) -> int:
        return world.ask("POST", "/v1/tickets", json={"kind": "hazard", "number": "RACE-1"}).status_code

    world.token(Role.ADMIN)
    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(ask, range(10))) == [201] + [409] * 9


# ------------------------------------------------------------------------------------------------------------- commands


def test_a_transfer_takes_the_ticket_from_one_crew_and_gives_it_to_the_other_in_one_moment(world: World) -> None:
    ticket, ours, theirs = world.ticket(), world.phone("A"), world.phone("B")
    ours.sync()
    theirs.sync()
    world.say(ticket, "transfer", crew="B", reason="nearer")
    ours.sync()
    theirs.sync()
    assert ours.replica.show(ticket) is None and theirs.view(ticket)["fence"] == 2
    history = world.view(ticket)["assignments"]
    assert [(row["fence"], row["crew"], row["how"]) for row in history] == [(1, "A", "assigned"), (2, "B", "transferred")]


def test_a_ticket_told_by_phone_is_bound_to_the_number_typed_offline(world: World) -> None:
    ticket, phone = world.ticket(crew=None, number="VOICE-1"), fresh_phone(world)
    raised = world.service.new_id()
    phone.replica.record(
        "raised", phone.reading(), ticket=raised, body={"set": {"kind": "fault_repair"}, "told_number": "VOICE-1"}
    )
    phone.record("arrival", raised)
    world.say(ticket, "told-by-phone", crew="A")
    phone.sync()
    assert world.view(ticket)["state"] == "on_site"
    assert world.view(raised)["merged_into"] == ticket


def test_a_cancelled_ticket_takes_no_crew_and_may_be_reopened(world: World) -> None:
    ticket = world.ticket()
    world.say(ticket, "cancel", reason="customer called back")
    assert world.view(ticket)["state"] == "cancelled"
    for command in ("assign", "transfer", "told-by-phone"):
        assert refused(world, ticket, command, crew="B") == "state-conflict"
    assert refused(world, ticket, "cancel") == "state-conflict"
    world.say(ticket, "reopen", reason="still dark")
    world.say(ticket, "assign", crew="B")
    assert world.view(ticket)["assigned_crew"] == "B"


CONFLICTS = [
    ("reopen", {}, "dispatched"),
    ("assign", {"crew": "B"}, "completed"),
    ("transfer", {"crew": "B"}, "completed"),
    ("archive", {}, "archived"),
    ("cancel", {}, "archived"),
    ("assign", {"crew": "B"}, "merged"),
    ("archive", {}, "merged"),
    ("cancel", {}, "merged"),
]


@pytest.fixture(scope="module")
def in_state(world: World) -> dict[str, str]:
    """A ticket in each of a few states."""
    tickets = {state: world.ticket() for state in ("dispatched", "completed", "archived", "merged")}
    phone = fresh_phone(world)
    phone.record("finish", tickets["completed"])
    phone.sync()
    world.say(tickets["archived"], "archive")
    world.say(tickets["merged"], "merge", parent=tickets["dispatched"])
    assert {state: world.view(ticket)["state"] for state, ticket in tickets.items()} == {state: state for state in tickets}
    return tickets


@pytest.mark.parametrize("command, body, state", CONFLICTS)
def test_the_state_refuses_a_command_and_says_which_state_it_is(
    world: World, in_state: dict[str, str], command: str, body: dict[str, Any], state: str
) -> None:
    with world.untouched():
        answer = world.ask("POST", f"/v1/tickets/{in_state[state]}/{command}", json=body)
    assert slug(answer) == "state-conflict" and answer.json()["state"] == state


def test_a_ticket_is_not_merged_under_itself_nor_under_one_that_is_merged(world: World, in_state: dict[str, str]) -> None:
    ticket = world.ticket()
    assert refused(world, ticket, "merge", parent=ticket) == "not-found"
    assert refused(world, ticket, "merge", parent=in_state["merged"]) == "state-conflict"


def test_a_merged_ticket_takes_its_work_to_the_parent_also_by_number(world: World) -> None:
    parent, child, phone = world.ticket(number="PARENT-1"), world.ticket(), world.phone()
    phone.sync()
    world.say(child, "merge", parent="PARENT-1")
    phone.record("arrival", child)
    phone.sync()
    assert world.view(parent)["visits"]["v1"]["arrived"] and world.view(child)["merged_into"] == parent


def test_a_command_for_an_older_screen_is_refused_and_shows_where_the_ticket_is_now(world: World) -> None:
    ticket = world.ticket()
    seen = world.get(f"/v1/tickets/{ticket}")["position"]
    world.say(ticket, "correct", seen=seen, set={"priority": 1})
    now = world.get(f"/v1/tickets/{ticket}")["position"]
    with world.untouched():
        answer = world.ask("POST", f"/v1/tickets/{ticket}/cancel", json={"seen": seen})
    assert slug(answer) == "stale-base" and answer.json()["action"] == "resync" and answer.json()["position"] == now > seen
    world.say(ticket, "cancel", seen=now)


def test_of_two_dispatchers_with_one_screen_the_second_is_told(world: World) -> None:
    ticket = world.ticket()
    seen = world.get(f"/v1/tickets/{ticket}")["position"]

    def transfer(crew: str) -> int:
        body = {"crew": crew, "seen": seen}
        return world.ask("POST", f"/v1/tickets/{ticket}/transfer", json=body).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(transfer, ["B", "C"])) == [200, 409]
    assert len(world.view(ticket)["assignments"]) == 2


def test_of_two_dispatchers_in_one_commit_the_second_is_told_too(world: World) -> None:
    ticket = world.ticket()
    seen = world.get(f"/v1/tickets/{ticket}")["position"]
    said = [[Command("transferred", "user:x", ticket, {"crew": crew}, world.now, seen)] for crew in ("B", "C")]
    _, answers = world.service.writer.work(lambda tx: world.service.hub.commit(tx, [], said))
    assert isinstance(answers[0], int) and isinstance(answers[1], Refused) and answers[1].problem.slug == "stale-base"
    assert [row["crew"] for row in world.view(ticket)["assignments"]] == ["A", "B"]


def test_every_word_of_the_office_about_somebodys_work_is_told_to_headquarters(world: World) -> None:
    ticket = world.ticket()
    world.say(ticket, "transfer", crew="B", reason="nearer")
    world.say(ticket, "correct", set={"address": "桥头街7号"})
    world.say(ticket, "archive", reason="done")
    told = world.hq("command", ticket=ticket)
    assert [(row["kind"], row["by"], row["said"].get("reason")) for row in told] == [
        ("transferred", "user:admin", "nearer"),
        ("corrected", "user:admin", None),
        ("archived", "user:admin", "done"),
    ]


# ------------------------------------------------------------------------------------------------------------- contests


def test_a_contest_opens_is_told_to_all_and_is_closed_by_a_decision(world: World) -> None:
    ticket, phone = world.ticket(contact_phone="111"), fresh_phone(world)
    fact = phone.replica.record("amended", phone.reading(), ticket=ticket, visit="v1", body={"set": {"contact_phone": "222"}})
    world.say(ticket, "correct", set={"contact_phone": "333"})
    phone.sync()
    view = world.view(ticket)
    assert view["contact_phone"] == "333" and view["contests"]["contact_phone"]["alternatives"][0]["fact"] == fact
    [contest] = world.hq("contest", ticket=ticket)
    assert contest["open"] is True and contest["field"] == "contact_phone"
    assert [(row["outcome"], row["slug"]) for row in world.hq("outcome", id=fact)] == [("contested", "field")]
    assert [item["truth"] for item in phone.replica.queue() if item["fact"] == fact] == ["needs_you"]

    world.say(ticket, "decide", field="contact_phone", choose=fact, reason="asked the customer")
    phone.sync()
    assert phone.view(ticket)["contact_phone"] == "222" and "contests" not in world.view(ticket)
    [closed] = world.hq("contest", ticket=ticket)
    assert closed["id"] == contest["id"] and closed["open"] is False
    assert [(row["outcome"], row["slug"]) for row in world.hq("outcome", id=fact)] == [("applied", "settled")]
    assert [item["truth"] for item in phone.replica.queue() if item["fact"] == fact] == ["hq_has_it"]


def test_explain_says_whose_value_is_shown_by_which_rule_and_what_else_is_kept(world: World) -> None:
    ticket, phone = world.ticket(contact_phone="111"), fresh_phone(world)
    fact = phone.replica.record("amended", phone.reading(), ticket=ticket, visit="v1", body={"set": {"contact_phone": "222"}})
    world.say(ticket, "correct", set={"contact_phone": "333"})
    phone.sync()
    why = world.get(f"/v1/explain/ticket/{ticket}", params={"field": "contact_phone"}, role=Role.STATION_HEAD)
    assert (why["shown"], why["rule"], why["contested"], why["by"]["by"]) == ("333", "three_way", True, "user:admin")
    assert {row["value"]: row["by"] for row in why["alternatives"]} == {
        "111": "user:admin",
        "222": f"member:{phone.enrolled.member}",
    }
    assert next(row for row in why["alternatives"] if row["fact"] == fact)["interval"][1] >= world.now
    state = world.get(f"/v1/explain/ticket/{ticket}", params={"field": "state"})
    assert state["rule"] == "derived" and {row["kind"] for row in state["from"]} == {"created", "assigned"}
    unknown = world.get(f"/v1/explain/ticket/{ticket}", params={"field": "weather"})
    assert "contact_phone" in unknown["known"] and "state" in unknown["known"]


def test_work_on_a_cancelled_ticket_stands_and_opens_a_contest_a_person_settles(world: World) -> None:
    ticket, phone = world.ticket(), fresh_phone(world)
    phone.record("arrival", ticket)
    finish = phone.record("finish", ticket)
    world.say(ticket, "cancel", reason="double report")
    phone.sync()
    view = world.view(ticket)
    assert view["state"] == "cancelled" and view["visits"]["v1"]["finished"]["fact"] == finish
    assert finish in [row["fact"] for row in view["contests"]["state"]["alternatives"]]
    world.say(ticket, "decide", field="state", choose=finish, reason="the work was done")
    assert world.view(ticket)["state"] == "completed" and "contests" not in world.view(ticket)
    assert [row["open"] for row in world.hq("contest", ticket=ticket)] == [False]


def test_a_suspension_stops_the_clock_once_the_office_approves_it(world: World) -> None:
    ticket, phone = world.ticket(), fresh_phone(world)
    pause = phone.record("suspension", ticket, reason="locked gate")
    phone.sync()
    world.wait(minutes=60)
    phone.record("resumption", ticket)
    phone.sync()

    def due() -> int:
        return int(next(row for row in world.view(ticket)["limits"] if row["name"] == "arrive")["due"][1])

    before = due()
    world.say(ticket, "judge-suspension", suspension=pause, approved=False, reason="no proof")
    assert due() == before
    world.say(ticket, "judge-suspension", suspension=pause, approved=True, reason="photo of the gate")
    assert before + 60 * 60_000 <= due() <= before + 61 * 60_000
    assert len(world.hq("command", ticket=ticket, kind="suspension_judged")) == 2


def test_roles_of_the_office_do_what_they_may_and_no_more(world: World) -> None:
    ticket = world.ticket()
    assert refused(world, ticket, "cancel", role=Role.AGENT) == "forbidden"
    assert refused(world, ticket, "cancel", role=Role.HQ) == "forbidden"
    good(world.ask("POST", f"/v1/tickets/{ticket}/cancel", role=Role.DISPATCHER, json={}))


def test_a_generated_number_that_is_taken_is_drawn_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = "01a20000-0000-7000-8000-00000000000a", "01a20000-0000-7000-8000-00000000000b"
    drawn = iter([taken, taken, free])
    monkeypatch.setattr(world.service, "new_id", lambda: next(drawn, free))
    made = [good(world.ask("POST", "/v1/tickets", json={"kind": "fault_repair"})).json() for _ in range(2)]
    assert [(row["id"], row["number"]) for row in made] == [(taken, "WO-0000000010"), (free, "WO-0000000011")]
