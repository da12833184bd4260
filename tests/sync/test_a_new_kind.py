"""What the newest kind of fact gets for its one file and one line: a journal line, and a place in every copy of the ticket."""

from __future__ import annotations

import pytest

from sync.problems import Refused
from tests.scene import Scene


def test_material_recorded_offline_stands_in_the_visit_of_every_copy() -> None:
    scene = Scene()
    phone, mate = scene.phone("a"), scene.phone("b")
    scene.ticket("t1")
    phone.sync()
    phone.record("material", "t1", "v1", name="熔断器 RT18-32", quantity=3, unit="只")
    assert phone.view("t1")["visits"]["v1"]["materials"][0]["quantity"] == 3, "shown before it is sent"
    phone.sync()
    mate.sync()
    for view in (scene.view("t1"), phone.view("t1"), mate.view("t1")):
        assert [row["name"] for row in view["visits"]["v1"]["materials"]] == ["熔断器 RT18-32"]


def test_a_quantity_that_is_no_number_is_refused_before_the_phone_says_saved() -> None:
    scene = Scene()
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    with pytest.raises(Refused, match="quantity is not a number"):
        phone.record("material", "t1", "v1", name="fuse", quantity="three")
    assert phone.replica.journal.n == 1
