"""`python -m tests.bench.storm`: N phones come back at one moment, over one or several server processes, and nothing is lost.

Every phone is the real replica. It pushes its shift, loses some replies, sends the same bytes again, syncs idly, and goes to
another process for each request; new phones fetch 500 tickets meanwhile, and the office moves jobs about. Phones that are told
to wait wait, and come back spread out. At the end `audit` compares all there is. Always exits 1 when anything is amiss.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import urlsplit
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from clients.handset.load import Phone
from tests.bench import loop, processes
from tests.bench.audit import Audit, audit
from tests.bench.devices import Device, Front, Tally
from tests.bench.district import District, Office, Place, settle
from tests.bench.measures import percentile
from tests.bench.plain import Plain
from tests.bench.processes import Process
from tests.bench.world import office_token
from tests.services.postgres import Postgres

FIRST_SYNC_BYTES = 2**20
FILES_WANTED = 65_536


@dataclass(frozen=True, slots=True)
class Size:
    """How large a storm. `newcomers` fetch `first_tickets` each; `moves` jobs change crew while it rages."""

    phones: int = 1000
    facts: int = 50
    newcomers: int = 100
    first_tickets: int = 500
    moves: int = 50
    tickets_each: int = 6
    """The last of them is worked by nobody and may move."""
    seed: int = 1


@dataclass(slots=True)
class Storm:
    """A whole storm: the phones, what everything took, and when."""

    size: Size
    front: Front
    office: Office
    say: Callable[[str], None]
    cpu_s: Callable[[], float] = lambda: 0.0
    """CPU seconds of all server processes so far."""
    memory_mb: Callable[[], float] = lambda: 0.0
    """What all of them take now."""
    memory_peak_mb: float = 0.0
    district: District | None = None
    devices: list[Device] = field(default_factory=list)
    newcomers: list[Device] = field(default_factory=list)
    settled_s: float = 0.0
    drained_s: float = 0.0
    whole_s: float = 0.0
    spent_s: float = 0.0

    @property
    def everyone(self) -> list[Device]:
        return [*self.devices, *self.newcomers]

    @property
    def facts(self) -> int:
        return self.size.phones * self.size.facts

    async def run(self, word: str) -> None:
        """From an empty district to phones at rest."""
        size = self.size
        begun = time.monotonic()
        tickets = {"tickets_each": size.tickets_each, "first_tickets": size.first_tickets}
        self.district = await settle(self.office, word, phones=size.phones, newcomers=size.newcomers, **tickets)
        self.settled_s = time.monotonic() - begun
        self.say(f"{size.phones + size.newcomers:,} phones enrolled over HTTP in {self.settled_s:.0f} s")
        self.devices = [Device(Phone(one, word), self.front, at) for at, one in enumerate(self.district.crew_phones)]
        self.newcomers = [Device(Phone(one, word), self.front, at) for at, one in enumerate(self.district.newcomers)]
        await _some_at_once(50, (device.rest("morning sync") for device in self.devices))
        for device in self.devices:
            device.phone.work(size.facts)
        await asyncio.sleep(0.1)  # hear of every connection the servers closed meanwhile
        self.say(f"{self.facts:,} facts recorded offline; now everybody comes back")
        await self._rage()
        await _some_at_once(100, (device.rest("rest") for device in self.everyone))
        for device in self.everyone:
            device.close()
        self.office.close()

    async def _rage(self) -> None:
        chance, size = self.front.chance, self.size
        shifts = [(device, *device.phone.request()) for device in self.devices]
        before_s, begun = self.cpu_s(), time.perf_counter()
        coming = [device.come_back(out, request, loses=chance.random() < 0.3) for device, out, request in shifts]
        first = [device.rest(f"first sync of {size.first_tickets}", limit_bytes=FIRST_SYNC_BYTES) for device in self.newcomers]
        pushing = asyncio.create_task(self._watch(begun))
        await asyncio.gather(*coming, *first, self._move_jobs(size.moves))
        self.whole_s, self.spent_s = time.perf_counter() - begun, self.cpu_s() - before_s
        await pushing
        self.say(f"drained in {self.drained_s:.1f} s, {self.facts / self.drained_s:,.0f} facts/s")

    async def _watch(self, begun: float) -> None:
        """Note when the last push was answered."""
        looked = 0.0
        while len(self.front.tally("push").each_s) < self.size.phones:
            await asyncio.sleep(0.01)
            if time.perf_counter() - looked > 0.5:
                self.memory_peak_mb, looked = max(self.memory_peak_mb, self.memory_mb()), time.perf_counter()
        self.drained_s = time.perf_counter() - begun

    async def _move_jobs(self, moves: int) -> None:
        """The dispatcher takes jobs from crews that are just reporting them, one after the other."""
        assert self.district is not None
        phones, crews = self.district.crew_phones, list(dict.fromkeys(self.district.crews.values()))
        for _ in range(moves if len(crews) > 1 else 0):
            loser = self.front.chance.choice(phones)
            crew = self.front.chance.choice(
                [crew for crew in crews[: len(phones)] if crew != self.district.crews[loser.device]]
            )
            ticket = self.front.chance.choice([loser.tickets[0], loser.tickets[-1]])
            refused = await self.office.try_say(f"/v1/tickets/{ticket}/transfer", {"crew": crew})
            self.front.tally("a job moves").statuses[refused or 200] += 1


async def _some_at_once(count: int, work: Iterable[Awaitable[None]]) -> None:
    turn = asyncio.Semaphore(count)

    async def one(what: Awaitable[None]) -> None:
        async with turn:
            await what

    await asyncio.gather(*(one(what) for what in work))


# ------------------------------------------------------------------------------------------------------------ what it says


def show(storm: Storm, servers: Sequence[Process], told: Audit | None, engine: str, console: Console) -> None:
    """Every sort of request, then what all of it came to."""
    size = storm.size
    where = f"{engine}, {len(storm.front.places)} process(es)"
    table = Table(title=f"Storm of {size.phones:,} phones × {size.facts} facts on {where}", title_justify="left")
    table.add_column("request", no_wrap=True)
    for heading in ("answered", "p50 ms", "p99 ms", "longest ms", "MB down", "statuses"):
        table.add_column(heading, justify="right", no_wrap=True)
    for sort, tally in storm.front.tallies.items():
        table.add_row(*_cells(sort, tally))
    console.print(table)
    came_of_it = Table.grid(padding=(0, 2))
    for name, value in _facts_of(storm, servers, told):
        came_of_it.add_row(name, value)
    console.print(came_of_it)
    for story in told.amiss[:20] if told else ():
        console.print(f"[red]{story}[/red]")


def _cells(sort: str, tally: Tally) -> tuple[str, ...]:
    each_ms = [1000 * seconds for seconds in tally.each_s] or [0.0]
    figures = (percentile(each_ms, 50), percentile(each_ms, 99), max(each_ms))
    met = [f"{count:,} × {status}" for status, count in sorted(tally.statuses.items())]
    met += [f"{count:,} {slug}" for slug, count in sorted(tally.problems.items())]
    met += [f"{tally.hung_up:,} hung up"] if tally.hung_up else []
    return (
        sort,
        f"{len(tally.each_s):,}",
        *(f"{value:,.1f}" for value in figures),
        f"{tally.bytes_down / 1e6:,.1f}",
        ", ".join(met),
    )


def _facts_of(storm: Storm, servers: Sequence[Process], told: Audit | None) -> list[tuple[str, str]]:
    rows = [("pushes drained in", f"{storm.drained_s:.1f} s"), ("facts a second", f"{storm.facts / storm.drained_s:,.0f}")]
    rows.append(("the whole storm", f"{storm.whole_s:.1f} s"))
    if servers:
        rows.append(("memory of all server processes, most", f"{storm.memory_peak_mb:,.0f} MB"))
        rows.append(("their CPU in the storm, per 1000 facts", f"{storm.spent_s / storm.facts * 1000:.3f} s"))
    if told is None:
        return [*rows, ("facts stored", "not looked at: name the database with --database")]
    stored = f"{told.pushed:,} pushed, {told.stored:,} stored, {told.lost} lost, {told.doubled} doubled"
    agree = "agree" if told.well else f"{len(told.amiss)} DISAGREEMENTS"
    return [
        *rows,
        ("facts by id", stored),
        ("the database on disk", f"{told.bytes / 1e6:,.0f} MB, {told.bytes / told.stored:,.0f} bytes a fact, all included"),
        ("feed, copies, plain query", f"{told.feed_rows:,} rows of HQ, {told.copies:,} phones: {agree}"),
    ]


# ---------------------------------------------------------------------------------------------------------------- running


def main(arguments: Sequence[str] | None = None) -> int:
    """Start servers (or aim at running ones), let the storm rage, compare, print. 1 when anything is amiss."""
    options = _options(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    _allow_files()
    newcomers, moves = _shares(options)
    size = Size(
        options.devices, options.facts, newcomers, moves=moves, tickets_each=-(-options.facts // 10) + 1, seed=options.seed
    )
    if options.url and not os.environ.get("LAMPLIGHTER_TOKEN"):
        console.print("--url needs an admin's token in LAMPLIGHTER_TOKEN (lamplighter token issues one).")
        return 2
    with ExitStack() as running:
        if options.url:
            places, servers = [_place(url) for url in options.url.split(",")], []
            token, database = os.environ["LAMPLIGHTER_TOKEN"], options.database
        else:
            shutil.rmtree(options.folder, ignore_errors=True)
            running.callback(shutil.rmtree, options.folder, ignore_errors=True)
            database = running.enter_context(own_database(options.database))
            servers = running.enter_context(processes.lamplighters(options.folder, options.processes, database))
            places = [("127.0.0.1", servers[0].port)] * options.processes
            token = office_token(options.folder / "data-1")
            database = database or processes.sqlite_address(options.folder)
        storm = brew(size, places, token, servers=servers, say=_timed_words(console))
        told = examine(storm, database, token) if database else None
        show(storm, servers, told, Plain(database).engine if database else "a running server", console)
    return 0 if told is None or told.well else 1


@contextmanager
def own_database(database: str) -> Iterator[str]:
    """The address asked for; of a PostgreSQL server of one's own, as safe as PostgreSQL ships, for the word alone."""
    if database != "postgresql":
        yield database
        return
    with Postgres({}, parent=Path("/var/tmp")).create() as server:
        yield server.address(server.new_database())


