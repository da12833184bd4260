"""The ten guarantees (sync/README.md), each under its own name. A guarantee of several claims has several tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import clock, wire
from sync.clock import Suspension
from sync.facts import Interval, Scope, Truth, Verdict
from sync.hub import pull
from sync.problems import Refused
from tests.scene import RADIUS_MS, Phone, Scene
from tests.sync.world import (
    disk_full,
    enrolled,
    facts_everywhere,
    held,
    projection,
    push_raw,
    record_of,
    restart,
    restore_phone,
    restore_server,
    scope_rows,
    stored,
)

Deed = Callable[[Phone], None]

# ------------------------------------------------------------------------------------------------------------ guarantee 1


def _nothing(phone: Phone) -> None:
    pass


def _sync(phone: Phone) -> None:
    phone.sync()


def _lose_request(phone: Phone) -> None:
    phone.replica.lost(phone.replica.request())


def _lose_reply(phone: Phone) -> None:
    outgoing = phone.replica.request()
    phone.scene.exchange(outgoing.body)
    phone.replica.lost(outgoing)


def _cut_reply(phone: Phone) -> None:
    reply = phone.scene.exchange(phone.replica.request().body)
    phone.scene.deliver(phone, reply[: len(reply) // 2] if isinstance(reply, bytes) else reply)


def _portal(phone: Phone) -> None:
    phone.replica.request()
    phone.scene.deliver(phone, b"<html>Welcome to the hotel</html>\n")


def _killed_sending(phone: Phone) -> None:
    phone.scene.exchange(phone.replica.request().body)
    restart(phone)


def _week(phone: Phone) -> None:
    phone.scene.wait(minutes=8 * 24 * 60)
    phone.replica.prune(phone.scene.now)


DEEDS: tuple[Deed, ...] = (_nothing, _sync, _lose_request, _lose_reply, _cut_reply, _portal, _killed_sending, _week)


@given(st.lists(st.sampled_from(DEEDS), max_size=12))
def test_guarantee_1_every_fact_shown_as_saved_is_on_the_phone_or_durable_on_the_server(deeds: list[Deed]) -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = scene.phone("a")
    saved: set[str] = set()
    for deed in deeds:
        saved.add(phone.record("note", "t1", "v1", text=f"note {len(saved)}"))
        deed(phone)
        assert saved <= facts_everywhere(scene, [phone])
        server = {identity for identity, _ in scene.store.lines().values()}
        for item in phone.replica.queue():
            if item["truth"] in (Truth.HQ_HAS_IT, Truth.NEEDS_YOU):
                assert item["fact"] in server, "stated means durable"


def test_guarantee_1_a_fact_that_could_not_be_written_is_not_shown_as_saved() -> None:
    scene = Scene()
    phone = enrolled(scene, "a")
    before = phone.pocket.snapshot()
    with disk_full(phone), pytest.raises(OSError, match="full"):
        phone.record("note", "t1", "v1", text="x")
    assert phone.pocket.snapshot() == before and phone.replica.waiting == 0
    assert phone.record("note", "t1", "v1", text="y") in facts_everywhere(scene, [phone])
    phone.sync()


# ------------------------------------------------------------------------------------------------------------ guarantee 2


@given(st.lists(st.integers(0, 5), min_size=1, max_size=14), st.integers(0, 4000))
def test_guarantee_2_effects_happen_exactly_once_whatever_is_repeated_reordered_or_truncated(
    order: list[int], cut: int
) -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    requests = []
    for index in range(6):
        phone.record("note", "t1", "v1", text=f"note {index}")
        requests.append(phone.replica.request().body)
    for index in order:
        scene.exchange(requests[index])
        scene.exchange(requests[index][:cut])
    phone.sync()
    notes = [note["text"] for note in scene.view("t1")["visits"]["v1"]["notes"]]
    assert sorted(notes) == [f"note {index}" for index in range(6)]
    lines = stored(scene, phone.replica.journal.id)
    assert sorted(lines) == list(range(1, 8)), "no line is stored twice and none is missing"
    assert scene.store.ledger.size == len(scene.store.lines())


def test_guarantee_2_the_same_push_twice_in_one_group_takes_effect_once() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    bodies = []
    for text in ("one", "two"):
        phone.record("note", "t1", "v1", text=text)
        bodies.append(phone.replica.request().body)
    pushes = [scene.hub.prepare(scene.store, body, scene.now) for body in bodies * 2]
    receipts, _ = scene.commit(pushes)
    assert [receipt.problem for receipt in receipts] == [None] * 4
    assert len(scene.view("t1")["visits"]["v1"]["notes"]) == 2
    assert len(record_of(scene, "t1").writes) == 4, "created, assigned and two notes"


def test_guarantee_2_a_fact_that_reaches_a_ticket_by_two_roads_counts_once() -> None:
    """Bound to the office's ticket by its number, and then merged under it as well."""
    scene = Scene()
    scene.ticket("t1", crew=None, number="WO-7")
    scene.office("told_by_phone", "t1", crew="A")
    phone = enrolled(scene, "a")
    phone.record("raised", "mine", set={}, told_number="WO-7")
    phone.record("note", "mine", "v1", text="once")
    phone.sync()
    scene.office("merged", "mine", parent="t1", reason="the same")
    assert [note["text"] for note in scene.view("t1")["visits"]["v1"]["notes"]] == ["once"]
    facts = [write.fact for write in record_of(scene, "t1").writes]
    assert len(facts) == len(set(facts))


