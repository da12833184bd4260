"""Merging by its laws: order of arrival is nothing, twice is once, every field has a rule, and every rule can be explained."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import merge, wire
from sync.facts import Fact, FactId, Record, Side, Write
from sync.judge import Command
from sync.kinds import KINDS
from sync.kinds.base import AnyOf, Choice, Flag, Identifier, Integer, Kind, ListOf, Moment, Number, Sha256, Shape, State, Text
from sync.kinds.ticket import POLICIES, TICKET
from sync.policy import Policy, Settled, Version, sees, settle
from sync.problems import Refused
from tests.scene import NOON, Phone, Scene
from tests.sync.world import record_of

# ----------------------------------------------------------------------------------------- records that could have happened

_CREWS = ("A", "B")
_ON_VISIT = (
    "acceptance",
    "departure",
    "arrival",
    "start",
    "suspension",
    "resumption",
    "finish",
    "return",
    "note",
    "answer",
    "rating",
)
_OFFICE = ("assigned", "transferred", "cancelled", "reopened", "archived", "corrected", "decided")
_BODIES: dict[str, dict[str, Any]] = {
    "suspension": {"reason": "rain"},
    "return": {"reason": "no_access"},
    "cancelled": {"reason": "called off"},
}


@st.composite
def records(draw: st.DrawFn) -> Record:
    """A ticket's writes as a server could have accepted them: any fact, any seen-set the past allows, clocks at random."""
    writes = [_office(draw, 1, 1, "created", {"set": {"contact_phone": "0", "kind": "hazard"}}, [])]
    ends: dict[str, int] = {"office": 1}
    for position in range(2, draw(st.integers(2, 14))):
        chain = draw(st.sampled_from(["office", "a1", "a2", "b1"]))
        n = ends[chain] = ends.get(chain, 0) + 1
        if chain == "office":
            kind = draw(st.sampled_from(_OFFICE))
            writes.append(_office(draw, position, n, kind, _office_body(draw, kind, writes), writes))
        else:
            writes.append(_field(draw, position, n, chain))
    return Record("ticket", "t1", writes, position=len(writes))


def _office(draw: st.DrawFn, position: int, n: int, kind: str, body: dict[str, Any], before: list[Write]) -> Write:
    at = NOON + position * 100
    base = max((write.position for write in before), default=0)
    fact = FactId(f"office-{n}")
    return Write(
        fact, kind, Side.OFFICE, "user:d", None, "office", n, base, at, at, at, None, 0, body, position=position, ticket="t1"
    )


def _office_body(draw: st.DrawFn, kind: str, before: list[Write]) -> dict[str, Any]:
    if KINDS[kind].assigns:
        fence = 1 + sum(1 for write in before if KINDS[write.kind].assigns)
        return {"crew": draw(st.sampled_from(_CREWS)), "fence": fence}
    if kind == "corrected":
        return {"set": {"contact_phone": draw(st.sampled_from("012"))}}
    if kind == "decided":
        path = draw(st.sampled_from(["state", "contact_phone", "visits/v1/arrived", "visits/v1/answers/s", "visits/v1/rating"]))
        return {"field": path, "choose": draw(st.sampled_from([write.fact for write in before])), "reason": "r"}
    return dict(_BODIES.get(kind, {}))


def _field(draw: st.DrawFn, position: int, n: int, chain: str) -> Write:
    kind = draw(st.sampled_from([*_ON_VISIT, "amended"]))
    body = dict(_BODIES.get(kind, {}))
    if kind == "amended":
        body = {"set": {"contact_phone": draw(st.sampled_from("012")), "fault_class": draw(st.sampled_from("xy"))}}
    if kind == "answer":
        value, safety = draw(st.integers(0, 2)), draw(st.booleans())
        body = {"guide": "g", "guide_version": 1, "step": "s", "value": value, "safety": safety}
    if kind == "note":
        body = {"text": f"{chain} {n}"}
    if kind == "rating":
        body = {"opened": "o", "result": "answered", "sealed": f"sealed {chain} {n}", "kid": "k"}
    at = NOON + draw(st.integers(0, 2000))
    return Write(
        FactId(f"{chain}-{n}"), kind, Side.FIELD, f"member:{chain}", chain[0].upper(), chain, n,
        draw(st.integers(0, position - 1)), at, None, at + 100,
        None if kind == "amended" else draw(st.sampled_from(["v1", "v2"])), draw(st.integers(0, 3)), body,
        position=position, ticket="t1", device=chain,
    )  # fmt: skip


