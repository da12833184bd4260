"""What the server says when a journal does not simply go on, and what a phone makes of replies that are not the server's."""

from __future__ import annotations

import pytest

from tests.server.api.world import HandPhone, Phone, World, reading


@pytest.fixture
def phone(world: World) -> HandPhone:
    return world.hand_phone()


def notes(phone: HandPhone, count: int, word: str = "x") -> list[bytes]:
    """So many good lines for the next places."""
    made = []
    for _ in range(count):
        made.append(phone.line("note", ticket="t", text=word))
        phone.lines.append(made[-1])
    del phone.lines[-count:]
    return made


def test_lines_after_an_unknown_line_are_not_stored_and_the_known_heads_are_answered(world: World, phone: HandPhone) -> None:
    lost, later = notes(phone, 2)
    with world.untouched():
        reply = phone.send(phone.body(later, lines=[*phone.lines, lost]))
    assert reply.problem["slug"] == "unknown-after" and reply.problem["action"] == "resync"
    assert reply.problem["heads"] == [{"n": 1, "head": phone.head}]
    assert reply.stated == 1, "and the statement says how far the journal goes here"


def test_from_a_known_head_the_same_lines_are_taken(phone: HandPhone) -> None:
    lost, later = notes(phone, 2)
    assert phone.send(phone.body(later, lines=[*phone.lines, lost])).problem["slug"] == "unknown-after"
    assert phone.push(lost, later).stated == 3


def test_a_journal_this_server_never_heard_of_is_asked_for_from_its_first_line(world: World) -> None:
    phone = world.hand_phone(opened=False)
    phone.lines = [phone.opening()]
    [second] = notes(phone, 1)
    with world.untouched():
        reply = phone.send(phone.body(second))
    assert reply.problem["slug"] == "unknown-after" and reply.problem["heads"] == []
    assert phone.send(phone.body(*phone.lines, second, lines=[])).stated == 2


def test_a_journal_continued_twice_is_kept_twice_and_its_phone_told_to_begin_anew(world: World, phone: HandPhone) -> None:
    ours, theirs = notes(phone, 2, "ours"), notes(phone, 3, "theirs")
    trunk = list(phone.lines)
    assert phone.push(*ours).problem == {}
    reply = phone.send(phone.body(*theirs, lines=trunk))
    assert reply.problem["slug"] == "fork" and reply.problem["action"] == "resync"
    assert reply.stated == 4, "the other branch is stored and stated too"
    branches = world.rows("SELECT name, n FROM journal WHERE journal = ? ORDER BY key", phone.journal)
    assert [n for _, n in branches] == [3, 4]
    count = "SELECT count(*) FROM body WHERE line IN (?, ?, ?, ?, ?)"
    assert world.rows(count, *ours, *theirs) == [(5,)], "no line is lost and none doubled"


def test_each_branch_goes_on_being_stored(world: World, phone: HandPhone) -> None:
    ours, theirs = notes(phone, 2, "ours"), notes(phone, 3, "theirs")
    trunk = list(phone.lines)
    phone.push(*ours)
    phone.send(phone.body(*theirs, lines=trunk))
    more = HandPhone(world, phone.enrolled, phone.journal, [*trunk, *theirs])
    assert more.push(more.line("note", ticket="t", text="more")).stated == 5
    assert phone.push(phone.line("note", ticket="t", text="too")).stated == 4


def test_the_shipped_phone_begins_a_new_journal_after_a_fork_and_loses_nothing(world: World) -> None:
    ticket, phone = world.ticket(), world.phone()
    phone.sync()
    backup = phone.replica._pocket.snapshot()  # type: ignore[attr-defined]
    phone.record("arrival", ticket)
    phone.sync()
    phone.replica._pocket.restore(backup)  # type: ignore[attr-defined]
    restored = Phone(world, phone.enrolled)
    restored.replica = type(phone.replica)(phone.replica._pocket, phone.replica._signer, world.service.new_id)
    note = restored.record("note", ticket, text="after the restore")
    restored.sync()
    assert restored.replica.waiting == 0 and len(restored.replica.state.journals) == 2
    visit = world.view(ticket)["visits"]["v1"]
    assert visit["arrived"] and [row["fact"] for row in visit["notes"]] == [note], "both lives of the phone count"


