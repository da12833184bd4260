"""The one door to pyxform and the spreadsheet readers under it: bytes of unknown origin → sheets of texts, within limits.

Cells read as pyxform reads them, and its tables say which words of XLSForm mean the same. Macros are never run, links never
followed, entities never expanded. Refuses to know what a guide is.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import openpyxl  # type: ignore[import-untyped]  # it ships no types
import xlrd  # type: ignore[import-untyped]  # it ships no types
from pyxform import aliases  # type: ignore[import-untyped]  # it ships no types
from pyxform.builder import create_survey_element_from_dict  # type: ignore[import-untyped]  # it ships no types
from pyxform.question_type_dictionary import QUESTION_TYPE_DICT  # type: ignore[import-untyped]  # it ships no types
from pyxform.xls2json import workbook_to_json  # type: ignore[import-untyped]  # it ships no types
from pyxform.xls2json_backends import (  # type: ignore[import-untyped]  # it ships no types
    get_xlsform,
    xls_value_to_unicode,
    xlsx_value_to_str,
)

from server.desk.findings import Finding, Findings

FILE_MIB_MAX = 4
XML_MIB_MAX = 4
"""Of a workbook's own parts unpacked; rows become objects a hundred times their size. Pictures are not read."""
MEMBERS_MAX = 1000
SHEETS_MAX = 50
ROWS_MAX = 2000
COLUMNS_MAX = 200
CELL_CHARACTERS_MAX = 32_767
"""What a spreadsheet program itself allows."""

SHEETS = ("survey", "choices", "settings")
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MIB = 1024 * 1024
_GROUPS = frozenset(["bind", "body", "control", "instance", "media"])
_ENGLISH = frozenset(["english", "en"])
_CHINESE = frozenset(["中文", "简体中文", "汉语", "chinese", "zh", "zh-cn", "zh_cn", "zh-hans", "mandarin"])


@dataclass(frozen=True, slots=True)
class Column:
    """A heading: the one word XLSForm has for it, its language (`zh`, `en`, another as written, or none), and as it stands."""

    name: str
    language: str
    heading: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row that holds something, by its number in the spreadsheet. `cells` maps headings to texts that are not empty."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    name: str
    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Workbook:
    """The three sheets of a form; `others` are the names of the rest."""

    survey: Sheet
    choices: Sheet
    settings: Sheet
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """What pyxform knows of a type of question: how it is answered (`control`), what with (`bind`, `media`), and more."""

    control: str
    bind: str
    media: str
    constraint: str
    collected: bool


# ------------------------------------------------------------------------------------------------------------------ reading


def read_workbook(data: bytes, findings: Findings) -> Workbook | None:
    """The form's sheets, or None when the bytes cannot be read; whatever is wrong is in `findings`. Never raises."""
    if not data.strip():
        findings.fault("file-empty")
    elif len(data) > FILE_MIB_MAX * _MIB:
        findings.fault("file-too-large", limit=FILE_MIB_MAX)
    else:
        try:
            return _workbook(_tables(data, findings), findings)
        except _Unreadable as unreadable:
            findings.faults.append(unreadable.finding)
        except Exception as error:  # three parsers of foreign formats: what they raise on damage is no fixed list
            findings.fault("file-not-a-form", why=_why(error))
    return None


Table = list[tuple[int, Sequence[str]]]
"""Rows that hold something: (number, texts)."""


class _Unreadable(Exception):
    """The file goes no further than this fault."""

    def __init__(self, slug: str, **values: object) -> None:
        self.finding = Finding(slug, values={name: str(value) for name, value in values.items()})


def _tables(data: bytes, findings: Findings) -> dict[str, Table]:
    if data.startswith(_ZIP):
        return _read_xlsx(data, findings)
    if data.startswith(_OLE):
        return _read_xls(data, findings)
    return _read_csv(data.decode("utf-8-sig"), findings)


def _read_xlsx(data: bytes, findings: Findings) -> dict[str, Table]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        _check_archive(archive, findings)
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    try:
        return {
            sheet.title: _bounded(sheet.title, _xlsx_rows(sheet), findings) if _is_ours(sheet.title, book.sheetnames) else []
            for sheet in book.worksheets[:SHEETS_MAX]
        }
    finally:
        book.close()


def _check_archive(archive: zipfile.ZipFile, findings: Findings) -> None:
    members = [member for member in archive.infolist() if not member.filename.startswith("xl/media/")]
    # What a member claims to unpack to is also all that is ever read of it.
    size = sum(member.file_size for member in members)
    if len(members) > MEMBERS_MAX or size > XML_MIB_MAX * _MIB:
        raise _Unreadable("file-unpacks-too-large", limit=XML_MIB_MAX)
    # Every sheet is looked into when the workbook is opened, and many may be one and the same part.
    if sum(archive.read(member).count(b"sheetId=") for member in members if member.filename.endswith(".xml")) > SHEETS_MAX:
        raise _Unreadable("too-many-sheets", limit=SHEETS_MAX)
    if any(member.filename.endswith("vbaProject.bin") for member in members):
        findings.note("macros")