def _answer(record: Record) -> tuple[Any, Any, Any]:
    folded = merge.fold(record)
    return folded.view, folded.contested, {path: merge.explain(record, path) for path in [*folded.settled, "state"]}


# -------------------------------------------------------------------------------------------------------------- laws of fold


@given(records(), st.randoms(use_true_random=False))
def test_folding_is_the_same_in_whatever_order_the_writes_arrived(record: Record, random: Any) -> None:
    shuffled = list(record.writes)
    random.shuffle(shuffled)
    assert _answer(replace(record, writes=shuffled)) == _answer(record)


@given(records())
def test_folding_twice_or_from_storage_gives_the_same(record: Record) -> None:
    assert _answer(record) == _answer(record) == _answer(wire.load_record(wire.dump_record(record)))


@given(records())
def test_folding_changes_nothing_it_was_given(record: Record) -> None:
    before = wire.dump_record(record)
    merge.fold(record)
    assert wire.dump_record(record) == before


@given(records())
def test_what_is_shown_travels_as_json_and_names_real_states(record: Record) -> None:
    view = merge.fold(record).view
    assert json.loads(wire.encode(view)) == view
    assert State(view["state"])


@given(records())
def test_a_private_field_is_never_shown_not_even_by_a_decision(record: Record) -> None:
    assert "sealed" not in json.dumps(_answer(record)[::2], default=str)


def test_not_even_a_decision_shows_what_is_sealed() -> None:
    """The hub refuses such a decision; should one ever be stored, merging still hides what the fact hid."""
    sealed = {"opened": "o", "result": "answered", "sealed": "SEALED", "kid": "k"}
    rating = Write(
        FactId("r"), "rating", Side.FIELD, "m", "A", "a1", 1, 0, NOON, None, NOON, "v1", 0, sealed, position=1, ticket="t1"
    )
    body = {"field": "visits/v1/rating", "choose": "r", "reason": "?"}
    decided = Write(
        FactId("d"), "decided", Side.OFFICE, "u", None, "office", 1, 1, NOON, NOON, NOON, None, 0, body, position=2, ticket="t1"
    )
    record = Record("ticket", "t1", [rating, decided])
    assert merge.fold(record).view["visits"]["v1"]["rating"]["result"] == "answered"
    assert "SEALED" not in json.dumps([merge.fold(record).view, merge.explain(record, "visits/v1/rating")])


@given(records())
def test_explain_answers_for_every_settled_path_and_keeps_every_version(record: Record) -> None:
    folded = merge.fold(record)
    for path, settled in folded.settled.items():
        told = merge.explain(record, path)
        assert told["path"] == path and told["rule"] in {*map(str, Policy), "decided"}
        versions = [told["by"], *told["alternatives"]]
        assert len({version["fact"] for version in versions}) == len(versions) == 1 + len(settled.alternatives)
    assert merge.explain(record, "no/such/path") == {"path": "no/such/path", "known": sorted([*folded.settled, "state"])}


@given(records())
def test_no_written_value_is_ever_dropped(record: Record) -> None:
    folded = merge.fold(record)
    kept = {path: {s.shown.write.fact, *(v.write.fact for v in s.alternatives)} for path, s in folded.settled.items()}
    for write in record.writes:
        if KINDS[write.kind].corrects:
            assert all(write.fact in kept[name] for name in write.body["set"])
        slot = KINDS[write.kind].slot
        if slot is not None:
            path = f"visits/{write.visit}/{slot.name}" + (f"/{write.body[slot.each]}" if slot.each else "")
            assert write.fact in kept[path]


@given(records())
def test_seeing_is_a_strict_order(record: Record) -> None:
    for one in record.writes:
        assert not sees(one, one)
        for other in record.writes:
            assert not (sees(one, other) and sees(other, one))


