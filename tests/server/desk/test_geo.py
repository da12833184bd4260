"""Datums, distances, and which area a point lies in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.desk.geo import AreaIndex, Datum, distance_m, from_wgs84, parse_areas, to_wgs84
from sync.problems import Refused

SHIFTED = (Datum.GCJ02, Datum.BD09)
in_china = st.tuples(st.floats(1.0, 55.7), st.floats(72.1, 137.7))


def square(west: float, south: float, size: float = 1.0) -> dict[str, Any]:
    east, north = west + size, south + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(area_id: Any, geometry: Any, **properties: Any) -> dict[str, Any]:
    row = {"id": area_id, "name": f"area {area_id}", "station": "s1", **properties}
    return {"type": "Feature", "properties": row, "geometry": geometry}


def collection(*features: Any, **more: Any) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": list(features), **more}).encode()


def areas(*features: Any, **more: Any) -> Any:
    return parse_areas(collection(*features, **more), "id", "name", "station", "class")


def refusal(*features: Any, **more: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        areas(*features, **more)
    assert caught.value.problem.slug == "bad-import"
    return caught.value


@pytest.mark.parametrize("datum", SHIFTED)
@given(point=in_china)
def test_a_converted_position_comes_back_within_a_metre(datum: Datum, point: tuple[float, float]) -> None:
    assert distance_m(to_wgs84(*from_wgs84(*point, datum), datum), point) < 1
    assert distance_m(from_wgs84(*to_wgs84(*point, datum), datum), point) < 1


def test_conversion_agrees_with_published_examples() -> None:
    beijing = (39.915, 116.404)
    assert distance_m(from_wgs84(*beijing, Datum.GCJ02), (39.91640428150164, 116.41024449916938)) < 0.01
    assert distance_m(to_wgs84(39.91640428150164, 116.41024449916938, Datum.GCJ02), beijing) < 0.01
    gcj_of_bd = from_wgs84(*to_wgs84(39.92133699351021, 116.41036949371029, Datum.BD09), Datum.GCJ02)
    assert distance_m(gcj_of_bd, beijing) < 0.5


def test_datums_differ_by_hundreds_of_metres_inside_china() -> None:
    assert 300 < distance_m((31.23, 121.47), from_wgs84(31.23, 121.47, Datum.GCJ02)) < 700


@pytest.mark.parametrize("datum", list(Datum))
def test_outside_china_every_datum_is_the_same(datum: Datum) -> None:
    assert to_wgs84(34.05, -118.24, datum) == (34.05, -118.24)
    assert from_wgs84(34.05, -118.24, datum) == (34.05, -118.24)


def test_a_degree_of_latitude_is_111_kilometres() -> None:
    assert distance_m((0, 0), (1, 0)) == pytest.approx(111_195, abs=1)
    assert distance_m((10, 179.5), (10, -179.5)) < 111_195
    assert distance_m((90, 0), (-90, 0)) == pytest.approx(20_015_115, abs=10)


def test_a_point_is_found_in_its_area_and_nowhere_else() -> None:
    index = AreaIndex(areas(feature("a", square(120, 30)), feature("b", square(121, 30))))
    assert index.lookup(30.5, 120.5) == "a"
    assert index.lookup(30.5, 121.5) == "b"
    assert index.lookup(29.5, 120.5) is None


def test_a_shared_border_goes_to_the_same_area_whatever_the_order() -> None:
    rows = areas(feature("b", square(121, 30)), feature("a", square(120, 30)))
    assert AreaIndex(rows).lookup(30.5, 121.0) == AreaIndex(rows[::-1]).lookup(30.5, 121.0) == "a"


def test_an_enclave_wins_over_what_encloses_it() -> None:
    rows = areas(feature("all", square(120, 30, 4)), feature("enclave", square(121, 31)))
    assert AreaIndex(rows).lookup(31.5, 121.5) == "enclave"


def test_areas_drawn_on_a_chinese_map_are_moved_to_wgs84() -> None:
    rows = parse_areas(collection(feature("a", square(121, 31))), "id", "name", "station", datum=Datum.GCJ02)
    lon, lat = rows[0].geometry["coordinates"][0][0]
    assert 300 < distance_m((lat, lon), (31, 121)) < 700


def test_altitudes_are_dropped_and_numbers_become_identifiers() -> None:
    flat = square(120, 30)
    flat["coordinates"] = [[[x, y, 7.0] for x, y in flat["coordinates"][0]]]
    (area,) = areas(feature(38, flat, station="Central 2"))
    assert (area.id, area.station, area.station_name) == ("38", "Central-2", "Central 2")
    assert all(len(position) == 2 for position in area.geometry["coordinates"][0])


def test_a_chinese_station_name_becomes_an_identifier_and_stays_readable() -> None:
    (area,) = areas(feature("a", square(120, 30), station="城东供电所"))
    assert area.station is not None and area.station.startswith("x-") and area.station_name == "城东供电所"


def test_a_bow_tie_is_repaired_and_the_repair_is_told() -> None:
    bow = {"type": "Polygon", "coordinates": [[[120, 30], [121, 31], [121, 30], [120, 31], [120, 30]]]}
    (area,) = areas(feature("a", bow))
    assert any(note.startswith("repaired: Self-intersection") for note in area.notes)
    assert AreaIndex([area]).lookup(30.4, 120.1) == "a"
    assert AreaIndex([area]).lookup(30.9, 120.5) is None


def test_missing_names_and_stations_are_noted_not_refused() -> None:
    (area,) = areas(feature("a", square(120, 30), name=None, station=" "))
    assert (area.name, area.station, len(area.notes)) == ("a", None, 2)


@pytest.mark.parametrize("crs", ["urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:EPSG::4326", "EPSG:4326"])
def test_degrees_in_wgs84_are_accepted_by_any_of_their_names(crs: str) -> None:
    assert areas(feature("a", square(120, 30)), crs={"type": "name", "properties": {"name": crs}})


@pytest.mark.parametrize("crs", ["EPSG:3857", "urn:ogc:def:crs:EPSG::2229", "EPSG:14326"])
def test_another_reference_is_refused(crs: str) -> None:
    assert "WGS-84" in refusal(feature("a", square(0, 0)), crs={"type": "name", "properties": {"name": crs}}).detail


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        (square(31, 121), "swapped"),
        (square(500000, 4000000), "not degrees"),
        ({"type": "Point", "coordinates": [1, 2]}, "Point"),
        (None, "missing"),
        ({"type": "Polygon", "coordinates": []}, "empty"),
        ({"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}, "cannot be read"),
        ({"type": "Polygon", "coordinates": [[[1, "x"], [3, 4], [5, 6], [1, 2]]]}, "cannot be read"),
        ({"type": "Polygon", "coordinates": "nonsense"}, "cannot be read"),
        ({"type": "Polygon"}, "cannot be read"),
        ({"type": "Polygon", "coordinates": [[[1, 1], [2, 2], [3, 3], [1, 1]]]}, "no ground"),
    ],
)
def test_a_broken_feature_is_named_with_its_fault(geometry: Any, words: str) -> None:
    refused = refusal(feature("good", square(120, 30)), feature("bad", geometry))
    assert "feature 1 (id bad)" in refused.detail and words in refused.detail


def test_every_broken_feature_is_listed() -> None:
    rows = [feature(None, square(0, 0)), feature("a", square(0, 0)), feature("a", square(2, 2)), "text"]
    refused = refusal(*rows, feature("c", square(0, 0), **{"class": "suburb"}))
    assert len(refused.extra["mistakes"]) == 4


def test_the_same_feature_twice_is_one_area_and_another_with_its_id_is_refused() -> None:
    (area,) = areas(feature("a", square(120, 30)), feature("a", square(120, 30)))
    assert area.notes == ("given twice, alike",)
    assert "different" in refusal(feature("a", square(120, 30)), feature("a", square(121, 30))).detail


@pytest.mark.parametrize(
    "document", [b"", b"{", b"[]", b'{"type":"FeatureCollection","features":[]}', b"[" * 100_000, b"\xff\xfe", b"NaN"]
)
def test_what_is_no_feature_collection_is_refused(document: bytes) -> None:
    with pytest.raises(Refused, match="bad-import"):
        parse_areas(document, "id", "name", "station")


def test_infinite_coordinates_are_refused() -> None:
    broken = collection(feature("a", square(120, 30))).replace(b"121.0", b"NaN")
    with pytest.raises(Refused, match="not a number"):
        parse_areas(broken, "id", "name", "station")
    huge = collection(feature("a", square(120, 30))).replace(b"121.0", b"1e999")
    with pytest.raises(Refused, match="feature 0"):
        parse_areas(huge, "id", "name", "station")