def _xlsx_rows(sheet: Any) -> Iterator[Sequence[str]]:
    sheet.reset_dimensions()  # a file's own word on its size may be wrong
    for cells in sheet.iter_rows(max_row=ROWS_MAX + 2, max_col=COLUMNS_MAX + 1, values_only=True):
        yield ["" if value is None else xlsx_value_to_str(value) for value in cells]


def _read_xls(data: bytes, findings: Findings) -> dict[str, Table]:
    # Ragged: a lone cell in the last corner does not become sixteen million.
    log = io.StringIO()
    with xlrd.open_workbook(file_contents=data, on_demand=True, ragged_rows=True, logfile=log) as book:
        names = book.sheet_names()[:SHEETS_MAX]
        tables = {}
        for name in names:
            ours = _is_ours(name, names)
            tables[name] = _bounded(name, _xls_rows(book.sheet_by_name(name), book.datemode), findings) if ours else []
            if ours:
                book.unload_sheet(name)
        return tables


def _xls_rows(sheet: Any, datemode: int) -> Iterator[Sequence[str]]:
    for number in range(min(sheet.nrows, ROWS_MAX + 2)):
        cells = sheet.row(number)[: COLUMNS_MAX + 1]
        yield ["" if cell.value == "" else xls_value_to_unicode(cell.value, cell.ctype, datemode) for cell in cells]


def _read_csv(text: str, findings: Findings) -> dict[str, Table]:
    """A form in one file: a sheet's name alone in the first column, then its rows from the second column on."""
    tables: dict[str, Table] = {}
    name = ""
    # The csv module has one limit for the whole process, which another import may have raised: ours is in _text.
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), start=1):
        if number > len(SHEETS) * ROWS_MAX:
            findings.fault("too-many-rows", name, limit=ROWS_MAX)
            break
        if cells and cells[0].strip():
            name = cells[0].strip()
        if name and any(cell.strip() for cell in cells[1:]):
            tables.setdefault(name, []).append((number, [_text(cell) for cell in cells[1:]]))
    return tables


def _is_ours(name: str, names: Sequence[str]) -> bool:
    return name.strip().lower() in SHEETS or len(names) == 1


def _bounded(name: str, rows: Iterator[Sequence[str]], findings: Findings) -> Table:
    """Rows that hold something, as far as the limits go; further is a fault."""
    kept: Table = []
    for number, cells in enumerate(rows, start=1):
        if number > ROWS_MAX + 1:
            findings.fault("too-many-rows", name, limit=ROWS_MAX)
            break
        if len(cells) > COLUMNS_MAX and any(cells[COLUMNS_MAX:]):
            findings.fault("too-many-columns", name, number, limit=COLUMNS_MAX)
        texts = [_text(cell) for cell in cells[:COLUMNS_MAX]]
        if any(texts):
            kept.append((number, texts))
    return kept


def _text(cell: str) -> str:
    if len(cell) > CELL_CHARACTERS_MAX:
        raise _Unreadable("cell-too-long", limit=CELL_CHARACTERS_MAX)
    return cell.replace("\xa0", " ").strip()


def _why(error: Exception) -> str:
    words = str(error).splitlines()[0][:160] if str(error) else ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


# ------------------------------------------------------------------------------------------------------------------- sheets


def _workbook(tables: Mapping[str, Table], findings: Findings) -> Workbook:
    named = {name.strip().lower(): name for name in tables}
    if "survey" not in named and len(tables) == 1:
        named = {"survey": next(iter(tables))}
    if "survey" not in named:
        raise _Unreadable("no-survey", sheets=", ".join(list(tables)[:10]) or "–")
    survey, choices, settings = (_sheet(wanted, tables.get(named.get(wanted, ""), []), findings) for wanted in SHEETS)
    used = {named.get(wanted) for wanted in SHEETS}
    return Workbook(survey, choices, settings, tuple(name for name in tables if name not in used))


def _sheet(name: str, table: Table, findings: Findings) -> Sheet:
    """The first row that holds something are the headings."""
    if not table:
        return Sheet(name)
    number, headings = table[0]
    columns: dict[int, Column] = {}
    for at, heading in enumerate(headings):
        column = _column(name, heading)
        if heading and any((column.name, column.language) == (other.name, other.language) for other in columns.values()):
            findings.fault("duplicate-column", name, number, heading)
        elif heading:
            columns[at] = column
    rows = [
        Row(row, {column.heading: cells[at] for at, column in columns.items() if at < len(cells) and cells[at]})
        for row, cells in table[1:]
    ]
    return Sheet(name, tuple(columns.values()), tuple(row for row in rows if row.cells))


