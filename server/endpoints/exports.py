"""What headquarters takes away: the feed as NDJSON with a cursor, tables as CSV, phones as they last spoke."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from server.auth import Role
from server.endpoints.fields import choice, integer
from server.service import Service
from server.storage.queries import as_rows
from server.web import Call, Reply
from sync import wire
from sync.facts import HQ
from sync.hub import pull
from sync.problems import Refused

CHUNK_BYTES = 256 * 1024
NDJSON = "application/x-ndjson"
_FORMULA = tuple("=+-@＝＋－＠")
_INVISIBLE = ("\t", "\r", "\n")

Read = Callable[[str, Mapping[str, Any]], Any]
Columns = Mapping[str, Read]


def _fields(names: str) -> Columns:
    return {name: _field(name) for name in names.split()}


def _field(name: str) -> Read:
    return lambda identity, view: view.get(name)


def _content(name: str) -> Read:
    return lambda identity, view: view["content"].get(name)


def _identity(identity: str, view: Mapping[str, Any]) -> Any:
    return identity


def _arrival(part: str) -> Read:
    def read(identity: str, view: Mapping[str, Any]) -> Any:
        row: Mapping[str, Any] = next((limit for limit in view.get("limits", ()) if limit["name"] == "arrive"), {})
        value = row.get(part)
        return value[1] if isinstance(value, list) else value

    return read


TABLES: Mapping[str, Columns] = {
    "ticket": {
        "id": _identity,
        **_fields("number kind state assigned_crew station area area_class received_at address cause merged_into"),
        "arrived_at": _arrival("moment"),
        "arrival_due": _arrival("due"),
        "arrival_verdict": _arrival("verdict"),
        "open_contests": lambda identity, view: len(view.get("contests", {})),
    },
    "points": {
        "entry": _identity,
        **_fields("number"),
        **{name: _content(name) for name in ("kind", "ticket", "visit", "crew", "member", "milli", "rule")},
    },
    "verdict": {"verdict_id": _identity, **_fields("ticket number name amount unit verdict moment fact source replaces")},
    "rating": {
        "rating": _identity,
        **_fields("ticket visit crew channel result standing at"),
        "overall": lambda identity, view: view.get("answer", {}).get("overall"),
    },
}


class Exports:
    """Endpoints over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def feed(self, call: Call) -> Reply:
        """Scope `hq` after a cursor (`history:position`, or nothing for the beginning): rows, then the next cursor.

        `limit_bytes` bounds a page; without it everything there is comes in one streamed reply of constant memory.
        """
        query = call.query()
        cursor = _cursor(query.get("cursor", ""))
        limit = integer(query, "limit_bytes", 1024, 2**50, default=2**50)
        # What a customer wrote is for those who look after the work, not for those who look after the machine.
        discreet = call.principal is not None and call.principal.role is Role.ADMIN
        return Reply(self._rows(cursor, limit, _without_comment if discreet else without_link), media_type=NDJSON)

    def _rows(
        self, cursor: Mapping[str, Mapping[str, int]], limit_bytes: int, through: Callable[[bytes], bytes] | None = None
    ) -> Iterator[bytes]:
        with closing(self._service.new_reader()) as reader:
            chunk: list[bytes] = []
            size = 0
            for row in pull(reader, (HQ,), cursor, limit_bytes):
                chunk.append(row if through is None else through(row))
                size += len(row)
                if size >= CHUNK_BYTES:
                    yield b"".join(chunk)
                    chunk, size = [], 0
            yield b"".join(chunk)

    def table(self, call: Call) -> Reply:
        """One kind of record as CSV with a header line; cells a spreadsheet would run as a formula are quoted with '."""
        kind = choice(call.path, "kind", sorted(TABLES))
        name = f"lamplighter-{kind}.csv"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Reply(self._csv(kind), media_type="text/csv; charset=utf-8", headers=headers)

    def _csv(self, kind: str) -> Iterator[bytes]:
        columns = TABLES[kind]
        yield _csv_line(list(columns))
        for chunk in self._rows({}, 2**50):
            lines = []
            for raw in chunk.splitlines():
                row = json.loads(raw)
                if row.get("kind") == kind and "put" in row:
                    lines.append(_csv_line([read(row["id"], row["put"]) for read in columns.values()]))
            if lines:
                yield b"".join(lines)

    def devices(self, call: Call) -> dict[str, Any]:
        """Every phone: what is stored, what it had beyond that at its last contact, how old the oldest of it was."""
        lines = as_rows(self._service.queries().devices())
        return {
            "devices": lines,
            "as_of": self._service.now_ms(),
            "only_on_phones": sum(_only_on_phone(line) for line in lines),
        }


_LINK = re.compile(rb',"rating_path":"[A-Za-z0-9_/-]*"')


def without_link(row: bytes) -> bytes:
    """A ticket's row without the customer's link: whoever holds it can answer, so only the crew that shows it gets it.

    Bytes, because a feed of a million rows is not taken apart for it. No text can look like the member: a quote inside a
    text is escaped, and the member is never a ticket's first.
    """
    return _LINK.sub(b"", row) if b'"rating_path"' in row else row


def _without_comment(row: bytes) -> bytes:
    """A feed row without the words of a rating; every other row as others get it."""
    if b'"kind":"rating"' not in row:
        return without_link(row)
    line = json.loads(row)
    if line.get("kind") == "rating" and "put" in line:
        answer = line["put"]["answer"]
        # By its type: a client may call a customer's words as it likes.
        line["put"]["answer"] = {k: v for k, v in answer.items() if k == "fault" or not isinstance(v, str)}
    return wire.encode(line) + b"\n"


def _only_on_phone(line: Mapping[str, Any]) -> int:
    return int(line["known_n"]) - int(line["stored_n"])


def _cursor(value: str) -> Mapping[str, Mapping[str, int]]:
    if not value:
        return {}
    history, _, position = value.rpartition(":")
    if not history or not position.isascii() or not position.isdigit() or len(position) > 17:
        raise Refused("bad-cursor", "A cursor is history:position, as the end of the page before gave it.")
    return {history: {HQ: int(position)}}


def _csv_line(cells: Sequence[Any]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow([_harmless(cell) for cell in cells])
    return out.getvalue().encode()


def _harmless(cell: Any) -> Any:
    if isinstance(cell, str) and (cell.startswith(_INVISIBLE) or cell.lstrip().startswith(_FORMULA)):
        return "'" + cell
    return cell
