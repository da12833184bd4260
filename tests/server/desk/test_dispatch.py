"""Dispatch by area, shift, skill and least expected arrival."""

from __future__ import annotations

import json
from typing import Any

from server.desk.codes import codes
from server.desk.data import read_toml
from server.desk.dispatch import Choice, Reason, Seen, choose
from server.desk.geo import AreaIndex, parse_areas
from server.desk.organisation import Crew, Place, Shift, Station
from tests.server.desk.scenes import RECEIVED, ticket
from tests.server.desk.test_geo import collection, feature, square

NOW = RECEIVED
STATIONS = {
    "s1": Station("s1", "一所", "One", Place(30.5, 120.5)),
    "s2": Station("s2", "二所", "Two", Place(30.5, 121.5)),
}
AREAS = AreaIndex(
    parse_areas(
        collection(
            feature("a1", square(120, 30)),
            feature("a2", square(121, 30), station="s2"),
            feature("a3", square(122, 30), station="unknown"),
            feature("a4", square(123, 30), station=None),
        ),
        "id",
        "name",
        "station",
    )
)


def crew(name: str, station: str = "s1", *skills: str, home: Place | None = None) -> Crew:
    return Crew(name, station, name, name, skills=frozenset(skills or ("low_voltage",)), home=home)


def on_duty(*names: str) -> list[Shift]:
    return [Shift(name, NOW - 3_600_000, NOW + 3_600_000) for name in names]


def chosen(crews: list[Crew], shifts: list[Shift] | None = None, **more: Any) -> Choice:
    where = more.pop("position", {"lat": 30.5, "lon": 120.5})
    duty = on_duty(*(each.id for each in crews)) if shifts is None else shifts
    positions, load = more.pop("positions", {}), more.pop("load", {})
    return choose(ticket(position=where, **more), AREAS, STATIONS, crews, duty, positions, load, NOW)


def test_the_crew_of_the_area_on_shift_gets_the_ticket() -> None:
    choice = chosen([crew("c1"), crew("c2", "s2")])
    assert (choice.crew, choice.reason, choice.area, choice.station) == ("c1", Reason.CHOSEN, "a1", "s1")
    assert chosen([crew("c1"), crew("c2", "s2")], position={"lat": 30.5, "lon": 121.5}).crew == "c2"


def test_without_a_position_or_outside_every_area_a_dispatcher_decides() -> None:
    assert chosen([crew("c1")], position=None) == Choice(None, Reason.NO_POSITION)
    assert chosen([crew("c1")], position={"lat": 50, "lon": 120.5}).reason is Reason.OUTSIDE_AREAS


def test_an_area_of_no_known_station_is_said() -> None:
    for lon in (122.5, 123.5):
        choice = chosen([crew("c1")], position={"lat": 30.5, "lon": lon})
        assert (choice.crew, choice.reason) == (None, Reason.NO_STATION)


def test_a_shift_counts_from_its_beginning_up_to_its_end() -> None:
    crews = [crew("c1")]
    assert chosen(crews, [Shift("c1", NOW, NOW + 1)]).crew == "c1"
    for begins, ends in ((NOW - 2, NOW), (NOW + 1, NOW + 2)):
        choice = chosen(crews, [Shift("c1", begins, ends)])
        assert (choice.crew, choice.reason, choice.area_class) == (None, Reason.NOBODY_ON_SHIFT, "urban")


def test_a_crew_without_the_skill_is_not_sent() -> None:
    assert chosen([crew("c1", "s1", "metering")]).reason is Reason.NOBODY_WITH_SKILLS
    assert chosen([crew("c1"), crew("c2", "s1", "metering")], kind="metering_fault").crew == "c2"
    assert chosen([crew("c1", "s1", "metering")], kind="consultation").crew == "c1"


def test_the_nearest_crew_goes_unless_its_open_jobs_make_it_later() -> None:
    near, far = crew("near", home=Place(30.51, 120.5)), crew("far", home=Place(30.6, 120.5))
    assert chosen([far, near]).crew == "near"
    assert chosen([far, near], load={"near": 1}).crew == "far"
    assert [candidate.crew for candidate in chosen([far, near]).candidates] == ["near", "far"]


def test_equals_go_to_the_least_id() -> None:
    assert chosen([crew("c2"), crew("c1"), crew("c3")]).crew == "c1"


def test_a_fresh_position_counts_and_a_stale_one_does_not() -> None:
    crews = [crew("c1"), crew("c2", home=Place(30.6, 120.5))]
    at_site = Seen(30.5, 120.5001, NOW - 60_000)
    far_away = Seen(30.9, 120.9, NOW - 60_000)
    assert chosen(crews, positions={"c1": far_away, "c2": at_site}).crew == "c2"
    stale = {name: Seen(seen.lat, seen.lon, NOW - 31 * 60_000) for name, seen in (("c1", far_away), ("c2", at_site))}
    assert chosen(crews, positions=stale).crew == "c1"


def test_the_promise_is_a_range_around_the_expectation() -> None:
    choice = chosen([crew("c1", home=Place(30.6, 120.5))])
    assert choice.eta_s is not None
    assert choice.eta_s[0] < choice.candidates[0].expected_s < choice.eta_s[1]
    straight_m = choice.candidates[0].distance_m
    assert straight_m is not None and abs(straight_m - 11_120) < 10
    assert choice.candidates[0].expected_s == round(straight_m * 1.3 * 3.6 / 25)


def test_every_skill_and_kind_dispatch_names_is_in_the_code_lists() -> None:
    skills = read_toml("dispatch.toml")["skills"]
    assert set(skills) <= set(codes("kind"))
    assert {skill for needed in skills.values() for skill in needed} <= set(codes("skill"))
    assert set(read_toml("dispatch.toml")["speed_km_h"]) == set(codes("area_class"))


def test_a_choice_does_not_depend_on_the_order_of_crews() -> None:
    crews = [crew(f"c{n}", home=Place(30.5 + n / 100, 120.5)) for n in range(5)]
    assert chosen(crews) == chosen(crews[::-1])
    assert json.dumps(chosen(crews).eta_s)