@given(records())
def test_a_decision_with_nothing_after_it_is_what_is_shown(record: Record) -> None:
    decisions = [write for write in record.writes if write.kind == "decided" and write.body["field"] == "contact_phone"]
    folded = merge.fold(record)
    settled = folded.settled["contact_phone"]
    options = {v.write.fact: v.value for v in (settled.shown, *settled.alternatives)}
    applied = [decision for decision in decisions if decision.fact in options]
    if applied and all(sees(applied[-1], w) for w in record.writes if w.fact in options and w is not applied[-1]):
        assert settled.shown.write is applied[-1] and not settled.contested


# ------------------------------------------------------------------------------------------------------------------- stamps


def _edit(chain: str, n: int, at: int, *, base: int = 0, position: int = 0, side: Side = Side.FIELD) -> Version:
    write = Write(
        FactId(f"{chain}{n}"), "amended", side, chain, "A", chain, n, base, at, None, at, None, 0, {}, position=position or n
    )
    return Version(f"{chain}{n}", write, (at, chain, n))


@given(st.integers(1, 6))
def test_a_loser_does_not_win_by_editing_again_blind(edits: int) -> None:
    winner = _edit("w", 1, at=500, position=50)
    loser = [_edit("l", n, at=400 + (n - 1) * 1000, position=100 + n) for n in range(1, edits + 1)]
    versions = [winner, *loser]
    settled = settle(Policy.LATEST, merge.heads(versions), versions)
    assert settled.shown.write is winner.write


def test_a_loser_who_has_seen_the_winner_may_change_it() -> None:
    winner, blind = _edit("w", 1, at=500, position=50), _edit("l", 1, at=400, position=51)
    informed = _edit("l", 2, at=450, base=50, position=60)
    versions = [winner, blind, informed]
    settled = settle(Policy.LATEST, merge.heads(versions), versions)
    assert settled.shown.value == "l2" and not settled.contested


@pytest.mark.parametrize("policy", [policy for policy in Policy if policy is not Policy.DERIVED])
def test_the_shown_value_is_never_among_its_own_alternatives(policy: Policy) -> None:
    versions = [_edit("a", 1, at=1), _edit("b", 1, at=2), _edit("office", 1, at=3, side=Side.OFFICE)]
    settled = settle(policy, merge.heads(versions), versions)
    assert settled.shown.value not in [version.value for version in settled.alternatives]
    assert len(settled.alternatives) == 2


def test_facts_of_one_moment_keep_the_order_of_their_journal() -> None:
    """A phone whose clock runs ahead has everything clamped to the moment it was received."""
    scene, phone = _scene_with_phone()
    phone.wall_off_ms = 10**9
    for kind, body in (("suspension", {"reason": "rain"}), ("resumption", {})):
        phone.record(kind, "t1", "v1", **body)
    for text in "abcdef":
        phone.record("note", "t1", "v1", text=text)
    phone.sync()
    view = scene.view("t1")
    assert view["state"] == "working"
    assert [note["text"] for note in view["visits"]["v1"]["notes"]] == list("abcdef")


def test_a_clock_set_back_between_pause_and_resumption_does_not_turn_them_round() -> None:
    scene, phone = _scene_with_phone()
    scene.wait(minutes=60)
    phone.record("suspension", "t1", "v1", reason="rain")
    phone.wall_off_ms, phone.boot = -1_800_000, "b2"
    phone.record("resumption", "t1", "v1")
    phone.sync()
    assert scene.view("t1")["state"] == "working"


# ---------------------------------------------------------------------------------------------------------------- decisions


def _scene_with_phone() -> tuple[Scene, Phone]:
    scene = Scene()
    scene.ticket("t1", contact_phone="0", priority=1)
    phone = scene.phone("a")
    phone.sync()
    return scene, phone


def test_a_blind_fact_reopens_a_decided_three_way_field() -> None:
    scene, phone = _scene_with_phone()
    fact = phone.record("amended", "t1", set={"contact_phone": "1"})
    scene.office("corrected", "t1", set={"contact_phone": "2"})
    blind = phone.replica.request().body
    scene.exchange(blind)
    scene.office("decided", "t1", field="contact_phone", choose=fact, reason="asked")
    phone.record("amended", "t1", set={"contact_phone": "3"})
    phone.sync()
    view = scene.view("t1")
    assert view["contact_phone"] == "1" and "3" in [a["value"] for a in view["contests"]["contact_phone"]["alternatives"]]


