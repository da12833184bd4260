"""What a push is compared with: the same lines into one plain table of the same engine on the same disk, and nothing else.

The table is what an endpoint without any checks would keep: a unique id, what is asked for by column, and the line. One
transaction a batch; as durable as the server's own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import psycopg

from server.storage.sqlite import connect
from sync.replica import Outgoing

Floor = Callable[[str, Sequence[Outgoing]], float]
"""(a name nobody used, batches) → seconds."""
PlainRow = tuple[str, str, str, int, str]
CONNECTIONS = 8


def _rows(batches: Sequence[Outgoing]) -> list[list[PlainRow]]:
    return [[_row(line) for line in batch.body.split(b"\n")[1:-1]] for batch in batches]


def _row(line: bytes) -> PlainRow:
    fact = json.loads(line)
    return str(uuid4()), fact["ticket"], fact["kind"], fact["wall"], line.decode()


def sqlite_floor(folder: Path) -> Floor:
    """WAL, synchronous=FULL, one connection: SQLite has one writer."""

    def floor(name: str, batches: Sequence[Outgoing]) -> float:
        rows = _rows(batches)
        connection = connect(folder / f"{name}.db", writer=True)
        connection.execute(
            "CREATE TABLE line (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, ticket TEXT NOT NULL,"
            " kind TEXT NOT NULL, wall INTEGER NOT NULL, line TEXT NOT NULL)"
        )
        begun = time.perf_counter()
        for batch in rows:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO line (id, ticket, kind, wall, line) VALUES (?, ?, ?, ?, ?)", batch)
            connection.execute("COMMIT")
        wall_s = time.perf_counter() - begun
        connection.close()
        return wall_s

    return floor


def postgres_floor(address: str) -> Floor:
    """One multi-row INSERT a batch, eight connections at once."""

    def floor(name: str, batches: Sequence[Outgoing]) -> float:
        rows = _rows(batches)
        table = "floor_" + name.replace("-", "_")
        connections = [psycopg.connect(address, autocommit=True) for _ in range(CONNECTIONS)]
        connections[0].execute(
            f"CREATE TABLE {table} (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid NOT NULL UNIQUE,"
            " ticket text NOT NULL, kind text NOT NULL, wall bigint NOT NULL, line text NOT NULL)"
        )

        def work(at: int) -> None:
            for batch in rows[at::CONNECTIONS]:
                places = ", ".join(["(%s::uuid, %s, %s, %s, %s)"] * len(batch))
                statement = f"INSERT INTO {table} (id, ticket, kind, wall, line) VALUES {places}"
                connections[at].execute(statement, [cell for row in batch for cell in row])

        begun = time.perf_counter()
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            list(threads.map(work, range(CONNECTIONS)))
        wall_s = time.perf_counter() - begun
        connections[0].execute(f"DROP TABLE {table}")
        for connection in connections:
            connection.close()
        return wall_s

    return floor
