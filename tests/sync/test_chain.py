"""The hash chain of a journal: what follows from it, and what the server answers where lines do not simply follow."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import journal
from sync.facts import Fact, FactId
from sync.journal import chain, fact_id, genesis, head_bytes, link
from sync.problems import Refused
from sync.wire import encode, parse_line
from tests.scene import Phone, PhoneKeys, Scene
from tests.sync.world import enrolled, push_raw, restart, restore_phone, stored

LINES = st.lists(st.binary(max_size=40), min_size=1, max_size=8)


@given(st.text(max_size=30), LINES)
def test_a_head_is_the_hash_the_protocol_writes_down(name: str, lines: list[bytes]) -> None:
    head = sha256(b"lamplighter/journal/1\n" + name.encode()).digest()
    assert genesis(name) == head
    for line, found in zip(lines, chain(head, lines), strict=True):
        head = sha256(head + sha256(line).digest()).digest()
        assert found == head


@given(LINES, st.data())
def test_any_change_changes_every_head_from_there_on_and_none_before(lines: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    other = [*lines[:at], lines[at] + b"!", *lines[at + 1 :]]
    one, two = chain(genesis("j"), lines), chain(genesis("j"), other)
    assert one[:at] == two[:at]
    assert all(a != b for a, b in zip(one[at:], two[at:], strict=True))


@given(LINES, st.data())
def test_a_chain_can_be_walked_in_pieces(lines: list[bytes], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(lines)))
    first = chain(genesis("j"), lines[:cut])
    assert first + chain(first[-1] if first else genesis("j"), lines[cut:]) == chain(genesis("j"), lines)


def test_moving_a_byte_over_the_border_of_two_lines_is_seen() -> None:
    assert chain(genesis("j"), [b"ab", b"c"])[-1] != chain(genesis("j"), [b"a", b"bc"])[-1]


@given(st.binary(min_size=32, max_size=32))
def test_a_fact_id_has_one_spelling(head: bytes) -> None:
    text = fact_id(head)
    assert len(text) == 43 and head_bytes(text) == head


@given(st.text(max_size=50))
def test_what_is_no_fact_id_is_none(text: str) -> None:
    head = head_bytes(text)
    assert head is None or fact_id(head) == text


def test_a_second_spelling_of_a_fact_id_is_refused() -> None:
    text = fact_id(genesis("j"))
    twins = [text[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]
    assert [twin for twin in twins if head_bytes(twin) == genesis("j")] == [text]
    assert head_bytes(text + "=") is None and head_bytes(text[:20] + "\n" + text[21:]) is None


# -------------------------------------------------------------------------------------------------- the server and the chain


def _fingerprint(scene: Scene) -> object:
    return dict(scene.store.lines()), scene.store.position, scene.store.ledger.size


@given(st.data())
def test_bytes_damaged_on_the_way_are_refused_and_change_nothing(data: st.DataObject) -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    phone.record("note", "t1", "v1", text="hello")
    body = bytearray(phone.replica.request().body)
    start = body.index(b"\n") + 1
    at = data.draw(st.integers(start, len(body) - 2))
    body[at] ^= data.draw(st.integers(1, 255))
    before = _fingerprint(scene)
    answer = scene.exchange(bytes(body))
    assert isinstance(answer, Refused) and answer.problem.slug in ("bad-chain", "bad-envelope")
    assert _fingerprint(scene) == before


def test_an_opening_of_another_device_does_not_lend_its_name() -> None:
    scene = Scene()
    thief, victim = enrolled(scene, "a"), enrolled(scene, "b")
    opening = encode(
        {
            "n": 1,
            "kind": "opening",
            "v": 1,
            "wall": scene.now,
            "mono": 0,
            "boot": "b",
            "device": "b",
            "member": "m-b",
            "app": "x",
        }
    )
    body, _ = push_raw(scene, thief, [opening], journal="stolen")
    answer = scene.exchange(body)
    assert isinstance(answer, Refused) and answer.problem.slug == "bad-checkpoint"
    assert victim.replica.waiting == 0 and not scene.store.chains("stolen")


def test_two_devices_that_open_one_journal_at_once_do_not_mix() -> None:
    scene = Scene()
    pushes = []
    for name in ("a", "b"):
        phone = scene.phone(name)
        opening = encode(
            {
                "n": 1,
                "kind": "opening",
                "v": 1,
                "wall": scene.now,
                "mono": 0,
                "boot": "b",
                "device": name,
                "member": "m",
                "app": "x",
            }
        )
        pushes.append(scene.hub.prepare(scene.store, push_raw(scene, phone, [opening], journal="same")[0], scene.now))
    (first, second), _ = scene.commit(pushes)
    assert first.problem is None and second.problem is not None and second.problem.problem.slug == "bad-checkpoint"
    assert [chain.device for chain in scene.store.chains("same")] == ["a"] and len(stored(scene, "same")) == 1


def test_nobody_but_the_office_writes_the_offices_journal() -> None:
    scene = Scene()
    phone = scene.phone("a")
    opening = encode(
        {"n": 1, "kind": "opening", "v": 1, "wall": scene.now, "mono": 0, "boot": "b", "device": "a", "member": "m", "app": "x"}
    )
    answer = scene.exchange(push_raw(scene, phone, [opening], journal="office")[0])
    assert isinstance(answer, Refused) and answer.problem.slug == "unknown-device"
    scene.ticket("t1")
    assert [chain.device for chain in scene.store.chains("office")] == [""]


def test_the_offices_words_are_bound_by_a_chain_too() -> None:
    scene = Scene()
    scene.ticket("t1")
    scene.office("corrected", "t1", set={"remarks": "x"})
    lines = stored(scene, "office")
    assert [fact_id(head) for head in chain(genesis("office"), [lines[n] for n in sorted(lines)])][-1] == scene.store.chains(
        "office"
    )[0].head


# ------------------------------------------------------------------------------------------------------------ repair answers


def test_unknown_after_names_the_known_heads_and_stores_nothing() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    for text in ("one", "two"):
        phone.record("note", "t1", "v1", text=text)
    own = phone.replica.journal
    last = [raw for _, _, raw in phone.pocket.lines(own.id, 3, 3)]
    second = phone.pocket.lines(own.id, 2, 2)[0][1]
    checkpoint = PhoneKeys("key-a").checkpoint(own.id, 3, own.head)
    envelope = {"v": 1, "journal": own.id, "after": second, "from": 3, "n": 3, "head": own.head, "checkpoint": checkpoint}
    before = _fingerprint(scene)
    push = scene.hub.prepare(scene.store, b"\n".join([encode(envelope), *last, b""]), scene.now)
    receipt = scene.commit([push])[0][0]
    assert receipt.problem is not None
    document = receipt.problem.document()
    assert (document["slug"], document["action"]) == ("unknown-after", "resync")
    assert document["heads"] == [{"n": 1, "head": phone.pocket.lines(own.id, 1, 1)[0][1]}]
    assert _fingerprint(scene) == before
    scene.deliver(phone, scene.answer(push, receipt))
    phone.sync()
    assert len(scene.view("t1")["visits"]["v1"]["notes"]) == 2


def test_a_fork_keeps_both_branches_and_asks_for_a_new_journal() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    copy = phone.pocket.snapshot()
    lives = []
    for life in ("first", "second", "third"):
        restore_phone(phone, copy)
        lives.append([phone.record("note", "t1", "v1", text=f"{life} {index}") for index in range(3)])
        reply = scene.exchange(phone.replica.request().body)
        assert isinstance(reply, bytes) and (b'"slug":"fork"' in reply) == (life != "first")
    applied = scene.deliver(phone, reply)
    assert applied.forked and applied.stated == 3
    kept = {identity for identity, _ in scene.store.lines().values()}
    assert all(set(life) <= kept for life in lives)
    name = phone.replica.state.journals[0].id
    branches = scene.store.chains(name)
    assert [(branch.n, branch.trunk) for branch in branches] == [(4, None), (4, (name, 1)), (4, (name, 1))]
    opening = parse_line(phone.pocket.lines(phone.replica.journal.id, 1, 1)[0][2], 1, FactId(""))
    assert isinstance(opening, Fact)
    assert (opening.body["previous"], opening.body["previous_n"], opening.body["previous_head"]) == (name, 4, lives[2][-1])


def test_a_branch_may_be_continued_and_repeated() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    copy = phone.pocket.snapshot()
    phone.record("note", "t1", "v1", text="first life")
    phone.sync()
    restore_phone(phone, copy)
    for index in range(3):
        phone.record("note", "t1", "v1", text=f"second {index}")
        body = phone.replica.request().body
        assert isinstance(scene.exchange(body), bytes)
        assert isinstance(scene.exchange(body), bytes)
    assert len(scene.store.chains(phone.replica.journal.id)) == 2
    assert len(scene.view("t1")["visits"]["v1"]["notes"]) == 4


def test_each_branch_sees_the_trunk_below_it_and_nothing_of_its_rival() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    phone.record("amended", "t1", set={"address": "trunk"})
    phone.sync()
    copy = phone.pocket.snapshot()
    for life in ("first", "second"):
        restore_phone(phone, copy)
        # Without the row on screen only the journal itself says what was seen.
        phone.pocket.drop_row(("ticket", "t1"))
        phone.record("amended", "t1", set={"address": life})
        scene.exchange(phone.replica.request().body)
    contest = scene.view("t1")["contests"]["address"]
    assert {value["value"] for value in contest["alternatives"]} >= {"trunk"}
    assert scene.view("t1")["address"] in ("first", "second"), "the trunk's value was seen by both, so it contests nothing"


def test_a_first_push_that_was_lost_before_it_arrived_is_sent_again() -> None:
    scene = Scene()
    phone = scene.phone("a")
    phone.replica.lost(phone.replica.request())
    restart(phone)
    phone.sync()
    assert phone.replica.waiting == 0 and len(stored(scene, phone.replica.journal.id)) == 1


def test_a_head_told_and_then_replaced_stays_on_record() -> None:
    scene = Scene()
    scene.ticket("t1")
    phone = enrolled(scene, "a")
    copy = phone.pocket.snapshot()
    deleted = phone.record("arrival", "t1", "v1")
    phone.replica.lost(phone.replica.request())
    scene.exchange(phone.replica.request().body)
    life = phone.pocket.snapshot()
    restore_phone(phone, copy)
    phone.record("note", "t1", "v1", text="nothing happened")
    phone.sync()
    name = phone.replica.state.journals[0].id
    assert [(n, head) for n, head, _ in scene.store.chains(name)[0].known] == [(2, deleted)]
    restore_phone(phone, life)  # found again on another copy: it was not deleted after all
    phone.sync()
    assert not [entry for branch in scene.store.chains(name) for entry in branch.known]


@pytest.mark.parametrize("name", ["x" * 80, "a b", "../../etc", "j~1", "日志"])
def test_a_journals_name_is_an_identifier(name: str) -> None:
    scene = Scene()
    phone: Phone = scene.phone("a")
    answer = scene.exchange(push_raw(scene, phone, [b"{}"], journal=name)[0])
    assert isinstance(answer, Refused) and answer.problem.slug == "bad-envelope"


def test_the_longest_line_is_a_matter_of_the_journal() -> None:
    assert journal.LINE_BYTES_MAX == 16 * 1024
    assert len(link(genesis("j"), b"x" * journal.LINE_BYTES_MAX)) == 32
