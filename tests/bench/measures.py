"""The measures themselves: each drives one kind of load and writes its repetitions into the book.

Whatever is compared is taken in turns within one run, so that a noisy machine disturbs both sides alike.
"""

from __future__ import annotations

import http.client
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from clients.handset import load
from clients.handset.load import Enrolled, Fired, Phone
from sync.replica import Outgoing
from tests.bench import loop
from tests.bench.floors import Floor
from tests.bench.processes import Process, lamplighter
from tests.bench.report import Book
from tests.bench.world import World

FIRST_SYNC_TICKETS = 500
FIRST_SYNC_BYTES = 2**20
"""One page holds 500 tickets; the phone with the larger screen asks for so much."""
REPLAYS = 3
TURNS = 5
"""Short bursts in turns: what disturbs the machine for a moment then meets both sides."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything."""

    rounds: int = 3
    devices: int = 200
    facts: int = 50
    storm: int = 1000
    tickets: int = 100_000
    stored: int = 100_000
    idle_requests: int = 4_000
    pulls: int = 800
    newcomers: int = 20
    newcomers_at_once: int = 100
    hq_rows: int = 1_000_000
    grown: int = 1_000_000
    growth_devices: int = 60

    @property
    def phones(self) -> int:
        """Phones with a crew of their own that the measures use up: push, storm, growth, pull and a day."""
        return self.rounds * self.devices + self.storm + (self.rounds + 1) * self.growth_devices + 1

    @property
    def all_newcomers(self) -> int:
        return self.rounds * (self.newcomers + self.newcomers_at_once)


class Bench:
    """One world, its server, the echo beside it, and phones that are used up one after the other."""

    def __init__(self, book: Book, sizes: Sizes, world: World, server: Process, echo: Process, floor: Floor) -> None:
        self.book = book
        self.sizes = sizes
        self.world = world
        self.server = server
        self.echo = echo
        self.floor = floor
        self._crew_phones = iter(world.crew_phones)
        self._newcomers = iter(world.newcomers)
        self.opened: list[Phone] = []
        """Phones whose journal the server knows and that have nothing new: what idle syncs and pulls are made with."""

    def enrolled(self, count: int) -> list[Enrolled]:
        """The next phones, with a crew of their own each."""
        return [next(self._crew_phones) for _ in range(count)]

    def phones(self, count: int) -> list[Phone]:
        """Phones that have opened their journal, seen their tickets and wait for nothing."""
        phones = [Phone(enrolled, "") for enrolled in self.enrolled(count)]
        open_journals(phones, self.server.port)
        self.count_pushed(count)
        return phones

    def newcomers(self, count: int) -> list[Phone]:
        """Phones that have never spoken to the server, in the crew with 500 tickets."""
        return [Phone(next(self._newcomers), "") for _ in range(count)]

    def count_pushed(self, facts: int) -> None:
        self.book.count("facts pushed", facts)


def open_journals(phones: Sequence[Phone], port: int) -> None:
    """The first sync of a shift, not measured."""
    for start in range(0, len(phones), 50):
        some = phones[start : start + 50]
        for phone, reply in zip(some, loop.at_once(port, [phone.request()[1] for phone in some]).replies, strict=True):
            phone.heard(reply)


# ---------------------------------------------------------------------------------------------------------- push and replay


def push(bench: Bench) -> None:
    """N phones push at once; the same lines go into a plain table as the floor; then every phone lost the reply."""
    sizes, book = bench.sizes, bench.book
    for at in range(sizes.rounds):
        phones = bench.phones(sizes.devices)
        outgoing, requests = _shift(phones, sizes.facts)
        facts = sizes.devices * sizes.facts
        bench.count_pushed(facts)
        floor_s = bench.floor(f"push-{at}-before", outgoing)
        before_s = bench.server.cpu_s
        fired = loop.at_once(bench.server.port, requests)
        spent_s = bench.server.cpu_s - before_s
        _all_well(fired)
        floor_s += bench.floor(f"push-{at}-after", outgoing)
        floor = 2 * facts / floor_s
        book.compare("push", facts / fired.wall_s, floor, "facts/s")
        book.add("push_cpu", spent_s / facts * 1000)
        book.say(f"push {at + 1}/{sizes.rounds}: {facts / fired.wall_s:,.0f} facts/s, floor {floor:,.0f}")
        _replay(bench, phones, outgoing, requests, fired)
        bench.opened = phones


def _shift(phones: Sequence[Phone], facts: int) -> tuple[list[Outgoing], list[bytes]]:
    outgoing, requests = [], []
    for phone in phones:
        phone.work(facts)
        made, request = phone.request()
        assert made.lines == facts, "one request carries the whole batch"
        outgoing.append(made)
        requests.append(request)
    return outgoing, requests


