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
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from random import Random

from rich.console import Console

from tests.bench import loop, measures, processes, report, world
from tests.bench.district import District, Office, Place, settle
from tests.bench.floors import postgres_floor, sqlite_floor
from tests.bench.measures import Bench, Sizes
from tests.bench.plain import Plain
from tests.bench.report import Book
from tests.bench.storm import own_database
from tests.bench.world import TICKETS_A_CREW, office_token

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


def run(sizes: Sizes, folder: Path, book: Book) -> None:
    """Every measure, in one pass over a folder that is made and removed."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _run(sizes, folder, book)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(sizes: Sizes, folder: Path, book: Book) -> None:
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
    before = small.stored_facts()
    book.say(f"building a larger copy: {sizes.grown:,} stored facts, {sizes.hq_rows:,} HQ rows")
    more_rows = max(0, sizes.hq_rows - small.tickets)
    large = world.grown(small, folder / "large", facts=max(0, sizes.grown - sizes.stored), hq_rows=more_rows)
    os.sync()  # what was built in bulk must not be written out while commits are measured
    with ExitStack() as servers:
        server = servers.enter_context(processes.lamplighter(small.data))
        echo = servers.enter_context(processes.echo())
        bench = Bench(book, sizes, small, server, echo, sqlite_floor(folder))
        measures.push(bench)
        measures.idle(bench)
        measures.pull(bench)
        measures.first_sync(bench)
        measures.storm(bench)
        measures.day(bench)
        larger = servers.enter_context(processes.lamplighter(large.data))
        measures.growth(bench, larger)
        measures.hq_feed(book, sizes, large, larger)
    book.count("facts stored", small.stored_facts() - before)


def run_postgres(sizes: Sizes, folder: Path, book: Book, address: str) -> None:
    """The measures that need no million rows, on a PostgreSQL database; its district is settled over HTTP."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with ExitStack() as servers:
        servers.callback(shutil.rmtree, folder, ignore_errors=True)
        database = servers.enter_context(own_database(address))
        [server] = servers.enter_context(processes.lamplighters(folder, 1, database))
        echo = servers.enter_context(processes.echo())
        book.say(f"settling {sizes.phones + sizes.all_newcomers:,} phones over HTTP")
        token, places = office_token(folder / "data-1"), [("127.0.0.1", server.port)]
        workers = sizes.phones - sizes.growth_devices
        small = {"tickets_each": -(-sizes.facts // 10), "first_tickets": measures.FIRST_SYNC_TICKETS}
        district = _settled(places, token, "b", phones=workers, newcomers=sizes.all_newcomers, **small)
        bench = Bench(book, sizes, district, server, echo, postgres_floor(database))
        measures.push(bench)
        measures.idle(bench)
        measures.first_sync(bench)
        measures.storm(bench)
        measures.day(bench)
        holders = {"phones": sizes.growth_devices, "newcomers": 0, "tickets_each": TICKETS_A_CREW, "first_tickets": 0}
        measures.pull(Bench(book, sizes, _settled(places, token, "p", **holders), server, echo, bench.floor))
        book.count("facts stored", sum(chain != "office" for chain, _, _ in Plain(database).facts()))


def _settled(places: list[Place], token: str, word: str, **sizes: int) -> District:
    async def work() -> District:
        office = Office(places, token, Random(1))
        try:
            return await settle(office, word, **sizes)
        finally:
            office.close()

    return loop.run(work())


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
    if sizes.grown < 5_000_000 and not options.database:
        book.notes.append(
            f"growth compares {sizes.stored:,} with {sizes.grown:,} stored facts; --growth 5000000 does the rest."
        )
    if options.database:
        run_postgres(sizes, options.folder, book, options.database)
    else:
        run(sizes, options.folder, book)
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
    parser.add_argument("--database", default="", help="postgresql://… of an empty database, or postgresql for a new server")
    parser.add_argument("--storm", type=int, metavar="PHONES", help="phones that come back at one moment (default 1,000)")
    parser.add_argument("--folder", type=Path, default=Path("var/bench"), help="made and removed; on the disk to be measured")
    parser.add_argument("--out", type=Path, default=Path("var/bench.json"), help="where raw numbers go")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
