"""What a signed journal holds is stored verbatim whatever it is; what cannot be used waits with its slug and delays nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.server.api.world import HandPhone, World, slug

BAD_BYTES = {
    "bad-utf8": b'{"n":2,"kind":"note","text":"\xff\xfe"}',
    "nul": b'{"n":2,"kind":"note","text":"a\\u0000b"}',
    "bad-json": b'{"n":2,"kind":"note","text":NaN}',
    "duplicate-key": b'{"n":2,"n":2,"kind":"note"}',
    "lone-surrogate": b'{"n":2,"kind":"note","text":"\\udc00"}',
    "too-deep": b'{"n":2,"kind":"note","text":' + b"[" * 17 + b"]" * 17 + b"}",
    "too-long": b'{"n":2,"kind":"note","text":"' + b"x" * 17_000 + b'"}',
    "bad-line": b'{"n":7,"kind":"note","v":1}',
    "bad-number": b'{"n":2,"kind":"note","v":1e999}',
}
MORE_BAD_BYTES = {
    "a bare NUL": (b'{"n":2,"text":"a\x00b"}', "nul"),
    "Infinity": (b'{"n":2,"kind":-Infinity}', "bad-json"),
    "an integer beyond 2^53": (b'{"n":2,"kind":"note","wall":9007199254740994}', "bad-number"),
    "depth 8000": (b"[" * 8_000 + b"]" * 8_000, "too-deep"),
    "UTF-16": ('{"n":2,"kind":"note"}'.encode("utf-16").replace(b"\n", b" "), "bad-utf8"),
    "an empty line": (b"", "bad-json"),
    "a list": (b"[2]", "bad-line"),
    "a number": (b"2", "bad-line"),
    "HTML": (b"<html>", "bad-json"),
}
BAD_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown kind": ({"kind": "levitation"}, "unknown-kind"),
    "the office's own kind": ({"kind": "assigned", "crew": "B"}, "unknown-kind"),
    "a kind that is a list": ({"kind": ["arrival"]}, "unknown-kind"),
    "a future version": ({"v": 2}, "future-version"),
    "the year 9999": ({"wall": 253_370_764_800_000}, "bad-time"),
    "the year 1969": ({"wall": -1}, "bad-time"),
    "latitude 91": ({"fix": {"lat": 91, "lon": 116}}, "bad-field"),
    "no visit": ({"visit": None}, "bad-field"),
    "a visit with a path": ({"visit": "../../x"}, "bad-field"),
    "a field nobody knows": ({"colour": "red"}, "bad-field"),
    "a fence below nothing": ({"fence": -1}, "bad-field"),
    "an anchor that is a number": ({"anchor": 5}, "bad-field"),
    "a base of another shape": ({"base": 5}, "bad-field"),
    "a boot without end": ({"boot": "b" * 41}, "bad-field"),
    "a ticket nobody knows": ({"ticket": "nobody"}, "unknown-ticket"),
}


def held_up(world: World, phone: HandPhone, bad: bytes, expected: str) -> None:
    """Push `bad` and a good arrival after it; check that the one waits and the other counts, everywhere it is told."""
    ticket = world.ticket()
    phone.lines.append(bad)
    after = phone.line("arrival", ticket=ticket)
    phone.lines.pop()
    reply = phone.push(bad, after)
    assert reply.stated == len(phone.lines), "stated means durable, whatever the line holds"
    heads = phone.heads()
    arrived = world.view(ticket)["visits"]["v1"]["arrived"]
    assert arrived["fact"] == heads[-1], "the next line proceeds"
    told = reply.puts("outcome")[heads[-2]]
    assert (told["outcome"], told["slug"], told["n"]) == ("quarantined", expected, len(phone.lines) - 1)
    assert told["title"] and told["device"] == phone.enrolled.device
    assert [row["slug"] for row in world.hq("outcome", id=heads[-2])] == [expected], "headquarters hears it too"
    stored = "SELECT body.line, fact.slug FROM fact JOIN body ON body.seq = fact.seq ORDER BY fact.seq DESC LIMIT 2"
    assert world.rows(stored) == [(after, ""), (bad, expected)], "stored as the bytes that came"


@pytest.fixture(scope="module")
def phone(world: World) -> HandPhone:
    return world.hand_phone()


def placed(phone: HandPhone, bad: bytes) -> bytes:
    """The bytes as line n of this journal, where they say an n at all."""
    return bad.replace(b'"n":2', b'"n":%d' % (len(phone.lines) + 1))


@pytest.mark.parametrize("expected", BAD_BYTES)
def test_a_line_is_stored_and_waits_as(world: World, phone: HandPhone, expected: str) -> None:
    held_up(world, phone, placed(phone, BAD_BYTES[expected]), expected)


@pytest.mark.parametrize("what", MORE_BAD_BYTES)
def test_a_line_is_stored_and_waits_that_is(world: World, phone: HandPhone, what: str) -> None:
    bad, expected = MORE_BAD_BYTES[what]
    held_up(world, phone, placed(phone, bad), expected)


@pytest.mark.parametrize("what", BAD_FIELDS)
def test_an_arrival_is_stored_and_waits_that_has(world: World, phone: HandPhone, what: str) -> None:
    fields, expected = BAD_FIELDS[what]
    held_up(world, phone, phone.line("arrival", **{"ticket": "t", **fields}), expected)


def test_an_arrival_at_a_ticket_that_was_never_this_crews_waits_and_does_nothing(world: World, phone: HandPhone) -> None:
    theirs = world.ticket(crew="B")
    before = world.view(theirs)
    held_up(world, phone, phone.line("arrival", ticket=theirs), "foreign-ticket")
    assert world.view(theirs) == before


def test_what_a_revoked_phone_recorded_is_stored_and_waits(world: World) -> None:
    phone, ticket = world.hand_phone(), world.ticket()
    world.post(f"/v1/devices/{phone.enrolled.device}/revoke", {})
    reply = phone.push(phone.line("arrival", ticket=ticket), b"not even JSON")
    assert reply.stated == 3 and reply.problem["slug"] == "forbidden" and not reply.complete
    waiting = world.hq("outcome", device=phone.enrolled.device)
    assert [row["slug"] for row in waiting] == ["revoked-author", "bad-json"]
    assert "v1" not in world.view(ticket)["visits"]


# ----------------------------------------------------------------------------------------------------- a person's word on it


def held(world: World) -> tuple[HandPhone, str, str]:
    """A revoked phone, the ticket it arrived at, and the fact that waits."""
    phone, ticket = world.hand_phone(), world.ticket()
    world.post(f"/v1/devices/{phone.enrolled.device}/revoke", {})
    phone.push(phone.line("arrival", ticket=ticket))
    return phone, ticket, phone.head


def test_a_released_fact_takes_effect_with_the_bounds_it_had_when_it_was_stored(world: World) -> None:
    _, ticket, fact = held(world)
    stored_at = world.now
    world.wait(minutes=500)
    world.say(ticket, "judge-quarantine", fact=fact, do="release", reason="他那天确实在场")
    arrived = world.view(ticket)["visits"]["v1"]["arrived"]
    assert arrived["fact"] == fact
    assert arrived["upper"] <= stored_at + 1000, "released late, it does not become late"
    [told] = world.hq("outcome", id=fact)
    assert told["outcome"] == "applied" and told["decision"]["reason"] == "他那天确实在场"
    assert told["decision"]["by"] == "user:admin"


def test_a_refused_fact_stays_stored_and_without_effect_and_may_still_be_released(world: World) -> None:
    _, ticket, fact = held(world)
    world.say(ticket, "judge-quarantine", fact=fact, do="refuse", reason="not on duty")
    assert "v1" not in world.view(ticket)["visits"]
    assert [row["outcome"] for row in world.hq("outcome", id=fact)] == ["refused"]
    world.say(ticket, "judge-quarantine", fact=fact, do="release", reason="was on duty after all")
    assert world.view(ticket)["visits"]["v1"]["arrived"]["fact"] == fact


def test_a_fact_is_released_once(world: World) -> None:
    _, ticket, fact = held(world)
    body = {"fact": fact, "do": "release", "reason": "r"}
    world.say(ticket, "judge-quarantine", **body)
    with world.untouched():
        assert slug(world.ask("POST", f"/v1/tickets/{ticket}/judge-quarantine", json=body)) == "state-conflict"


def test_releasing_what_cannot_be_read_leaves_it_waiting(world: World) -> None:
    phone, ticket = world.hand_phone(), world.ticket()
    phone.push(b'{"n":2,"kind":"arrival","v":1,"ticket":NaN}')
    world.say(ticket, "judge-quarantine", fact=phone.head, do="release", reason="try")
    [told] = world.hq("outcome", id=phone.head)
    assert (told["outcome"], told["slug"]) == ("quarantined", "bad-json")


def test_a_released_fact_for_a_foreign_ticket_waits_on(world: World) -> None:
    phone, theirs = world.hand_phone("A"), world.ticket(crew="B")
    phone.push(phone.line("arrival", ticket=theirs))
    world.say(theirs, "judge-quarantine", fact=phone.head, do="release", reason="try")
    assert [row["slug"] for row in world.hq("outcome", id=phone.head)] == ["foreign-ticket"]
    assert "v1" not in world.view(theirs)["visits"]


def test_the_word_on_a_fact_comes_down_to_its_phone(world: World) -> None:
    phone, theirs = world.phone("A"), world.ticket(crew="B")
    fact = phone.record("arrival", theirs)
    phone.sync()
    assert [item["truth"] for item in phone.replica.queue() if item["fact"] == fact] == ["needs_you"]
    world.say(theirs, "told-by-phone", crew="A")
    world.say(theirs, "judge-quarantine", fact=fact, do="release", reason="told by phone, recorded late")
    phone.sync()
    assert [item["truth"] for item in phone.replica.queue() if item["fact"] == fact] == ["hq_has_it"]
    assert phone.view(theirs)["visits"]["v1"]["arrived"]["fact"] == fact


def test_every_kind_of_line_in_one_push_yields_one_outcome_each(world: World) -> None:
    phone = world.hand_phone()
    bad = [placed(phone, raw) for raw in BAD_BYTES.values()]
    reply = phone.push(*bad)
    slugs = [row["slug"] for row in sorted(reply.puts("outcome").values(), key=lambda row: row["n"])]
    expected = ["bad-line" if name not in ("bad-utf8", "nul", "bad-json", "duplicate-key") else name for name in BAD_BYTES]
    assert len(slugs) == len(expected) and slugs[:4] == list(BAD_BYTES)[:4]
    assert json.loads(phone.lines[0])["kind"] == "opening" and reply.stated == 1 + len(bad)
