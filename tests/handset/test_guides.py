"""Work guides on the phone: they come with the feed, fit tickets, and stay what they were at a visit's first answer."""

from __future__ import annotations

from typing import Any

import pytest

from clients.handset.phone import Handset, guide_fits
from tests.handset.scene import Field
from tests.server.desk.workbooks import form


def publish(field: Field, identity: str, version: int = 1, kinds: str = "", causes: str = "") -> None:
    """The office imports a guide."""
    settings = (("form_id", "form_title", "version", "kinds", "causes"), (identity, identity, version, kinds, causes))
    data = form(("acknowledge", "dead"), ("text", "remark"), settings=settings)
    field.server.said(field.server.office.post("/v1/import/guide", content=b"{}\n" + data))


def named(guide: dict[str, Any] | None) -> tuple[str, int] | None:
    return None if guide is None else (guide["guide"], guide["version"])


@pytest.fixture
def phone(field: Field) -> Handset:
    return field.phone()


def test_guides_come_with_the_feed_all_versions_newest_first(field: Field, phone: Handset) -> None:
    for version in (1, 2):
        publish(field, "many", version, kinds="complaint")
    phone.sync()
    found = [guide for guide in phone.guides() if guide["guide"] == "many"]
    assert [(guide["version"], guide["superseded"]) for guide in found] == [(2, False), (1, True)]
    assert phone.differences() == []


def test_a_ticket_is_worked_by_the_newest_guide_that_fits_it_best(field: Field, phone: Handset) -> None:
    ticket = field.server.ticket(kind="fault_repair", fault_class="line_down")
    publish(field, "any")
    publish(field, "kind", 1, kinds="fault_repair hazard")
    publish(field, "kind", 2, kinds="fault_repair hazard")
    publish(field, "other", 9, kinds="meter_install")
    phone.sync()
    assert named(phone.guide_for(ticket)) == ("kind", 2)
    publish(field, "cause", 1, kinds="fault_repair", causes="line_down flood")
    phone.sync()
    assert named(phone.guide_for(ticket)) == ("cause", 1)


def test_a_visit_keeps_the_version_of_its_first_answer(field: Field, phone: Handset) -> None:
    ticket = field.server.ticket(kind="rename")
    publish(field, "pinned", 1, kinds="rename")
    phone.sync()
    phone.accept(ticket)
    phone.answer(ticket, "pinned", 1, "dead", True, safety=True)
    publish(field, "pinned", 2, kinds="rename")
    phone.sync()
    assert named(phone.guide_for(ticket)) == ("pinned", 1)
    another = field.server.ticket(kind="rename")
    phone.sync()
    assert named(phone.guide_for(another)) == ("pinned", 2)


@pytest.mark.parametrize(
    ("kinds", "causes", "fits"),
    [
        ([], [], True),
        (["hazard"], [], True),
        (["rename"], [], False),
        ([], ["flood"], True),
        ([], ["line_down"], True),
        (["hazard"], ["overload"], False),
        (["rename"], ["flood"], False),
    ],
)
def test_an_empty_list_is_any_and_both_must_fit(kinds: list[str], causes: list[str], fits: bool) -> None:
    ticket = {"kind": "hazard", "cause": "flood", "fault_class": "line_down"}
    assert guide_fits({"kinds": kinds, "causes": causes}, ticket) is fits
