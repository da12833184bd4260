"""The phone's side: what it may say, what it shows, what it asks, what it keeps, and when it may let go."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from sync.facts import Side, Truth
from sync.judge import Command
from sync.kinds import KINDS
from sync.kinds.base import State
from sync.problems import Refused
from sync.replica import BYTES_A_PUSH, KEEP_MS, LINES_A_PUSH, Replica
from tests.scene import Phone, PhoneKeys, Scene
from tests.sync.world import disk_full, enrolled, held, projection, restart, restore_phone, restore_server, stored

DAY_MIN = 24 * 60


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.ticket("t1", contact_phone="0")
    return scene


@pytest.fixture
def phone(scene: Scene) -> Phone:
    return enrolled(scene, "a")


def word(phone: Phone, fact: str) -> str:
    return next(str(item["truth"]) for item in phone.replica.queue() if item["fact"] == fact)


def note(phone: Phone, text: str = "n", ticket: str = "t1") -> str:
    return phone.record("note", ticket, "v1", text=text)


def durable(scene: Scene, phone: Phone, n: int) -> None:
    """The last verified backup holds this journal up to n."""
    chain = scene.store.chains(phone.replica.journal.id)[0]
    chain.durable = n
    scene.store._chains[chain.journal][0] = chain


# -------------------------------------------------------------------------------------------------------- words of truth


def test_a_phone_that_was_never_heard_says_saved(scene: Scene) -> None:
    phone = scene.phone("new")
    assert word(phone, phone.replica.journal.head) == Truth.SAVED


def test_the_words_follow_a_fact_on_its_way(scene: Scene, phone: Phone) -> None:
    fact = note(phone)
    assert word(phone, fact) == Truth.WAITING
    outgoing = phone.replica.request()
    assert word(phone, fact) == Truth.SENDING
    phone.replica.lost(outgoing)
    assert word(phone, fact) == Truth.WAITING
    phone.sync()
    assert word(phone, fact) == Truth.HQ_HAS_IT


def test_a_fact_written_while_another_is_sent_is_not_called_sending(phone: Phone) -> None:
    first, _ = note(phone), phone.replica.request()
    assert (word(phone, first), word(phone, note(phone))) == (Truth.SENDING, Truth.WAITING)


def test_contested_facts_need_you_until_somebody_decides(scene: Scene, phone: Phone) -> None:
    fact = phone.record("amended", "t1", set={"contact_phone": "1"})
    scene.office("corrected", "t1", set={"contact_phone": "2"})
    phone.sync()
    assert word(phone, fact) == Truth.NEEDS_YOU
    scene.office("decided", "t1", field="contact_phone", choose=fact, reason="asked")
    phone.sync()
    assert word(phone, fact) == Truth.HQ_HAS_IT


def test_a_verdict_that_came_with_a_lost_reply_comes_again_by_the_feed(scene: Scene, phone: Phone) -> None:
    fact = phone.record("amended", "t1", set={"contact_phone": "1"})
    scene.office("corrected", "t1", set={"contact_phone": "2"})
    outgoing = phone.replica.request()
    scene.exchange(outgoing.body)
    phone.replica.lost(outgoing)
    phone.sync()
    assert word(phone, fact) == Truth.NEEDS_YOU


# --------------------------------------------------------------------------------------------------------------- the overlay


def test_own_newer_facts_lie_over_the_confirmed_copy_and_confirmed_ones_do_not_lie_there_twice(
    scene: Scene, phone: Phone
) -> None:
    note(phone, "confirmed")
    phone.sync()
    note(phone, "mine")
    phone.record("amended", "t1", set={"contact_phone": "9"})
    view = phone.view("t1")
    assert [n["text"] for n in view["visits"]["v1"]["notes"]] == ["confirmed", "mine"]
    assert view["contact_phone"] == "9" and scene.view("t1")["contact_phone"] == "0"
    phone.sync()
    assert phone.view("t1") == {**scene.view("t1"), "id": "t1"}


def test_between_statement_and_page_the_own_facts_are_still_shown(scene: Scene, phone: Phone) -> None:
    note(phone, "mine")
    reply = scene.exchange(phone.replica.request().body)
    assert isinstance(reply, bytes)
    scene.deliver(phone, reply[: reply.index(b"\n") + 1])
    assert phone.replica.waiting == 0
    assert [n["text"] for n in phone.view("t1")["visits"]["v1"]["notes"]] == ["mine"]


@pytest.mark.parametrize(
    ("confirmed", "kinds", "shown"),
    [
        ("dispatched", ["acceptance", "departure"], "en_route"),
        ("working", ["departure"], "working"),
        ("suspended", ["answer"], "suspended"),
        ("suspended", ["resumption"], "working"),
        ("suspended", ["finish"], "completed"),
        ("reopened", ["departure", "arrival"], "on_site"),
        ("cancelled", ["resumption"], "cancelled"),
        ("cancelled", ["finish"], "cancelled"),
        ("completed", ["arrival"], "completed"),
    ],
)
def test_own_facts_move_a_ticket_on_but_never_back_and_never_open_a_closed_one(
    phone: Phone, confirmed: str, kinds: list[str], shown: str
) -> None:
    row = phone.pocket.row(("ticket", "t1"))
    assert row is not None
    row.put["state"] = str(State(confirmed))
    phone.pocket.save_row(row)
    for kind in kinds:
        body: dict[str, Any] = {"guide": "g", "guide_version": 1, "step": "s"} if kind == "answer" else {}
        phone.record(kind, "t1", "v1", **body)
    assert phone.view("t1")["state"] == shown


def test_a_ticket_raised_offline_is_shown_before_anybody_else_knows_it(scene: Scene, phone: Phone) -> None:
    phone.record("raised", "mine", set={"description": "line down"})
    phone.record("arrival", "mine", "v1")
    view = phone.view("mine")
    assert (view["description"], view["state"]) == ("line down", "on_site")
    assert {shown["id"] for shown in phone.replica.tickets()} == {"t1", "mine"}
    phone.sync()
    assert phone.view("mine") == {**scene.view("mine"), "id": "mine"}


def test_what_is_sealed_is_not_laid_over_either(phone: Phone) -> None:
    phone.record("rating", "t1", "v1", opened="x", result="answered", sealed="SECRET", kid="k")
    assert "SECRET" not in json.dumps(phone.view("t1"))


def test_every_kind_of_the_field_can_be_laid_over() -> None:
    for kind in KINDS.values():
        if kind.side is Side.FIELD and kind.name != "opening":
            assert kind.corrects or kind.slot is not None, f"{kind.name} would not be seen on the phone that wrote it"


# ------------------------------------------------------------------------------------------------------------------ anchors


def anchors(phone: Phone) -> list[int]:
    """The places of lines that carry an anchor, over all journals."""
    return [item["n"] for item in phone.replica.queue() if "anchor" in item["line"]]


def test_each_statement_is_carried_once_by_the_next_line_and_by_no_other(scene: Scene, phone: Phone) -> None:
    assert anchors(phone) == []
    note(phone), note(phone)
    assert anchors(phone) == [2]
    restart(phone)
    note(phone)
    assert anchors(phone) == [2]
    scene.wait(minutes=1)
    phone.sync(), phone.sync()
    note(phone), note(phone)
    assert anchors(phone) == [2, 5]


def test_a_line_that_could_not_be_written_does_not_use_up_the_anchor(phone: Phone) -> None:
    with disk_full(phone), pytest.raises(OSError, match="full"):
        note(phone)
    with pytest.raises(Refused):
        phone.record("note", "t1", "v1", text=5)
    note(phone)
    assert anchors(phone) == [2]


def test_an_anchor_gives_the_lower_bound_of_everything_after_it(scene: Scene, phone: Phone) -> None:
    stated = scene.now
    scene.wait(minutes=30)
    phone.record("arrival", "t1", "v1")
    scene.wait(minutes=30)
    phone.record("finish", "t1", "v1")
    phone.sync()
    visit = scene.view("t1")["visits"]["v1"]
    assert visit["arrived"]["lower"] == visit["finished"]["lower"] == stated - 500


def test_a_forged_or_foreign_anchor_gives_no_bound_and_no_error(scene: Scene, phone: Phone) -> None:
    other = enrolled(scene, "b")
    for anchor in ("nonsense", "x|{}", other.replica.state.anchor):
        phone.replica.state.anchor, phone.replica.state.anchor_used = anchor, False
        fact = phone.record("arrival", "t1", f"v{phone.replica.journal.n}")
        phone.replica.state.anchor_used = True
        scene.exchange(phone.replica.request().body)
        assert scene.outcome(fact) is None, "it simply counts"
    assert all(visit["arrived"]["lower"] is None for visit in scene.view("t1")["visits"].values())


def test_an_overtaken_reply_does_not_bring_back_an_older_anchor(scene: Scene, phone: Phone) -> None:
    note(phone, "one")
    late = scene.exchange(phone.replica.request().body)
    scene.wait(minutes=5)
    note(phone, "two")
    phone.sync()
    anchor, stated = phone.replica.state.anchor, phone.replica.journal.stated
    applied = scene.deliver(phone, late)
    assert not applied.regressed and phone.replica.state.anchor == anchor and phone.replica.journal.stated == stated
    assert not phone.replica.state.notices


# ------------------------------------------------------------------------------------------------------------- lost replies


def test_after_a_lost_reply_it_asks_by_head_and_sends_no_line_twice_if_they_are_stored(scene: Scene, phone: Phone) -> None:
    fact = note(phone)
    outgoing = phone.replica.request()
    assert outgoing.lines == 1
    scene.exchange(outgoing.body)
    phone.replica.lost(outgoing)
    restart(phone)
    asking = phone.replica.request()
    assert asking.lines == 0 and fact.encode() in asking.body and b'"kind":"note"' not in asking.body
    scene.deliver(phone, scene.exchange(asking.body))
    assert phone.replica.waiting == 0 and word(phone, fact) == Truth.HQ_HAS_IT
    assert phone.replica.request().lines == 0


def test_after_a_lost_request_it_asks_by_head_and_then_sends_the_lines(scene: Scene, phone: Phone) -> None:
    fact = note(phone)
    phone.replica.lost(phone.replica.request())
    asking = phone.replica.request()
    assert asking.lines == 0
    scene.deliver(phone, scene.exchange(asking.body))
    assert word(phone, fact) == Truth.WAITING, "known by hash is not stored"
    assert phone.replica.request().lines == 1
    phone.sync()
    assert word(phone, fact) == Truth.HQ_HAS_IT


def test_facts_written_while_a_reply_is_missing_wait_their_turn(scene: Scene, phone: Phone) -> None:
    note(phone, "one")
    outgoing = phone.replica.request()
    scene.exchange(outgoing.body)
    phone.replica.lost(outgoing)
    note(phone, "two")
    phone.sync()
    assert [n["text"] for n in scene.view("t1")["visits"]["v1"]["notes"]] == ["one", "two"]


def test_a_large_backlog_goes_in_requests_of_bounded_size(scene: Scene, phone: Phone) -> None:
    for _ in range(60):
        phone.record("note", "t1", "v1", text="长" * 2000)
    for _ in range(LINES_A_PUSH):
        note(phone)
    sizes = []
    while phone.replica.waiting:
        outgoing = phone.replica.request()
        sizes.append((outgoing.lines, len(outgoing.body)))
        scene.deliver(phone, scene.exchange(outgoing.body))
    assert all(lines <= LINES_A_PUSH and size <= BYTES_A_PUSH + 4096 for lines, size in sizes) and len(sizes) >= 2
    assert len(stored(scene, phone.replica.journal.id)) == phone.replica.journal.n


# --------------------------------------------------------------------------------------------------------- restores and repair


def test_a_server_that_knows_less_than_it_stated_is_noticed_and_gets_the_lines_again(scene: Scene, phone: Phone) -> None:
    backup = deepcopy(scene.store)
    fact = note(phone)
    phone.sync()
    restore_server(scene, backup, "k2")
    applied = scene.deliver(phone, scene.exchange(phone.replica.request().body))
    assert applied.regressed and word(phone, fact) == Truth.WAITING, "the word goes back with the truth"
    phone.sync()
    assert word(phone, fact) == Truth.HQ_HAS_IT
    assert [n["slug"] for n in phone.replica.state.notices] == ["server-regressed"]


def test_a_new_history_is_marked_drained_and_swept_page_by_page(scene: Scene, phone: Phone) -> None:
    for index in range(5):
        scene.ticket(f"old{index}", remarks="x" * 400)
    phone.sync()
    backup = deepcopy(scene.store)
    for index in range(3):
        scene.ticket(f"lost{index}")
    phone.sync()
    fact = note(phone, ticket="lost0")
    restore_server(scene, backup, "k2")
    more, pages = True, 0
    while more:
        applied = scene.deliver(phone, scene.exchange(phone.replica.request(limit_bytes=1024).body))
        more, pages = applied.more, pages + 1
        if more:
            assert {view["id"] for view in phone.replica.tickets()} >= {"t1", "lost1", "old4"}, (
                "nothing vanishes before the drain"
            )
    assert pages > 2
    assert {view["id"] for view in phone.replica.tickets()} == {"t1", *(f"old{index}" for index in range(5))}
    phone.sync()
    assert held(phone) == projection(scene, phone)
    assert fact in {identity for identity, _ in scene.store.lines().values()}


def test_bases_of_a_lost_history_are_cut_to_the_fork(scene: Scene, phone: Phone) -> None:
    backup = deepcopy(scene.store)
    scene.office("corrected", "t1", set={"contact_phone": "lost"})
    phone.sync()
    phone.record("amended", "t1", set={"contact_phone": "crew"})
    restore_server(scene, backup, "k2")
    for number in range(5):
        scene.office("corrected", "t1", set={"contact_phone": f"new {number}"})
    phone.sync()
    view = scene.view("t1")
    assert view["contact_phone"] == "new 4" and "contact_phone" in view["contests"], "the crew had not seen the new history"


def test_a_full_disk_while_a_new_journal_begins_leaves_the_old_one_as_it_was(scene: Scene, phone: Phone) -> None:
    copy = phone.pocket.snapshot()
    note(phone, "first life")
    phone.sync()
    restore_phone(phone, copy)
    note(phone, "second life")
    reply = scene.exchange(phone.replica.request().body)
    with disk_full(phone), pytest.raises(OSError, match="full"):
        scene.deliver(phone, reply)
    restart(phone)
    phone.sync()
    opening = phone.pocket.lines(phone.replica.journal.id, 1, 1)[0][2]
    assert json.loads(opening)["kind"] == "opening" and len(phone.replica.state.journals) == 2
    assert len(scene.view("t1")["visits"]["v1"]["notes"]) == 2


def test_a_journal_always_begins_with_an_opening_also_after_a_full_disk(scene: Scene, phone: Phone) -> None:
    with disk_full(phone), pytest.raises(OSError, match="full"):
        phone.replica.begin_journal(phone.reading(), why="canary")
    note(phone)
    phone.sync()
    assert len(phone.replica.state.journals) == 1 and phone.replica.waiting == 0


def test_what_waits_in_an_older_journal_is_sent_too(scene: Scene, phone: Phone) -> None:
    note(phone, "old journal")
    phone.replica.begin_journal(phone.reading(), why="canary")
    note(phone, "new journal")
    phone.sync()
    assert [n["text"] for n in scene.view("t1")["visits"]["v1"]["notes"]] == ["old journal", "new journal"]


def test_a_first_journal_of_an_old_copy_does_not_disturb_the_new_one(scene: Scene, phone: Phone) -> None:
    """Only the journal that forked is given up; the one begun since goes on."""
    copy = phone.pocket.snapshot()
    note(phone, "first life")
    phone.sync()
    restore_phone(phone, copy)
    note(phone, "second life")
    phone.replica.begin_journal(phone.reading(), why="canary")
    present = phone.replica.journal.id
    note(phone, "present")
    phone.sync()
    assert phone.replica.journal.id == present
    assert len(scene.view("t1")["visits"]["v1"]["notes"]) == 3


# ------------------------------------------------------------------------------------------------------------ letting go


def test_customer_data_is_purged_only_after_what_was_recorded_about_it_is_stored(scene: Scene, phone: Phone) -> None:
    scene.office("transferred", "t1", crew="B")
    gone = scene.exchange(phone.replica.request().body)
    fact = note(phone)
    scene.deliver(phone, gone)
    view = phone.view("t1")
    assert view["gone"] == "reassigned" and view["visits"]["v1"]["notes"], (
        "still here, because a fact about it is not stored yet"
    )
    assert phone.replica.tickets() == []
    phone.sync()
    assert phone.pocket.row(("ticket", "t1")) is None
    assert fact in {identity for identity, _ in scene.store.lines().values()}


def test_a_fact_written_after_the_phone_learnt_of_the_reassignment_has_seen_it(scene: Scene, phone: Phone) -> None:
    scene.office("transferred", "t1", crew="B")
    gone = scene.exchange(phone.replica.request().body)
    note(phone)
    scene.deliver(phone, gone)
    fact = phone.record("finish", "t1", "v9")
    phone.sync()
    outcome = scene.outcome(fact)
    assert outcome is not None and (outcome["outcome"], outcome["slug"]) == ("contested", "after-reassignment")
    assert scene.view("t1")["state"] == "dispatched"


def test_a_line_is_deleted_only_when_stated_and_in_a_backup_and_a_week_old(scene: Scene, phone: Phone) -> None:
    for index in range(4):
        note(phone, str(index))
    phone.sync()
    week_min = KEEP_MS // 60_000
    scene.wait(minutes=week_min)
    assert phone.replica.prune(scene.now) == 0, "no backup holds them"
    durable(scene, phone, 3)
    phone.sync()
    assert phone.replica.prune(scene.now - 1) == 0, "stated a moment less than a week ago"
    assert phone.replica.prune(scene.now) == 2
    assert [item["n"] for item in phone.replica.queue()] == [3, 4, 5], "the last durable line stays to join on"
    note(phone, "unstated")
    scene.wait(minutes=week_min)
    assert phone.replica.prune(scene.now) == 0
    phone.sync()
    assert len(scene.view("t1")["visits"]["v1"]["notes"]) == 5


def test_after_pruning_the_server_may_still_come_back_from_the_backup_that_was_promised(scene: Scene, phone: Phone) -> None:
    for index in range(4):
        note(phone, str(index))
    phone.sync()
    durable(scene, phone, 3)
    phone.sync()
    backup = _cut_to(scene, phone, 3)
    scene.wait(minutes=8 * DAY_MIN)
    assert phone.replica.prune(scene.now) == 2
    scene.store = backup
    phone.sync()
    assert len(stored(scene, phone.replica.journal.id)) == 5


def _cut_to(scene: Scene, phone: Phone, n: int) -> Any:
    """The server as it was when the journal stood at n: the same pushes in a world of its own."""
    world = Scene(now=scene.now)
    world.store.devices = dict(scene.store.devices)
    world.ticket("t1", contact_phone="0")
    own = phone.replica.journal
    twin = deepcopy(phone.pocket)
    older = Replica(twin, PhoneKeys("key-a"), scene.new_id)
    older.journal.n, older.journal.head, older.journal.stated = n, twin.lines(own.id, n, n)[0][1], 0
    assert isinstance(world.exchange(older.request().body), bytes)
    world.store.begin_incarnation("k2")
    return world.store


def test_a_journal_called_unknown_by_an_unsigned_word_goes_on_once_the_server_signs_what_it_has(
    scene: Scene, phone: Phone
) -> None:
    for index in range(4):
        note(phone, str(index))
    phone.sync()
    durable(scene, phone, 5)
    phone.sync()
    scene.wait(minutes=8 * DAY_MIN)
    assert phone.replica.prune(scene.now) == 4
    first, fact = phone.replica.journal, note(phone, "not sent yet")
    phone.replica.request()
    phone.replica.refused({"slug": "unknown-after", "heads": []}, phone.reading())
    assert first.torn and phone.replica.journal is not first and phone.replica.waiting == 3
    for _ in range(4):
        phone.sync()
    assert not first.torn and phone.replica.waiting == 0 and word(phone, fact) == Truth.HQ_HAS_IT
    assert len(stored(scene, first.id)) == 6


def test_a_server_older_than_its_own_promise_is_noticed_and_new_facts_go_on(scene: Scene, phone: Phone) -> None:
    empty = deepcopy(scene.store)
    empty._chains.pop(phone.replica.journal.id)
    empty._lines = {key: row for key, row in empty._lines.items() if key[0] != phone.replica.journal.id}
    for index in range(4):
        note(phone, str(index))
    phone.sync()
    durable(scene, phone, 5)
    phone.sync()
    scene.wait(minutes=8 * DAY_MIN)
    assert phone.replica.prune(scene.now) == 4
    restore_server(scene, empty, "k2")
    for _ in range(4):
        scene.deliver(phone, scene.exchange(phone.replica.request().body))
    assert [notice["slug"] for notice in phone.replica.state.notices] == ["lines-missing"]
    fact = note(phone, "life goes on")
    for _ in range(3):
        scene.deliver(phone, scene.exchange(phone.replica.request().body))
    assert word(phone, fact) == Truth.HQ_HAS_IT
    assert [item["n"] for item in phone.replica.queue() if item["truth"] != Truth.HQ_HAS_IT] == [5], (
        "kept, and said to be here only"
    )
    assert phone.replica.sendable == 0 < phone.replica.waiting, "nobody tries for ever to send what cannot be joined on"


# ------------------------------------------------------------------------------------------------------------------ bundles


def test_a_bundle_that_comes_by_another_road_is_idempotent(scene: Scene, phone: Phone) -> None:
    facts = [note(phone, str(index)) for index in range(3)]
    bundle = phone.replica.request()
    phone.replica.sent_by_other_road(bundle)
    assert {word(phone, fact) for fact in facts} == {Truth.WAITING}, "a file in a pocket states nothing"
    for _ in range(3):
        assert isinstance(scene.exchange(bundle.body), bytes)
    note(phone, "since")
    phone.sync()
    assert isinstance(scene.exchange(bundle.body), bytes)
    assert [n["text"] for n in scene.view("t1")["visits"]["v1"]["notes"]] == ["0", "1", "2", "since"]
    assert phone.replica.waiting == 0 and not phone.replica.state.notices


def test_the_reply_to_a_bundle_of_long_ago_takes_no_word_back(scene: Scene, phone: Phone) -> None:
    fact = note(phone, "in the bundle")
    bundle = phone.replica.request()
    phone.replica.sent_by_other_road(bundle)
    later = note(phone, "after it")
    phone.sync()
    scene.wait(minutes=1)
    applied = phone.replica.apply(_bytes(scene.exchange(bundle.body)), phone.reading())
    assert not applied.regressed and not phone.replica.state.notices
    assert word(phone, fact) == word(phone, later) == Truth.HQ_HAS_IT


def _bytes(reply: object) -> bytes:
    assert isinstance(reply, bytes)
    return reply


def test_a_bundle_older_than_the_head_stores_nothing_and_is_answered_as_it_was(scene: Scene, phone: Phone) -> None:
    fact = note(phone, "in the bundle")
    bundle = phone.replica.request().body
    note(phone, "since")
    phone.sync()
    receipt = scene.commit([scene.hub.prepare(scene.store, bundle, scene.now)])[0][0]
    assert (receipt.n, receipt.head, receipt.stored, receipt.problem) == (2, fact, 0, None)


# ------------------------------------------------------------------------------------------------------------------- signing


def test_an_idle_request_is_small_and_signs_nothing(scene: Scene, phone: Phone) -> None:
    outgoing = phone.replica.request()
    assert b"checkpoint" not in outgoing.body and len(outgoing.body) <= 700
    lines, position = dict(scene.store.lines()), scene.store.position
    scene.exchange(outgoing.body)
    assert (dict(scene.store.lines()), scene.store.position) == (lines, position)


def test_a_phone_that_is_not_enrolled_says_so() -> None:
    scene = Scene()
    phone = scene.phone("a")
    phone.pocket._state = None
    with pytest.raises(Refused, match="unknown-device"):
        Replica(phone.pocket, PhoneKeys("key-a"), scene.new_id)


def test_a_phone_whose_clock_says_1970_still_records_and_its_facts_still_count() -> None:
    scene = Scene()
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    phone.wall_off_ms = -scene.now
    fact = phone.record("arrival", "t1", "v1")
    phone.sync()
    arrived = scene.view("t1")["visits"]["v1"]["arrived"]
    assert arrived["fact"] == fact and arrived["lower"] <= arrived["at"] <= arrived["upper"]


def test_a_ticket_taken_away_says_to_whom_and_when() -> None:
    scene = Scene()
    phone = scene.phone("a", crew="A")
    scene.ticket("t1", crew="A")
    phone.sync()
    phone.record("note", "t1", "v1", text="on my way")
    scene.wait(minutes=3)
    scene.office("transferred", "t1", crew="B")
    reply = scene.exchange(phone.replica.request().body)
    phone.record("note", "t1", "v1", text="written while the answer travelled")
    scene.deliver(phone, reply)
    shown = phone.view("t1")
    assert (shown["gone"], shown["gone_to"]) == ("reassigned", {"crew": "B", "at": scene.now})


def test_one_list_of_commands_cannot_give_one_number_to_two_tickets() -> None:
    scene = Scene()
    batch = [Command("created", "user:d", name, {"set": {"number": "WO-1"}}, scene.now) for name in ("t1", "t2")]
    with pytest.raises(Refused, match="two tickets"):
        scene.commands(batch)
    assert scene.store.lines() == {}


def test_the_first_word_on_a_new_journal_makes_the_phone_ask_about_the_ones_before_it() -> None:
    """The server may have forgotten them, told nobody, and grown past what this phone remembers of its ledger."""
    scene = Scene()
    backup = deepcopy(scene.store)
    phone, other = scene.phone("a"), scene.phone("b")
    backup.devices = dict(scene.store.devices)
    phone.sync()
    scene.ticket("t1")
    phone.sync()
    kept = phone.record("note", "t1", "v1", text="in the journal that is lost")
    phone.sync()
    phone.replica.begin_journal(phone.reading(), why="restored")
    scene.deliver(phone, scene.exchange(phone.replica.request().body))
    assert [own.stated for own in phone.replica.state.journals] == [2, 0], "the old one confirmed, the new one not sent yet"
    scene.store.__dict__.update(backup.__dict__)
    scene.ticket("t1")
    for index in range(20):
        scene.office("corrected", "t1", set={"remarks": str(index)})
    other.sync()
    phone.sync()
    assert kept in {identity for identity, _ in scene.store.lines().values()}