def test_the_same_bytes_again_get_the_same_answer_and_write_nothing(world: World, phone: HandPhone) -> None:
    body = phone.body(*notes(phone, 3))
    first = phone.send(body)
    with world.untouched():
        again = [phone.send(body) for _ in range(10)]
    assert all(answer.statement == first.statement for answer in again), "ten equal statements"
    assert all(answer.rows[1:] == first.rows[1:] for answer in again), "and ten equal pages"


def test_an_older_part_of_the_journal_is_a_duplicate_and_writes_no_line(world: World, phone: HandPhone) -> None:
    first, second, third = notes(phone, 3)
    start = list(phone.lines)
    phone.push(first, second, third)
    lines = world.rows("SELECT count(*) FROM fact")
    overlap = phone.send(phone.body(first, second, lines=start))
    assert overlap.problem == {} and overlap.stated >= 3
    assert world.rows("SELECT count(*) FROM fact") == lines


def test_a_push_that_overlaps_what_is_stored_stores_the_rest(world: World, phone: HandPhone) -> None:
    first, second, third = notes(phone, 3)
    start = list(phone.lines)
    phone.push(first)
    assert phone.send(phone.body(first, second, third, lines=start)).stated == 4
    assert world.rows("SELECT count(*) FROM fact WHERE chain = (SELECT key FROM journal WHERE name = ?)", phone.journal) == [
        (4,)
    ]


PORTALS = {
    "a login page": b"<html><body>Welcome! Please pay.</body></html>\n",
    "nothing": b"",
    "somebody else's JSON": b'{"statement":"a.b.c"}\n{"end":true,"cursor":{"k":{}}}\n',
    "rows and an end without a statement": b'{"scope":"crew:A","at":9,"kind":"ticket","id":"x","put":{"state":"received"}}\n'
    b'{"end":true,"cursor":{"k9":{"crew:A":9}},"more":false}\n',
    "an end that takes the scope away": b'{"scope":"crew:A","gone":"scope"}\n{"end":true,"cursor":{"k9":{}},"more":false}\n',
}


@pytest.mark.parametrize("what", PORTALS)
def test_a_reply_that_is_not_the_servers_leaves_the_phone_as_it_was(world: World, what: str) -> None:
    ticket, phone = world.ticket(), world.phone()
    phone.sync()
    phone.record("arrival", ticket)
    shown, cursor, held = phone.view(ticket), phone.replica.state.cursor, phone.held()
    phone.replica.request()
    applied = phone.replica.apply(PORTALS[what], reading(world.now))
    assert applied.stated == 0 and not applied.changed
    assert phone.replica.waiting == 1 and phone.view(ticket) == shown
    assert phone.replica.state.cursor == cursor and phone.held() == held
    phone.sync()
    assert world.view(ticket)["state"] == "on_site", "and the real server gets everything afterwards"


def test_a_reply_cut_anywhere_applies_no_row_and_keeps_the_cursor(world: World) -> None:
    phone = world.phone()
    phone.sync()
    ticket = world.ticket()
    outgoing = phone.replica.request()
    whole = world.ask("POST", "/v1/sync", token=phone.enrolled.token, content=outgoing.body).content
    last = whole.rstrip(b"\n").rindex(b"\n") + 1
    for cut in (0, 10, whole.index(b"\n") + 1, last, last + 20, len(whole) - 1):
        before = dict(phone.replica.state.cursor)
        phone.replica.request()
        phone.replica.apply(whole[:cut], reading(world.now))
        assert phone.replica.show(ticket) is None and phone.replica.state.cursor == before
    phone.replica.request()
    phone.replica.apply(whole, reading(world.now))
    assert phone.view(ticket)["state"] == "dispatched"
