"""The benchmark itself works: every row is measured and printed, and what was pushed is what is stored. No figure is judged."""

from __future__ import annotations

import io
import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from rich.console import Console

from sync import wire
from tests.bench import __main__ as bench
from tests.bench import report, world
from tests.bench.measures import Sizes
from tests.bench.report import ENGINES, TARGETS, Book, Measured
from tests.services.postgres import Postgres

TINY = Sizes(
    rounds=1,
    devices=3,
    facts=20,
    storm=4,
    tickets=300,
    stored=600,
    idle_requests=6,
    pulls=4,
    newcomers=1,
    newcomers_at_once=2,
    hq_rows=2_000,
    grown=1_200,
    growth_devices=2,
)


@pytest.mark.parametrize("engine", ["SQLite", "PostgreSQL"])
def test_every_row_is_measured_and_printed_and_no_fact_is_lost_or_doubled(
    tmp_path: Path, postgres: Postgres, engine: str
) -> None:
    book = Book(lambda text: None, engine)
    databases: bench.Engine = nullcontext(()) if engine == "SQLite" else bench.on_postgres(postgres.address())
    bench.run(TINY, tmp_path / "bench", book, databases)
    printed = io.StringIO()
    report.show(book, Console(file=printed, width=160))
    assert [target.title for target in ENGINES[engine].values() if target.title not in printed.getvalue()] == []
    assert book.counts["facts pushed"] == book.counts["facts stored"] > 0
    assert book.counts["HQ rows received"] == book.counts["HQ rows in the database"] >= TINY.hq_rows
    assert not (tmp_path / "bench").exists(), "the folder is removed"
    report.save(book, tmp_path / "bench.json", {})
    assert {row["name"] for row in json.loads((tmp_path / "bench.json").read_text())["rows"]} == set(TARGETS)


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("push", 0.3, "aim met"),
        ("push", 0.2, "gate met"),
        ("push", 0.1, "MISSED"),
        ("storm_p99", 3.0, "aim met"),
        ("storm_p99", 9.0, "MISSED"),
        ("hq_memory", 9.0, "told"),
    ],
)
def test_a_row_says_which_of_its_bounds_it_reaches(name: str, value: float, verdict: str) -> None:
    assert Measured(name, values=[value]).verdict == verdict


def test_rows_made_in_bulk_read_back_as_the_server_s_own() -> None:
    key, kind, identity, position, _, _, tail, doc = world._points_row(7, 9)
    record = wire.load_record(doc)
    assert (record.kind, record.id, record.position, key) == (kind, identity, position, 7)
    assert wire.record_tail(kind, identity, record.derived["view"]) == tail
