"""The situations of the business that must come out right, each under its own name (domain, part 5)."""

from __future__ import annotations

import pytest

from tests.scene import Phone, Scene


@pytest.fixture
def scene() -> Scene:
    return Scene()


def work(phone: Phone, ticket: str, visit: str, *kinds: str) -> dict[str, str]:
    """Record these kinds a minute apart."""
    facts: dict[str, str] = {}
    for kind in kinds:
        phone.scene.wait(minutes=1)
        facts[kind] = phone.record(kind, ticket, visit)
    return facts


def outcome_of(scene: Scene, fact: str) -> str:
    """What became of one fact."""
    outcome = scene.outcome(fact)
    assert outcome is not None, "silence means it simply counts"
    return str(outcome["outcome"])


def test_1_reassigned_while_the_first_crew_repairs_offline(scene: Scene) -> None:
    first, second = scene.phone("a", crew="A"), scene.phone("b", crew="B")
    scene.ticket("t1", crew="A")
    first.sync()
    work(first, "t1", "v1", "acceptance", "departure", "arrival")
    first.record("photo", "t1", "v1", sha256="a" * 64, size_bytes=100)
    finish = work(first, "t1", "v1", "finish")["finish"]
    scene.office("transferred", "t1", crew="B")
    second.sync()
    assert second.view("t1")["state"] == "dispatched"
    first.sync()
    view = scene.view("t1")
    visit = view["visits"]["v1"]
    assert visit["arrived"] and visit["finished"] and len(visit["photos"]) == 1 and visit["standing"] == "counts"
    assert view["state"] == "dispatched" and view["contests"]["state"]["alternatives"][0]["value"] == "completed"
    second.sync()
    assert second.view("t1")["handled"] == {"crew": "A", "at": visit["finished"]["at"], "visit": "v1"}
    assert outcome_of(scene, finish) == "contested"
    scene.office("decided", "t1", field="state", choose=finish, reason="repaired by A")
    view = scene.view("t1")
    assert view["state"] == "completed" and "contests" not in view
    assert outcome_of(scene, finish) == "applied"


