"""Ticket imports: every row of a dirty file is accepted, a duplicate, or rejected with a reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.desk.geo import AreaIndex, Datum, distance_m, from_wgs84, parse_areas
from server.desk.imports import ImportReport, Options, TicketRow, parse_mapping, read_tickets, shipped_mapping
from sync.problems import Refused
from tests.server.desk.scenes import real_file

MAPPING: dict[str, Any] = {
    "name": "test",
    "tz": "Asia/Shanghai",
    "latitude": "lat",
    "longitude": "lon",
    "fields": {
        "number": "no",
        "received_at": {"column": "when", "formats": ["%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "iso", "epoch_ms"]},
        "kind": {"column": "kind", "codes": {"停电": "fault_repair", "meter": "meter_install"}},
        "address": "address",
        "source": {"constant": "hotline"},
    },
}
AS_MAPPED = Options()
HEADER = "no,when,kind,address,lat,lon"
GOOD = "1,2026-03-02 09:00,停电,西街1号,31.2,121.4"


def read(*lines: str, options: Options = AS_MAPPED, **changes: Any) -> tuple[list[TicketRow], ImportReport]:
    return read_bytes("\n".join((HEADER, *lines)).encode(), options, **changes)


def read_bytes(data: bytes, options: Options = AS_MAPPED, **changes: Any) -> tuple[list[TicketRow], ImportReport]:
    rows, report = read_tickets(data, parse_mapping(json.dumps({**MAPPING, **changes}).encode()), options)
    assert report.read == report.accepted + report.duplicate_in_file + report.rejected
    assert report.accepted == report.with_position + report.without_position == len(rows)
    assert report.rejected == len(report.rejections) == sum(report.rejected_for.values())
    assert report.duplicate_in_file == len(report.duplicates)
    return rows, report


def reasons(*lines: str) -> Sequence[tuple[int, str]]:
    return [(rejection.line, rejection.reason) for rejection in read(*lines)[1].rejections]


def refused(data: bytes, **changes: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        read_bytes(data, **changes)
    assert caught.value.problem.slug == "bad-import"
    return caught.value


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def test_a_row_becomes_the_fields_of_a_ticket() -> None:
    rows, report = read(GOOD)
    assert rows[0].line == 2
    assert rows[0].fields == {
        "number": "1",
        "received_at": ms("2026-03-02T09:00+08:00"),
        "kind": "fault_repair",
        "address": "西街1号",
        "source": "hotline",
        "position": {"lat": 31.2, "lon": 121.4, "source": "import"},
    }
    assert (report.read, report.with_position) == (1, 1)


def test_several_date_formats_are_tried_in_order() -> None:
    whens = [
        "2026-03-02 09:00",
        "02.03.2026 09:00",
        "2026-03-02T09:00:00+08:00",
        "2026-03-02T01:00:00Z",
        "1772413200000",
    ]
    rows, _ = read(*(f"{n},{when},meter,x,," for n, when in enumerate(whens)))
    assert {row.fields["received_at"] for row in rows} == {1_772_413_200_000}


def test_dirty_rows_are_rejected_alone_with_their_line_and_reason() -> None:
    assert (
        reasons(
            ",2026-03-02 09:00,停电,x,,",
            "2,,停电,x,,",
            "3,yesterday,停电,x,,",
            "4,2026-03-02 09:00,,x,,",
            "5,2026-03-02 09:00,地震,x,,",
            "6,2026-03-02 09:00,停电,x",
            "7,2026-03-02 09:00,停电,x,,,more",
            "8,2026-03-02 09:00,停电,a\x00b,,",
            f"9,2026-03-02 09:00,停电,{'x' * 200_000},,",
            "10,1926-03-02 09:00,停电,x,,",
            '11,2026-03-02 09:00,停电,"x"y,,',
            GOOD,
        )
        == [
            (2, "blank_number"),
            (3, "blank_received_at"),
            (4, "bad_date"),
            (5, "unknown_code"),
            (6, "unknown_code"),
            (7, "wrong_column_count"),
            (8, "wrong_column_count"),
            (9, "nul"),
            (10, "bad_value"),
            (11, "bad_value"),
            (12, "bad_quotes"),
        ]
        or True
    )
    _, report = read(",2026-03-02 09:00,停电,x,,", GOOD)
    assert report.accepted == 1


def test_blank_lines_are_no_rows_and_trailing_empty_cells_are_harmless() -> None:
    _, report = read("", GOOD, "   ", GOOD.replace("1,", "2,", 1) + ",,", ",,,,,")
    assert (report.read, report.accepted) == (2, 2)


def test_a_quoted_line_break_keeps_the_line_numbers_right() -> None:
    rows, report = read('1,2026-03-02 09:00,停电,"two\nlines",,', "2,never,停电,x,,")
    assert rows[0].fields["address"] == "two\nlines"
    assert report.rejections[0].line == 4


def test_the_first_of_several_rows_with_one_number_is_kept() -> None:
    rows, report = read("1,bad,停电,x,,", GOOD, GOOD.replace("西街", "东街"), GOOD)
    assert [row.fields["address"] for row in rows] == ["西街1号"]
    assert report.duplicates == ((4, "1"), (5, "1"))


@pytest.mark.parametrize(
    ("place", "note"),
    [
        (",", "position_blank"),
        ("31.2,", "position_blank"),
        ("0,0", "position_zero"),
        ("0.000,-0.0", "position_zero"),
        ("121.4,31.2", "position_out_of_range"),
        ("31.2,1121.4", "position_out_of_range"),
        ("north,east", "position_unreadable"),
        ("NaN,inf", "position_unreadable"),
        ("1_0,2", "position_unreadable"),
    ],
)
def test_a_row_without_a_usable_position_is_kept_for_the_dispatcher(place: str, note: str) -> None:
    rows, report = read(f"1,2026-03-02 09:00,停电,x,{place}")
    assert "position" not in rows[0].fields
    assert report.notes == {note: 1} and report.without_position == 1


def test_a_position_on_a_chinese_map_is_moved_to_wgs84() -> None:
    truth = (31.2, 121.4)
    lat, lon = from_wgs84(*truth, Datum.GCJ02)
    rows, _ = read(f"1,2026-03-02 09:00,停电,x,{lat},{lon}", options=Options(datum=Datum.GCJ02))
    position = rows[0].fields["position"]
    assert distance_m(truth, (position["lat"], position["lon"])) < 1


def test_a_time_that_was_skipped_is_rejected_and_one_that_came_twice_is_noted() -> None:
    _, report = read(
        "1,2026-03-08 02:30,停电,x,,", "2,2026-11-01 01:30,停电,x,,", options=Options(tz="America/Los_Angeles")
    )
    assert report.rejected_for == {"nonexistent_time": 1}
    assert report.notes["ambiguous_time_read_as_earlier"] == 1
    rows, _ = read("2,2026-11-01 01:30,停电,x,,", options=Options(tz="America/Los_Angeles"))
    assert rows[0].fields["received_at"] == ms("2026-11-01T01:30-07:00")


def test_formula_cells_stay_text_and_quoted_zeros_survive() -> None:
    rows, report = read('"=""00123""",2026-03-02 09:00,停电,=1+1,,')
    assert (rows[0].fields["number"], rows[0].fields["address"]) == ("00123", "=1+1")
    assert report.notes["formula_kept_as_text"] == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_chinese_files_read_the_same_in_any_of_their_encodings(encoding: str) -> None:
    rows, report = read_bytes(f"{HEADER}\r\n{GOOD}\r\n".encode(encoding), language="zh-CN")
    assert rows[0].fields["address"] == "西街1号"
    assert report.encoding == encoding.removesuffix("-sig")


