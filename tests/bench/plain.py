"""A second pair of eyes on the server's database: plain SELECTs on a connection of its own, with none of the product's code.

What the storm compares against. It knows the names of tables and columns and nothing else.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import psycopg

Row = tuple[Any, ...]
_FACTS = "SELECT journal.name, fact.n, fact.id FROM fact JOIN journal ON journal.key = fact.chain"
_FEED = (
    "SELECT scope.name, feed.position, record.kind, record.id, feed.gone, record.tail FROM feed"
    " JOIN scope ON scope.id = feed.scope JOIN record ON record.key = feed.record"
)


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One row of the feed. `digest` names the content, whatever order its keys were written in; None when it is gone."""

    scope: str
    at: int
    kind: str
    id: str
    digest: str | None


def digest(put: Mapping[str, Any]) -> str:
    """A short name of a document's content."""
    return sha256(json.dumps(put, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:24]


def _without_link(put: Mapping[str, Any]) -> Mapping[str, Any]:
    """The customer's link is for the crew that shows it; headquarters' feed is promised without."""
    return {name: value for name, value in put.items() if name != "rating_path"}


class Plain:
    """A database by its address: `sqlite:///path` or `postgresql://…`."""

    def __init__(self, address: str) -> None:
        self.address = address

    @property
    def engine(self) -> str:
        return "PostgreSQL" if self.address.startswith("postgres") else "SQLite"

    def bytes(self) -> int:
        """What it takes on disk."""
        if self.engine == "SQLite":
            asked = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        else:
            asked = "SELECT pg_database_size(current_database())"
        return self.number(asked)

    def number(self, statement: str) -> int:
        """The one number a statement finds."""
        [(found,)] = self._rows(statement)
        return int(found)

    def facts(self) -> Iterator[tuple[str, int, str]]:
        """(chain, n, id) of every stored line."""
        for chain, n, identity in self._rows(_FACTS):
            yield chain, n, urlsafe_b64encode(bytes(identity)).rstrip(b"=").decode()

    def feed(self) -> list[FeedRow]:
        """Every row of every scope's feed."""
        known: dict[tuple[str, str, bool], str] = {}
        rows = []
        for scope, at, kind, identity, gone, tail in self._rows(_FEED):
            key = (kind, identity, scope == "hq")
            if gone is None and key not in known:
                put = json.loads(b"{" + bytes(tail))["put"]
                known[key] = digest(_without_link(put) if scope == "hq" else put)
            rows.append(FeedRow(scope, at, kind, identity, known[key] if gone is None else None))
        return rows

    def _rows(self, statement: str) -> Iterator[Row]:
        if self.engine == "SQLite":
            path = self.address.removeprefix("sqlite:///")
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                yield from connection.execute(statement)
        else:
            address = self.address.replace("postgresql+psycopg://", "postgresql://")
            with psycopg.connect(address) as server, server.cursor(name="plain") as cursor:
                yield from cursor.execute(statement)
