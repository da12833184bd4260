"""Tickets from somebody else's CSV, by a mapping file: dirty rows are named and counted, never silently dropped.

All or nothing only where the file as a whole cannot be meant (a mapped column is missing, the bytes are no text); a bad
row is rejected alone, and a row without a usable position is kept for the dispatcher. Knows the ticket's fields from
`sync.kinds.ticket`; refuses to know where accepted rows go, and whether a number is already stored.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from server.desk.codes import codes
from server.desk.data import read_bytes
from server.desk.geo import Datum, to_wgs84
from sync.kinds.base import Field, Flag, Integer, Moment
from sync.kinds.ticket import TICKET
from sync.problems import Refused

_FIELDS: Mapping[str, Field] = {item.name: item for item in TICKET}
_UNMAPPABLE = ("position", "area_class", "area", "station")
"""Set from the row's coordinates: by this module, or later by dispatch."""

_REQUIRED = ("number", "kind", "received_at")
_CODED = ("kind", "source", "fault_class", "cause", "customer_type")
_TRUTH = dict.fromkeys(("1", "y", "yes", "true", "是"), True) | dict.fromkeys(("0", "n", "no", "false", "否"), False)
_QUOTED_AS_FORMULA = re.compile(r'="([^"]*)"')
_FORMULA_START = ("=", "@", "\t")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Source:
    """Where one field's value comes from: a column, else a constant. `codes` None means values pass untranslated."""

    column: str | None
    constant: str | None
    codes: Mapping[str, str] | None
    default: str | None
    formats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mapped:
    """A parsed mapping file. `tz` and `datum` are what the file declares; the caller's options outrank them."""

    name: str
    fields: Mapping[str, Source]
    latitude: str | None
    longitude: str | None
    area_name: str | None
    encoding: str | None
    delimiter: str
    tz: str | None
    datum: Datum


@dataclass(frozen=True, slots=True)
class Options:
    """What the importing person says. `shift_to_now` is the present (ms) onto which the newest `received_at` moves."""

    tz: str | None = None
    datum: Datum | None = None
    shift_to_now: int | None = None


AS_MAPPED = Options()
"""Nothing beyond what the mapping says."""


@dataclass(frozen=True, slots=True)
class TicketRow:
    """One accepted row. `fields` uses the wire's names; `area_name` is the file's own word, only to compare with."""

    line: int
    fields: Mapping[str, Any]
    area_name: str | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was not accepted: its first line in the file (the header is line 1), a reason, and what was there."""

    line: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Counts that add up: read = accepted + duplicate_in_file + rejected; accepted = with_position + without_position.

    `notes` counts what was accepted but odd; `rejected_for` counts rejections per reason; `duplicates` lists (line,
    number).
    """

    mapping: str
    encoding: str
    read: int
    accepted: int
    duplicate_in_file: int
    rejected: int
    with_position: int
    without_position: int
    shifted_ms: int
    notes: Mapping[str, int]
    rejected_for: Mapping[str, int]
    rejections: tuple[Rejection, ...] = ()
    duplicates: tuple[tuple[int, str], ...] = ()


# --- the mapping ------------------------------------------------------------------------------------------------------


def shipped_mapping(name: str) -> Mapped:
    """A mapping that comes with the product, such as `myla311`. Raises Refused "not-found" for another name."""
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise Refused("not-found", f"There is no mapping called {name!r}.")
    try:
        return parse_mapping(read_bytes(f"mappings/{name}.toml"))
    except FileNotFoundError as error:
        raise Refused("not-found", f"There is no mapping called {name!r}.") from error