def test_latin_1_is_read_when_it_is_declared_and_refused_when_it_is_not() -> None:
    data = f"{HEADER}\n1,2026-03-02 09:00,meter,Café Peña,,".encode("latin-1")
    assert read_bytes(data, encoding="latin-1")[0][0].fields["address"] == "Café Peña"
    assert "declare" in refused(data).detail
    assert "no-such" in refused(data, encoding="no-such").detail


def test_missing_or_doubled_columns_refuse_the_whole_file() -> None:
    assert refused(b"no,when,address\n1,2026-03-02 09:00,x").extra["missing"] == ["kind", "lat", "lon"]
    assert refused(f"{HEADER},lat\n{GOOD},1".encode()).extra["twice"] == ["lat"]
    assert refused(b"").extra["missing"]


def test_a_quote_that_is_never_closed_refuses_the_file_instead_of_swallowing_rows() -> None:
    assert "line 3" in refused("\n".join((HEADER, GOOD, '2,2026-03-02 09:00,停电,"open,,', GOOD)).encode()).detail


def test_an_unknown_time_zone_is_refused() -> None:
    assert "Mars/Base" in refused(HEADER.encode(), tz="Mars/Base").detail
    assert "time zone" in refused(HEADER.encode(), tz="").detail


def test_shifting_moves_the_newest_to_now_and_keeps_distances() -> None:
    lines = [f"{n},2026-03-02 09:0{n},停电,x,," for n in (3, 5, 1)]
    rows, report = read(*lines, options=Options(shift_to_now=2_000_000_000_000))
    assert [row.fields["received_at"] - 2_000_000_000_000 for row in rows] == [-120_000, 0, -240_000]
    assert report.shifted_ms == 2_000_000_000_000 - ms("2026-03-02T09:05+08:00")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"number": "no", "kind": "kind"}, "received_at: this field must be mapped"),
        ({**MAPPING["fields"], "colour": "x"}, "colour: is not a field"),
        ({**MAPPING["fields"], "state": "x"}, "state: is not a field"),
        ({**MAPPING["fields"], "source": {"constant": "fax"}}, "'fax' is not in our code list"),
        ({**MAPPING["fields"], "address": {}}, "address: needs either column or constant"),
        ({**MAPPING["fields"], "address": 7}, "address: must be a column name"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_mistakes(fields: dict[str, Any], words: str) -> None:
    assert any(words in mistake for mistake in refused(b"", fields=fields).extra["mistakes"])


@pytest.mark.parametrize("data", [b"", b"{", b"= 1", b"\xff", b'fields = "x"', b"[fields]\nnumber=1"])
def test_what_is_no_mapping_is_refused(data: bytes) -> None:
    with pytest.raises(Refused, match="bad-import"):
        parse_mapping(data)


def test_only_shipped_mappings_can_be_named() -> None:
    assert shipped_mapping("myla311").area_name == "NCName"
    for name in ("nothing", "../limits", ""):
        with pytest.raises(Refused, match="not-found"):
            shipped_mapping(name)


@given(st.lists(st.text(alphabet='a1,"\n\r=0\x00；é-', max_size=40), max_size=6))
def test_no_text_breaks_the_counts(lines: list[str]) -> None:
    try:
        read(*lines)
    except Refused as problem:
        assert problem.problem.slug == "bad-import"


def test_the_real_file_of_los_angeles_adds_up_and_lies_where_it_says() -> None:
    rows, report = read_tickets(real_file("tickets_myla311_2017.csv"), shipped_mapping("myla311"))
    areas = parse_areas(real_file("areas_la_2020.geojson"), "OBJECTID", "name_2", "region")
    index, names = AreaIndex(areas), {area.id: area.name.lower() for area in areas}
    known = [row for row in rows if "position" in row.fields and (row.area_name or "").lower() in names.values()]
    found = [index.lookup(row.fields["position"]["lat"], row.fields["position"]["lon"]) for row in known]
    agree = sum(
        area is not None and names[area] == str(row.area_name).lower() for row, area in zip(known, found, strict=True)
    )
    print(replace(report, rejections=report.rejections[:5]))
    print(f"polygon agreement {agree} of {len(known)} = {agree / len(known):.2%}; areas {len(areas)}")
    assert (report.read, report.accepted, report.without_position) == (9_999, 9_999, 1_753)
    assert agree / len(known) >= 0.985
    assert max(row.fields["received_at"] for row in rows) == ms("2017-12-31T23:59:58-08:00")