def test_guarantee_2_a_group_that_dies_before_its_commit_leaves_no_trace() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    phone.record("note", "t1", "v1", text="one")
    push = scene.hub.prepare(scene.store, phone.replica.request().body, scene.now)
    before = (dict(scene.store.lines()), scene.store.position, scene.store.ledger.size, scene.view("t1"))
    with pytest.raises(KeyboardInterrupt), scene.store.transaction() as tx:
        scene.hub.commit(tx, [push])
        raise KeyboardInterrupt
    assert (dict(scene.store.lines()), scene.store.position, scene.store.ledger.size, scene.view("t1")) == before
    phone.sync()
    assert len(scene.view("t1")["visits"]["v1"]["notes"]) == 1


# ------------------------------------------------------------------------------------------------------------ guarantee 3


def test_guarantee_3_after_quiescence_every_device_equals_the_servers_projection_of_its_scopes() -> None:
    scene = Scene()
    phones = [scene.phone("a1", crew="A"), scene.phone("a2", crew="A"), scene.phone("b1", crew="B")]
    for name, crew in (("t1", "A"), ("t2", "B"), ("t3", None), ("t4", "A")):
        scene.ticket(name, crew=crew, contact_phone="1")
    for phone in phones:
        phone.sync()
    for index, phone in enumerate(phones):
        ticket = "t2" if index == 2 else "t1"
        scene.wait(minutes=1)
        phone.record("arrival", ticket, f"v{index}")
        phone.record("amended", ticket, set={"contact_phone": str(index)})
    phones[0].record("raised", "t5", set={"description": "line down"})
    scene.office("transferred", "t1", crew="B")
    scene.office("cancelled", "t2", reason="called off")
    scene.office("archived", "t4")
    for _ in range(2):
        for phone in phones:
            phone.sync()
    for phone in phones:
        assert held(phone) == projection(scene, phone)
        for kind, identity in held(phone):
            if kind == "ticket":
                shown = phone.view(identity)
                assert shown == {**scene.view(identity), "id": identity}, "nothing of its own is laid over any more"
    assert {identity for kind, identity in held(phones[2]) if kind == "ticket"} == {"t1", "t2"}