def parse_mapping(data: bytes) -> Mapped:
    """A mapping file, TOML or JSON. Raises Refused "bad-import" with every mistake in it (`mistakes`)."""
    document = parse_document(data, "mapping")
    chinese = str(document.get("language", "")).startswith("zh")
    mistakes: list[str] = []
    table = document.get("fields")
    if not isinstance(table, dict):
        raise Refused("bad-import", "The mapping has no [fields] table.")
    sources = {name: _source(name, value, mistakes) for name, value in table.items()}
    mistakes += [f"{name}: this field must be mapped" for name in _REQUIRED if name not in sources]
    if (document.get("latitude") is None) != (document.get("longitude") is None):
        mistakes.append("latitude and longitude must be mapped together")
    if document.get("datum", "wgs84") not in list(Datum):
        mistakes.append(f"datum: {document['datum']!r} is not one of {', '.join(Datum)}")
    for name in ("latitude", "longitude", "area_name", "encoding", "tz"):
        if not isinstance(document.get(name, ""), str):
            mistakes.append(f"{name}: must be text")
    delimiter = document.get("delimiter", ",")
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        mistakes.append("delimiter: must be one character")
    if mistakes:
        raise Refused("bad-import", "The mapping is wrong: " + "; ".join(mistakes), mistakes=mistakes)
    return Mapped(
        name=str(document.get("name", "unnamed")),
        fields=sources,
        latitude=document.get("latitude"),
        longitude=document.get("longitude"),
        area_name=document.get("area_name"),
        encoding=document.get("encoding") or ("gb18030" if chinese else None),
        delimiter=delimiter,
        tz=document.get("tz"),
        datum=Datum(document.get("datum", "wgs84")),
    )


def parse_document(data: bytes, what: str) -> dict[str, Any]:
    """A JSON or TOML document, whichever it is. Raises Refused "bad-import" naming `what` when it is neither."""
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("bad-import", f"The {what} is neither JSON nor TOML: {error}") from error
    if not isinstance(document, dict):
        raise Refused("bad-import", f"The {what} must be an object.")
    return document


def _source(name: str, value: Any, mistakes: list[str]) -> Source:
    """One field's source; what is wrong with it is added to `mistakes`."""
    row = {"column": value} if isinstance(value, str) else value
    if not isinstance(row, dict):
        mistakes.append(f"{name}: must be a column name or a table")
        row = {}
    if name not in _FIELDS or name in _UNMAPPABLE:
        mistakes.append(f"{name}: is not a field that can be mapped")
    if ("column" in row) == ("constant" in row):
        mistakes.append(f"{name}: needs either column or constant")
    table = row.get("codes")
    if table is not None and not isinstance(table, dict):
        mistakes.append(f"{name}: codes must be a table")
        table = None
    default = row.get("default")
    if name in _CODED:
        targets = [*(table or {}).values(), *filter(None, (default, row.get("constant")))]
        mistakes += [f"{name}: {code!r} is not in our code list" for code in targets if code not in codes(name)]
    formats = tuple(str(item) for item in row.get("formats", ("iso",)))
    return Source(row.get("column"), row.get("constant"), table, default, formats)


# --- the file ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Tally:
    """What has been seen so far."""

    rows: list[TicketRow] = field(default_factory=list)
    numbers: set[str] = field(default_factory=set)
    rejections: list[Rejection] = field(default_factory=list)
    duplicates: list[tuple[int, str]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)


class _Bad(Exception):
    """This row cannot become a ticket: (reason, detail)."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail[:200]
        super().__init__(reason)


def read_tickets(data: bytes, mapping: Mapped, options: Options = AS_MAPPED) -> tuple[list[TicketRow], ImportReport]:
    """The tickets of a CSV file in its order, and a report of every row.

    Raises Refused "bad-import" when mapped columns are missing, the bytes are not text, a quote is never closed, or the
    time zone is unknown. The first of several rows with one number is kept.
    """
    zone = _zone(options.tz or mapping.tz)
    datum = options.datum or mapping.datum
    text, encoding = _decoded(data, mapping.encoding)
    records = _records(text, mapping.delimiter)
    header = _header(records, mapping)
    tally = _Tally()
    for line, cells in records:
        try:
            _take(line, _named(header, cells), mapping, zone, datum, tally)
        except _Bad as bad:
            tally.rejections.append(Rejection(line, bad.reason, bad.detail))
    rows, shifted_ms = _shifted(tally.rows, options.shift_to_now)
    return rows, _report(mapping, encoding, tally, shifted_ms)


def _report(mapping: Mapped, encoding: str, tally: _Tally, shifted_ms: int) -> ImportReport:
    with_position = sum("position" in row.fields for row in tally.rows)
    return ImportReport(
        mapping=mapping.name,
        encoding=encoding,
        read=len(tally.rows) + len(tally.duplicates) + len(tally.rejections),
        accepted=len(tally.rows),
        duplicate_in_file=len(tally.duplicates),
        rejected=len(tally.rejections),
        with_position=with_position,
        without_position=len(tally.rows) - with_position,
        shifted_ms=shifted_ms,
        notes=dict(tally.notes),
        rejected_for=dict(Counter(rejection.reason for rejection in tally.rejections)),
        rejections=tuple(tally.rejections),
        duplicates=tuple(tally.duplicates),
    )


def _zone(name: str | None) -> tzinfo:
    if not name:
        raise Refused("bad-import", "Say in which time zone the file's times are (an IANA name such as Asia/Shanghai).")
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise Refused("bad-import", f"There is no time zone {name!r}; take an IANA name: Asia/Shanghai.") from error


def _decoded(data: bytes, declared: str | None) -> tuple[str, str]:
    """The text and its encoding. UTF-8 is tried first: other encodings almost never read as UTF-8 by chance."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _decode(data, "utf-16"), "utf-16"
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError as error:
        if declared is None:
            words = f"Byte {error.start} of the file is not UTF-8; declare the file's encoding in the mapping."
            raise Refused("bad-import", words) from error
    return _decode(data, declared), declared


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise Refused("bad-import", f"The file is not {encoding}: {error}") from error


