"""A table as a stream of lines: first its layout, then one JSON array for each row, bytes in base64. The digest is over these.

The same rows give the same lines whatever database they come from. Refuses to know databases.
"""

from __future__ import annotations

import gzip
import json
import zlib
from base64 import b64decode
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from server.storage.rows import Cell, Layout, Row

COMPRESSION = 4
_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Damaged(Exception):
    """A stream is not what was once written; the message says how it was noticed."""


@dataclass(frozen=True, slots=True)
class Digest:
    """How many rows a stream has, and the SHA-256 of its lines."""

    rows: int
    sha256: str


class Meter:
    """Rows go through it and are counted and hashed on the way."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._head = _head(layout)
        self._hash = sha256(self._head)
        self._rows = 0

    def through(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows, seen."""
        encode = _encoder(self._layout)
        for row in rows:
            self._hash.update(encode(row))
            self._rows += 1
            yield row

    def lines(self, rows: Iterable[Row]) -> Iterator[bytes]:
        """The stream's lines."""
        encode = _encoder(self._layout)
        yield self._head
        for row in rows:
            line = encode(row)
            self._hash.update(line)
            self._rows += 1
            yield line

    @property
    def digest(self) -> Digest:
        return Digest(self._rows, self._hash.hexdigest())


def digest(layout: Layout, rows: Iterable[Row]) -> Digest:
    """The digest of a table's rows, wherever they are."""
    meter = Meter(layout)
    for _ in meter.through(rows):
        pass
    return meter.digest


def write(file: IO[bytes], layout: Layout, rows: Iterable[Row]) -> Digest:
    """Write a table, compressed."""
    meter = Meter(layout)
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=COMPRESSION, mtime=0) as packed:
        packed.writelines(meter.lines(rows))
    return meter.digest


def digest_of(path: Path) -> Digest:
    """The digest of a written table, without a look at its rows. Raises: `Damaged`, `FileNotFoundError`."""
    hashed, lines = sha256(), 0
    for line in _lines(path):
        hashed.update(line)
        lines += 1
    return Digest(lines - 1, hashed.hexdigest())


def read(path: Path) -> tuple[Layout, Iterator[Row]]:
    """A table's layout and rows. Raises: `Damaged`, here or while the rows are read; `FileNotFoundError`."""
    lines = _lines(path)
    first = next(lines, b"")
    try:
        layout = _layout(json.loads(first))
    except (ValueError, KeyError, TypeError) as error:
        lines.close()
        raise Damaged("its first line is no layout") from error
    return layout, _rows(layout, lines)


def _lines(path: Path) -> Any:
    with gzip.open(path, "rb") as file:
        try:
            yield from file
        except (OSError, EOFError, zlib.error) as error:
            raise Damaged(f"it cannot be unpacked ({error})") from error


def _rows(layout: Layout, lines: Iterable[bytes]) -> Iterator[Row]:
    packed = [at for at, (_, cell) in enumerate(layout.columns) if cell is Cell.BYTES]
    width = len(layout.columns)
    for line in lines:
        try:
            row = json.loads(line)
            for at in packed:
                if row[at] is not None:
                    row[at] = b64decode(row[at], validate=True)
        except (ValueError, TypeError, LookupError) as error:
            raise Damaged(f"a line is no row ({error})") from error
        if not isinstance(row, list) or len(row) != width:
            raise Damaged(f"a row has not its {width} cells")
        yield row


def _encoder(layout: Layout) -> Callable[[Row], bytes]:
    packed = [at for at, (_, cell) in enumerate(layout.columns) if cell is Cell.BYTES]

    def encode(row: Row) -> bytes:
        cells = list(row)
        for at in packed:
            if cells[at] is not None:
                cells[at] = b2a_base64(cells[at], newline=False).decode("ascii")
        return _dumps(cells).encode() + b"\n"

    return encode


def _head(layout: Layout) -> bytes:
    columns = [[name, str(cell)] for name, cell in layout.columns]
    return _dumps({"table": layout.table, "columns": columns, "order": list(layout.order)}).encode() + b"\n"


def _layout(head: Any) -> Layout:
    columns = tuple((str(name), Cell(cell)) for name, cell in head["columns"])
    return Layout(str(head["table"]), columns, tuple(head["order"]))
