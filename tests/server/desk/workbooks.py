"""Spreadsheets written for a test: rows of texts as .xlsx or .csv bytes, with the settings a form must have."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

from openpyxl import Workbook  # type: ignore[import-untyped]  # it ships no types

from server.desk.guides import Guide, Options, read_guide
from sync.problems import Refused

Rows = Sequence[Sequence[Any]]
SETTINGS: Rows = (("form_id", "form_title", "title_en", "version"), ("fuse", "换熔芯", "Change a fuse", 1))
HEAD = ("type", "name", "label::中文 (zh)", "label::English (en)")


def xlsx(**sheets: Rows) -> bytes:
    """A workbook of these sheets."""
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


def csv_form(**sheets: Rows) -> bytes:
    """The same as the one-file form of XLSForm."""
    out = io.StringIO()
    writer = csv.writer(out)
    for name, rows in sheets.items():
        writer.writerow([name])
        writer.writerows([["", *row] for row in rows])
    return out.getvalue().encode()


def form(*rows: Sequence[Any], head: Sequence[str] = HEAD, choices: Rows = (), settings: Rows = SETTINGS) -> bytes:
    """A form of these survey rows, each padded with a label where it has only a type and a name."""
    filled = [(*row, "步骤", "Step") if len(row) == 2 and head == HEAD else row for row in rows]
    return xlsx(survey=[head, *filled], choices=choices, settings=settings)


def guide_of(data: bytes, **options: Any) -> Guide:
    """The guide, which must be one."""
    return read_guide(data, Options(**options))[0]


def notes_of(data: bytes) -> list[tuple[str, str, int | None]]:
    """(slug, sheet, row) of every note."""
    return [(note.slug, note.sheet, note.row) for note in read_guide(data)[1]]


def faults_of(data: bytes, **options: Any) -> list[tuple[str, str, int | None]]:
    """(slug, sheet, row) of every fault; the file must be refused, with sentences that are whole."""
    try:
        guide = guide_of(data, **options)
    except Refused as refused:
        assert refused.problem.slug == "bad-form" and refused.detail
        for found in [*refused.extra["faults"], *refused.extra["notes"]]:
            for sentence in (*found["what"].values(), *found["instead"].values()):
                assert sentence and not re.search(r"(?<!\$)\{[a-z_]+\}", sentence), "a place in the sentence was not filled"
        return [(fault["slug"], fault["sheet"], fault["row"]) for fault in refused.extra["faults"]]
    raise AssertionError(f"it was taken: {guide}")
