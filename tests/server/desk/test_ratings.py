"""Which visit a rating is about and which of several counts, by real phones and commands; and what a form may hold."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

import pytest

from server.desk import ratings
from server.desk.office import OfficeRules
from server.desk.ratings import DAY_MS, OPEN_DAYS, BadForm, Standing, Turn, parse_form, place_ratings, turn_of
from sync.facts import Write
from tests.scene import Phone, Scene
from tests.sync.world import record_of, scope_rows


def opened(sealed: Mapping[str, Any]) -> Mapping[str, Any]:
    """A seal that anybody can open: the text itself is the answer."""
    answer: Mapping[str, Any] = json.loads(sealed["sealed"])
    return answer


@pytest.fixture
def scene() -> Scene:
    return Scene(rules=OfficeRules(opened, lambda ticket, fence: f"/r/{ticket}-{fence}"))


def own(scene: Scene, ticket: str, fence: int = 1, *, overall: int = 5, crew: str = "A") -> None:
    """A customer answers on a phone of their own."""
    scene.wait(minutes=1)
    body: dict[str, Any] = {
        "assignment": f"{ticket}:{fence}",
        "crew": crew,
        "sealed": json.dumps({"overall": overall}),
        "kid": "k",
    }
    scene.office("own_rating", ticket, by="customer:own-phone", **body)


def handed(phone: Phone, ticket: str, visit: str, *, overall: int = 5) -> None:
    """A customer answers on the crew's phone."""
    phone.scene.wait(minutes=1)
    opening = phone.record("rating_opened", ticket, visit)
    sealed = json.dumps({"overall": overall})
    phone.record("rating", ticket, visit, opened=opening, result="answered", sealed=sealed, kid="k")


def work(phone: Phone, ticket: str, visit: str, *kinds: str) -> None:
    for kind in kinds or ("arrival", "finish"):
        phone.scene.wait(minutes=1)
        phone.record(kind, ticket, visit)


def told(scene: Scene) -> list[tuple[str, str | None, str, int]]:
    """(channel, visit, standing, overall) of every rating headquarters has, by channel and score."""
    rows = [row for (kind, _), row in scope_rows(scene, "hq").items() if kind == "rating"]
    return sorted((row["channel"], row["visit"], row["standing"], row["answer"]["overall"]) for row in rows)


OWN, HANDED = "own_phone_qr", "handed_over_device"


# ----------------------------------------------------------------------------------------------------------- situations


