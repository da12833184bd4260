"""The device's key authorises the push, the token only the pull; idle and repeated requests are small and write nothing."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest

from server.auth import Role
from tests.server.api.world import HandPhone, Phone, World, running_world, slug


def arrival(world: World, phone: HandPhone) -> tuple[str, bytes]:
    ticket = world.ticket()
    return ticket, phone.line("arrival", ticket=ticket)


# ----------------------------------------------------------------------------------------------------- key and token


@pytest.mark.parametrize("what", ["none", "garbage", "expired", "an office token", "another phone's"])
def test_without_a_usable_token_the_push_is_stored_and_stated_and_the_pull_refused(world: World, what: str) -> None:
    phone = world.hand_phone()
    tokens = {
        "none": None,
        "garbage": "a.b.c",
        "an office token": world.token(Role.HQ),
        "another phone's": world.enrol("B").token,
    }
    if what == "expired":
        world.wait(minutes=world.service.settings.token_minutes + 1)
    token = phone.enrolled.token if what == "expired" else tokens[what]
    ticket, line = arrival(world, phone)
    body = phone.body(line)
    reply = phone.send(body, token=token)
    assert reply.response.status_code == 200 and reply.stated == 2
    assert reply.problem["slug"] == "sign-in" and reply.problem["action"] == "sign-in"
    assert not reply.complete and not [row for row in reply.rows if "scope" in row], "not a row of the feed"
    assert world.view(ticket)["state"] == "on_site"


def test_a_token_that_ended_while_offline_is_exchanged_by_the_device_key(world: World) -> None:
    ticket, phone = world.ticket(), world.phone()
    phone.sync()
    world.wait(minutes=40 * 24 * 60)
    phone.record("arrival", ticket)
    _, applied = phone.send()
    assert applied.stated == 1 and applied.problem is not None and applied.problem["slug"] == "sign-in"
    asked = world.post("/v1/token", {"assertion": phone.enrolled.assertion(world)}, role=None)
    assert asked["time"] == world.now
    _, applied = phone.send(token=asked["token"])
    assert applied.complete and phone.view(ticket)["state"] == "on_site"


def test_a_phone_with_a_wrong_clock_learns_the_time_with_the_refusal_of_its_assertion(world: World) -> None:
    phone = world.enrol()
    asked = world.ask("POST", "/v1/token", role=None, json={"assertion": phone.assertion(world, iat_s=946_684_800)})
    assert slug(asked) == "sign-in" and abs(asked.json()["time"] - world.now) < 1000
    again = phone.assertion(world, iat_s=asked.json()["time"] // 1000)
    assert world.post("/v1/token", {"assertion": again}, role=None)["token"]


def test_one_phones_token_with_anothers_journal_pulls_for_neither(world: World) -> None:
    ours, theirs = world.hand_phone("A"), world.hand_phone("B")
    secret = world.ticket(crew="B", address="theirs alone")
    reply = theirs.send(theirs.body(theirs.line("note", ticket=secret, text="x")), token=ours.enrolled.token)
    assert reply.stated == 2 and reply.problem["slug"] == "sign-in"
    assert "theirs alone" not in reply.response.text
    [(by,)] = world.rows("SELECT device FROM journal WHERE journal = ?", theirs.journal)
    assert by == theirs.enrolled.device, "facts belong to the key that signed them"


def test_a_revoked_phone_is_heard_but_told_nothing_more(world: World) -> None:
    ticket, phone = world.ticket(), world.phone()
    phone.sync()
    world.post(f"/v1/devices/{phone.enrolled.device}/revoke", {})
    news = world.ticket(address="after the revocation")
    fact = phone.record("arrival", ticket)
    body, applied = phone.send()
    assert applied.stated == 1 and applied.problem is not None and applied.problem["slug"] == "forbidden"
    assert phone.replica.show(news) is None and b"after the revocation" not in body
    assert [row["slug"] for row in world.hq("outcome", id=fact)] == ["revoked-author"]
    asked = world.ask("POST", "/v1/token", role=None, json={"assertion": phone.enrolled.assertion(world)})
    assert slug(asked) == "forbidden", "and it gets no new token"


def test_revoking_twice_says_so_and_changes_nothing(world: World) -> None:
    device = world.enrol().device
    assert world.post(f"/v1/devices/{device}/revoke", {})["changed"] is True
    with world.untouched():
        assert world.post(f"/v1/devices/{device}/revoke", {})["changed"] is False


# ------------------------------------------------------------------------------------------------------- small and cheap


@contextmanager
def nothing_written(world: World) -> Iterator[None]:
    """Nothing is committed inside: what is asked for here moves with every commit of another connection."""
    of_postgres = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
    asked = "PRAGMA data_version" if world.service.database.exclusive else of_postgres
    with closing(world.service.new_reader()) as watcher:
        before = watcher.run(asked).fetchone()
        yield
        assert watcher.run(asked).fetchone() == before, "something was committed"


@pytest.fixture(scope="module")
def idle_phone(world: World) -> Phone:
    """A phone at rest that has seen a busy server: large numbers in its cursor."""
    phone = world.phone()
    for _ in range(3):
        phone.record("note", world.ticket(), text="x")
    phone.sync()
    return phone


def test_an_idle_sync_writes_nothing_and_takes_700_bytes_each_way_at_most(world: World, idle_phone: Phone) -> None:
    request = idle_phone.replica.request().body
    with nothing_written(world):
        reply = world.ask("POST", "/v1/sync", token=idle_phone.enrolled.token, content=request)
    assert len(request) <= 700 and b"checkpoint" not in request
    assert int(reply.headers["content-length"]) <= 700
    assert reply.content.count(b"\n") == 2, "a statement and the end"


def test_an_idle_time_request_writes_nothing_and_brings_one_statement(world: World) -> None:
    phone = world.hand_phone()
    stored = phone.body(checkpoint=None, cursor=None)
    with nothing_written(world):
        ask = phone.send(stored, path="/v1/time", token=None)
    assert len(stored) <= 400
    assert [list(row) for row in ask.rows] == [["statement"]] and ask.stated == 1
    assert len(ask.response.content) <= 600, "a signed statement with the ledger's root has about 570 bytes"


def test_time_tells_a_head_whose_lines_come_later_and_bounds_them_from_then_on(world: World) -> None:
    phone = world.hand_phone()
    ticket, line = arrival(world, phone)
    told_at = world.now
    whole = phone.body(line)
    head_only = phone.body(lines=[*phone.lines, line])
    assert phone.send(head_only, path="/v1/time", token=None).stated == 1, "nothing of it is stored yet"
    world.wait(minutes=600)
    assert phone.send(whole).stated == 2
    arrived = world.view(ticket)["visits"]["v1"]["arrived"]
    assert arrived["upper"] <= told_at + 2000


def test_time_stores_lines_as_sync_does(world: World) -> None:
    phone = world.hand_phone()
    ticket, line = arrival(world, phone)
    assert phone.send(phone.body(line), path="/v1/time", token=None).stated == 2
    assert world.view(ticket)["state"] == "on_site"


def test_a_replay_gets_the_same_answer_and_writes_nothing(world: World) -> None:
    phone = world.hand_phone()
    _, line = arrival(world, phone)
    body = gzip.compress(phone.body(line))
    first = phone.send(body, encoding="gzip")
    with world.untouched():
        for _ in range(3):
            again = phone.send(body, encoding="gzip")
            assert again.statement == first.statement and again.rows[1:] == first.rows[1:]


def test_the_same_push_ten_times_at_once_stores_each_line_once_and_states_it_ten_times(world: World) -> None:
    phone = world.hand_phone()
    ticket, line = arrival(world, phone)
    body = phone.body(line)
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda _: phone.send(body), range(10)))
    assert {(reply.stated, reply.problem.get("slug")) for reply in replies} == {(2, None)}
    assert world.rows("SELECT count(*) FROM body WHERE line = ?", line) == [(1,)]
    assert [row["kind"] for row in world.rows_of(ticket)] == ["arrival"]


def test_many_phones_at_once_are_all_stored(world: World) -> None:
    phones = [world.hand_phone() for _ in range(8)]
    ticket = world.ticket()
    bodies = [phone.body(*notes(phone, ticket, 5)) for phone in phones]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda pair: pair[0].send(pair[1]), zip(phones, bodies, strict=True)))
    assert {reply.stated for reply in replies} == {6}
    assert len(world.rows_of(ticket)) == 40
    assert len({row["fact"] for row in world.view(ticket)["visits"]["v1"]["notes"]}) == 40


def notes(phone: HandPhone, ticket: str, count: int) -> list[bytes]:
    made: list[bytes] = []
    for number in range(count):
        made.append(phone.line("note", n=len(phone.lines) + 1 + number, ticket=ticket, text=f"{number}"))
    return made


def test_a_page_of_changes_ends_at_its_limit_and_the_next_goes_on(world: World) -> None:
    for _ in range(6):
        world.ticket(crew="C", description="x" * 1500)
    phone = world.phone("C")
    pages = 0
    seen: set[tuple[str, str]] = set()
    while True:
        request = phone.replica.request(limit_bytes=4096)
        reply = world.ask("POST", "/v1/sync", token=phone.enrolled.token, content=request.body)
        assert len(reply.content) < 4096 + 8192
        applied = phone.replica.apply(reply.content, phone.reading())
        pages += 1
        assert not seen & {key for key in applied.changed if key[0] == "ticket"}, "no row comes twice"
        seen |= set(applied.changed)
        if not applied.more:
            break
    assert pages > 2 and len([key for key in seen if key[0] == "ticket"]) == 6


# ------------------------------------------------------------------------------------------------------------------ quota


def test_beyond_its_quota_a_device_keeps_its_facts_until_tomorrow_and_others_go_on(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running_world(tmp_path_factory.mktemp("quota"), device_facts_per_day_max=5) as world:
        phone, other = world.hand_phone(), world.hand_phone()
        ticket = world.ticket()
        assert phone.push(*notes(phone, ticket, 4)).stated == 5
        body = phone.body(*notes(phone, ticket, 1))
        with world.untouched():
            refused = phone.send(body)
        assert slug(refused.response) == "quota" and refused.problem["action"] == "retry"
        assert phone.send(phone.body(checkpoint=None)).complete, "asking is still free"
        assert other.push(*notes(other, ticket, 4)).stated == 5
        world.wait(minutes=24 * 60)
        assert phone.send(body).stated == 6


def test_a_request_with_a_wrong_signature_costs_its_victim_no_quota(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_world(tmp_path_factory.mktemp("quota"), device_facts_per_day_max=5) as world:
        phone = world.hand_phone()
        ticket = world.ticket()
        bad = phone.body(*notes(phone, ticket, 4), checkpoint=world.enrol().assertion(world))
        for _ in range(5):
            assert slug(phone.send(bad).response) == "bad-checkpoint"
        assert phone.push(*notes(phone, ticket, 4)).stated == 5
