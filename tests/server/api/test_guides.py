"""Work guides and what else phones refer to: imported by the office, received with the feed, by nobody else's phone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from server import commands
from server.service import Clock, Service
from server.settings import load_settings
from server.storage import tables as t
from server.storage.queries import Queries
from server.storage.store import StoreTransaction
from tests.server.api.world import START_MS, Phone, World, good, slug
from tests.server.desk.workbooks import form

ORG: dict[str, Any] = {
    "stations": [
        {"id": "n1", "name_zh": "北一所", "name_en": "North One", "emergency_phone": "0794-000-0001"},
        {"id": "n2", "name_zh": "北二所", "name_en": "North Two"},
    ],
    "crews": [
        {"id": "n1-a", "station": "n1", "name_zh": "甲班", "name_en": "Crew A"},
        {"id": "n2-a", "station": "n2", "name_zh": "乙班", "name_en": "Crew B"},
    ],
    "members": [{"id": name, "name_zh": f"{name}姓", "name_en": name.title()} for name in ("ada", "bo", "cy")],
    "memberships": [
        {"crew": "n1-a", "member": "bo"},
        {"crew": "n1-a", "member": "ada"},
        {"crew": "n2-a", "member": "cy"},
    ],
}


def fuse(version: int = 1, label: str = "换熔芯", identity: str = "fuse", kinds: str = "fault_repair") -> bytes:
    settings = (("form_id", "form_title", "title_en", "version", "kinds"), (identity, label, "Change a fuse", version, kinds))
    rows = [("acknowledge", "dead"), ("image", "before"), ("text", "remark")]
    return form(*rows, settings=settings)


def send(world: World, data: bytes, **options: Any) -> Any:
    return good(world.upload("/v1/import/guide", options, data)).json()


def reference(phone: Phone) -> dict[tuple[str, str], Mapping[str, Any]]:
    """What the phone holds of everything that is no ticket."""
    rows = phone.replica._pocket.rows()
    return {(row.kind, row.id): row.put for row in rows if row.kind in ("guide", "crew", "station")}


@pytest.fixture(scope="module", autouse=True)
def organisation(world: World) -> None:
    good(world.upload("/v1/import/org", {}, json.dumps(ORG).encode()))


@pytest.fixture
def phone(world: World) -> Phone:
    return world.phone(member="ada")


def test_a_phone_knows_its_station_and_crews_by_name_and_no_other_stations(world: World, phone: Phone) -> None:
    phone.sync()
    known = {key: put for key, put in reference(phone).items() if key[0] != "guide"}
    assert known == {
        ("station", "n1"): {"id": "n1", "name": {"zh": "北一所", "en": "North One"}, "emergency_phone": "0794-000-0001"},
        ("crew", "n1-a"): {
            "id": "n1-a",
            "name": {"zh": "甲班", "en": "Crew A"},
            "station": "n1",
            "members": [
                {"id": "ada", "name": {"zh": "ada姓", "en": "Ada"}},
                {"id": "bo", "name": {"zh": "bo姓", "en": "Bo"}},
            ],
        },
    }


def test_an_imported_guide_is_what_phones_of_every_station_receive(world: World, phone: Phone) -> None:
    said = send(world, fuse(identity="everywhere"))
    assert (said["guide"], said["version"], said["steps"], said["photos"], said["new"]) == ("everywhere", 1, 3, 1, True)
    for where in (phone, world.phone(member="cy")):
        where.sync()
        guide = reference(where)["guide", "everywhere:1"]
        assert guide["title"] == {"zh": "换熔芯", "en": "Change a fuse"} and guide["superseded"] is False
        assert [step["type"] for step in guide["steps"]] == ["tick", "photo", "text"]


def test_a_newer_version_supersedes_the_older_and_both_stay(world: World, phone: Phone) -> None:
    send(world, fuse(1, identity="newer"))
    phone.sync()
    send(world, fuse(2, "换熔芯二", identity="newer"))
    phone.sync()
    found = reference(phone)
    assert [found["guide", f"newer:{version}"]["superseded"] for version in (1, 2)] == [True, False]
    assert found["guide", "newer:1"]["title"]["zh"] == "换熔芯"


def test_the_same_file_again_changes_nothing(world: World, phone: Phone) -> None:
    send(world, fuse(identity="again"))
    with world.untouched():
        assert send(world, fuse(identity="again"))["new"] is False


def test_a_published_version_cannot_be_changed_and_an_older_not_be_added(world: World) -> None:
    send(world, fuse(5, identity="fixed"))
    with world.untouched():
        for version in (5, 4):
            for dry_run in (True, False):
                refused = world.upload("/v1/import/guide", {"dry_run": dry_run}, fuse(version, "另一张", identity="fixed"))
                assert slug(refused) == "guide-conflict" and refused.json()["newest"] == 5
                assert "version 6" in refused.json()["detail"]


def test_a_rehearsal_says_what_would_happen_and_changes_nothing(world: World) -> None:
    with world.untouched():
        said = send(world, fuse(identity="rehearsed"), dry_run=True, version="7", kinds="hazard", causes="flood")
    assert (said["version"], said["kinds"], said["causes"], said["new"], said["dry_run"]) == (
        7,
        ["hazard"],
        ["flood"],
        True,
        True,
    )


def test_a_form_that_does_not_fit_is_refused_with_every_fault_in_both_languages(world: World) -> None:
    with world.untouched():
        refused = world.upload("/v1/import/guide", {}, form(("audio", "a"), ("text", "b", None, None)))
    assert slug(refused) == "bad-form"
    faults = refused.json()["faults"]
    assert [(fault["slug"], fault["sheet"], fault["row"]) for fault in faults] == [
        ("unsupported-type", "survey", 2),
        ("no-label", "survey", 3),
    ]
    assert all(fault[part][language] for fault in faults for part in ("what", "instead") for language in ("zh", "en"))


@pytest.mark.parametrize("data", [b"\x00", b"PK\x03\x04broken", b"a,b\n1,2", b"{}"], ids=repr)
def test_bytes_that_are_no_form_are_refused_and_nothing_breaks(world: World, data: bytes) -> None:
    with world.untouched():
        assert slug(world.upload("/v1/import/guide", {}, data)) == "bad-form"


@pytest.mark.parametrize("options", [{"kinds": 3}, {"version": 3}, {"causes": ["flood"]}])
def test_options_that_are_no_text_are_refused(world: World, options: dict[str, Any]) -> None:
    assert slug(world.upload("/v1/import/guide", options, fuse())) == "bad-value"


def test_the_office_sees_every_guide_and_one_of_them_whole(world: World) -> None:
    send(world, fuse(identity="seen"))
    rows = world.get("/v1/guides")["guides"]
    [row] = [row for row in rows if row["guide"] == "seen"]
    assert row == {
        "guide": "seen",
        "version": 1,
        "title": {"zh": "换熔芯", "en": "Change a fuse"},
        "kinds": ["fault_repair"],
        "causes": [],
        "steps": 3,
        "photos": 1,
        "superseded": False,
    }
    [whole] = world.get("/v1/guides?guide=seen")["guides"]
    assert [step["id"] for step in whole["steps"]] == ["dead", "before", "remark"]
    assert world.get("/v1/guides?guide=nobody")["guides"] == []


def test_a_new_station_gets_every_guide_there_is(world: World) -> None:
    send(world, fuse(identity="early"))
    more = {
        "stations": [{"id": "n3", "name_zh": "北三所", "name_en": "North Three"}],
        "crews": [{"id": "n3-a", "station": "n3", "name_zh": "丙班", "name_en": "Crew C"}],
        "members": [{"id": "di", "name_zh": "狄", "name_en": "Di"}],
        "memberships": [{"crew": "n3-a", "member": "di"}],
    }
    good(world.upload("/v1/import/org", {}, json.dumps(more).encode()))
    late = world.phone(member="di")
    late.sync()
    found = reference(late)
    assert ("guide", "early:1") in found and ("station", "n3") in found and ("station", "n1") not in found


def test_a_member_who_changes_stations_forgets_the_old_crew_and_learns_the_new(world: World) -> None:
    mover = world.phone(member="bo")
    mover.sync()
    stayed = world.phone(member="ada")
    stayed.sync()
    world.wait(seconds=1)
    moved = {**ORG, "memberships": [{"crew": "n2-a", "member": "bo"}]}
    good(world.upload("/v1/import/org", {}, json.dumps(moved).encode()))
    mover.sync()
    stayed.sync()
    found = reference(mover)
    assert ("crew", "n1-a") not in found and ("station", "n1") not in found
    assert [member["id"] for member in found["crew", "n2-a"]["members"]] == ["bo", "cy"]
    assert [member["id"] for member in reference(stayed)["crew", "n1-a"]["members"]] == ["ada"]
    assert {key for key in found if key[0] == "guide"} == {key for key in reference(stayed) if key[0] == "guide"}
    world.wait(seconds=1)
    good(world.upload("/v1/import/org", {}, json.dumps(ORG).encode()))


def test_the_same_organisation_again_moves_nothing_in_the_feed(world: World, phone: Phone) -> None:
    good(world.upload("/v1/import/org", {}, json.dumps(ORG).encode()))
    phone.sync()
    before = world.rows("SELECT value FROM counter WHERE name = 'position'")
    good(world.upload("/v1/import/org", {}, json.dumps(ORG).encode()))
    assert world.rows("SELECT value FROM counter WHERE name = 'position'") == before


def test_headquarters_feed_and_foreign_phones_hold_no_reference_records(world: World) -> None:
    send(world, fuse(identity="quiet"))
    stranger = world.phone("A")
    stranger.sync()
    assert not [key for key in reference(stranger) if key[0] != "guide" and key[1].startswith("n")]
    assert not world.hq("guide") and not world.hq("crew") and not world.hq("station")


def test_a_database_of_an_earlier_version_publishes_its_people_when_the_server_starts(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path / "data")
    commands.init(settings)
    clock = Clock(now_ms=lambda: START_MS)
    service = Service(settings, clock)

    def people(tx: StoreTransaction) -> None:
        Queries(tx).put(t.Station, [{"id": "old", "name": "老所", "name_en": "Old"}], "id")

    service.writer.work(people)
    assert not service.reader().feed("station:old", 0, 10)
    service.close()
    for _ in range(2):
        service = Service(settings, clock)
        rows = [row[:3] for row in service.reader().feed("station:old", 0, 10)]
        service.close()
        assert rows == [(1, "station", "old")]
