"""Bytes from strangers: a line of a signed journal is stored whatever it holds; a request that is wrong changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from inspect import getsource
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import wire
from sync.facts import Fact, FactId, Truth
from sync.journal import LINE_BYTES_MAX, fact_id, genesis
from sync.kinds import KINDS
from sync.problems import PROBLEMS, QUARANTINE, Refused
from sync.wire import Quarantine, encode, parse_envelope, parse_line, parse_reply, split_body
from tests.scene import PhoneKeys, Scene
from tests.sync.hostile import GOOD, HOSTILE, line, nested
from tests.sync.world import enrolled, held, push_raw, stored


@pytest.mark.parametrize("name", HOSTILE)
def test_stored_verbatim_quarantined_with_a_slug_next_line_proceeds(name: str) -> None:
    raw, slug = HOSTILE[name]
    scene = Scene()
    scene.ticket("t1", crew="A")
    scene.ticket("t2", crew="B", remarks="theirs")
    phone = enrolled(scene, "a")
    before = scene.view("t2")
    body, facts = push_raw(scene, phone, [raw, line(n=3)])
    assert isinstance(scene.exchange(body), bytes)
    assert stored(scene, phone.replica.journal.id)[2] == raw, "byte for byte"
    outcome = scene.outcome(facts[0])
    assert outcome is not None and (outcome["outcome"], outcome["slug"]) == ("quarantined", slug)
    assert [note["fact"] for note in scene.view("t1")["visits"]["v1"]["notes"]] == [facts[1]]
    assert scene.view("t2") == before
    assert scene.store.ledger.size == len(scene.store.lines()), "it is a leaf of the ledger like any other"


def test_a_revoked_authors_lines_are_stored_and_quarantined_also_the_ones_nobody_could_read() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    device = phone.device
    scene.store.devices["a"] = type(device)(device.id, device.member, device.crew, device.crews, None, device.key, revoked=True)
    body, facts = push_raw(scene, phone, [line(), b"\xff", line(n=4)])
    scene.exchange(body)
    slugs = [(scene.outcome(fact) or {}).get("slug") for fact in facts]
    assert slugs == ["revoked-author", "bad-utf8", "revoked-author"]
    assert "v1" not in scene.view("t1")["visits"] and len(stored(scene, phone.replica.journal.id)) == 4


def test_a_device_of_another_crew_does_not_get_a_foot_in_the_door_by_raising_a_ticket_that_exists() -> None:
    scene = Scene()
    scene.ticket("t2", crew="B", contact_phone="1")
    phone = enrolled(scene, "a")
    lines = [
        line(kind="raised", ticket="t2", visit=None, text=None, set={"contact_phone": "666"}),
        line(n=3, ticket="t2"),
        line(n=4, kind="amended", ticket="t2", visit=None, text=None, set={"contact_phone": "666"}),
    ]
    body, facts = push_raw(scene, phone, lines)
    scene.exchange(body)
    assert [(scene.outcome(fact) or {}).get("slug") for fact in facts] == ["foreign-ticket"] * 3
    assert "666" not in json.dumps(scene.view("t2"))


def test_a_quarantined_line_names_no_ticket_it_could_not_read_and_goes_to_its_own_device_only() -> None:
    scene = Scene()
    phone, other = enrolled(scene, "a"), enrolled(scene, "b")
    body, facts = push_raw(scene, phone, [b"NaN"])
    scene.exchange(body)
    other.sync()
    assert other.pocket.row(("outcome", FactId(facts[0]))) is None
    reply = scene.exchange(push_raw(scene, phone, [b"NaN"])[0])
    assert isinstance(reply, bytes) and facts[0].encode() in reply


def test_depth_sixteen_is_still_read() -> None:
    for raw in (nested(15), nested(15).replace(b"t1", b"\\u0074\\u0031")):
        found = parse_line(raw, 2, FactId(""))
        assert isinstance(found, Quarantine) and (found.slug, "text" in found.detail) == ("bad-field", True)


def test_ordinary_text_of_any_script_is_read() -> None:
    for text in ("供电所 ⚡ 😀", 'a "quoted": colon', "back\\slash", "tab\tline", '":"', "é" * 2000):
        found = parse_line(line(text=text), 2, FactId(""))
        assert isinstance(found, Fact) and found.body["text"] == text
        found = parse_line(json.dumps(GOOD | {"text": text}).encode(), 2, FactId(""))
        assert isinstance(found, Fact) and found.body["text"] == text


def test_every_slug_the_wire_can_give_is_in_the_table() -> None:
    """Slugs are raised as literals, so the source names them all."""
    given_slugs = set(re.findall(r'_Unfit\(\s*"([a-z0-9-]+)"', getsource(wire)))
    assert given_slugs and given_slugs <= set(QUARANTINE)
    assert {slug for _, slug in HOSTILE.values()} >= given_slugs
    for problem in PROBLEMS.values():
        assert problem.title and problem.title_zh and problem.normal and 400 <= problem.status < 600


# ------------------------------------------------------------------------------------------------------- fuzz: never a crash

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
_ENVELOPE = {
    "v": 1, "app": "1.0", "journal": "j", "after": fact_id(genesis("j")), "from": 1, "n": 1, "head": fact_id(genesis("j")),
    "checkpoint": "x", "cursor": {"k1": {"crew:A": 1}}, "ledger": 1, "limit_bytes": 4096, "waiting": 0, "oldest_s": 0,
    "free_mb": 1, "persisted": True, "mark": "Zm9vYmFy",
}  # fmt: skip


def _damage(good: bytes) -> st.SearchStrategy[bytes]:
    """The good bytes with a piece replaced by anything."""
    places = st.integers(0, len(good))
    return st.tuples(places, places, st.binary(max_size=6)).map(
        lambda cut: good[: min(cut[:2])] + cut[2] + good[max(cut[:2]) :]
    )


@given(st.one_of(st.binary(max_size=60), _JSON.map(lambda value: json.dumps(value).encode()), _damage(line())))
def test_a_line_is_a_fact_or_quarantined_whatever_it_holds(raw: bytes) -> None:
    found = parse_line(raw, 2, FactId(""))
    assert isinstance(found, Fact) or found.slug in QUARANTINE


@given(st.sampled_from(sorted(GOOD)), _JSON)
def test_a_line_with_any_value_anywhere_is_a_fact_or_quarantined(name: str, value: Any) -> None:
    found = parse_line(json.dumps(GOOD | {name: value}).encode(), 2, FactId(""))
    assert isinstance(found, Fact) or found.slug in QUARANTINE


def _only_refuses(act: Callable[[], object]) -> None:
    try:
        act()
    except Refused as refusal:
        assert refusal.problem.slug in ("bad-envelope", "too-large")


@given(st.one_of(st.binary(max_size=80), _JSON.map(lambda value: json.dumps(value).encode()), _damage(encode(_ENVELOPE))))
def test_an_envelope_is_read_or_refused(raw: bytes) -> None:
    _only_refuses(lambda: parse_envelope(raw, 1))
    _only_refuses(lambda: split_body(raw, lines_max=3))


@given(st.sampled_from(sorted(_ENVELOPE)), _JSON, st.integers(0, 2))
def test_an_envelope_with_any_value_anywhere_is_read_or_refused(name: str, value: Any, count: int) -> None:
    _only_refuses(lambda: parse_envelope(json.dumps(_ENVELOPE | {name: value}).encode(), count))


def test_a_good_envelope_goes_round() -> None:
    envelope = parse_envelope(encode(_ENVELOPE), 1)
    assert json.loads(wire.write_envelope(envelope, 1)) == _ENVELOPE
    assert set(_ENVELOPE) == wire._ENVELOPE_MEMBERS


BAD_ENVELOPES: dict[str, tuple[dict[str, Any], str]] = {
    "another version of the wire": ({"v": 2}, "bad-envelope"),
    "no version": ({"v": None}, "bad-envelope"),
    "a journal that is a path": ({"journal": "../x"}, "bad-envelope"),
    "n below zero": ({"n": -1}, "bad-envelope"),
    "n beyond the lines": ({"n": 9}, "bad-chain"),
    "n before the lines": ({"n": 1}, "bad-envelope"),
    "no head": ({"head": None}, "bad-envelope"),
    "a head that is no hash": ({"head": "x"}, "bad-envelope"),
    "another head": ({"head": fact_id(genesis("other"))}, "bad-chain"),
    "another beginning": ({"after": fact_id(genesis("other"))}, "bad-chain"),
    "no beginning": ({"after": None}, "bad-envelope"),
    "from zero": ({"from": 0}, "bad-envelope"),
    "from elsewhere": ({"from": 1}, "bad-chain"),
    "no checkpoint": ({"checkpoint": None}, "bad-checkpoint"),
    "a forged checkpoint": ({"checkpoint": "x|{}"}, "bad-checkpoint"),
    "a checkpoint of another place": (
        {"checkpoint": PhoneKeys("key-a").checkpoint("elsewhere", 2, fact_id(genesis("elsewhere")))},
        "bad-checkpoint",
    ),
    "another device's checkpoint": (
        {"checkpoint": PhoneKeys("key-b").checkpoint("elsewhere", 2, fact_id(genesis("elsewhere")))},
        "bad-checkpoint",
    ),
    "a journal nobody opened": ({"journal": "nobodys"}, "unknown-device"),
    "a cursor of the wrong shape": ({"cursor": {"k1": {"crew:A": "1"}}}, "bad-envelope"),
    "a cursor below zero": ({"cursor": {"k1": {"crew:A": -1}}}, "bad-envelope"),
    "a cursor with a thousand scopes": ({"cursor": {"k1": {str(i): 1 for i in range(1000)}}}, "bad-envelope"),
    "a mark too long": ({"mark": "123456789"}, "bad-envelope"),
    "a mark that is no text": ({"mark": 1}, "bad-envelope"),
    "a page too small": ({"limit_bytes": 1}, "bad-envelope"),
}


@pytest.mark.parametrize("name", BAD_ENVELOPES)
def test_a_wrong_transport_is_refused_and_changes_nothing(name: str) -> None:
    changes, slug = BAD_ENVELOPES[name]
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    body, _ = push_raw(scene, phone, [line()], **changes)
    before = dict(scene.store.lines()), scene.store.position, scene.store.chains(phone.replica.journal.id)
    answer = scene.exchange(body)
    assert isinstance(answer, Refused) and answer.problem.slug == slug
    assert (dict(scene.store.lines()), scene.store.position, scene.store.chains(phone.replica.journal.id)) == before
    assert isinstance(scene.exchange(push_raw(scene, phone, [line()])[0]), bytes), "and the same lines, rightly sent, are taken"


def test_too_many_lines_are_refused() -> None:
    with pytest.raises(Refused, match="too-large"):
        split_body(b"\n".join([b"{}"] * 2002), lines_max=2000)
    assert len(split_body(b"\n".join([b"{}"] * 2001), lines_max=2000)[1]) == 2000


# ------------------------------------------------------------------------------------------------------------------ replies


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30),
            _JSON.map(lambda value: json.dumps(value).encode()),
            st.sampled_from(["statement", "scope", "problem", "end"]).flatmap(
                lambda name: _JSON.map(lambda value: json.dumps({name: value}).encode())
            ),
        ),
        max_size=4,
    )
)
def test_any_reply_is_read_as_far_as_it_goes_and_destroys_nothing(lines: list[bytes]) -> None:
    body = b"\n".join(lines) + b"\n"
    reply = parse_reply(body)
    assert reply.end is None or isinstance(reply.end["cursor"], dict)
    scene = Scene()
    phone = enrolled(scene, "a")
    phone.record("note", "t1", "v1", text="mine")
    before = held(phone), phone.replica.state.cursor, [item["fact"] for item in phone.replica.queue()]
    phone.replica.request()
    scene.deliver(phone, body)
    after = held(phone), phone.replica.state.cursor, [item["fact"] for item in phone.replica.queue()][: len(before[2])]
    assert after == before and phone.replica.waiting >= 1
    phone.sync()


PORTALS = (
    b"<html><body>Please sign in to the hotel network</body></html>\n",
    b'{"end":true,"cursor":{"evil":{}},"more":false}\n',
    b'{"statement":"nonsense"}\n{"end":true,"cursor":{"evil":{}},"more":false}\n',
    b'{"statement":null}\n{"scope":"crew:A","gone":"scope"}\n{"end":true,"cursor":{"evil":{}},"more":false}\n',
    b'{"problem":"sign in"}\n',
    b"",
    b"\x1f\x8b\x08garbage\n",
)


@pytest.mark.parametrize("page", PORTALS)
def test_a_captive_portals_reply_deletes_nothing_and_states_nothing(page: bytes) -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    fact = phone.record("note", "t1", "v1", text="mine")
    before = held(phone), dict(phone.replica.state.cursor), phone.replica.waiting
    phone.replica.request()
    applied = scene.deliver(phone, page)
    assert applied.stated == 0 and not applied.changed and not applied.forked
    assert (held(phone), dict(phone.replica.state.cursor), phone.replica.waiting) == before
    assert next(item["truth"] for item in phone.replica.queue() if item["fact"] == fact) == Truth.WAITING
    phone.sync()


def test_a_reply_cut_at_any_byte_applies_no_half_page() -> None:
    """The statement counts as soon as it is whole; the page counts when its end line is."""
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    for index in range(3):
        scene.ticket(f"n{index}", remarks="x" * 50)
    phone.record("note", "t1", "v1", text="mine")
    reply = scene.exchange(phone.replica.request().body)
    assert isinstance(reply, bytes)
    start, state = phone.pocket.snapshot(), phone.replica.state.cursor
    before, statement_end = held(phone), reply.index(b"\n") + 1
    for cut in range(len(reply)):
        phone.pocket.restore(start)
        phone.replica.__init__(phone.pocket, phone.replica._signer, scene.new_id)  # type: ignore[misc]
        applied = scene.deliver(phone, reply[:cut])
        assert held(phone) == before and phone.replica.state.cursor == state and not applied.complete
        assert applied.stated == (1 if cut >= statement_end else 0)
    assert scene.deliver(phone, reply).complete and held(phone) != before


def test_lines_of_a_reply_nobody_knows_yet_are_passed_over() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    reply = scene.exchange(phone.replica.request().body)
    assert isinstance(reply, bytes)
    statement, rest = reply.split(b"\n", 1)
    future = b'{"hint":"new"}\n{"scope":"crew:A","hint":1}\n'
    scene.deliver(phone, statement + b"\n" + future + rest)
    assert phone.replica.show("t1") is not None


# --------------------------------------------------------------------------------------------------------------- what is saved


@pytest.mark.parametrize("name", [kind.name for kind in KINDS.values() if kind.name not in ("opening",)])
def test_what_does_not_fit_is_not_saved(name: str) -> None:
    scene = Scene()
    phone = enrolled(scene, "a")
    waiting = phone.replica.waiting
    with pytest.raises(Refused, match="bad-value"):
        phone.record(name, "t1", "v1", no_such_field=1)
    with pytest.raises(Refused, match="bad-value"):
        phone.record("note", "t1", "v1", text="x" * LINE_BYTES_MAX)
    assert phone.replica.waiting == waiting
