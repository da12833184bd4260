"""No bytes break the import of a form: damaged, swollen and malicious files are refused with a reason, quickly and small."""

from __future__ import annotations

import csv
import io
import random
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.desk import spreadsheet
from server.desk.guides import read_guide
from sync.problems import Refused
from tests.server.desk.workbooks import HEAD, SETTINGS, faults_of, form, guide_of, notes_of, xlsx

GOOD = form(("text", "x"), ("select_one c", "y"), choices=(("list_name", "name", "label"), ("c", "a", "A")))
SHEET = "xl/worksheets/sheet1.xml"


def repacked(data: bytes, changes: dict[str, bytes]) -> bytes:
    """The workbook with some members replaced or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, changes.get(name, old.read(name)))
        for name in changes.keys() - set(old.namelist()):
            new.writestr(name, changes[name])
    return out.getvalue()


def sheet_of(rows: str) -> bytes:
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<?xml version="1.0"?><worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'.encode()


def text_cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


@pytest.mark.parametrize(
    ("data", "slug"),
    [
        (b"", "file-empty"),
        (b" \r\n\t", "file-empty"),
        (b"\x00" * 100, "no-survey"),
        (b"hello", "no-survey"),
        (b"\xff\xfe\x00\x01garbage", "file-not-a-form"),
        (b"%PDF-1.7 and so on", "no-survey"),
        (b"<html><body>Sign in to the hotel</body></html>", "no-survey"),
        (b"PK\x03\x04" + b"\x00" * 500, "file-not-a-form"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 4000, "file-not-a-form"),
        (b'survey\n,"type', "file-not-a-form"),
        (b"survey\n," + b"x" * 200_000, "cell-too-long"),
        (b"x" * (spreadsheet.FILE_MIB_MAX * 1024 * 1024 + 1), "file-too-large"),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else value,
)
def test_bytes_that_are_no_form_are_refused(data: bytes, slug: str) -> None:
    assert faults_of(data)[0][0] == slug


@pytest.mark.parametrize("limit_of_the_process", [131_072, 10_000_000])
def test_how_long_a_cell_may_be_does_not_hang_on_what_the_process_read_before(limit_of_the_process: int) -> None:
    before = csv.field_size_limit(limit_of_the_process)
    try:
        assert faults_of(b"survey\n," + b"x" * 200_000) == [("cell-too-long", "", None)]
        assert faults_of(b"survey\n," + b"x" * spreadsheet.CELL_CHARACTERS_MAX)[0][0] != "cell-too-long"
    finally:
        csv.field_size_limit(before)


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = repacked(GOOD, {SHEET: sheet_of(" " * spreadsheet.XML_MIB_MAX * 1024 * 1024)})
    assert len(bomb) < 100_000 and faults_of(bomb) == [("file-unpacks-too-large", "", None)]
    unread = repacked(GOOD, {"xl/media/image1.png": bytes(spreadsheet.XML_MIB_MAX * 1024 * 1024)})
    assert guide_of(unread) == guide_of(GOOD), "pictures are never unpacked"
    many = repacked(GOOD, {f"xl/{n}": b"" for n in range(spreadsheet.MEMBERS_MAX + 1)})
    assert faults_of(many) == [("file-unpacks-too-large", "", None)]


def test_a_bomb_that_lies_about_its_size_unpacks_no_further_than_it_said() -> None:
    packed = repacked(GOOD, {SHEET: sheet_of(" " * 3_000_000)})
    # Both places of the archive that tell the size are made to say 100.
    lying = packed.replace(len(sheet_of(" " * 3_000_000)).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert lying != packed and faults_of(lying)[0][0] == "file-not-a-form"


def test_entities_are_not_expanded() -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    laughs = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "ha">{levels}]>'.encode()
    body = sheet_of(f'<row r="1">{text_cell("A1", "&e9;")}</row>').split(b"?>", 1)[1]
    assert faults_of(repacked(GOOD, {SHEET: laughs + body}))[0][0] == "file-not-a-form"
    outside = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e9 SYSTEM "file:///etc/hostname">]>'
    assert faults_of(repacked(GOOD, {SHEET: outside + body}))[0][0] == "file-not-a-form"


def test_a_password_protected_file_says_how_to_go_on() -> None:
    with pytest.raises(Refused, match="without a password"):
        read_guide(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + random.Random(1).randbytes(8000))


def test_macros_are_told_and_never_run() -> None:
    data = repacked(GOOD, {"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0 Auto_Open"})
    assert guide_of(data) == guide_of(GOOD) and ("macros", "", None) in notes_of(data)


def test_formulas_are_read_as_what_they_last_came_to_and_never_run() -> None:
    sheet = sheet_of(
        '<row r="1">' + "".join(text_cell(f"{column}1", head) for column, head in zip("ABCD", HEAD, strict=True)) + "</row>"
        '<row r="2">' + text_cell("A2", "text") + text_cell("B2", "x")
        + '<c r="C2" t="str"><f>WEBSERVICE("x")</f><v>电压</v></c>' + text_cell("D2", "Voltage") + "</row>"
    )  # fmt: skip
    assert guide_of(repacked(GOOD, {SHEET: sheet}))["steps"][0]["label"]["zh"] == "电压"


def test_a_sheet_with_too_many_rows_or_columns_is_refused() -> None:
    rows = [HEAD, *((("text", f"s{n}", "x", "x")) for n in range(spreadsheet.ROWS_MAX + 5))]
    assert ("too-many-rows", "survey", None) in faults_of(xlsx(survey=rows, settings=SETTINGS))
    wide = [f"column {n}" for n in range(spreadsheet.COLUMNS_MAX + 5)]
    assert ("too-many-columns", "survey", 1) in faults_of(form(("text", "x", "x", "x"), head=(*HEAD, *wide)))


def test_a_workbook_of_very_many_sheets_is_refused() -> None:
    assert faults_of(xlsx(**{f"sheet {n}": [("x",)] for n in range(spreadsheet.SHEETS_MAX + 1)}))[0][0] == "too-many-sheets"


def test_a_lone_cell_in_the_last_corner_costs_nothing() -> None:
    corner = f'<row r="1048576">{text_cell("XFD1048576", "x")}</row>'
    assert faults_of(repacked(GOOD, {SHEET: sheet_of(corner)}))[0][0] in ("too-many-rows", "file-not-a-form", "no-steps")
    lying = GOOD_WITH_DIMENSION.replace(b'ref="A1:D3"', b'ref="A1:XFD1048576"')
    assert guide_of(repacked(GOOD, {SHEET: lying})) == guide_of(GOOD)


with zipfile.ZipFile(io.BytesIO(GOOD)) as _archive:
    GOOD_WITH_DIMENSION = _archive.read(SHEET)


def test_numbers_no_number_type_holds_are_no_version() -> None:
    for value in ("1e400", "9" * 5000, "-0", "NaN"):
        heads = f'<row r="1">{text_cell("A1", "form_id")}{text_cell("B1", "version")}</row>'
        values = f'<row r="2">{text_cell("A2", "x")}<c r="B2"><v>{value}</v></c></row>'
        data = repacked(GOOD, {"xl/worksheets/sheet3.xml": sheet_of(heads + values)})
        assert faults_of(data)[0][0] in ("bad-version", "file-not-a-form"), value


@given(st.binary(max_size=400))
@settings(max_examples=150)
def test_any_bytes_are_refused_and_never_break(data: bytes) -> None:
    for start in (b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"survey\n"):
        assert faults_of(start + data)


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=8))
@settings(max_examples=150)
def test_a_good_file_with_some_bytes_changed_is_a_guide_or_refused(at: int, other: bytes) -> None:
    try:
        read_guide(GOOD[:at] + other + GOOD[at + len(other) :])
    except Refused as refused:
        assert refused.problem.slug == "bad-form" and refused.extra["faults"]


CELLS = st.sampled_from(
    [
        *(
            "text",
            "select_one c",
            "select_multiple c",
            "begin group",
            "end group",
            "begin repeat",
            "calculate",
            "note",
            "x",
            "y",
        ),
        *("${x}", "${y} = 1", ".", "yes", "no", "1", "-3.5", "NaN", "signature", "=1+1", "'", "${", "a" * 400, "…", "\x07", ""),
    ]
)
COLUMNS = ("type", "name", "label", "hint", "relevant", "constraint", "calculation", "required", "unit", "normal_low", "shows")


@given(st.lists(st.lists(CELLS, min_size=len(COLUMNS), max_size=len(COLUMNS)), max_size=8))
@settings(max_examples=150)
def test_any_table_is_a_guide_or_refused(rows: list[list[str]]) -> None:
    text = "survey\n," + ",".join(COLUMNS) + "\n" + "".join("," + ",".join(row) + "\n" for row in rows)
    text += "choices\n,list_name,name,label\n,c,a,A\nsettings\n,form_id\n,f\n"
    try:
        guide, _ = read_guide(text.encode())
    except Refused as refused:
        assert refused.problem.slug == "bad-form" and refused.extra["faults"]
    else:
        assert guide["steps"]