def test_guarantee_3_a_quarantined_fact_is_not_shown_as_if_it_counted() -> None:
    scene = Scene()
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    fact = phone.record("arrival", "t1", "v1")
    assert phone.view("t1")["state"] == "on_site"
    device = scene.store.devices["a"]
    scene.store.devices["a"] = _revoked(device)
    phone.sync()
    assert phone.view("t1") == {**scene.view("t1"), "id": "t1"}
    word = next(item["truth"] for item in phone.replica.queue() if item["fact"] == fact)
    assert word == Truth.NEEDS_YOU


def _revoked(device: Any) -> Any:
    return type(device)(device.id, device.member, device.crew, device.crews, device.station, device.key, revoked=True)


# ------------------------------------------------------------------------------------------------------------ guarantee 4


def _offline_day() -> tuple[Scene, list[bytes]]:
    """Three phones and what each will push: everything that disagrees, disagrees."""
    scene = Scene()
    phones = [scene.phone("a1", crew="A"), scene.phone("a2", crew="A"), scene.phone("b1", crew="B")]
    scene.ticket("t1", crew="A", contact_phone="0", remarks="")
    for phone in phones[:2]:
        phone.sync()
    scene.office("transferred", "t1", crew="B")
    for phone in phones[2:]:
        phone.sync()
    for index, phone in enumerate(phones):
        for kind in ("acceptance", "departure", "arrival", "start"):
            scene.wait(seconds=20)
            phone.record(kind, "t1", f"v{index // 2}")
        phone.record("answer", "t1", f"v{index // 2}", guide="g", guide_version=1, step="s", value=index, safety=True)
        phone.record("amended", "t1", set={"contact_phone": str(index), "remarks": f"r{index % 2}"})
    phones[0].record("suspension", "t1", "v0", reason="rain")
    phones[1].record("finish", "t1", "v0", result="done")
    phones[2].record("return", "t1", "v1", reason="no_access")
    scene.wait(minutes=5)
    return scene, [phone.replica.request().body for phone in phones]


def _after(scene: Scene, pushes: Sequence[bytes], *, together: bool) -> Any:
    world = deepcopy(scene)
    prepared = [world.hub.prepare(world.store, body, world.now) for body in pushes]
    for group in [prepared] if together else [[push] for push in prepared]:
        world.commit(group)
    outcomes = {key: put for key, put in scope_rows(world, "hq").items() if key[0] == "outcome"}
    return world.view("t1"), outcomes, {write.fact: write.at for write in record_of(world, "t1").writes}


def test_guarantee_4_for_the_same_lines_seen_sets_and_intervals_every_adjudication_order_gives_the_same_state() -> None:
    scene, pushes = _offline_day()
    expected = _after(scene, pushes, together=False)
    assert expected[0]["contests"], "the day must hold something to disagree about"
    for order in permutations(pushes):
        for together in (False, True):
            assert _after(scene, order, together=together) == expected


# ------------------------------------------------------------------------------------------------------------ guarantee 5


HOSTILE = (b"\xff\xfe", b"", b"[" * 400, b'{"n":3,"n":3}', b'{"kind":"from-the-future","v":9}', b"NaN", b'"\\ud800"')


@pytest.mark.parametrize("bad", HOSTILE)
def test_guarantee_5_one_bad_fact_delays_no_other_fact(bad: bytes) -> None:
    scene = Scene()
    scene.ticket("t1")
    phone, other = enrolled(scene, "a"), enrolled(scene, "b")
    header = {"ticket": "t1", "visit": "v1", "wall": scene.now, "mono": 1, "boot": "b"}
    lines = [
        wire.write_line(2, "note", header, {"text": "before"}),
        bad,
        wire.write_line(4, "note", header, {"text": "after"}),
    ]
    body, _ = push_raw(scene, phone, lines)
    other.record("note", "t1", "v2", text="meanwhile")
    pushes = [scene.hub.prepare(scene.store, request, scene.now) for request in (body, other.replica.request().body)]
    receipts, _ = scene.commit(pushes)
    assert [receipt.problem for receipt in receipts] == [None, None] and receipts[0].n == 4
    visits = scene.view("t1")["visits"]
    assert [note["text"] for note in visits["v1"]["notes"]] == ["before", "after"]
    assert [note["text"] for note in visits["v2"]["notes"]] == ["meanwhile"]
    assert stored(scene, phone.replica.journal.id)[3] == bad


