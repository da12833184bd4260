"""`python -m tests.bench`: how fast one server is on SQLite, or with `--database` on PostgreSQL, as ratios to floors taken in
the same run.

Figures of one machine at one moment: compare ratios, not absolutes. Always exits 0 unless `--gate` asks to fail.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from rich.console import Console

from tests.bench import measures, processes, report, world
from tests.bench.floors import postgres_floor, sqlite_floor
from tests.bench.measures import Bench, Sizes
from tests.bench.report import Book
from tests.services.postgres import Postgres

Engine = AbstractContextManager[Sequence[str]]
"""Gives two empty PostgreSQL databases, or none for SQLite."""
QUICK = Sizes(
    rounds=1,
    devices=50,
    storm=150,
    tickets=15_000,
    stored=20_000,
    idle_requests=1000,
    pulls=200,
    newcomers=5,
    newcomers_at_once=20,
    hq_rows=100_000,
    grown=100_000,
    growth_devices=20,
)


def run(sizes: Sizes, folder: Path, book: Book, engine: Engine) -> None:
    """Every measure, in one pass over a folder that is made and removed."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with engine as databases:
            _run(sizes, folder, book, databases)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(sizes: Sizes, folder: Path, book: Book, databases: Sequence[str]) -> None:
    book.say(
        f"building {sizes.tickets:,} tickets, {sizes.stored:,} stored facts, {sizes.phones + sizes.all_newcomers:,} phones"
    )
    small = world.build(
        folder / "small",
        phones=sizes.phones,
        newcomers=sizes.all_newcomers,
        tickets=sizes.tickets,
        facts=sizes.stored,
    )
    book.say(f"building a larger copy: {sizes.grown:,} stored facts, {sizes.hq_rows:,} HQ rows")
    more_rows = max(0, sizes.hq_rows - small.tickets)
    large = world.grown(small, folder / "large", facts=max(0, sizes.grown - sizes.stored), hq_rows=more_rows)
    if databases:
        book.say("moving both to PostgreSQL")
        small, large = (world.moved(each, database) for each, database in zip((small, large), databases, strict=True))
    before = small.stored_facts()
    os.sync()  # what was built in bulk must not be written out while commits are measured
    with ExitStack() as servers:
        server = servers.enter_context(processes.lamplighter(small.data, small.database))
        echo = servers.enter_context(processes.echo())
        floor = postgres_floor(small.database) if databases else sqlite_floor(folder)
        bench = Bench(book, sizes, small, server, echo, floor)
        measures.push(bench)
        measures.idle(bench)
        measures.pull(bench)
        measures.first_sync(bench)
        measures.storm(bench)
        measures.day(bench)
        larger = servers.enter_context(processes.lamplighter(large.data, large.database))
        measures.growth(bench, larger)
        measures.hq_feed(book, sizes, large, larger)
        measures.ready(book, large, larger)
    book.count("facts stored", small.stored_facts() - before)


@contextmanager
def on_postgres(where: str) -> Iterator[Sequence[str]]:
    """Two new databases: on a server of one's own for the word `postgresql`, else on the server at this address."""
    if where == "postgresql":
        with Postgres({}, parent=Path("/var/tmp")).create() as server:
            yield [server.address(server.new_database()) for _ in range(2)]
        return
    names = [f"lamplighter_bench_{uuid4().hex[:8]}" for _ in range(2)]
    with psycopg.connect(where, autocommit=True) as server:
        try:
            for name in names:
                server.execute(f"CREATE DATABASE {name}".encode())
            yield [urlsplit(where)._replace(path=f"/{name}").geturl() for name in names]
        finally:
            for name in names:
                server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, keep the raw numbers."""
    options = _options(arguments)
    sizes = QUICK if options.quick else Sizes()
    sizes = replace(sizes, rounds=options.rounds or sizes.rounds, hq_rows=options.rows or sizes.hq_rows)
    sizes = replace(sizes, grown=options.growth or sizes.grown, storm=options.storm or sizes.storm)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    begun = time.monotonic()
    engine = "PostgreSQL" if options.database else "SQLite"
    book = Book(lambda text: console.print(f"[dim]{time.monotonic() - begun:5.0f} s[/dim]  {text}"), engine)
    if sizes.grown < 5_000_000:
        book.notes.append(
            f"growth compares {sizes.stored:,} with {sizes.grown:,} stored facts; --growth 5000000 does the rest."
        )
    run(sizes, options.folder, book, on_postgres(options.database) if options.database else nullcontext(()))
    report.show(book, console)
    report.save(book, options.out, asdict(sizes))
    console.print(f"raw numbers: {options.out}")
    return 1 if options.gate and (book.missed or book.counts["facts pushed"] != book.counts["facts stored"]) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute: only to see that it works")
    parser.add_argument("--gate", action="store_true", help="exit 1 when a gate is missed or facts do not add up")
    parser.add_argument("--rounds", type=int, help="repetitions of every measure; the median counts (default 3)")
    parser.add_argument("--rows", type=int, help="rows of the HQ feed (default 1,000,000)")
    parser.add_argument("--growth", type=int, metavar="FACTS", help="stored facts of the larger server (default 1,000,000)")
    where = "postgresql for a new server, or the postgresql://… of one where databases may be made"
    parser.add_argument("--database", default="", help=where)
    parser.add_argument("--storm", type=int, metavar="PHONES", help="phones that come back at one moment (default 1,000)")
    parser.add_argument("--folder", type=Path, default=Path("var/bench"), help="made and removed; on the disk to be measured")
    parser.add_argument("--out", type=Path, default=Path("var/bench.json"), help="where raw numbers go")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
