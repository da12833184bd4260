"""Reference records: what the office says should stand in which scopes stands there, moves nothing twice, and leaks nowhere."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.facts import Scope
from sync.hub import pull
from sync.judge import Published
from sync.store import Device
from tests.scene import Phone, Scene
from tests.sync.world import held, projection, restore_server, scope_rows


def guide(version: int, *stations: str, text: str = "one") -> Published:
    scopes = tuple(Scope(f"station:{station}") for station in stations)
    return Published("guide", f"fuse:{version}", scopes, {"guide": "fuse", "version": version, "text": text})


def guides_of(phone: Phone) -> dict[str, str]:
    return {row.id: row.put["text"] for row in phone.pocket.rows("guide")}


def move(phone: Phone, crew: str, station: str | None) -> None:
    """The member joins another crew."""
    before = phone.device
    after = Device(before.id, before.member, crew, before.crews | {crew}, station, before.key)
    phone.scene.store.devices[before.id] = phone.device = after


def test_a_record_reaches_the_phones_of_its_stations_and_no_other() -> None:
    scene = Scene()
    ours, theirs, nobody = scene.phone("a", station="s1"), scene.phone("b", station="s2"), scene.phone("c")
    scene.refer(guide(1, "s1", text="secret of s1"))
    for phone in (ours, theirs, nobody):
        phone.sync()
        assert held(phone) == projection(scene, phone)
    assert guides_of(ours) == {"fuse:1": "secret of s1"} and not guides_of(theirs) and not guides_of(nobody)
    reply = scene.exchange(theirs.replica.request().body)
    assert isinstance(reply, bytes) and b"secret" not in reply


def test_the_same_said_again_moves_nothing() -> None:
    scene = Scene()
    before = scene.refer(guide(1, "s1", "s2"), guide(2, "s1"))
    rows = scene.store.feed("station:s1", 0, 100)
    assert scene.refer(guide(2, "s1"), guide(1, "s2", "s1")) == before
    assert scene.store.feed("station:s1", 0, 100) == rows


def test_other_content_moves_its_record_alone() -> None:
    scene = Scene()
    phone = scene.phone("a", station="s1")
    before = scene.refer(guide(1, "s1"), guide(2, "s1"))
    phone.sync()
    assert scene.refer(guide(1, "s1"), guide(2, "s1", text="two")) == before + 1
    phone.sync()
    assert guides_of(phone) == {"fuse:1": "one", "fuse:2": "two"}


def test_a_new_station_gets_the_record_and_the_others_do_not_get_it_again() -> None:
    scene = Scene()
    old = scene.phone("a", station="s1")
    scene.refer(guide(1, "s1"))
    old.sync()
    rows = scene.store.feed("station:s1", 0, 100)
    scene.refer(guide(1, "s1", "s2"))
    assert scene.store.feed("station:s1", 0, 100) == rows
    new = scene.phone("b", crew="B", station="s2")
    new.sync()
    old.sync()
    assert guides_of(new) == guides_of(old) == {"fuse:1": "one"}


def test_a_scope_that_must_lose_a_record_is_told_once_and_its_phones_forget_it_without_a_word() -> None:
    scene = Scene()
    phone = scene.phone("a", station="s1")
    scene.refer(guide(1, "s1", "s2"))
    phone.sync()
    after = scene.refer(guide(1, "s2"))
    assert scene.refer(guide(1, "s2")) == after
    assert [gone for _, _, _, gone, _ in scene.store.feed("station:s1", 0, 100)] == ["withdrawn"]
    phone.sync()
    assert not guides_of(phone) and phone.replica.state.notices == []
    scene.refer(guide(1, "s1", "s2"))
    phone.sync()
    assert guides_of(phone) == {"fuse:1": "one"}, "and may have it back"


def test_a_record_nobody_should_hold_yet_is_kept_for_later() -> None:
    scene = Scene()
    scene.refer(guide(1))
    assert scene.refer(guide(1)) == 1
    scene.refer(guide(1, "s1"))
    assert scope_rows(scene, "station:s1")


def test_guarantee_6_a_member_who_moves_to_another_station_has_exactly_its_records() -> None:
    scene = Scene()
    phone = scene.phone("a", station="s1")
    scene.refer(guide(1, "s1", "s2"), guide(2, "s1", text="secret of s1"), guide(3, "s2", text="secret of s2"))
    phone.sync()
    move(phone, "B", "s2")
    phone.sync()
    assert held(phone) == projection(scene, phone)
    assert guides_of(phone) == {"fuse:1": "one", "fuse:3": "secret of s2"}
    move(phone, "B", None)
    phone.sync()
    assert not guides_of(phone)


def test_records_and_facts_of_one_group_are_numbered_together_and_both_arrive() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = scene.phone("a", station="s1")
    phone.record("note", "t1", "v1", text="mine")
    push = scene.hub.prepare(scene.store, phone.replica.request().body, scene.now)
    before = scene.store.position
    [receipt], _ = scene.commit([push], reference=[guide(1, "s1")])
    assert receipt.stored == 2 and scene.store.position == before + 2
    scene.deliver(phone, scene.answer(push, receipt))
    assert guides_of(phone) == {"fuse:1": "one"} and held(phone) == projection(scene, phone)


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_server_that_came_back_from_a_backup_gives_its_own_records(lost: int) -> None:
    scene = Scene()
    phone = scene.phone("a", station="s1")
    scene.refer(guide(1, "s1"))
    backup = deepcopy(scene.store)
    for version in range(2, 2 + lost):
        scene.refer(guide(1, "s1", text=f"changed {version}"), guide(version, "s1"))
    phone.sync()
    restore_server(scene, backup, "k2")
    phone.sync()
    assert held(phone) == projection(scene, phone) and guides_of(phone) == {"fuse:1": "one"}


STATIONS = ("s1", "s2")
WANTED = st.dictionaries(
    st.integers(1, 3), st.tuples(st.frozensets(st.sampled_from(STATIONS)), st.sampled_from("xy")), min_size=1
)


@given(st.lists(st.one_of(WANTED, st.sampled_from(STATIONS)), min_size=1, max_size=12))
def test_guarantee_6_no_cursor_skips_a_reference_record_and_none_leaks(steps: list[Any]) -> None:
    """A phone pages with tiny pages while records change, come, go, and its member changes stations."""
    scene = Scene()
    station, cursor, copy = "s1", dict[str, dict[str, int]](), dict[str, Any]()

    def read(limit_bytes: int) -> bool:
        nonlocal cursor
        scope = Scope(f"station:{station}")
        *rows, end = [json.loads(row) for row in pull(scene.store, (scope,), cursor, limit_bytes)]
        for row in rows:
            if row.get("gone") == "scope":
                copy.clear()
            elif "put" in row:
                assert row["scope"] == scope
                copy[row["id"]] = row["put"]
            else:
                copy.pop(row["id"], None)
        cursor = end["cursor"]
        return bool(end["more"])

    for step in steps:
        if isinstance(step, str):
            station = step
        else:
            scene.refer(*(guide(version, *sorted(where), text=text * 600) for version, (where, text) in step.items()))
        read(1024)
    while read(1024):
        pass
    assert copy == {identity: put for (_, identity), put in scope_rows(scene, f"station:{station}").items()}
