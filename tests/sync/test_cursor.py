"""Cursors: whatever is committed between two pulls, nothing is skipped; a cursor that means nothing here starts again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sync.facts import Record, Scope
from sync.hub import pull
from sync.scopes import place
from sync.wire import encode, mark_of
from tests.scene import Phone, Scene
from tests.sync.world import enrolled, held, projection, restore_server, scope_rows

SCOPES = (Scope("crew:A"), Scope("device:a"), Scope("member:m-a"))


class Pulling(RuleBasedStateMachine):
    """Phones pull by tiny pages, are cut off, repeat and overtake, while the office and the crews go on."""

    @initialize()
    def begin(self) -> None:
        self.scene = Scene()
        self.phones = {name: self.scene.phone(name, crew=name[0].upper()) for name in ("a1", "a2", "b1")}
        for index in range(4):
            self.scene.ticket(f"t{index}", crew="AB"[index % 2], remarks="x" * 400)
        self.late: list[tuple[str, bytes]] = []

    @rule(ticket=st.integers(0, 3), crew=st.sampled_from("AB"))
    def transfer(self, ticket: int, crew: str) -> None:
        self.scene.office("transferred", f"t{ticket}", crew=crew)

    @rule(ticket=st.integers(0, 3), text=st.text(max_size=2))
    def correct(self, ticket: int, text: str) -> None:
        self.scene.office("corrected", f"t{ticket}", set={"remarks": text * 150})

    @rule(name=st.sampled_from(["a1", "a2", "b1"]), ticket=st.integers(0, 3))
    def note(self, name: str, ticket: int) -> None:
        self.phones[name].record("note", f"t{ticket}", "v1", text="n")

    @rule(name=st.sampled_from(["a1", "a2", "b1"]), cut=st.one_of(st.none(), st.integers(0, 3000)))
    def pull(self, name: str, cut: int | None) -> None:
        phone = self.phones[name]
        reply = self.scene.exchange(phone.replica.request(limit_bytes=1024).body)
        self.scene.deliver(phone, reply[:cut] if isinstance(reply, bytes) else reply)

    @rule(name=st.sampled_from(["a1", "a2", "b1"]))
    def pull_and_keep_the_reply_for_later(self, name: str) -> None:
        reply = self.scene.exchange(self.phones[name].replica.request(limit_bytes=1024).body)
        assert isinstance(reply, bytes)
        self.late.append((name, reply))

    @rule()
    def a_late_reply_comes(self) -> None:
        if self.late:
            name, reply = self.late.pop()
            self.scene.deliver(self.phones[name], reply)

    @invariant()
    def nobody_holds_what_was_never_theirs(self) -> None:
        for phone in self.phones.values():
            for row in phone.pocket.rows():
                assert all(scope in phone.device.scopes for scope in row.scopes)

    def teardown(self) -> None:
        for name, reply in self.late:
            self.scene.deliver(self.phones[name], reply)
        for phone in self.phones.values():
            phone.sync(rounds=60)
        for phone in self.phones.values():
            phone.sync(rounds=60)
            assert held(phone) == projection(self.scene, phone)


TestPulling = Pulling.TestCase
TestPulling.settings = hypothesis_settings(max_examples=25, stateful_step_count=20, deadline=None)


def _follow(scene: Scene, cursor: Mapping[str, Mapping[str, int]], limit_bytes: int) -> tuple[list[Any], Any]:
    *rows, end = [json.loads(row) for row in pull(scene.store, SCOPES, cursor, limit_bytes)]
    return rows, end


@given(limit_bytes=st.integers(1, 5000), count=st.integers(0, 12))
def test_paging_gives_every_row_once_whatever_the_size_of_a_page(limit_bytes: int, count: int) -> None:
    scene = Scene()
    scene.phone("a")
    for index in range(count):
        scene.ticket(f"t{index}", crew="A", remarks="x" * (index * 37))
    seen: list[str] = []
    cursor: dict[str, dict[str, int]] = {}
    pages, more = 0, True
    while more:
        rows, end = _follow(scene, cursor, limit_bytes)
        seen += [row["id"] for row in rows]
        cursor, more, pages = end["cursor"], end["more"], pages + 1
        assert pages <= count + 2, "every page moves on"
    assert sorted(seen) == sorted({f"t{index}" for index in range(count)})


def test_a_row_larger_than_the_page_is_sent_all_the_same() -> None:
    scene = Scene()
    scene.ticket("t1", crew="A", description="x" * 2000)
    rows, end = _follow(scene, {}, 10)
    assert [row["id"] for row in rows] == ["t1"] and end["more"]


def test_the_feed_keeps_one_row_for_each_object_of_a_scope() -> None:
    scene = Scene()
    scene.ticket("t1", crew="A")
    for index in range(5):
        scene.office("corrected", "t1", set={"remarks": str(index)})
    rows, _ = _follow(scene, {}, 10**6)
    assert [row["put"]["remarks"] for row in rows] == ["4"]


@pytest.mark.parametrize(
    ("cursor", "starts"),
    [
        ({"k1": {"crew:A": 10**9}}, {"crew:A": 0}),
        ({"never-heard-of": {"crew:A": 3}}, {"crew:A": 0}),
        ({"never-heard-of": {"crew:A": 0}}, {}),
        ({"k1": {"crew:A": 2}}, {}),
        ({"k1": {"crew:A": 2}, "older": {"crew:A": 9}}, {"crew:A": 2}),
    ],
)
def test_a_cursor_that_means_nothing_here_starts_again_and_says_so(
    cursor: dict[str, dict[str, int]], starts: dict[str, int]
) -> None:
    scene = Scene()
    scene.ticket("t1", crew="A")
    scene.ticket("t2", crew="A")
    rows, end = _follow(scene, cursor, 10**6)
    assert {row["scope"]: row["from"] for row in rows if "from" in row} == starts
    assert list(end["cursor"]) == ["k1"] and set(end["cursor"]["k1"]) == set(SCOPES)
    if 0 in starts.values():
        assert {row["id"] for row in rows if "put" in row} == {"t1", "t2"}


def test_a_cursor_of_an_older_history_counts_up_to_the_fork_and_starts_again_beyond_it() -> None:
    scene = Scene()
    scene.ticket("t1", crew="A")
    fork = scene.store.position
    restore_server(scene, scene.store, "k2")
    scene.ticket("t2", crew="A")
    for position, expected in ((fork, None), (fork - 1, None), (fork + 1, 0)):
        rows, _ = _follow(scene, {"k1": {"crew:A": position}}, 10**6)
        told = next((row["from"] for row in rows if "from" in row), None)
        assert told == expected
        assert "t2" in {row.get("id") for row in rows}


@pytest.mark.parametrize("cursor", [{"k1": {"crew:A": 10**9}}, {"other": {"crew:A": 1, "crew:Z": 5}}, {"k1": {}}, {}])
def test_a_phone_with_a_foreign_cursor_ends_with_exactly_what_is_there_and_never_wipes(
    cursor: dict[str, dict[str, int]],
) -> None:
    scene = Scene()
    phone = enrolled(scene, "a")
    scene.ticket("t1", crew="A")
    scene.ticket("t2", crew="A")
    phone.sync()
    phone.record("note", "t1", "v1", text="mine")
    phone.replica.state.cursor = cursor
    reply = scene.exchange(phone.replica.request(limit_bytes=1024).body)
    scene.deliver(phone, reply)
    assert {view["id"] for view in phone.replica.tickets()} == {"t1", "t2"}, "also in the middle nothing is missing"
    phone.sync()
    assert held(phone) == projection(scene, phone)


def test_a_device_that_changes_crew_gets_the_new_scope_from_the_start_and_loses_the_old() -> None:
    scene = Scene()
    phone = enrolled(scene, "a")
    scene.ticket("t1", crew="A")
    scene.ticket("t2", crew="B")
    phone.sync()
    device = phone.device
    moved = type(device)(device.id, device.member, "B", frozenset({"A", "B"}), None, device.key)
    scene.store.devices["a"] = moved
    phone.sync()
    assert {view["id"] for view in phone.replica.tickets()} == {"t2"}
    assert held(phone) == projection(scene, phone)
    assert "t2" in {key[1] for key in scope_rows(scene, "crew:B")}


@given(st.lists(st.tuples(st.sampled_from(["A", "B", None]), st.booleans()), min_size=1, max_size=10))
def test_placing_tells_each_scope_once_that_it_lost_a_record(steps: list[tuple[str | None, bool]]) -> None:
    record, scopes_now = Record("ticket", "t"), dict[str, bool]()
    for position, (crew, archived) in enumerate(steps, 1):
        wanted = {Scope("hq"): None} | ({Scope(f"crew:{crew}"): "archived" if archived else None} if crew else {})
        for scope, before, gone in place(record, wanted, position):
            assert before < position
            assert gone is None or scopes_now.get(scope), "a scope that holds nothing is told nothing"
            scopes_now[scope] = gone is None
        assert {scope for scope, has in scopes_now.items() if has} == {scope for scope, gone in wanted.items() if gone is None}


# ------------------------------------------------------------------------------------------------------------ nothing new


def idle_reply(phone: Phone) -> bytes:
    reply = phone.scene.exchange(phone.replica.request().body)
    assert isinstance(reply, bytes)
    return reply


def test_where_nothing_is_new_the_end_repeats_the_phones_mark_of_its_cursor_and_nothing_else() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    reply, before = idle_reply(phone), held(phone)
    end = json.loads(reply.splitlines()[-1])
    assert end == {"end": True, "mark": mark_of(phone.replica.state.cursor), "more": False, "after_s": 30, "jitter_s": 90}
    applied = scene.deliver(phone, reply)
    assert applied.complete and not applied.more and held(phone) == before


def test_a_late_word_that_nothing_was_new_says_nothing_of_now() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    late = idle_reply(phone)
    scene.ticket("t2")
    scene.deliver(phone, idle_reply(phone))
    cursor, before = phone.replica.state.cursor, held(phone)
    applied = scene.deliver(phone, late)
    assert applied.more, "it was overtaken, so ask again"
    assert (phone.replica.state.cursor, held(phone)) == (cursor, before)


def test_a_phone_that_sends_no_mark_is_told_the_whole_cursor() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    envelope = json.loads(phone.replica.request().body)
    del envelope["mark"]
    reply = scene.exchange(encode(envelope) + b"\n")
    assert isinstance(reply, bytes)
    end = json.loads(reply.splitlines()[-1])
    assert end["since"] == end["cursor"] == phone.replica.state.cursor and "mark" not in end
