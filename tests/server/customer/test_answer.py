"""What becomes of an answer from the customer's own phone: who reads it, which counts, until when, and what nobody learns."""

from __future__ import annotations

import json

import pytest

from server.auth import Role
from server.keys import KeyRing
from server.visit_links import Assignment, VisitLinks
from tests.server.api.world import Phone, World, feed_rows
from tests.server.customer.scene import Customers, Page

DAY_MIN = 24 * 60


def finish(phone: Phone, ticket: str, visit: str = "v1") -> None:
    for kind in ("acceptance", "departure", "arrival", "start", "finish"):
        phone.world.wait(minutes=1)
        phone.record(kind, ticket, visit)
    phone.sync()


def hand_over(phone: Phone, ticket: str, overall: int) -> None:
    opened = phone.record("rating_opened", ticket)
    kid, sealed = phone.enrolled.keys.seal_rating({"overall": overall}, ticket=ticket, visit="v1", opened=opened)
    phone.record("rating", ticket, opened=opened, result="answered", sealed=sealed, kid=kid)
    phone.sync()


def test_headquarters_reads_what_the_customer_answered(customers: Customers) -> None:
    ticket, phone, path = customers.job()
    finish(phone, ticket)
    form = {"overall": "1", "timeliness": "2", "fixed": "no", "why_late": "on", "comment": "等了三个小时"}
    assert customers.send(path, form).status_code == 200
    [row] = customers.told(ticket)
    expected = {"overall": 1, "timeliness": 2, "fixed": False, "reasons": ["late"], "comment": "等了三个小时"}
    assert row["answer"] == expected
    assert (row["channel"], row["standing"], row["visit"], row["waiting"]) == ("own_phone_qr", "counts", "v1", False)
    assert row["crew"] == "A" and row["interval"] == [customers.world.now] * 2


def test_the_thank_you_is_the_same_to_the_byte_for_every_answer(customers: Customers) -> None:
    seen = set()
    for form in (*({"overall": str(level)} for level in range(1, 6)), {"overall": "1", "why_manner": "on", "comment": "x"}):
        answer = customers.send(customers.job()[2], form)
        headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
        seen.add((answer.status_code, answer.content, json.dumps(headers)))
    assert len(seen) == 1


def test_a_second_answer_is_told_politely_that_the_first_counts(customers: Customers) -> None:
    ticket, _, path = customers.job()
    customers.send(path, {"overall": "2"})
    again = customers.send(path, {"overall": "5"})
    assert again.status_code == 200 and "以第一次提交的评价为准" in Page(again).text
    assert again.content == customers.open(path).content
    assert customers.answers(ticket) == [{"overall": 2}]


def test_every_score_is_stored_in_the_same_length_and_nowhere_in_the_clear(customers: Customers) -> None:
    world, lengths = customers.world, set()
    for overall in ("1", "5"):
        ticket, _, path = customers.job()
        customers.send(path, {"overall": overall, "comment": f"明文暗号{overall}" * (30 if overall == "1" else 1)})
        [(line,)] = world.rows(
            "SELECT body.line FROM fact JOIN body ON body.seq = fact.seq WHERE fact.kind = 'own_rating' AND fact.ticket = ?",
            ticket,
        )
        lengths.add(len(json.loads(line)["sealed"]))
        [(doc, tail)] = world.rows("SELECT doc, tail FROM record WHERE kind = 'ticket' AND id = ?", ticket)
        for held in (line, doc, tail):
            assert "明文暗号".encode() not in bytes(held) and b"overall" not in bytes(held)
    assert len(lengths) == 1


def test_the_customers_own_phone_outranks_the_crews(customers: Customers) -> None:
    ticket, phone, path = customers.job()
    finish(phone, ticket)
    hand_over(phone, ticket, 5)
    customers.send(path, {"overall": "1"})
    rows = {row["channel"]: row for row in customers.told(ticket)}
    assert (rows["handed_over_device"]["standing"], rows["handed_over_device"]["answer"]) == ("outranked", {"overall": 5})
    assert (rows["own_phone_qr"]["standing"], rows["own_phone_qr"]["answer"]) == ("counts", {"overall": 1})


def test_an_answer_that_is_faster_than_the_visits_facts_waits_for_them(customers: Customers) -> None:
    ticket, phone, path = customers.job()
    phone.record("arrival", ticket)
    customers.send(path, {"overall": "4"})
    [row] = customers.told(ticket)
    assert (row["visit"], row["waiting"]) == (None, True)
    phone.sync()
    [row] = customers.told(ticket)
    assert (row["visit"], row["waiting"], row["answer"]) == ("v1", False, {"overall": 4})


def test_after_a_transfer_the_old_crews_link_still_rates_its_visit_and_shows_its_name(customers: Customers) -> None:
    ticket, phone, old = customers.job("A")
    finish(phone, ticket)
    customers.world.say(ticket, "reopen", reason="again")
    customers.world.say(ticket, "transfer", crew="C")
    second = customers.world.phone("C")
    second.sync()
    new = second.view(ticket)["rating_path"]
    assert new != old and "A班" in Page(customers.open(old)).text and "C班" in Page(customers.open(new)).text
    customers.send(old, {"overall": "3"})
    customers.send(new, {"overall": "5"})
    assert {(row["crew"], row["answer"]["overall"]) for row in customers.told(ticket)} == {("A", 3), ("C", 5)}