Record = tuple[int, list[str] | None]
"""The line a record begins on, and its cells (None when its quotes make no sense). Blank lines are no records."""


def _records(text: str, delimiter: str) -> Iterator[Record]:
    # The limit is the csv module's, not a reader's: raise it so that one huge cell rejects its row and not the file.
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                raise Refused("bad-import", f"A quote opened in line {line} or after is never closed.") from error
            yield line, None
            continue
        if any(cell.strip() for cell in cells):
            yield line, cells


def _header(records: Iterator[Record], mapping: Mapped) -> list[str]:
    _, cells = next(records, (1, None))
    header = [cell.strip() for cell in cells or ()]
    wanted = {source.column for source in mapping.fields.values() if source.column}
    wanted |= {column for column in (mapping.latitude, mapping.longitude, mapping.area_name) if column}
    missing = sorted(wanted - set(header))
    twice = sorted(column for column in wanted if header.count(column) > 1)
    if missing or twice:
        words = [f"missing columns: {', '.join(missing)}"] * bool(missing)
        words += [f"columns named twice: {', '.join(twice)}"] * bool(twice)
        raise Refused("bad-import", "; ".join(words).capitalize() + ".", missing=missing, twice=twice)
    return header


def _named(header: Sequence[str], cells: Sequence[str] | None) -> dict[str, str]:
    """The cells by column name. A row of another width is shifted somewhere; guessing where misplaces a customer."""
    if cells is None:
        raise _Bad("bad_quotes", "text follows a closing quote")
    if len(cells) < len(header) or any(cell.strip() for cell in cells[len(header) :]):
        raise _Bad("wrong_column_count", f"{len(cells)} cells under {len(header)} columns")
    return dict(zip(header, cells, strict=False))


# --- one row ----------------------------------------------------------------------------------------------------------


def _take(line: int, cells: Mapping[str, str], mapping: Mapped, zone: tzinfo, datum: Datum, tally: _Tally) -> None:
    fields: dict[str, Any] = {}
    notes: list[str] = []
    for name, source in mapping.fields.items():
        value = _value(name, source, cells, zone, notes)
        if value is not None:
            fields[name] = value
    position, why = _position(cells, mapping, datum)
    if position is None:
        notes.append(why)
    else:
        fields["position"] = position
    number = fields["number"]
    if number in tally.numbers:
        tally.duplicates.append((line, number))
        return
    tally.numbers.add(number)
    tally.notes.update(notes)
    area_name = (cells[mapping.area_name].strip() or None) if mapping.area_name else None
    tally.rows.append(TicketRow(line, fields, area_name))


def _value(name: str, source: Source, cells: Mapping[str, str], zone: tzinfo, notes: list[str]) -> Any:
    """The field's value on the wire, or None when the row has none."""
    raw = (source.constant or "") if source.column is None else _cell(name, cells[source.column], notes)
    text = _translated(name, source, raw)
    if not text:
        if name in _REQUIRED:
            raise _Bad(f"blank_{name}", "")
        return None
    wanted = _FIELDS[name].type
    value = _READERS.get(type(wanted), _as_text)(text, source, zone, notes)
    fault = wanted.fault(value)
    if fault:
        raise _Bad("bad_value", f"{name} {fault}: {text[:80]}")
    return value


