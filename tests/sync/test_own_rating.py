"""The answer from the customer's own phone, a fact of the office: written once, shown to no crew, taken along by a merge."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sync import merge
from sync.judge import Command
from sync.problems import Refused
from sync.wire import strict_json
from tests.scene import Scene
from tests.sync.world import projection, record_of, scope_rows

SEALED = "c2VhbGVkLWFuc3dlcg"
OTHER = "YW5vdGhlcg"


@pytest.fixture
def scene() -> Scene:
    return Scene()


def answer(scene: Scene, ticket: str, fence: int = 1, *, sealed: str = SEALED, of: str | None = None) -> int:
    body: dict[str, Any] = {"assignment": f"{of or ticket}:{fence}", "crew": "A", "sealed": sealed, "kid": "k-1"}
    return scene.office("own_rating", ticket, by="customer:own-phone", **body)


def test_a_crew_learns_that_an_answer_came_and_nothing_of_what_it_says(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    answer(scene, "t1")
    phone.sync()
    shown = phone.view("t1")["own_ratings"]["t1:1"]
    assert set(shown) == {"at", "lower", "upper", "fact", "by", "assignment", "crew"}
    everything = json.dumps([list(projection(scene, phone).values()), list(scope_rows(scene, "hq").values())])
    assert SEALED not in everything and "k-1" not in everything


def test_the_line_in_the_offices_journal_holds_the_answer_sealed_and_nothing_else_of_it(scene: Scene) -> None:
    scene.ticket("t1")
    answer(scene, "t1")
    [raw] = [raw for _, raw in scene.store.lines().values() if strict_json(raw)["kind"] == "own_rating"]
    line: dict[str, Any] = strict_json(raw)
    assert set(line) == {"n", "kind", "v", "ticket", "by", "at", "assignment", "crew", "sealed", "kid"}
    assert line["sealed"] == SEALED


def test_an_assignment_is_rated_once_and_every_assignment_by_itself(scene: Scene) -> None:
    scene.ticket("t1")
    answer(scene, "t1")
    before = scene.view("t1")
    with pytest.raises(Refused, match="state-conflict"):
        answer(scene, "t1", sealed=OTHER)
    assert scene.view("t1") == before
    scene.office("transferred", "t1", crew="B")
    answer(scene, "t1", fence=2, sealed=OTHER)
    assert set(scene.view("t1")["own_ratings"]) == {"t1:1", "t1:2"} and "contests" not in scene.view("t1")


def test_two_answers_in_one_moment_are_one_answer(scene: Scene) -> None:
    scene.ticket("t1")
    batches = [
        [Command("own_rating", "customer:own-phone", "t1", {"assignment": "t1:1", "sealed": text, "kid": "k"}, scene.now)]
        for text in (SEALED, OTHER)
    ]
    _, answers = scene.commit([], batches)
    assert isinstance(answers[0], int) and isinstance(answers[1], Refused)
    assert len([w for w in record_of(scene, "t1").writes if w.kind == "own_rating"]) == 1


@pytest.mark.parametrize("state", ["cancelled", "archived", "reopened"])
def test_a_customer_may_answer_whatever_became_of_the_ticket(scene: Scene, state: str) -> None:
    scene.ticket("t1")
    scene.office("archived" if state != "cancelled" else "cancelled", "t1", reason="x")
    if state == "reopened":
        scene.office("reopened", "t1", reason="x")
    before = scene.view("t1")["state"]
    answer(scene, "t1")
    assert scene.view("t1")["own_ratings"]["t1:1"] and scene.view("t1")["state"] == before


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_goes_to_the_parent_with_the_visit_it_is_about(scene: Scene, when: str) -> None:
    phone = scene.phone("a")
    scene.ticket("parent", crew="B")
    scene.ticket("child", crew="A")
    answer(scene, "parent")
    phone.sync()
    phone.record("arrival", "child", "v1")
    phone.sync()
    if when == "before":
        scene.office("merged", "child", parent="parent")
    answer(scene, "child", sealed=OTHER)
    if when == "after":
        scene.office("merged", "child", parent="parent")
    assert set(scene.view("parent")["own_ratings"]) == {"parent:1", "child:1"}, "both assignments have number 1"
    assert set(scene.view("child")["own_ratings"]) == {"child:1"}
    assert "contests" not in scene.view("parent")


def test_nobody_decides_about_it_and_an_explanation_says_when_and_not_what(scene: Scene) -> None:
    scene.ticket("t1")
    answer(scene, "t1")
    [fact] = [w.fact for w in record_of(scene, "t1").writes if w.kind == "own_rating"]
    with pytest.raises(Refused, match="written once"):
        scene.office("decided", "t1", field="own_ratings/t1:1", choose=fact, reason="kinder")
    told = merge.explain(record_of(scene, "t1"), "own_ratings/t1:1")
    assert told["rule"] == "write_once" and told["shown"] == {"assignment": "t1:1", "crew": "A"}
    assert SEALED not in json.dumps(told)


def test_no_phone_can_write_one(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    with pytest.raises(Refused):
        phone.record("own_rating", "t1", assignment="t1:1", sealed=SEALED, kid="k")