def test_2_cancelled_while_the_crew_works_offline(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    work(phone, "t1", "v1", "acceptance", "departure", "arrival", "finish")
    scene.office("cancelled", "t1", reason="customer called off")
    phone.sync()
    view = scene.view("t1")
    assert view["state"] == "cancelled"
    assert view["visits"]["v1"]["finished"]
    assert {a["value"] for a in view["contests"]["state"]["alternatives"]} >= {"completed", "on_site"}
    assert phone.view("t1")["state"] == "cancelled"


def test_3_two_members_answer_one_step_differently(scene: Scene) -> None:
    one, two = scene.phone("a1"), scene.phone("a2")
    scene.ticket("t1")
    one.sync(), two.sync()
    for phone, step, value in ((one, "fuse", "ok"), (two, "fuse", "blown")):
        scene.wait(minutes=1)
        phone.record("answer", "t1", "v1", guide="g", guide_version=1, step=step, value=value)
        phone.record("answer", "t1", "v1", guide="g", guide_version=1, step="earthed", value=value, safety=True)
    one.sync(), two.sync()
    view = scene.view("t1")
    answers = view["visits"]["v1"]["answers"]
    assert answers["fuse"]["value"] == "blown" and answers["earthed"]["value"] == "blown"
    assert list(view["contests"]) == ["visits/v1/answers/earthed"]
    assert view["contests"]["visits/v1/answers/earthed"]["alternatives"][0]["value"]["value"] == "ok"


def test_4_office_and_crew_correct_the_contact_phone(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1", contact_phone="111")
    phone.sync()
    fact = phone.record("amended", "t1", set={"contact_phone": "222"})
    scene.office("corrected", "t1", set={"contact_phone": "333"})
    phone.sync()
    view = scene.view("t1")
    assert view["contact_phone"] == "333"
    assert "222" in [a["value"] for a in view["contests"]["contact_phone"]["alternatives"]]
    scene.office("decided", "t1", field="contact_phone", choose=fact, reason="crew asked the customer")
    view = scene.view("t1")
    assert view["contact_phone"] == "222" and "contests" not in view


def test_5_guide_republished_while_offline(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    phone.record("answer", "t1", "v1", guide="g", guide_version=1, step="s1", value=True)
    phone.sync()
    phone.record("answer", "t1", "v1", guide="g", guide_version=2, step="s2", value=True)
    phone.sync()
    answers = scene.view("t1")["visits"]["v1"]["answers"]
    assert (answers["s1"]["guide_version"], answers["s2"]["guide_version"]) == (1, 2)


def test_6_duplicates_merged_while_a_crew_works_on_a_child(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("parent", crew=None)
    scene.ticket("child", crew="A")
    phone.sync()
    work(phone, "child", "v1", "acceptance", "arrival")
    phone.sync()
    work(phone, "child", "v1", "finish")
    scene.office("merged", "child", parent="parent", reason="same outage")
    phone.sync()
    parent, child = scene.view("parent"), scene.view("child")
    assert child["state"] == "merged" and child["merged_into"] == "parent"
    assert parent["state"] == "completed"
    assert parent["visits"]["v1"]["arrived"] and parent["visits"]["v1"]["finished"]


def test_7_a_phone_restored_from_a_backup_writes_the_same_numbers_again(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    backup = phone.pocket.snapshot()
    phone.record("note", "t1", "v1", text="first life")
    phone.sync()
    phone.pocket.restore(backup)
    phone.replica.__init__(phone.pocket, phone.replica._signer, scene.new_id)  # type: ignore[misc]
    old = phone.replica.journal.id
    phone.record("note", "t1", "v1", text="second life")
    phone.sync()
    texts = [note["text"] for note in scene.view("t1")["visits"]["v1"]["notes"]]
    assert sorted(texts) == ["first life", "second life"]
    assert phone.replica.journal.id != old
    assert any(notice["slug"] == "fork" for notice in phone.replica.state.notices)
    assert len(scene.store.chains(old)) == 2


def test_8_facts_of_a_revoked_member_arrive_later(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    fact = work(phone, "t1", "v1", "arrival")["arrival"]
    device = scene.store.devices["a"]
    scene.store.devices["a"] = type(device)(device.id, device.member, device.crew, device.crews, None, device.key, revoked=True)
    phone.sync()
    assert phone.replica.waiting == 0 and scene.view("t1")["state"] == "dispatched"
    outcome = scene.outcome(fact)
    assert outcome is not None and (outcome["outcome"], outcome["slug"]) == ("quarantined", "revoked-author")
    scene.office("quarantine_judged", "t1", fact=fact, do="release", reason="was on duty that day")
    assert scene.view("t1")["state"] == "on_site"
    assert outcome_of(scene, fact) == "applied"


def test_9_a_device_returns_after_forty_days(scene: Scene) -> None:
    phone, other = scene.phone("a"), scene.phone("b", crew="A")
    scene.ticket("t1")
    scene.ticket("t2")
    phone.sync()
    work(phone, "t1", "v1", "arrival")
    other.sync()
    work(other, "t2", "v2", "arrival", "finish")
    other.sync()
    scene.office("archived", "t2")
    scene.wait(minutes=40 * 24 * 60)
    late = phone.record("note", "t2", "v9", text="late")
    phone.sync()
    assert scene.view("t2")["state"] == "archived", "an old device resurrects nothing"
    assert scene.view("t2")["visits"]["v9"]["notes"][0]["fact"] == late, "and loses nothing"
    assert scene.view("t1")["state"] == "on_site"
    assert phone.replica.show("t2") is None


def test_10_the_same_batch_sent_ten_times_in_parallel(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    work(phone, "t1", "v1", "acceptance", "arrival", "finish")
    body = phone.replica.request().body
    pushes = [scene.hub.prepare(scene.store, body, scene.now) for _ in range(10)]
    before = len(scene.store.lines())
    receipts, _ = scene.commit(pushes)
    assert len(scene.store.lines()) - before == 3
    assert len({(r.journal, r.n, r.head, r.root) for r in receipts}) == 1
    assert len(scene.view("t1")["visits"]["v1"]["members"]) == 1


def test_11_told_by_phone(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1", crew=None, number="WO-20431")
    scene.office("told_by_phone", "t1", crew="A", reason="no signal")
    phone.record("raised", "mine", set={}, told_number="WO-20431")
    work(phone, "mine", "v1", "arrival", "finish")
    phone.sync()
    view = scene.view("t1")
    assert view["state"] == "completed" and view["visits"]["v1"]["arrived"]
    assert scene.view("mine")["merged_into"] == "t1"