# ------------------------------------------------------------------------------------------------------------ guarantee 6


@given(st.data())
def test_guarantee_6_no_cursor_ever_skips_a_committed_change(data: st.DataObject) -> None:
    """A reader pages with tiny pages while tickets change and change hands; in the end it holds exactly what is there."""
    scene = Scene()
    names = [f"t{index}" for index in range(6)]
    for name in names:
        scene.ticket(name, crew=data.draw(st.sampled_from("AB")), remarks="x" * 300)
    scopes = (Scope("crew:A"),)
    cursor: dict[str, dict[str, int]] = {}
    copy: dict[tuple[str, str], Any] = {}
    for _ in range(data.draw(st.integers(1, 12))):
        for _ in range(data.draw(st.integers(0, 3))):
            name = data.draw(st.sampled_from(names))
            if data.draw(st.booleans()):
                scene.office("transferred", name, crew=data.draw(st.sampled_from("AB")))
            else:
                scene.office("corrected", name, set={"remarks": data.draw(st.text(max_size=3))})
        cursor = _page(scene, scopes, cursor, copy, limit_bytes=1024)[0]
    more = True
    while more:
        cursor, more = _page(scene, scopes, cursor, copy, limit_bytes=1024)
    assert copy == scope_rows(scene, "crew:A")


def _page(
    scene: Scene,
    scopes: tuple[Scope, ...],
    cursor: dict[str, dict[str, int]],
    copy: dict[tuple[str, str], Any],
    *,
    limit_bytes: int,
) -> tuple[dict[str, dict[str, int]], bool]:
    *rows, end = [json.loads(row) for row in pull(scene.store, scopes, cursor, limit_bytes)]
    for row in rows:
        assert row["scope"] in scopes
        if "put" in row:
            copy[(row["kind"], row["id"])] = row["put"]
        else:
            copy.pop((row["kind"], row["id"]), None)
    return end["cursor"], end["more"]


@given(st.lists(st.tuples(st.sampled_from(("t1", "t2", "t3")), st.sampled_from("ABC")), min_size=1, max_size=10), st.data())
def test_guarantee_6_no_device_receives_an_object_outside_its_scopes_also_not_by_reassignment_races(
    moves: list[tuple[str, str]], data: st.DataObject
) -> None:
    scene = Scene()
    crews = {"t1": "A", "t2": "B", "t3": "C"}
    phones = {crew: scene.phone(crew.lower(), crew=crew) for crew in "ABC"}
    for name, crew in crews.items():
        scene.ticket(name, crew=crew, remarks=f"secret of {name}")
    for ticket, crew in moves:
        # A reply is made, the ticket moves, and the reply arrives late: it may show only what was theirs when it was made.
        mover = phones[data.draw(st.sampled_from("ABC"))]
        reply = scene.exchange(mover.replica.request().body)
        assert isinstance(reply, bytes)
        theirs = {name for name, present in crews.items() if present == mover.device.crew}
        sent = {row["id"] for row in map(json.loads, reply.splitlines()) if "put" in row and row["kind"] == "ticket"}
        assert sent <= theirs
        if crews[ticket] != crew:
            scene.office("transferred", ticket, crew=crew)
            crews[ticket] = crew
        scene.deliver(mover, reply)
    for crew, phone in phones.items():
        phone.sync()
        assert {view["id"] for view in phone.replica.tickets()} == {name for name, owner in crews.items() if owner == crew}