def _replay(
    bench: Bench, phones: Sequence[Phone], outgoing: Sequence[Outgoing], requests: Sequence[bytes], first: Fired
) -> None:
    """The reply was lost: the phone asks by head; then, for comparison, one that simply sends the same bytes again."""
    for phone, made in zip(phones, outgoing, strict=True):
        phone.replica.lost(made)
    asked = [phone.request()[1] for phone in phones]
    by_head = [loop.at_once(bench.server.port, asked) for _ in range(REPLAYS)]
    naive = [loop.at_once(bench.server.port, requests) for _ in range(REPLAYS)]
    for fired in (*by_head, *naive):
        _all_well(fired)
    per_s = 1 / first.wall_s
    bench.book.compare("replay", REPLAYS / sum(fired.wall_s for fired in by_head), per_s, "batches/s")
    bench.book.compare("replay_naive", REPLAYS / sum(fired.wall_s for fired in naive), per_s, "batches/s")
    bench.book.add("replay_bytes", max(map(load.body_bytes, asked)))
    for phone, reply in zip(phones, by_head[-1].replies, strict=True):
        phone.heard(reply)
        assert phone.replica.waiting == 0, "the statement covers everything"


def storm(bench: Bench) -> None:
    """Everybody comes back at the same moment."""
    sizes, book = bench.sizes, bench.book
    phones = bench.phones(sizes.storm)
    _, requests = _shift(phones, sizes.facts)
    fired = loop.at_once(bench.server.port, requests)
    _all_well(fired)
    bench.count_pushed(sizes.storm * sizes.facts)
    book.add("storm_p99", percentile(fired.each_s, 99))
    book.add("memory", bench.server.memory_peak_mb)
    pushed = sizes.storm * sizes.facts
    book.say(f"storm of {sizes.storm}: drained in {fired.wall_s:.1f} s, {pushed / fired.wall_s:,.0f} facts/s")
    for phone, reply in zip(phones, fired.replies, strict=True):
        phone.heard(reply)


# ----------------------------------------------------------------------------------------------------- small requests


