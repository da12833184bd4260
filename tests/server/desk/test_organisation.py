"""The organisation document: all of it, or every mistake at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.desk.organisation import Place, Shift, parse_organisation
from sync.problems import Refused

TOML = """
[[stations]]
id = "s1"
name_zh = "城东供电所"
name_en = "East"
position = { lat = 31.2, lon = 121.4 }

[[areas]]
id = "a1"
station = "s1"
area_class = "rural"

[[crews]]
id = "c1"
station = "s1"
name_zh = "一班"
name_en = "Crew 1"
vehicle = "V1"
skills = ["low_voltage", "metering"]
home = { lat = 31.21, lon = 121.41 }

[[members]]
id = "m1"
name_zh = "王伟"
name_en = "Wang Wei"
phone = "+86 138 0000 0000"
skills = ["low_voltage"]
role = "lead"

[[memberships]]
crew = "c1"
member = "m1"

[[shifts]]
crew = "c1"
from = 2026-03-02T08:00:00
to = "2026-03-02T20:00:00+08:00"
"""


def mistakes(**document: Any) -> list[str]:
    with pytest.raises(Refused) as caught:
        parse_organisation(json.dumps(document).encode())
    assert caught.value.problem.slug == "bad-import"
    found: list[str] = caught.value.extra["mistakes"]
    return found


def test_a_document_becomes_the_organisation() -> None:
    organisation = parse_organisation(TOML.encode())
    assert organisation.stations[0].position == Place(31.2, 121.4)
    assert organisation.areas[0].area_class == "rural"
    assert organisation.crews[0].skills == {"low_voltage", "metering"}
    assert organisation.members[0].role == "lead"
    assert organisation.shifts == (Shift("c1", 1_772_409_600_000, 1_772_452_800_000),)


def test_json_reads_like_toml_and_an_empty_document_is_an_empty_organisation() -> None:
    assert parse_organisation(b"{}") == parse_organisation(b"")
    station = {"id": "s1", "name_zh": "一所", "name_en": "One"}
    assert parse_organisation(json.dumps({"stations": [station]}).encode()).stations[0].id == "s1"


def test_every_mistake_is_listed_at_once() -> None:
    found = mistakes(
        stations=[{"id": "s 1", "name_zh": "", "name_en": "One", "colour": 1}, 7],
        crews=[
            {"id": "c1", "station": "s9", "name_zh": "一", "name_en": "1", "skills": ["flying"]},
            {"id": "c2", "station": "s9", "name_zh": "一", "name_en": "1", "home": {"lat": 91, "lon": 0}},
            {"id": "c3", "station": "s9", "name_zh": "一", "name_en": "1"},
        ],
        shifts=[{"crew": "c9", "from": "2026-03-02T09:00", "to": "2026-03-02T08:00"}, {"crew": "c3", "from": "soon"}],
        teams=[],
        members="nobody",
    )
    for words in (
        "teams: no such list",
        "stations 1: id is not an identifier",
        "stations 1: name_zh must be text",
        "stations 1: colour is not known here",
        "stations 2: must be a table",
        "crews 1: skills 'flying' is not one of",
        "crews 2: home 91.0, 0.0 is not on earth",
        "crews 3: station s9 is not in stations",
        "members: must be a list",
        "shifts 1: crew c9 is not in crews",
        "shifts 1: it ends before it begins",
        "shifts 2: to is missing",
        "shifts 2: from must be a date and time",
    ):
        assert any(words in mistake for mistake in found), words


def test_an_id_used_twice_is_a_mistake() -> None:
    station = {"id": "s1", "name_zh": "一所", "name_en": "One"}
    assert mistakes(stations=[station, station]) == ["stations 2: id s1 was used before"]


def test_a_place_that_is_no_number_is_a_mistake() -> None:
    station = {"id": "s1", "name_zh": "一所", "name_en": "One", "position": {"lat": float("nan"), "lon": 1}}
    assert "is not on earth" in mistakes(stations=[station])[0]


@pytest.mark.parametrize("data", [b"{", b"stations = 1 2", b"\xff\xfe\x00", b'{"a":' * 5000])
def test_what_is_neither_json_nor_toml_is_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="bad-import"):
        parse_organisation(data)