def test_a_blind_fact_does_not_reopen_any_other_decided_field() -> None:
    scene, phone = _scene_with_phone()
    first = phone.record("answer", "t1", "v1", guide="g", guide_version=1, step="s", value="first", safety=True)
    phone.record("answer", "t1", "v1", guide="g", guide_version=1, step="s", value="second", safety=True)
    scene.exchange(phone.replica.request().body)
    scene.office("decided", "t1", field="visits/v1/answers/s", choose=first, reason="measured again")
    phone.record("answer", "t1", "v1", guide="g", guide_version=1, step="s", value="third", safety=True)
    scene.exchange(phone.replica.request().body)
    view = scene.view("t1")
    assert view["visits"]["v1"]["answers"]["s"]["value"] == "first" and "contests" not in view
    phone.sync()
    phone.record("answer", "t1", "v1", guide="g", guide_version=1, step="s", value="fourth", safety=True)
    phone.sync()
    assert scene.view("t1")["visits"]["v1"]["answers"]["s"]["value"] == "fourth", "who has seen the decision goes beyond it"


def test_the_office_may_correct_a_field_it_once_decided() -> None:
    scene, _ = _scene_with_phone()
    created = next(write.fact for write in record_of(scene, "t1").writes if write.kind == "created")
    scene.office("corrected", "t1", set={"priority": 2})
    scene.office("decided", "t1", field="priority", choose=created, reason="as it was")
    assert scene.view("t1")["priority"] == 1
    scene.office("corrected", "t1", set={"priority": 3})
    assert scene.view("t1")["priority"] == 3


# -------------------------------------------------------------------------------------------------- incremental and together

_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["a1", "a2", "b1", "office"]),
        st.sampled_from(
            ["arrival", "amended", "finish", "answer", "transferred", "corrected", "cancelled", "reopened", "decided"]
        ),
        st.sampled_from(["push", "sync", "nothing", "together"]),
    ),
    max_size=12,
)


@given(_STEPS)
def test_judging_bit_by_bit_equals_folding_the_stored_record_again(steps: list[tuple[str, str, str]]) -> None:
    scene = Scene()
    scene.ticket("t1", contact_phone="0")
    phones = {name: scene.phone(name, crew=name[0].upper()) for name in ("a1", "a2", "b1")}
    for phone in phones.values():
        phone.sync()
    waiting: list[bytes] = []
    for who, what, how in steps:
        scene.wait(seconds=7)
        if who == "office":
            _say(scene, what)
        else:
            _do(phones[who], what)
            if how == "sync":
                phones[who].sync()
            elif how != "nothing":
                waiting.append(phones[who].replica.request().body)
            if how == "push":
                scene.commit([scene.hub.prepare(scene.store, body, scene.now) for body in waiting])
                waiting = []
        _check(scene)
    for phone in phones.values():
        phone.sync()
    _check(scene)


def _say(scene: Scene, what: str) -> None:
    view = scene.view("t1")
    said: dict[str, dict[str, Any]] = {"transferred": {"crew": "B"}, "corrected": {"set": {"contact_phone": str(scene.now)}}}
    body = said.get(what, {})
    if what == "decided":
        contests = view.get("contests", {})
        if not contests:
            return
        path = sorted(contests)[0]
        body = {"field": path, "choose": contests[path]["alternatives"][0]["fact"], "reason": "asked"}
    try:
        scene.office(what, "t1", **body)
    except Refused as refusal:
        # A state that does not allow it, or a kind only crews write.
        assert refusal.problem.slug == ("bad-value" if KINDS[what].side is Side.FIELD else "state-conflict")


def _do(phone: Phone, what: str) -> None:
    visit = f"v{phone.device.id[0]}"
    if what == "amended":
        phone.record("amended", "t1", set={"contact_phone": f"{phone.device.id} {phone.scene.now}"})
    elif what == "answer":
        value = f"{phone.device.id} {phone.scene.now}"
        phone.record("answer", "t1", visit, guide="g", guide_version=1, step="s", value=value, safety=True)
    elif what in ("arrival", "finish"):
        phone.record(what, "t1", visit)


def _check(scene: Scene) -> None:
    record = record_of(scene, "t1")
    folded = merge.fold(record)
    assert json.loads(wire.encode(folded.view)) == scene.view("t1")
    assert record.derived.get("contested", {}) == folded.contested
    for fact, reason in folded.contested.items():
        outcome = scene.outcome(fact)
        assert outcome is not None and (outcome["outcome"], outcome["slug"]) == ("contested", reason)


