"""Stores in memory, for server and phone: the smallest things that keep the contracts of `sync.store` and `sync.replica`.

For tests, simulations and examples; nothing here outlives its process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any

from sync import wire
from sync.facts import FactId, Key, Record
from sync.ledger import Ledger
from sync.replica import Row
from sync.store import Chain, Device, Effects


class MemoryStore:
    """Reader and transaction in one. `transaction()` undoes nothing by itself: `apply` is the last act or does not happen."""

    def __init__(self, incarnation: str) -> None:
        self.incarnation = incarnation
        self.position = 0
        self.ledger = Ledger()
        self.devices: dict[str, Device] = {}
        self._forks: dict[str, int] = {}
        self._chains: dict[str, list[Chain]] = {}
        self._lines: dict[tuple[str, int], tuple[FactId, bytes]] = {}
        self._records: dict[Key, bytes] = {}
        self._tails: dict[Key, bytes] = {}
        self._feed: dict[str, dict[int, tuple[Key, str | None]]] = {}
        self._numbers: dict[str, str] = {}
        self.photos: dict[str, int] = {}

    @contextmanager
    def transaction(self) -> Iterator[MemoryStore]:
        """A copy to work on that becomes the store when the block ends well."""
        draft = deepcopy(self)
        yield draft
        self.__dict__.update(draft.__dict__)

    def begin_incarnation(self, name: str) -> None:
        """A new history of this server begins here, as after a restore."""
        self._forks = {**self._forks, self.incarnation: self.position}
        self.incarnation = name

    def hold(self, journals: Iterable[str], keys: Iterable[Key]) -> None:
        """Nobody else writes here."""

    def fork_position(self, incarnation: str) -> int | None:
        return self._forks.get(incarnation)

    def device(self, identity: str) -> Device | None:
        return self.devices.get(identity)

    def chains(self, journal: str) -> list[Chain]:
        return [replace(chain, known=list(chain.known)) for chain in self._chains.get(journal, [])]

    def head_at(self, chain: Chain, n: int) -> FactId | None:
        found = self._lines.get((chain.name, n))
        return found[0] if found else None

    def feed(self, scope: str, after: int, rows_max: int) -> Sequence[tuple[int, str, str, str | None, bytes]]:
        rows = self._feed.get(scope, {})
        page = sorted(at for at in rows if at > after)[:rows_max]
        return [(at, *rows[at][0], rows[at][1], self._tails[rows[at][0]]) for at in page]

    def records(self, keys: Iterable[Key]) -> dict[Key, Record]:
        return {key: wire.load_record(self._records[key]) for key in keys if key in self._records}

    def line(self, journal: str, fact: FactId) -> tuple[Chain, int, bytes] | None:
        for (name, n), (identity, raw) in self._lines.items():
            if (name, identity) == (journal, fact):
                chain = next(c for chains in self._chains.values() for c in chains if c.name == name)
                return chain, n, raw
        return None

    def lines(self) -> dict[tuple[str, int], tuple[FactId, bytes]]:
        """Every stored line by (chain, n)."""
        return self._lines

    def ticket_of_number(self, number: str) -> str | None:
        return self._numbers.get(number)

    def take_positions(self, count: int) -> int:
        first = self.position + 1
        self.position += count
        return first

    def apply(self, effects: Effects) -> None:
        for chain in effects.chains:
            others = [known for known in self._chains.get(chain.journal, []) if known.name != chain.name]
            self._chains[chain.journal] = sorted([*others, chain], key=lambda c: (c.trunk is not None, c.name))
        for line in effects.lines:
            assert (line.chain.name, line.n) not in self._lines, "a line is stored once"
            self._lines[(line.chain.name, line.n)] = (line.id, line.raw)
        for record, tail in zip(effects.records, effects.tails, strict=True):
            self._records[(record.kind, record.id)] = wire.dump_record(record)
            self._tails[(record.kind, record.id)] = tail
        for scope, old, new, key, gone in effects.feed:
            rows = self._feed.setdefault(scope, {})
            rows.pop(old, None)
            rows[new] = (key, gone)
        for photo in effects.photos:
            self.photos.setdefault(photo.sha256, photo.size_bytes)
        self._numbers.update(effects.numbers)


class MemoryPocket:
    """A phone's storage. A transaction that ends badly leaves everything as it was before."""

    def __init__(self) -> None:
        self._state: bytes | None = None
        self._lines: dict[str, dict[int, tuple[FactId, bytes]]] = {}
        self._rows: dict[Key, Row] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        before = self.snapshot()
        try:
            yield
        except BaseException:
            self.restore(before)
            raise

    def snapshot(self) -> tuple[Any, ...]:
        """A copy, as a phone backup would take it."""
        lines = {name: dict(rows) for name, rows in self._lines.items()}
        return self._state, lines, deepcopy(self._rows)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Become the copy again."""
        self._state, lines, rows = snapshot
        self._lines = {name: dict(held) for name, held in lines.items()}
        self._rows = deepcopy(rows)

    def load_state(self) -> bytes | None:
        return self._state

    def save_state(self, raw: bytes) -> None:
        self._state = raw

    def append(self, journal: str, n: int, identity: FactId, raw: bytes) -> None:
        rows = self._lines.setdefault(journal, {})
        assert n not in rows, "a line is written once"
        rows[n] = (identity, raw)

    def lines(self, journal: str, first: int, last: int) -> list[tuple[int, FactId, bytes]]:
        rows = self._lines.get(journal, {})
        return [(n, *rows[n]) for n in range(first, last + 1) if n in rows]

    def drop_lines(self, journal: str, last: int) -> None:
        self._lines[journal] = {n: row for n, row in self._lines.get(journal, {}).items() if n > last}

    def row(self, key: Key) -> Row | None:
        return deepcopy(self._rows.get(key))

    def save_row(self, row: Row) -> None:
        self._rows[(row.kind, row.id)] = deepcopy(row)

    def drop_row(self, key: Key) -> None:
        self._rows.pop(key, None)

    def rows(self, kind: str | None = None) -> list[Row]:
        return [deepcopy(row) for key, row in sorted(self._rows.items()) if kind is None or key[0] == kind]
