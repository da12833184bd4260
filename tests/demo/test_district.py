"""The demo district's own files: small, whole, bilingual, and as dirty as it says."""

from __future__ import annotations

import hashlib
import io

import pytest
from PIL import Image

from clients.demo import district
from server.desk import intake
from server.desk.codes import codes
from server.desk.guides import Guide, read_guide
from server.desk.imports import Options, parse_mapping, read_tickets
from server.desk.organisation import parse_organisation
from server.desk.points import rule_v1
from tests.server.desk.evaluate import evaluate

NOON = 1_772_424_000_000
PHOTOS = ("meter", "fuse_before", "fuse_after", "line")


def test_the_organisation_has_two_stations_four_crews_and_nine_members_on_shift() -> None:
    org = parse_organisation(district.organisation(NOON))
    assert (len(org.stations), len(org.crews), len(org.members), len(org.shifts)) == (2, 4, 9, 4)
    assert all(shift.begins < NOON < shift.ends for shift in org.shifts)
    assert len({membership.member for membership in org.memberships}) == 9


def test_the_six_areas_are_whole_and_of_every_class() -> None:
    options = {"id": "id", "name": "name_zh", "station": "station", "class": "class"}
    areas = intake.read_areas(options, district.read_bytes("areas.geojson"))
    assert len(areas) == 6 and not [note for area in areas for note in area.notes]
    assert {area.area_class for area in areas} == set(codes("area_class"))


def test_the_export_holds_fourteen_tickets_two_without_position_one_duplicate_and_one_dirty_row() -> None:
    mapping = parse_mapping(district.read_bytes("mapping.toml"))
    rows, report = read_tickets(district.read_bytes("tickets.csv"), mapping, Options(shift_to_now=NOON))
    assert (report.read, report.accepted, report.without_position) == (16, 14, 2)
    assert (report.duplicate_in_file, dict(report.rejected_for)) == (1, {"bad_date": 1})
    assert max(row.fields["received_at"] for row in rows) == NOON
    assert len({row.fields["kind"] for row in rows}) >= 8


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_ticket_and_everybody_has_a_name_in(language: str) -> None:
    mapping = parse_mapping(district.read_bytes("mapping.toml"))
    rows, _ = read_tickets(district.read_bytes("tickets.csv"), mapping)
    assert {row.fields["number"] for row in rows} <= set(district.titles(language))
    assert len(district.names(language)) == 2 + 4 + 9


@pytest.fixture(scope="module")
def guides() -> dict[str, Guide]:
    """The three guides as an import makes them, by identifier."""
    return {guide["guide"]: guide for guide, _ in map(read_guide, district.guides().values())}


def test_the_three_guides_import_without_a_word_of_complaint() -> None:
    for name, data in district.guides().items():
        guide, notes = read_guide(data)
        assert f"{guide['guide']}.xlsx" == name and not notes, [note.document() for note in notes]


def test_the_three_guides_are_bilingual_and_begin_with_safety(guides: dict[str, Guide]) -> None:
    versions = {name: guide["version"] for name, guide in guides.items()}
    assert versions == {"lv-outage": 3, "meter-fault": 2, "temp-supply": 1}
    for guide in guides.values():
        assert guide["steps"][0]["safety"] and sum(step.get("safety", False) for step in guide["steps"]) == 1
        assert {step["type"] for step in guide["steps"]} >= {"tick", "choice", "number", "text", "photo"}
        assert guide["kinds"] and set(guide["kinds"]) <= set(rule_v1()["base_milli"])
        labels = [guide["title"], *(step[part] for step in guide["steps"] for part in ("label", "hint") if part in step)]
        labels += [row["label"] for rows in guide["choices"].values() for row in rows]
        assert all(label["zh"] and label["en"] and label["zh"] != label["en"] for label in labels)


def test_the_outage_guide_asks_six_steps_with_four_photos_and_more_only_where_the_voltage_is_off(
    guides: dict[str, Guide],
) -> None:
    steps = guides["lv-outage"]["steps"]

    def asked(voltage: float, **more: str) -> list[str]:
        answers = {"voltage": voltage, **more}
        return [step["id"] for step in steps if "relevant" not in step or evaluate(step["relevant"], answers)]

    assert asked(227.4) == ["isolated", "before", "fault", "voltage", "after", "meter"]
    assert [step["type"] for step in steps if step.get("required")].count("photo") == 4
    assert all(step["required"] for step in steps if step["id"] in asked(227.4))
    assert "cause" in asked(190.0) and "cause" in asked(240.0) and "remark" not in asked(190.0)
    assert "remark" in asked(190.0, cause="blown_fuse")


@pytest.mark.parametrize("name", PHOTOS)
def test_a_drawing_is_a_small_jpeg_and_every_picture_of_it_differs(name: str) -> None:
    drawing = district.read_bytes(f"photos/{name}.jpg")
    assert len(drawing) < 12 * 1024
    one, other = district.picture(name, "GD-1001 before"), district.picture(name, "GD-1002 before")
    assert hashlib.sha256(one).digest() != hashlib.sha256(other).digest()
    with Image.open(io.BytesIO(drawing)) as plain, Image.open(io.BytesIO(one)) as taken:
        assert taken.format == "JPEG" and taken.tobytes() == plain.tobytes()
        assert taken.info["comment"] == b"GD-1001 before"