def test_guarantee_6_a_cursor_that_names_a_foreign_scope_is_told_it_is_gone_and_nothing_more() -> None:
    scene = Scene()
    phone = enrolled(scene, "a")
    scene.ticket("t9", crew="B", remarks="secret")
    phone.replica.state.cursor = {"k1": {"crew:B": 0, "hq": 0, "device:b": 0}}
    reply = scene.exchange(phone.replica.request().body)
    assert isinstance(reply, bytes) and b"secret" not in reply
    gone = [row["scope"] for row in map(json.loads, reply.splitlines()) if row.get("gone") == "scope"]
    assert gone == ["crew:B", "device:b", "hq"]


def test_guarantee_6_another_phones_reply_is_not_applied() -> None:
    scene = Scene()
    one, two = enrolled(scene, "a"), scene.phone("b", crew="B")
    scene.ticket("t9", crew="B")
    reply = scene.exchange(two.replica.request().body)
    assert isinstance(reply, bytes) and b"t9" in reply
    scene.deliver(one, reply)
    assert one.replica.show("t9") is None


# ------------------------------------------------------------------------------------------------------------ guarantee 7


def test_guarantee_7_restoring_an_old_phone_loses_no_fact_that_still_exists_and_is_detected() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    phone.record("note", "t1", "v1", text="before the copy")
    copy = phone.pocket.snapshot()
    phone.record("note", "t1", "v1", text="first life")
    phone.sync()
    restore_phone(phone, copy)
    phone.record("note", "t1", "v1", text="second life")
    phone.sync()
    assert sorted(n["text"] for n in scene.view("t1")["visits"]["v1"]["notes"]) == [
        "before the copy",
        "first life",
        "second life",
    ]
    assert [notice["slug"] for notice in phone.replica.state.notices] == ["fork"]
    assert phone.view("t1") == {**scene.view("t1"), "id": "t1"}, "and every note is shown once"


def test_guarantee_7_an_old_phone_is_detected_even_if_nothing_was_written_since() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    copy = phone.pocket.snapshot()
    phone.record("note", "t1", "v1", text="first life")
    phone.sync()
    restore_phone(phone, copy)
    old = phone.replica.journal.id
    phone.sync()
    assert [notice["slug"] for notice in phone.replica.state.notices] == ["fork"]
    assert phone.replica.journal.id != old, "numbers that were used once are never used again"
    assert phone.view("t1") == {**scene.view("t1"), "id": "t1"}


@pytest.mark.parametrize("knew", ["all", "part", "nothing"])
def test_guarantee_7_restoring_an_old_server_loses_no_fact_that_still_exists_and_is_detected(knew: str) -> None:
    scene = Scene()
    scene.ticket("t1")
    empty = deepcopy(scene.store)
    phone = enrolled(scene, "a")
    facts = {phone.record("note", "t1", "v1", text="in the backup")}
    phone.sync()
    backup = deepcopy(scene.store)
    facts.add(phone.record("note", "t1", "v1", text="after the backup"))
    phone.sync()
    empty.devices = dict(scene.store.devices)
    restore_server(scene, {"all": scene.store, "part": backup, "nothing": empty}[knew], "k2")
    phone.sync()
    phone.sync()
    assert facts <= {identity for identity, _ in scene.store.lines().values()}
    assert len(scene.view("t1")["visits"]["v1"]["notes"]) == 2
    assert held(phone) == projection(scene, phone)
    if knew == "part":
        assert [notice["slug"] for notice in phone.replica.state.notices] == ["server-regressed"]


def test_guarantee_7_what_a_lost_history_took_away_comes_back_after_a_restore() -> None:
    scene = Scene()
    phone = scene.phone("a", crew="A")
    scene.ticket("t1", crew="A")
    phone.sync()
    backup = deepcopy(scene.store)
    scene.office("transferred", "t1", crew="B")
    phone.sync()
    assert phone.replica.show("t1") is None
    restore_server(scene, backup, "k2")
    phone.sync()
    assert held(phone) == projection(scene, phone) and phone.view("t1")["assigned_crew"] == "A"