def idle(bench: Bench) -> None:
    """A sync with nothing new on either side."""
    requests = [phone.request()[1] for phone in bench.opened]
    times = max(1, bench.sizes.idle_requests // len(requests) // TURNS)
    reply = loop.in_turns(bench.server.port, requests[:1]).replies[0]
    bench.book.add("idle_up", max(map(load.body_bytes, requests)))
    bench.book.add("idle_down", len(reply.body))
    assert reply.plain.count(b"\n") == 2, "a statement and an end, nothing else"
    _beside_echo(bench, "idle", requests, len(reply.body), times)


def pull(bench: Bench) -> None:
    """A phone that has nothing fetches its crew's thirty tickets out of all there are."""
    requests = [phone.fresh_pull() for phone in bench.phones(bench.sizes.growth_devices)]
    times = max(1, bench.sizes.pulls // len(requests) // TURNS)
    reply = loop.in_turns(bench.server.port, requests[:1]).replies[0]
    assert reply.plain.count(b'"kind":"ticket"') == 30, "thirty tickets"
    _beside_echo(bench, "pull", requests, len(reply.body), times)


def _beside_echo(bench: Bench, name: str, requests: Sequence[bytes], reply_bytes: int, times: int) -> None:
    """The same number of bytes up and down, through our server and through the echo, in turns."""
    sent = b"." * load.body_bytes(requests[0])
    echoes = [load.post("/echo", sent, packed=False, reply_bytes=str(reply_bytes))] * len(requests)
    for _ in range(bench.sizes.rounds * TURNS):
        echoed = loop.in_turns(bench.echo.port, echoes, times=times)
        fired = loop.in_turns(bench.server.port, requests, times=times)
        _all_well(fired)
        bench.book.compare(name, fired.per_s, echoed.per_s, "requests/s")
    row = bench.book.rows[name]
    bench.book.say(f"{name}: {median(row.measured):,.0f} requests/s, echo {median(row.floors):,.0f}")


def first_sync(bench: Bench) -> None:
    """Phones that were just enrolled fetch 500 tickets: one after the other, and all at once."""
    sizes, book = bench.sizes, bench.book
    for _ in range(sizes.rounds):
        one_by_one = bench.newcomers(sizes.newcomers)
        fired = loop.in_turns(bench.server.port, _first_requests(one_by_one), connections=1)
        together = bench.newcomers(sizes.newcomers_at_once)
        crowd = loop.at_once(bench.server.port, _first_requests(together))
        for phone, reply in zip((*one_by_one, *together), (*fired.replies, *crowd.replies), strict=True):
            assert reply.plain.count(b'"kind":"ticket"') == 500, "five hundred tickets in one page"
            phone.heard(reply)
        bench.count_pushed(len(one_by_one) + len(together))
        book.add("first", percentile(fired.each_s, 50) * 1000)
        book.add("first_at_once", percentile(crowd.each_s, 50))
    book.say(f"first sync: {book.rows['first'].value:.1f} ms alone, {book.rows['first_at_once'].value:.2f} s in a crowd")


def _first_requests(phones: Sequence[Phone]) -> list[bytes]:
    return [phone.request(limit_bytes=FIRST_SYNC_BYTES)[1] for phone in phones]


# -------------------------------------------------------------------------------------------------------- headquarters


def hq_feed(book: Book, sizes: Sizes, world: World, server: Process) -> None:
    """The whole of scope `hq` in one streamed reply."""
    expected = world.feed_rows()
    for at in range(sizes.rounds):
        before_mb = server.memory_mb
        begun = time.perf_counter()
        rows = _count_feed(server.port, world.hq_token)
        wall_s = time.perf_counter() - begun
        assert rows == expected, f"{rows} rows of {expected} arrived"
        book.add("hq", rows / wall_s)
        book.add("hq_memory", max(0.0, server.memory_mb - before_mb))
        book.say(f"HQ feed {at + 1}/{sizes.rounds}: {rows:,} rows, {rows / wall_s:,.0f} rows/s")
    book.count("HQ rows in the database", expected)
    book.count("HQ rows received", rows)


def _count_feed(port: int, token: str) -> int:
    """Rows of the feed, without its end line. Raises when the stream breaks."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("GET", "/v1/hq/feed", headers={"authorization": f"Bearer {token}"})
    reply = connection.getresponse()
    assert reply.status == 200, reply.read(500)
    lines = 0
    while chunk := reply.read(2**18):
        lines += chunk.count(b"\n")
    connection.close()
    return lines - 1


# --------------------------------------------------------------------------------------------------------- growth and size


def growth(bench: Bench, larger: Process) -> None:
    """The same push, pull and idle sync against a server that stores much more, in turns."""
    sizes, book = bench.sizes, bench.book
    for at in range(sizes.rounds):
        enrolled = bench.enrolled(sizes.growth_devices)
        costs: dict[str, dict[bool, float]] = {"grow_push": {}, "grow_pull": {}, "grow_idle": {}}
        for small in (True, False) if at % 2 else (False, True):
            port = bench.server.port if small else larger.port
            phones = [Phone(one, f"growth-{port}") for one in enrolled]
            open_journals(phones, port)
            if small:
                bench.count_pushed(len(phones) * (1 + sizes.facts))
            _, requests = _shift(phones, sizes.facts)
            fired = loop.at_once(port, requests)
            _all_well(fired)
            for phone, reply in zip(phones, fired.replies, strict=True):
                phone.heard(reply)
            costs["grow_push"][small] = fired.wall_s
            pulls, idles = [phone.fresh_pull() for phone in phones], [phone.request()[1] for phone in phones]
            costs["grow_pull"][small] = loop.in_turns(port, pulls, times=4).wall_s
            costs["grow_idle"][small] = loop.in_turns(port, idles, times=20).wall_s
        for name, cost in costs.items():
            book.compare(name, cost[False] * 1000, cost[True] * 1000, "ms")
    book.say("growth: " + ", ".join(f"{name[5:]} {book.rows[name].value:.2f}×" for name in costs))


def ready(book: Book, world: World, running: Process) -> None:
    """The larger server is killed behind its last commit; how long until the next one says that it is ready."""
    os.kill(running.pid, signal.SIGKILL)
    begun = time.perf_counter()
    with lamplighter(world.data, world.database) as again:
        while not _says_ready(again.port):
            time.sleep(0.02)
        book.add("ready", time.perf_counter() - begun)
    book.say(f"ready again after kill −9: {book.rows['ready'].value:.1f} s")


def _says_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def day(bench: Bench) -> None:
    """What a phone sends for a day of 200 facts, ratings aside."""
    phone = bench.phones(1)[0]
    phone.work(200)
    bench.book.add("day", load.body_bytes(phone.request()[1]))


# ------------------------------------------------------------------------------------------------------------------ small


def percentile(values: Sequence[float], percent: int) -> float:
    """Of few values the highest stands for the highest percent."""
    return quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def _all_well(fired: Fired) -> None:
    bad = next((reply for reply in fired.replies if reply.status != 200 or b'"problem"' in reply.plain[-2000:]), None)
    assert bad is None, f"{bad.status}: {bad.plain[-500:]!r}" if bad else ""