def test_a_link_closes_two_weeks_after_the_visit_ended(customers: Customers) -> None:
    ticket, phone, path = customers.job()
    customers.world.wait(minutes=10 * DAY_MIN)
    finish(phone, ticket)
    customers.world.wait(minutes=14 * DAY_MIN)
    assert customers.open(path).status_code == 200
    customers.world.wait(minutes=1)
    assert customers.open(path).status_code == 410
    assert customers.send(path, {"overall": "5"}).status_code == 410
    assert customers.told(ticket) == []


def test_a_link_works_again_after_the_server_was_started_anew(world: World, customers: Customers) -> None:
    ticket, _, path = customers.job()
    anew = VisitLinks(KeyRing.load(world.service.settings.keys_directory))
    assert anew.read(path.removeprefix("/r/")) == Assignment(ticket, 1)


# ----------------------------------------------------------------------------------------------------------- who sees what


def test_the_crew_gets_the_link_of_its_present_assignment_and_no_other_reader_gets_one(customers: Customers) -> None:
    ticket, phone, path = customers.job()
    assert path == phone.view(ticket)["rating_path"] and len(path) < 60
    assert "rating_path" not in customers.office_view(ticket)
    for role in (Role.HQ, Role.ADMIN, Role.INTEGRATOR, Role.SUPERVISOR):
        body = customers.world.ask("GET", "/v1/hq/feed", role=role).content
        assert b"rating_path" not in body and path.encode() not in body
        assert any(row.get("id") == ticket for row in feed_rows(body)), "and every row is whole"
    for url in ("/v1/tickets?limit=1000", f"/v1/explain/ticket/{ticket}?field=state", "/v1/hq/export/ticket"):
        assert path not in customers.world.ask("GET", url).text


def test_a_crew_learns_that_an_answer_came_and_nothing_of_it(customers: Customers) -> None:
    ticket, phone, path = customers.job()
    finish(phone, ticket)
    customers.send(path, {"overall": "1", "why_manner": "on", "comment": "暗号差评"})
    phone.replica.state.cursor = {}
    reply, _ = phone.send()
    assert list(phone.view(ticket)["own_ratings"]) == [f"{ticket}:1"]
    for secret in ("暗号差评", '"overall"', '"sealed"', '"answer"', '"manner"', '"kid"', "outranked"):
        assert secret not in reply.decode(), secret
    assert not [key for key in phone.held() if key[0] == "rating"]


def test_nobody_at_a_desk_reads_or_writes_it(customers: Customers) -> None:
    world = customers.world
    ticket, _, path = customers.job()
    customers.send(path, {"overall": "1", "comment": "暗号差评"})
    field = f"own_ratings/{ticket}:1"
    told = world.get(f"/v1/explain/ticket/{ticket}", params={"field": field}, role=Role.DISPATCHER)
    assert told["shown"] == {"assignment": f"{ticket}:1", "crew": "A"}
    for role in (Role.DISPATCHER, Role.ADMIN, Role.STATION_HEAD, Role.AGENT):
        for url in (f"/v1/tickets/{ticket}", f"/v1/explain/ticket/{ticket}?field={field}", "/v1/tickets?limit=1000"):
            text = world.ask("GET", url, role=role).text
            assert "暗号差评" not in text and '"overall"' not in text and '"sealed"' not in text
    answer = world.ask(
        "POST", f"/v1/tickets/{ticket}/own_rating", json={"assignment": f"{ticket}:1", "sealed": "x", "kid": "x"}
    )
    assert answer.status_code == 404
    fact = told["by"]["fact"]
    with world.untouched():
        decide = {"field": field, "choose": fact, "reason": "kinder"}
        assert world.ask("POST", f"/v1/tickets/{ticket}/decide", json=decide).status_code == 403


def test_the_admin_reads_the_feed_without_a_word_the_customer_wrote(customers: Customers) -> None:
    _, _, path = customers.job()
    customers.send(path, {"overall": "2", "comment": "暗号留言"})
    assert "暗号留言" not in customers.world.ask("GET", "/v1/hq/feed", role=Role.ADMIN).text
    assert "暗号留言" in customers.world.ask("GET", "/v1/hq/feed", role=Role.HQ).text
    assert "暗号留言" not in customers.world.ask("GET", "/v1/hq/export/rating").text


def test_a_rating_counts_in_headquarters_table(customers: Customers) -> None:
    ticket, _, path = customers.job()
    customers.send(path, {"overall": "3"})
    [row] = [line for line in customers.world.ask("GET", "/v1/hq/export/rating").text.splitlines() if ticket in line]
    assert "own_phone_qr" in row and row.endswith(",3")


@pytest.mark.parametrize("merge", ["before", "after"])
def test_a_ticket_that_was_merged_keeps_its_customers_answer(customers: Customers, merge: str) -> None:
    parent, _, _ = customers.job("C")
    child, phone, path = customers.job("A")
    finish(phone, child)
    if merge == "before":
        customers.world.say(child, "merge", parent=parent)
    assert customers.send(path, {"overall": "2"}).status_code == 200
    if merge == "after":
        customers.world.say(child, "merge", parent=parent)
    [row] = customers.told(child)
    assert (row["visit"], row["answer"], row["standing"]) == ("v1", {"overall": 2}, "counts")
    assert f"{child}:1" in customers.office_view(parent)["own_ratings"]