def test_guarantee_7_what_only_a_lost_history_gave_is_swept_but_what_was_recorded_on_it_is_kept() -> None:
    scene = Scene()
    phone = scene.phone("a", crew="A")
    phone.sync()
    backup = deepcopy(scene.store)
    scene.ticket("t1", crew="A")
    phone.sync()
    fact = phone.record("arrival", "t1", "v1")
    restore_server(scene, backup, "k2")
    phone.sync()
    assert fact in {identity for identity, _ in scene.store.lines().values()}
    outcome = scene.outcome(fact)
    assert outcome is not None and outcome["slug"] == "unknown-ticket"
    assert held(phone) == projection(scene, phone)


# ------------------------------------------------------------------------------------------------------------ guarantee 8


@given(
    off=st.integers(-(10**9), 10**9),
    ages=st.lists(st.integers(0, 10**7), min_size=1, max_size=5),
    anchored=st.booleans(),
    due=st.integers(0, 10**7),
)
def test_guarantee_8_no_lie_about_clocks_makes_a_late_tap_met_proven_and_the_true_time_lies_in_its_interval(
    off: int, ages: list[int], anchored: bool, due: int
) -> None:
    """A phone with any wall clock taps, waits any time, and syncs: the server's bounds hold the true moment."""
    scene = Scene()
    scene.ticket("t1")
    phone = scene.phone("a")
    if anchored:
        phone.sync()
    phone.wall_off_ms = off
    start, true = scene.now, {}
    for age in ages:
        scene.wait(seconds=age / 1000)
        true[phone.record("arrival", "t1", "v1")] = scene.now
    scene.wait(seconds=5)
    phone.sync()
    limit = clock.deadline(Interval(start, start), due, ())
    for write in record_of(scene, "t1").writes:
        if write.fact in true:
            hard = Interval(write.lower, write.upper)
            tapped = true[write.fact]
            assert (hard.lower is None or hard.lower <= tapped) and tapped <= hard.upper
            verdict = clock.verdict(hard, write.at, limit)
            assert not (verdict is Verdict.MET_PROVEN and tapped > limit.latest + RADIUS_MS)
            assert not (verdict is Verdict.MISSED_PROVEN and tapped <= limit.earliest)


def test_guarantee_8_a_fact_released_days_later_keeps_the_bounds_it_was_stored_with() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    scene.wait(minutes=10)
    tapped, fact = scene.now, phone.record("arrival", "t1", "v1")
    scene.store.devices["a"] = _revoked(scene.store.devices["a"])
    phone.sync()
    for _ in range(2):
        scene.wait(minutes=300)
        phone.record("note", "t1", "v1", text="a later anchor")
        phone.sync()
    scene.office("quarantine_judged", "t1", fact=fact, do="release", reason="was on duty")
    arrived = scene.view("t1")["visits"]["v1"]["arrived"]
    assert arrived["lower"] <= tapped <= arrived["upper"] and arrived["at"] == tapped
    assert arrived.get("flags", []) == []


def test_guarantee_8_a_head_told_before_its_lines_bounds_them_by_the_moment_it_was_told() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    phone.record("arrival", "t1", "v1")
    outgoing = phone.replica.request()
    phone.replica.lost(outgoing)
    told = scene.now
    scene.exchange(phone.replica.request().body)  # the head alone
    phone.replica.state.journals[-1].unsure = 0
    scene.wait(minutes=60)
    phone.sync()
    assert scene.view("t1")["visits"]["v1"]["arrived"]["upper"] == told + RADIUS_MS