def worded(sheet: Sheet) -> list[tuple[int, dict[str, str]]]:
    """Rows by XLSForm's own word for each column instead of its heading, columns with a language left out."""
    names = {column.heading: column.name for column in sheet.columns if not column.language}
    return [
        (row.number, {names[heading]: text for heading, text in row.cells.items() if heading in names}) for row in sheet.rows
    ]


# -------------------------------------------------------------------------------------------------------- XLSForm's synonyms


def _column(sheet: str, heading: str) -> Column:
    """`Constraint Message::English (en)`, `bind::jr:constraintMsg` and their like, each as its one word and a language."""
    parts = re.split(r"\s*::\s*", heading)
    if len(parts) == 1:  # the older form has one colon
        parts = re.split(r"(?<!jr)(?<!odk)\s*:\s*", heading)
    if len(parts) > 1 and parts[0].lower() in _GROUPS:
        parts = parts[1:]
    word = re.sub(r"\s+", "_", parts[0].strip())
    name = _synonyms(sheet).get(word.lower(), word if sheet == "choices" else word.lower())
    return Column(name, _language("::".join(parts[1:])), heading)


@cache
def _synonyms(sheet: str) -> Mapping[str, str]:
    table = {"survey": aliases.survey_header, "choices": aliases.list_header, "settings": aliases.settings_header}[sheet]
    # `name`, in the survey, is a step's; `value` and `tag` are older words for it. A pair names a place in the XForm.
    words = {name.lower(): alias if isinstance(alias, str) else alias[-1] for name, alias in table.items()}
    return {**words, "jr:constraintmsg": "jr:constraintMsg", "list_name": "list_name", "label": "label", "name": "name"}


def _language(written: str) -> str:
    code = re.search(r"\(([^)]*)\)\s*$", written)
    for word in (code.group(1) if code else "", written.split("(")[0]):
        plain = word.strip().lower()
        if plain in _ENGLISH or plain.startswith("en-"):
            return "en"
        if plain in _CHINESE or plain.startswith("zh-"):
            return "zh"
    return written.strip()


def as_select(written: str) -> tuple[str, str] | None:
    """(kind of selection, what follows) of a type that selects: `select one from causes` → ("select one", "causes")."""
    words = re.sub(r"\s+", " ", written)
    for alias in sorted(aliases.select, key=len, reverse=True):
        if words.lower() == alias or words.lower().startswith(f"{alias} "):
            return str(aliases.select[alias] if alias not in aliases.select_from_file else "file"), words[len(alias) :].strip()
    return None


def as_block(written: str) -> tuple[str, str] | None:
    """("begin" or "end", "group" or "repeat" or "loop") of a row that opens or closes a block."""
    found = re.fullmatch(r"(begin|end)[\s_]+(.+?)", written.strip().lower())
    if found is None:
        return None
    block = aliases.control.get(re.sub(r"[\s_]+", " ", found[2]).split(" over ")[0], found[2])
    return found[1], str(block)


def kind_of(written: str) -> Kind | None:
    """What pyxform knows of a plain type, by any of its names; None when it knows none."""
    words = re.sub(r"\s+", " ", written.strip())
    known = QUESTION_TYPE_DICT.get(words, QUESTION_TYPE_DICT.get(words.lower()))
    if known is None:
        return None
    control, bind = known.get("control", {}), known.get("bind", {})
    return Kind(
        control=control.get("tag", ""),
        bind=bind.get("type", ""),
        media=control.get("mediatype", ""),
        constraint=bind.get("constraint", ""),
        collected="jr:preload" in bind or words.lower() == "audit",
    )


def is_yes(text: str) -> bool | None:
    """Whether a cell says yes, in the words pyxform takes; None when it says neither yes nor no."""
    answer: bool | None = aliases.yes_no.get(text)
    return answer


# ---------------------------------------------------------------------------------------------------------- a second opinion


def objection(workbook: Workbook) -> str | None:
    """Why the standard tools would not make a form of this workbook; None when they would."""
    sheets = {sheet.name: sheet for sheet in (workbook.survey, workbook.choices, workbook.settings) if sheet.columns}
    document: dict[str, Any] = {"sheet_names": list(sheets)}
    for name, sheet in sheets.items():
        document[name] = _as_pyxform(sheet)
        document[f"{name}_header"] = [dict.fromkeys(column.heading for column in sheet.columns)]
    try:
        survey = create_survey_element_from_dict(workbook_to_json(get_xlsform(document), warnings=[]))
        survey.to_xml(validate=False, pretty_print=False)
    except Exception as error:  # its own fault class, and whatever it did not expect
        return str(error).strip().splitlines()[-1][:300] if str(error).strip() else type(error).__name__
    return None


def _as_pyxform(sheet: Sheet) -> list[dict[str, str]]:
    """Rows in pyxform's own numbering, where row 2 of the spreadsheet comes first."""
    by_number = {row.number: dict(row.cells) for row in sheet.rows}
    return [by_number.get(number, {}) for number in range(2, max(by_number, default=1) + 1)]