def brew(
    size: Size,
    places: list[Place],
    token: str,
    *,
    servers: Sequence[Process] = (),
    say: Callable[[str], None] = lambda text: None,
) -> Storm:
    """A whole storm against server processes that run; what they cost is known of those that are named."""
    chance = Random(size.seed)
    front, office = Front(places, chance), Office(places, token, chance)
    storm = Storm(size, front, office, say, lambda: sum(server.cpu_s for server in servers))
    storm.memory_mb = lambda: sum(server.memory_share_mb for server in servers)
    loop.run(storm.run(f"storm-{uuid4().hex[:6]}"))
    return storm


def examine(storm: Storm, database: str, token: str) -> Audit:
    """Compare all there is, after the storm."""
    assert storm.district is not None
    phones: list[Phone] = [device.phone for device in storm.everyone]
    return audit(phones, storm.district, Plain(database), storm.front.places[0], token)


def _timed_words(console: Console) -> Callable[[str], None]:
    begun = time.monotonic()
    return lambda text: console.print(f"[dim]{time.monotonic() - begun:5.0f} s[/dim]  {text}")


def _shares(options: argparse.Namespace) -> tuple[int, int]:
    newcomers = options.devices // 10 if options.newcomers is None else options.newcomers
    return newcomers, options.devices // 20 if options.moves is None else options.moves


def _place(url: str) -> Place:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80


def _allow_files() -> None:
    """A connection is an open file, here and in the servers, which inherit this."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES_WANTED, hard), hard))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.storm", description=__doc__)
    parser.add_argument("--devices", type=int, default=1000, help="phones that come back at one moment")
    parser.add_argument("--facts", type=int, default=50, help="facts each of them has recorded")
    parser.add_argument("--newcomers", type=int, help="new phones that fetch 500 tickets meanwhile (default: a tenth)")
    parser.add_argument("--moves", type=int, help="jobs the office moves meanwhile (default: a twentieth)")
    parser.add_argument("--processes", type=int, default=1, help="server processes on one database (needs PostgreSQL)")
    parser.add_argument(
        "--database", default="", help="postgresql://… of an empty database, or postgresql for a new server; default SQLite"
    )
    parser.add_argument("--url", help="aim at running servers instead, separated by commas; LAMPLIGHTER_TOKEN is an admin's")
    parser.add_argument("--seed", type=int, default=1, help="who loses a reply, who goes where, which jobs move")
    parser.add_argument("--folder", type=Path, default=Path(f"var/storm-{os.getpid()}"), help="made and removed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