def _cell(name: str, raw: str, notes: list[str]) -> str:
    if "\x00" in raw:
        raise _Bad("nul", f"{name} holds a NUL character")
    text = raw.strip()
    quoted = _QUOTED_AS_FORMULA.fullmatch(text)
    if quoted:  # how spreadsheets keep leading zeros
        return quoted[1].strip()
    if text.startswith(_FORMULA_START):
        notes.append("formula_kept_as_text")
    return text


def _translated(name: str, source: Source, text: str) -> str:
    """The value in our words. Without a code table a coded field must already hold one of our codes."""
    if source.codes is not None and text in source.codes:
        return source.codes[text]
    if source.codes is None and (name not in _CODED or text in codes(name)):
        return text or source.default or ""
    if source.default is None and text:
        raise _Bad("unknown_code", f"{name}: {text}")
    return source.default or ""


Reader = Callable[[str, Source, tzinfo, list[str]], Any]


def _as_text(text: str, source: Source, zone: tzinfo, notes: list[str]) -> str:
    return text


def _as_flag(text: str, source: Source, zone: tzinfo, notes: list[str]) -> bool:
    if text.lower() not in _TRUTH:
        raise _Bad("bad_value", f"neither yes nor no: {text}")
    return _TRUTH[text.lower()]


def _as_integer(text: str, source: Source, zone: tzinfo, notes: list[str]) -> int:
    if not re.fullmatch(r"[+-]?\d{1,15}", text):
        raise _Bad("bad_value", f"not a whole number: {text}")
    return int(text)


def _as_moment(text: str, source: Source, zone: tzinfo, notes: list[str]) -> int:
    """Milliseconds since 1970. A time that happened twice (clocks set back) is read as the earlier and noted."""
    if "epoch_ms" in source.formats and re.fullmatch(r"\d{12,14}", text):
        return int(text)
    parsed = next(filter(None, (_parsed(text, form) for form in source.formats)), None)
    if parsed is None:
        raise _Bad("bad_date", text)
    if parsed.tzinfo is None:
        parsed = _placed(parsed, zone, notes)
    return round(parsed.timestamp() * 1000)


_READERS: Mapping[type, Reader] = {Moment: _as_moment, Flag: _as_flag, Integer: _as_integer}


def _parsed(text: str, form: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)
    except ValueError:
        return None


def _placed(wall: datetime, zone: tzinfo, notes: list[str]) -> datetime:
    """That wall time in the zone. Raises _Bad for a time no clock there ever showed."""
    try:
        first, second = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        back = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0)
    except (OverflowError, ValueError) as error:
        raise _Bad("bad_date", str(wall)) from error
    if back != wall:
        raise _Bad("nonexistent_time", f"{wall} was skipped when the clocks went forward")
    if first.utcoffset() != second.utcoffset():
        notes.append("ambiguous_time_read_as_earlier")
    return first


def _position(cells: Mapping[str, str], mapping: Mapped, datum: Datum) -> tuple[dict[str, Any] | None, str]:
    """The row's position in WGS-84, or None and why."""
    if mapping.latitude is None or mapping.longitude is None:
        return None, "position_not_mapped"
    texts = cells[mapping.latitude].strip(), cells[mapping.longitude].strip()
    if not all(texts):
        return None, "position_blank"
    if not all(_NUMBER.fullmatch(text) for text in texts):
        return None, "position_unreadable"
    lat, lon = (float(text) for text in texts)
    if lat == 0 and lon == 0:
        return None, "position_zero"
    if not (math.isfinite(lat) and math.isfinite(lon) and abs(lat) <= 90 and abs(lon) <= 180):
        return None, "position_out_of_range"
    lat, lon = to_wgs84(lat, lon, datum)
    return {"lat": round(lat, 7), "lon": round(lon, 7), "source": "import"}, ""


def _shifted(rows: list[TicketRow], now: int | None) -> tuple[list[TicketRow], int]:
    """Every moment moved by one distance, so that the newest ticket was received now."""
    if now is None or not rows:
        return rows, 0
    by_ms = now - max(row.fields["received_at"] for row in rows)
    moments = [name for name, item in _FIELDS.items() if isinstance(item.type, Moment)]
    return [_moved(row, moments, by_ms) for row in rows], by_ms


def _moved(row: TicketRow, moments: Sequence[str], by_ms: int) -> TicketRow:
    changed = {name: row.fields[name] + by_ms for name in moments if name in row.fields}
    return replace(row, fields={**row.fields, **changed})