def test_guarantee_8_a_head_told_early_bounds_nothing_that_was_written_after_it() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    phone.record("departure", "t1", "v1")
    phone.replica.lost(phone.replica.request())
    told = scene.now
    reply = scene.exchange(phone.replica.request().body)  # the head alone
    scene.wait(minutes=60)
    tapped = scene.now
    phone.record("arrival", "t1", "v1")
    scene.deliver(phone, reply)
    phone.sync()
    visit = scene.view("t1")["visits"]["v1"]
    assert visit["departed"]["upper"] == told + RADIUS_MS
    assert visit["arrived"]["upper"] == tapped + RADIUS_MS and visit["arrived"]["at"] == tapped


def test_guarantee_8_a_rivals_head_bounds_nothing() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    copy = phone.pocket.snapshot()
    phone.record("note", "t1", "v1", text="another life")
    phone.replica.lost(phone.replica.request())
    scene.exchange(phone.replica.request().body)
    restore_phone(phone, copy)
    scene.wait(minutes=60)
    phone.record("arrival", "t1", "v1")
    phone.sync()
    assert scene.view("t1")["visits"]["v1"]["arrived"]["upper"] >= scene.now


def test_guarantee_8_suspending_longer_never_moves_a_deadline_to_the_past() -> None:
    plain = clock.deadline(Interval(0, 0), 1000, ())
    paused = clock.deadline(Interval(0, 0), 1000, [Suspension(Interval(100, 150), Interval(300, 350))])
    assert paused.earliest >= plain.earliest and paused.latest >= plain.latest


# ------------------------------------------------------------------------------------------------------------ guarantee 9


def test_guarantee_9_a_losing_value_is_never_lost_and_is_one_action_from_being_restored() -> None:
    scene = Scene()
    scene.ticket("t1", contact_phone="0", address="old", priority=5)
    phones = [enrolled(scene, "a"), enrolled(scene, "b")]
    written = {}
    for index, phone in enumerate(phones):
        scene.wait(minutes=1)
        written[f"phone {index}"] = phone.record("amended", "t1", set={"contact_phone": f"phone {index}"})
    scene.office("corrected", "t1", set={"contact_phone": "desk"})
    for phone in phones:
        phone.sync()
    contest = scene.view("t1")["contests"]["contact_phone"]
    assert scene.view("t1")["contact_phone"] == "desk"
    assert {a["value"]: a["fact"] for a in contest["alternatives"]} | written == {
        a["value"]: a["fact"] for a in contest["alternatives"]
    }
    assert "desk" not in [a["value"] for a in contest["alternatives"]], "the value shown is not its own alternative"
    for value, fact in written.items():
        scene.office("decided", "t1", field="contact_phone", choose=fact, reason="asked the customer")
        assert scene.view("t1")["contact_phone"] == value and "contests" not in scene.view("t1")


@pytest.mark.parametrize(
    ("kind", "path", "one", "two"),
    [
        ("arrival", "visits/v1/arrived", {"far_reason": "1"}, {"far_reason": "2"}),
        ("answer", "visits/v1/answers/s", {"value": 1}, {"value": 2}),
        ("finish", "visits/v1/finished", {"result": "1"}, {"result": "2"}),
    ],
)
def test_guarantee_9_holds_for_every_kind_of_field(kind: str, path: str, one: dict[str, Any], two: dict[str, Any]) -> None:
    scene = Scene()
    scene.ticket("t1")
    phones = [enrolled(scene, "a"), enrolled(scene, "b")]
    extra: dict[str, Any] = {"guide": "g", "guide_version": 1, "step": "s"} if kind == "answer" else {}
    facts = []
    for phone, body in zip(phones, (one, two), strict=True):
        scene.wait(minutes=1)
        facts.append(phone.record(kind, "t1", "v1", **extra, **body))
        phone.sync()
    for fact, body in zip(facts, (one, two), strict=True):
        scene.office("decided", "t1", field=path, choose=fact, reason="looked into it")
        shown: Any = scene.view("t1")
        for step in path.split("/"):
            shown = shown[step]
        assert {name: shown[name] for name in body} == body