# ------------------------------------------------------------------------------------------------------------ policy table


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_fact_has_a_place_and_a_policy(kind: Kind) -> None:
    """What a fact says is shown somewhere by a declared rule, moves the state, or is a plain act of administration."""
    acts = kind.assigns or kind.moves is not None or kind.name in ("opening", "decided", "quarantine_judged")
    assert kind.slot is not None or kind.corrects or acts
    if kind.slot is not None:
        assert isinstance(kind.slot.policy, Policy) and kind.slot.policy is not Policy.DERIVED
        assert kind.slot.of in ("visit", "ticket") and kind.needs_visit == (kind.slot.of == "visit")
        names = {item.name for item in kind.fields}
        assert kind.slot.each is None or kind.slot.each in names
        assert kind.slot.contested_if is None or kind.slot.contested_if in names
    for item in kind.fields:
        assert isinstance(item.policy, Policy)
    if kind.corrects:
        allowed = next(item.type for item in kind.fields if item.name == "set")
        assert isinstance(allowed, Shape) and {name for name, _ in allowed.members} <= set(POLICIES)


def test_every_field_of_a_ticket_has_a_policy_that_settles_any_disagreement() -> None:
    versions = [_edit("a", 1, at=1), _edit("b", 1, at=1), _edit("office", 1, at=1, side=Side.OFFICE)]
    for item in TICKET:
        assert POLICIES[item.name] is item.policy is not Policy.APPEND
        settled = settle(item.policy, merge.heads(versions), versions)
        assert isinstance(settled, Settled) and settled.rule == str(item.policy)


def test_every_policy_has_a_verb() -> None:
    versions = [_edit("a", 1, at=1), _edit("b", 1, at=2)]
    for policy in Policy:
        assert settle(policy, versions, versions).shown in versions


_EXAMPLES: dict[type, Any] = {Flag: True, Identifier: "id-1", Sha256: "0" * 64, Moment: NOON}


def _example(kind: Any) -> Any:
    """A value that fits a field type."""
    if isinstance(kind, Text):
        return "文字 text"[: kind.characters_max]
    if isinstance(kind, (Number, Integer)):
        return kind.high
    if isinstance(kind, Choice):
        return min(kind.values)
    if isinstance(kind, ListOf):
        return [_example(kind.item)]
    if isinstance(kind, AnyOf):
        return _example(kind.types[0])
    if isinstance(kind, Shape):
        return {name: _example(member) for name, member in kind.members}
    return _EXAMPLES[type(kind)]


@pytest.mark.parametrize("kind", [k for k in KINDS.values() if k.side is Side.FIELD], ids=lambda kind: kind.name)
def test_every_kind_of_the_field_goes_round_through_bytes(kind: Kind) -> None:
    body = {item.name: _example(item.type) for item in kind.fields}
    header = {
        "ticket": "t1",
        "visit": "v1",
        "fence": 2,
        "base": ["k1", 7],
        "wall": NOON,
        "mono": 5,
        "boot": "b1",
        "anchor": "a",
    }
    raw = wire.write_line(9, kind.name, header, body)
    fact = wire.parse_line(raw, 9, FactId("x"))
    assert isinstance(fact, Fact)
    assert (fact.n, fact.kind, fact.v, fact.ticket, fact.visit, fact.fence) == (9, kind.name, kind.version, "t1", "v1", 2)
    assert fact.base is not None and (fact.base.incarnation, fact.base.position) == ("k1", 7)
    assert (fact.reading.wall, fact.reading.mono, fact.reading.boot, fact.anchor) == (NOON, 5, "b1", "a")
    assert dict(fact.body) == body


@pytest.mark.parametrize("kind", [k for k in KINDS.values() if k.side is Side.OFFICE], ids=lambda kind: kind.name)
def test_the_office_cannot_say_what_does_not_fit_a_kinds_table(kind: Kind) -> None:
    scene = Scene()
    scene.ticket("t1")
    with pytest.raises(Refused, match="bad-value"):
        scene.commands([Command(kind.name, "user:d", "t1", {"no_such_field": 1}, scene.now)])
