"""Whether the stored facts are what phones wrote: every chain hashed again over its lines, every fact a leaf of the ledger.

Works over anything that gives whole tables in order: a backup, or one moment of a live database. Refuses to know which.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from server.archive.faults import Fault
from server.storage.rows import Layout, Row
from sync import wire
from sync.journal import fact_id, genesis, link
from sync.ledger import Ledger
from sync.store import Chain

LEAVES_AT_ONCE = 4096
Tables = Callable[[str], tuple[Layout, Iterator[Row]]]
"""A table's layout and its rows, by name."""


class Mark(NamedTuple):
    """A journal's lines up to `n` are here, with every photo they name; `head` is the hash there."""

    journal: str
    n: int
    head: str


@dataclass(slots=True)
class Evidence:
    """What an examination found. `erased` lines have no body any more; their hash counts as it stands."""

    faults: list[Fault] = field(default_factory=list)
    facts: int = 0
    erased: int = 0
    ledger_size: int = 0
    ledger_root: str = ""
    marks: list[Mark] = field(default_factory=list)


@dataclass(slots=True)
class _Walk:
    """One chain on the way from its beginning to its end."""

    chain: Chain
    n: int
    head: bytes | None
    mark: Mark
    fault: str = ""
    photos_missing: bool = False

    def step(self, n: int, digest: bytes, line: bytes | None) -> None:
        if n != self.n + 1:
            self._broken(f"after line {self.n} comes line {n}")
        elif self.head is None:
            self._broken("the line it branched off at is not stored")
        elif line is not None and link(self.head, line) != digest:
            self._broken(f"line {n} does not hash to its id")
        self.n, self.head = n, digest

    def end(self) -> None:
        if self.n != self.chain.n or self.head is None or fact_id(self.head) != self.chain.head:
            self._broken(f"it ends at line {self.n}, and its journal says {self.chain.n}")

    def _broken(self, how: str) -> None:
        self.fault = self.fault or how


def pick(tables: Tables, table: str, *names: str) -> Iterator[Any]:
    """Some columns of a table's rows, by name; at least two."""
    layout, rows = tables(table)
    at = [layout.names.index(name) for name in names]
    return map(itemgetter(*at), rows)


def examine(tables: Tables, has_photo: Callable[[str], bool]) -> Evidence:
    """Hash everything again. Memory grows with the number of journals, not of facts."""
    found = Evidence()
    walks = {key: _walk(doc) for key, doc in pick(tables, "journal", "key", "doc")}
    births = _births(walks)
    ledger, leaves = Ledger(), []
    for key, n, digest, kind, line in _lines(tables, found):
        leaves.append(digest)
        if len(leaves) == LEAVES_AT_ONCE:
            ledger.extend(leaves)
            leaves.clear()
        walk = walks.get(key)
        if walk is None:
            found.faults.append(Fault("chain", f"#{key}", f"line {n} belongs to no journal"))
            continue
        walk.step(n, digest, line)
        _mark(walk, kind, line, has_photo)
        for branch in births.get((walk.chain.name, n), ()):
            branch.head = digest
    ledger.extend(leaves)
    _conclude(found, walks, ledger, tables)
    return found


def _walk(doc: bytes) -> _Walk:
    chain = wire.load_chain(doc)
    start = 0 if chain.trunk is None else chain.trunk[1]
    head = genesis(chain.journal) if start == 0 else None
    return _Walk(chain, start, head, Mark(chain.journal, 0, ""))


def _births(walks: dict[int, _Walk]) -> dict[tuple[str, int], list[_Walk]]:
    """Which branches begin behind which line of which chain."""
    by_name = {walk.chain.name: walk for walk in walks.values()}
    births: dict[tuple[str, int], list[_Walk]] = {}
    for walk in walks.values():
        name, n = walk.chain.trunk or ("", 0)
        # A branch may leave at a line that its trunk, itself a branch, shares with an older one.
        while n and name in by_name and (trunk := by_name[name].chain.trunk) is not None and n <= trunk[1]:
            name = trunk[0]
        if n:
            births.setdefault((name, n), []).append(walk)
    return births


def _lines(tables: Tables, found: Evidence) -> Iterator[tuple[int, int, bytes, str, bytes | None]]:
    """Every fact with its body, in commit order: both tables are read side by side."""
    bodies = pick(tables, "body", "seq", "line")
    at, body = next(bodies, (None, None))
    for seq, key, n, digest, kind in pick(tables, "fact", "seq", "chain", "n", "id", "kind"):
        while at is not None and at < seq:
            found.faults.append(Fault("chain", f"body {at}", "it belongs to no fact"))
            at, body = next(bodies, (None, None))
        line = None
        if at == seq:
            line, (at, body) = body, next(bodies, (None, None))
        found.facts += 1
        found.erased += line is None
        yield key, n, digest, kind, line


def _mark(walk: _Walk, kind: str, line: bytes | None, has_photo: Callable[[str], bool]) -> None:
    if walk.photos_missing or walk.fault or walk.chain.trunk is not None or walk.head is None:
        return
    if kind == "photo" and line is not None and not all(has_photo(name) for name in _photos(line)):
        walk.photos_missing = True
        return
    walk.mark = Mark(walk.chain.journal, walk.n, fact_id(walk.head))


def _photos(line: bytes) -> list[str]:
    """The bytes a line names: the photo and its smaller forms."""
    body = json.loads(line)
    forms = [body, *(body[form] for form in ("preview", "copy") if isinstance(body.get(form), dict))]
    return [form["sha256"] for form in forms if isinstance(form.get("sha256"), str)]


def _conclude(found: Evidence, walks: dict[int, _Walk], ledger: Ledger, tables: Tables) -> None:
    for walk in walks.values():
        walk.end()
        if walk.fault:
            found.faults.append(Fault("chain", walk.chain.name, walk.fault))
        elif walk.mark.n and walk.chain.device:
            found.marks.append(walk.mark)
    found.ledger_size, found.ledger_root = ledger.size, fact_id(ledger.root())
    size, frontier = next(pick(tables, "ledgernode", "size", "frontier"), (0, b""))
    try:
        kept = Ledger(size, [frontier[at : at + 32] for at in range(0, len(frontier), 32)])
        right = (kept.size, kept.root()) == (ledger.size, ledger.root())
    except ValueError:
        right = False
    if not right:
        found.faults.append(Fault("ledger", "ledger", f"{ledger.size} facts do not give the root kept for {size}"))