def test_guarantee_9_of_two_ratings_both_are_kept_and_nobody_at_a_desk_chooses_between_them() -> None:
    """The one exception: who is rated, and who commands those who are rated, must not pick the rating."""
    scene = Scene()
    scene.ticket("t1")
    facts = []
    for name, sealed in (("a", "FIRST"), ("b", "SECOND")):
        scene.wait(minutes=1)
        phone = enrolled(scene, name)
        facts.append(phone.record("rating", "t1", "v1", opened="x", result="answered", sealed=sealed, kid="k"))
        phone.sync()
    with pytest.raises(Refused, match="forbidden"):
        scene.office("decided", "t1", field="visits/v1/rating", choose=facts[1], reason="the better one")
    view = scene.view("t1")
    contest = view["contests"]["visits/v1/rating"]
    assert view["visits"]["v1"]["rating"]["fact"] == facts[0] and [a["fact"] for a in contest["alternatives"]] == facts[1:]
    assert not {"FIRST", "SECOND"} & set(json.dumps(view).split('"')), "sealed means sealed"
    assert {"FIRST", "SECOND"} == {w.body["sealed"] for w in record_of(scene, "t1").writes if w.kind == "rating"}


def test_guarantee_9_a_decision_for_a_value_nobody_wrote_is_refused() -> None:
    scene = Scene()
    scene.ticket("t1", contact_phone="0")
    for path, choice in (("contact_phone", "no-such-fact"), ("no_such_field", "x"), ("visits/v1/arrived", "x")):
        with pytest.raises(Refused, match="not-found"):
            scene.office("decided", "t1", field=path, choose=choice, reason="?")


# ----------------------------------------------------------------------------------------------------------- guarantee 10


def test_guarantee_10_hq_knows_to_the_fact_how_much_was_only_on_phones_at_each_phones_last_contact() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    for index in range(5):
        phone.record("note", "t1", "v1", text=str(index))
    phone.replica.lost(phone.replica.request())
    scene.wait(minutes=3)
    assert _only_on_phone(scene, phone) == 0, "HQ cannot know before the phone was heard"
    scene.exchange(phone.replica.request(now_wall=scene.now).body)  # forty seconds of signal: only the head comes through
    chain = scene.store.chains(phone.replica.journal.id)[0]
    assert (chain.waiting, chain.oldest_s, chain.heard_at) == (5, 180, scene.now)
    assert [(n, head) for n, head, _ in chain.known] == [(6, phone.replica.journal.head)], "and which facts, by hash"
    phone.sync()
    assert _only_on_phone(scene, phone) == 0


def test_guarantee_10_what_a_push_brings_is_no_longer_counted_as_only_on_the_phone() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    for index in range(1400):
        phone.record("note", "t1", "v1", text=str(index))
    assert isinstance(scene.exchange(phone.replica.request().body), bytes)
    assert _only_on_phone(scene, phone) == 400


def test_guarantee_10_a_deleted_tail_is_noticed_once_its_head_was_told() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    copy = phone.pocket.snapshot()
    phone.record("arrival", "t1", "v1")
    phone.replica.lost(phone.replica.request())
    scene.exchange(phone.replica.request().body)
    restore_phone(phone, copy)  # the member deletes what he had recorded
    phone.record("note", "t1", "v1", text="nothing happened")
    phone.sync()
    chain = scene.store.chains(phone.replica.state.journals[0].id)[0]
    assert chain.n == 2 and chain.head not in [head for _, head, _ in _told(scene, phone)]


def _told(scene: Scene, phone: Phone) -> list[tuple[int, str, int]]:
    told = [entry for own in phone.replica.state.journals for chain in scene.store.chains(own.id) for entry in chain.known]
    assert told, "the head that never came is still known"
    return told


def _only_on_phone(scene: Scene, phone: Phone) -> int:
    return scene.store.chains(phone.replica.journal.id)[0].waiting