def test_an_answer_before_the_visit_waits_and_is_bound_when_the_visit_comes_down(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    work(phone, "t1", "v1")
    own(scene, "t1", overall=4)
    [row] = [row for (kind, _), row in scope_rows(scene, "hq").items() if kind == "rating"]
    assert (row["visit"], row["waiting"], row["crew"], row["standing"]) == (None, True, "A", "counts")
    assert row["interval"] == [scene.now, scene.now] == [row["at"]] * 2, "the server's own time"
    phone.sync()
    [row] = [row for (kind, _), row in scope_rows(scene, "hq").items() if kind == "rating"]
    assert (row["visit"], row["waiting"], row["answer"]) == ("v1", False, {"overall": 4})


def test_the_customers_own_phone_outranks_the_crews_and_both_are_kept(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    work(phone, "t1", "v1")
    handed(phone, "t1", "v1", overall=5)
    phone.sync()
    assert told(scene) == [(HANDED, "v1", "unverified", 5)]
    own(scene, "t1", overall=1)
    assert told(scene) == [(HANDED, "v1", "outranked", 5), (OWN, "v1", "counts", 1)]


def test_a_handed_over_answer_that_comes_down_later_is_outranked_from_the_start(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    own(scene, "t1", overall=2)
    work(phone, "t1", "v1", "arrival")
    handed(phone, "t1", "v1", overall=5)
    phone.sync()
    assert told(scene) == [(HANDED, "v1", "outranked", 5), (OWN, "v1", "counts", 2)]


def test_after_a_transfer_each_crews_link_rates_its_own_visit(scene: Scene) -> None:
    first, second = scene.phone("a", crew="A"), scene.phone("b", crew="B")
    scene.ticket("t1", crew="A")
    first.sync()
    work(first, "t1", "v1")
    scene.office("transferred", "t1", crew="B")
    second.sync()
    work(second, "t1", "v2")
    own(scene, "t1", 2, overall=5, crew="B")
    own(scene, "t1", 1, overall=1, crew="A")
    second.sync(), first.sync()
    assert told(scene) == [(OWN, "v1", "counts", 1), (OWN, "v2", "counts", 5)]


def test_of_two_visits_under_one_assignment_the_last_begun_is_meant(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    work(phone, "t1", "v1", "arrival")
    work(phone, "t1", "v2", "arrival")
    own(scene, "t1", overall=3)
    work(phone, "t1", "v3", "arrival")
    phone.sync()
    assert told(scene) == [(OWN, "v2", "counts", 3)]


def test_a_visit_that_was_begun_under_one_assignment_and_went_on_under_the_next_is_found_by_both(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    work(phone, "t1", "v1", "arrival")
    scene.office("transferred", "t1", crew="B")
    scene.office("transferred", "t1", crew="A")
    phone.sync()
    work(phone, "t1", "v1", "finish")
    own(scene, "t1", 3, overall=4)
    phone.sync()
    assert told(scene) == [(OWN, "v1", "counts", 4)]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_rating_of_a_merged_ticket_is_about_the_childs_visit_and_told_once(scene: Scene, when: str) -> None:
    phone, other = scene.phone("a", crew="A"), scene.phone("b", crew="B")
    scene.ticket("parent", crew="B")
    scene.ticket("child", crew="A")
    phone.sync(), other.sync()
    work(other, "parent", "v-parent")
    work(phone, "child", "v-child")
    other.sync()
    handed(phone, "child", "v-child", overall=5)
    if when == "before":
        scene.office("merged", "child", parent="parent")
    own(scene, "child", overall=2)
    phone.sync()
    if when == "after":
        scene.office("merged", "child", parent="parent")
    assert told(scene) == [(HANDED, "v-child", "outranked", 5), (OWN, "v-child", "counts", 2)]
    own(scene, "parent", overall=4, crew="B")
    assert (OWN, "v-parent", "counts", 4) in told(scene)


def test_a_ticket_told_by_phone_binds_the_visit_that_was_recorded_under_its_number(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1", crew=None, number="WO-20431")
    scene.office("told_by_phone", "t1", crew="A", reason="no signal")
    phone.record("raised", "mine", set={}, told_number="WO-20431")
    work(phone, "mine", "v1")
    handed(phone, "mine", "v1", overall=5)
    own(scene, "t1", overall=1)
    phone.sync()
    assert told(scene) == [(HANDED, "v1", "outranked", 5), (OWN, "v1", "counts", 1)]


def test_of_two_links_to_one_visit_the_first_answer_counts(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1", crew=None, number="WO-7")
    scene.office("told_by_phone", "t1", crew="A", reason="no signal")
    phone.record("raised", "mine", set={}, told_number="WO-7")
    work(phone, "mine", "v1")
    phone.sync()
    own(scene, "mine", 0, overall=2)
    own(scene, "t1", 1, overall=5)
    assert told(scene) == [(OWN, "v1", "counts", 2), (OWN, "v1", "outranked", 5)]


def test_a_ticket_raised_in_the_field_can_be_rated_before_the_office_assigns_it(scene: Scene) -> None:
    phone = scene.phone("a")
    phone.record("raised", "t1", set={"kind": "fault_repair"})
    phone.sync()
    assert phone.view("t1")["rating_path"] == "/r/t1-0"
    own(scene, "t1", 0)
    work(phone, "t1", "v1")
    phone.sync()
    assert told(scene) == [(OWN, "v1", "counts", 5)]


def test_the_order_in_which_facts_arrive_changes_nothing(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    work(phone, "t1", "v1", "arrival")
    handed(phone, "t1", "v1")
    own(scene, "t1")
    work(phone, "t1", "v2", "arrival")
    phone.sync()
    writes = record_of(scene, "t1").writes
    wanted = place_ratings(writes)
    assert {place.standing for place in wanted.values()} == {Standing.COUNTS, Standing.OUTRANKED}
    some = [w for w in writes if w.visit or w.kind == "own_rating"]
    for order in itertools.islice(itertools.permutations(some), 0, None, 97):
        assert place_ratings(order) == wanted


def test_a_told_visit_that_two_crews_recorded_is_found_in_any_order(scene: Scene) -> None:
    phone, other = scene.phone("a"), scene.phone("b", crew="B")
    scene.ticket("t1", crew=None, number="WO-7")
    scene.office("told_by_phone", "t1", crew="A", reason="no signal")
    phone.record("raised", "mine", set={}, told_number="WO-7")
    work(phone, "mine", "v1", "departure")
    phone.sync()
    scene.office("assigned", "t1", crew="B")
    work(other, "mine", "v1", "arrival", "finish")
    other.sync()
    own(scene, "t1")
    writes = record_of(scene, "t1").writes
    assert told(scene) == [(OWN, "v1", "counts", 5)]
    assert place_ratings(writes) == place_ratings(list(reversed(writes)))


def test_the_path_is_of_the_present_assignment_and_comes_with_a_crew(scene: Scene) -> None:
    scene.ticket("t1", crew=None)
    assert "rating_path" not in scene.view("t1")
    scene.office("assigned", "t1", crew="A")
    assert scene.view("t1")["rating_path"] == "/r/t1-1"
    scene.office("transferred", "t1", crew="B")
    assert scene.view("t1")["rating_path"] == "/r/t1-2"


def test_a_rating_moves_neither_limits_nor_points(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1", area_class="urban")
    phone.sync()
    work(phone, "t1", "v1")
    phone.sync()
    before = {key: row for key, row in scope_rows(scene, "hq").items() if key[0] in ("points", "verdict")}
    limits = scene.view("t1")["limits"]
    own(scene, "t1", overall=1)
    assert {key: row for key, row in scope_rows(scene, "hq").items() if key[0] in ("points", "verdict")} == before
    assert scene.view("t1")["limits"] == limits


def test_no_crew_and_no_member_receives_a_rating(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    phone.sync()
    work(phone, "t1", "v1")
    own(scene, "t1", overall=1)
    phone.sync()
    for scope in phone.device.scopes:
        assert not [key for key in scope_rows(scene, scope) if key[0] == "rating"]
        assert "overall" not in json.dumps(list(scope_rows(scene, scope).values()))


# ------------------------------------------------------------------------------------------------- until when, and whose


def writes_of(scene: Scene, ticket: str = "t1") -> list[Write]:
    return record_of(scene, ticket).writes


def test_a_link_closes_two_weeks_after_its_visit_ended_or_else_after_it_was_given(scene: Scene) -> None:
    phone = scene.phone("a")
    scene.ticket("t1")
    given = scene.now
    assert turn_of(writes_of(scene), "t1", 1) == Turn("A", given, given + OPEN_DAYS * DAY_MS)
    scene.wait(minutes=3 * 24 * 60)
    phone.sync()
    phone.record("arrival", "t1", "v1")
    arrived = scene.now
    scene.wait(minutes=90)
    phone.record("finish", "t1", "v1")
    ended = scene.now
    phone.sync()
    assert turn_of(writes_of(scene), "t1", 1) == Turn("A", arrived, ended + OPEN_DAYS * DAY_MS)


def test_an_assignment_a_ticket_never_had_has_no_turn(scene: Scene) -> None:
    scene.ticket("t1")
    for ticket, fence in (("t1", 0), ("t1", 2), ("t2", 1)):
        assert turn_of(writes_of(scene), ticket, fence) is None


def test_after_a_transfer_the_first_crews_turn_is_still_its_own(scene: Scene) -> None:
    scene.ticket("t1")
    scene.wait(minutes=5)
    scene.office("transferred", "t1", crew="B")
    first, second = turn_of(writes_of(scene), "t1", 1), turn_of(writes_of(scene), "t1", 2)
    assert first is not None and second is not None
    assert (first.crew, second.crew, second.at - first.at) == ("A", "B", 5 * 60_000)


# ------------------------------------------------------------------------------------------------------------- the form


def test_a_whole_form_becomes_an_answer_with_everything_that_was_filled_in() -> None:
    form = {"overall": "2", "timeliness": "1", "quality": "", "attitude": "5", "explained": "3", "fixed": "no"}
    form |= {"no_improper_charge": "yes", "why_late": "on", "why_mess": "on", "comment": " 来得\r\n太晚 "}
    assert parse_form(form) == {
        "overall": 2,
        "timeliness": 1,
        "attitude": 5,
        "explained": 3,
        "fixed": False,
        "no_improper_charge": True,
        "reasons": ["late", "mess"],
        "comment": "来得\n太晚",
    }


@pytest.mark.parametrize("overall", ["3", "4", "5"])
def test_reasons_count_for_the_two_bad_levels_alone(overall: str) -> None:
    assert parse_form({"overall": overall, "why_late": "on"}) == {"overall": int(overall)}


@pytest.mark.parametrize("form", [{}, {"overall": ""}, {"fixed": "yes", "comment": "x"}], ids=str)
def test_without_an_overall_choice_there_is_no_answer(form: dict[str, str]) -> None:
    with pytest.raises(BadForm, match="missing"):
        parse_form(form)


@pytest.mark.parametrize(
    "form",
    [
        *({"overall": text} for text in ("0", "6", "5.0", "-1", "五", " 5", "5 ", "05", "٥", "5" * 100)),
        {"overall": "5", "timeliness": "9"},
        {"overall": "5", "fixed": "maybe"},
        {"overall": "5", "standing": "counts"},
        {"overall": "5", "why_alien": "on"},
    ],
    ids=str,
)
def test_what_the_page_cannot_send_is_not_read(form: dict[str, str]) -> None:
    with pytest.raises(BadForm, match="unreadable"):
        parse_form(form)


def test_three_hundred_characters_fit_and_no_more_and_what_cannot_be_seen_does_not_count() -> None:
    longest = "𠀀" * ratings.COMMENT_CHARACTERS_MAX
    assert parse_form({"overall": "5", "comment": f"\x00\x1b{longest}\x9f\r\n"})["comment"] == longest
    with pytest.raises(BadForm, match="too-long"):
        parse_form({"overall": "5", "comment": longest + "x"})
