"""What the simulation found, each as the smallest scene that shows it."""

from __future__ import annotations

from copy import deepcopy

import pytest

from sync.memory import MemoryStore
from sync.replica import Replica
from tests.scene import Phone, Scene


@pytest.fixture
def scene() -> Scene:
    return Scene()


def start_again(phone: Phone) -> None:
    """The app starts over what is durable."""
    phone.replica = Replica(phone.pocket, phone.replica._signer, phone.scene.new_id)


def come_back(phone: Phone, copy: tuple[object, ...]) -> None:
    """The phone is overwritten by an old copy of itself."""
    phone.pocket.restore(copy)
    start_again(phone)


def note(phone: Phone, text: str) -> str:
    phone.scene.wait(minutes=1)
    return phone.record("note", "t1", "v1", text=text)


def lose_request(phone: Phone) -> None:
    """A request goes out and is never heard of again, on either side."""
    phone.replica.lost(phone.replica.request())


def lose_reply(phone: Phone) -> None:
    """The server commits a request and its reply never arrives."""
    outgoing = phone.replica.request()
    phone.scene.exchange(outgoing.body)
    phone.replica.lost(outgoing)


def texts(scene: Scene) -> list[str]:
    return sorted(entry["text"] for entry in scene.view("t1")["visits"]["v1"]["notes"])


def forget(scene: Scene, backup: MemoryStore) -> None:
    """The server comes back from a copy without being told."""
    scene.store = backup


def test_a_first_push_that_was_dropped_is_sent_again(scene: Scene) -> None:
    phone = scene.phone("a")
    lose_request(phone)
    phone.sync()
    assert phone.replica.waiting == 0


def test_a_phone_from_an_old_copy_gets_its_old_lines_stated(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    note(phone, "one")
    copy = phone.pocket.snapshot()
    note(phone, "two")
    phone.sync()
    come_back(phone, copy)
    phone.sync()
    assert phone.replica.waiting == 0
    assert texts(scene) == ["one", "two"]


@pytest.mark.parametrize("more", [0, 5], ids=["shorter than its other life", "longer than its other life"])
def test_a_phone_from_an_old_copy_whose_request_is_lost_does_not_ask_for_ever(scene: Scene, more: int) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    copy = phone.pocket.snapshot()
    for number in range(3):
        note(phone, f"first life {number}")
    phone.sync()
    come_back(phone, copy)
    for number in range(1 + more):
        note(phone, f"second life {number}")
    lose_request(phone)
    phone.sync()
    assert phone.replica.waiting == 0
    assert len(texts(scene)) == 3 + 1 + more


def test_a_fork_is_told_also_when_its_first_answer_is_lost(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    copy = phone.pocket.snapshot()
    note(phone, "first life")
    phone.sync()
    come_back(phone, copy)
    forked = phone.replica.journal.id
    note(phone, "second life")
    lose_reply(phone)
    phone.sync()
    assert phone.replica.journal.id != forked, "it must not write on in the rival branch"
    assert "fork" in [notice["slug"] for notice in phone.replica.state.notices]


def test_a_server_that_went_back_untold_gets_every_journal_of_a_phone_again(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    backup = deepcopy(scene.store)
    phone.sync()
    note(phone, "in the first journal")
    phone.sync()
    phone.replica.begin_journal(phone.reading(), why="restored")
    note(phone, "in the second")
    phone.sync()
    forget(scene, backup)
    phone.sync()
    assert texts(scene) == ["in the first journal", "in the second"]


def test_a_phone_from_an_old_copy_does_not_trust_what_it_remembers_as_stated(scene: Scene) -> None:
    phone, other = scene.phone("a"), scene.phone("b")
    scene.ticket("t1")
    backup = deepcopy(scene.store)
    note(phone, "only on this phone and the server")
    phone.sync()
    copy = phone.pocket.snapshot()
    forget(scene, backup)
    for number in range(9):
        note(other, f"other {number}")
    other.sync()
    come_back(phone, copy)
    phone.replica.begin_journal(phone.reading(), why="restored")
    phone.sync()
    assert "only on this phone and the server" in texts(scene)


def test_outcomes_of_one_commit_are_numbered_in_an_order_that_can_be_replayed(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    for kind in ("acceptance", "departure", "arrival", "start", "finish"):
        scene.wait(minutes=1)
        phone.record(kind, "t1", "v1")
    scene.office("cancelled", "t1", reason="called off")
    phone.sync()
    outcomes = [identity for _, kind, identity, _, _ in scene.store.feed("device:a", 0, 100) if kind == "outcome"]
    assert len(outcomes) > 2 and outcomes == sorted(outcomes)
