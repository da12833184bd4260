"""What the server counts about itself, as Prometheus reads it (https://prometheus.io/docs/instrumenting/exposition_formats/).

Every label has few values that are known beforehand: templates of routes, statuses, slugs. No name, token, address, device or
ticket ever becomes one. What each request pays for is a few plain additions; all else is read when somebody asks. Refuses to
know what is too much: that stands in `docs/operations/alerts.yml`.
"""

from __future__ import annotations

import math
import platform
import shutil
import sys
import threading
import time
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import prometheus_client as prometheus
import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from server.storage import tables as t
from server.storage.images import Derived
from server.storage.queries import DeviceLine, Queries
from server.storage.writer import GROUP_MAX, Job, Watch
from sync.facts import Outcome
from sync.problems import QUARANTINE
from sync.store import Effects

if TYPE_CHECKING:
    from server.endpoints.health import PhotoStore
    from server.service import Service
    from server.web import Web

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
JOBS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, float(GROUP_MAX))
PHONES_LOOK_S = 60.0
"""Reading what every phone said last costs microseconds a phone, so it is done at most this often."""

LIMITS = ("device", "tries", "login", "page", "connections", "slow")
"""What can turn somebody away at the edge."""
NO_ROUTE = "none"
LEFT = "left"
"""The status of a request whose client did not wait for the answer."""


class Histogram:
    """How often a value fell between which bounds. Not locked: each has one thread that observes."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """(upper bound, how many were at most that), as Prometheus wants them."""
        found, below = [], 0
        for bound, count in zip((*self._bounds, math.inf), list(self._counts), strict=True):
            below += count
            found.append(("+Inf" if bound == math.inf else repr(bound), float(below)))
        return found


class Traffic:
    """One route's: how long it took and how much went in and out."""

    __slots__ = ("bytes_in", "bytes_out", "seconds")

    def __init__(self) -> None:
        self.seconds = Histogram(SECONDS)
        self.bytes_in = self.bytes_out = 0


class Metrics(Collector):
    """The counts of one server. `request` belongs to the event loop's thread, `group` to the writer's."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry(auto_describe=False)
        self._answers: dict[tuple[str | None, int | None, str | None], int] = {}
        self._traffic: dict[str | None, Traffic] = {}
        self.group_seconds, self.group_jobs = Histogram(SECONDS), Histogram(JOBS)
        self.facts = self.groups_failed = 0
        # Every value there can be stands there from the beginning: a rate over a row that was not there misses its first count.
        self.quarantined: Tally[str] = Tally(dict.fromkeys(QUARANTINE, 0))
        self.outcomes: Tally[str] = Tally(dict.fromkeys(map(str, Outcome), 0))
        self._about_to_be_written: Effects | None = None
        self._readings: Callable[[], Iterable[Metric]] = tuple
        self.replays = self._counter("replays", "Pushes that brought nothing new, because an earlier reply was lost.")
        self.held_back = self._counter("held_back", "What a limit of the edge turned away, by limit.", "limit")
        self.derived = self._counter("derivations", "Pictures made of photos, by what came of it.", "outcome")
        for limit in LIMITS:
            self.held_back.labels(limit)
        for outcome in Derived:
            self.derived.labels(str(outcome))
        self.registry.register(self)
        prometheus.ProcessCollector(registry=self.registry)
        prometheus.GCCollector(registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> prometheus.Counter:
        return prometheus.Counter(f"lamplighter_{name}", text, labels, registry=self.registry)

    # ------------------------------------------------------------------------------------------------------------ counting

    def request(
        self, route: str | None, status: int | None, slug: str | None, elapsed_s: float, bytes_in: int, bytes_out: int
    ) -> None:
        """One request was answered, or its client left (status None)."""
        key = (route, status, slug)
        self._answers[key] = self._answers.get(key, 0) + 1
        traffic = self._traffic.get(route)
        if traffic is None:
            traffic = self._traffic[route] = Traffic()
        traffic.seconds.observe(elapsed_s)
        traffic.bytes_in += bytes_in
        traffic.bytes_out += bytes_out

    def written(self, effects: Effects) -> None:
        """The writer is about to write this; it counts when the group is committed."""
        self._about_to_be_written = effects

    def committed(self, jobs: int, elapsed_s: float) -> None:
        """A group of jobs is durable."""
        self.group_seconds.observe(elapsed_s)
        self.group_jobs.observe(jobs)
        effects, self._about_to_be_written = self._about_to_be_written, None
        if effects is None:
            return
        self.facts += len(effects.lines)
        self.quarantined.update([line.slug for line in effects.lines if line.slug])
        told = [v["outcome"] for r, v in zip(effects.records, effects.views, strict=False) if r.kind == "outcome"]
        self.outcomes.update(told)

    def failed(self) -> None:
        """A group was not committed; its jobs are tried one by one."""
        self.groups_failed += 1
        self._about_to_be_written = None

    # ------------------------------------------------------------------------------------------------------------- reading

    def read_also(self, readings: Callable[[], Iterable[Metric]]) -> None:
        """What else to read when somebody asks: what a running server knows without counting."""
        self._readings = readings

    def exposition(self) -> bytes:
        """Everything, as text."""
        return prometheus.generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        yield from self._requests()
        yield from self._writer()
        yield from self._readings()

    def _requests(self) -> Iterator[Metric]:
        answered = CounterMetricFamily("lamplighter_requests", "Requests, by route and status.", labels=["route", "status"])
        problems = CounterMetricFamily("lamplighter_problems", "Refusals, by route and slug.", labels=["route", "slug"])
        for family, counts in zip((answered, problems), _by_label(dict(self._answers)), strict=True):
            for pair, count in counts.items():
                family.add_metric(pair, count)
        seconds = HistogramMetricFamily("lamplighter_request_seconds", "From header to last byte.", labels=["route"])
        taken = CounterMetricFamily("lamplighter_request_bytes", "Bytes of bodies as they came.", labels=["route"])
        given = CounterMetricFamily("lamplighter_reply_bytes", "Bytes of replies as they went.", labels=["route"])
        for route, traffic in list(self._traffic.items()):
            labels = [route or NO_ROUTE]
            seconds.add_metric(labels, traffic.seconds.buckets(), traffic.seconds.total)
            taken.add_metric(labels, traffic.bytes_in)
            given.add_metric(labels, traffic.bytes_out)
        yield from (answered, problems, seconds, taken, given)

    def _writer(self) -> Iterator[Metric]:
        yield _histogram("group_seconds", "From the first statement of a group to its commit.", self.group_seconds)
        yield _histogram("group_jobs", "Pushes and commands that shared one commit.", self.group_jobs)
        yield _counted("groups_failed", "Groups that could not be committed as a whole.", self.groups_failed)
        yield _counted("facts_stored", "Lines of journals that were made durable.", self.facts)
        yield _tallied("facts_quarantined", "Stored lines whose effect waits, by slug.", "slug", self.quarantined)
        yield _tallied("outcomes", "What was said about facts, by outcome.", "outcome", self.outcomes)


class GroupWatch(Watch):
    """Times each group of the writer and counts what it made durable."""

    def __init__(self, metrics: Metrics, inner: Watch | None = None) -> None:
        self._metrics = metrics
        self._inner = inner or Watch()
        self.asked = self._inner.asked  # type: ignore[method-assign]  # one call less for every push

    @contextmanager
    def group(self, jobs: Sequence[Job]) -> Iterator[Callable[[Any], Any]]:
        begun_s = time.perf_counter()
        try:
            with self._inner.group(jobs) as through:
                yield through
        except BaseException:
            self._metrics.failed()
            raise
        self._metrics.committed(len(jobs), time.perf_counter() - begun_s)


# ------------------------------------------------------------------------------------------------ what is read on asking


class Readings:
    """What a running server knows of itself at this moment, read from its parts."""

    def __init__(self, service: Service, web: Web, photo_store: PhotoStore) -> None:
        self._service = service
        self._web = web
        self._photo_store = photo_store
        self._looking = threading.Lock()
        self._phones: tuple[float, list[Metric]] = (-PHONES_LOOK_S, [])

    def __call__(self) -> Iterator[Metric]:
        service, web = self._service, self._web
        yield _gauge("writer_waiting", "Jobs queued for the writer.", service.writer.waiting)
        yield _gauge("pushes_waiting", "Requests of phones that wait for their turn.", web.phones.waiting)
        yield _gauge("pushes_waiting_max", "Above it phones are told to come back.", web.phones.waiting_max)
        yield _gauge("bodies_bytes", "Bytes of bodies held while they wait.", web.room.held_bytes)
        yield _gauge("return_seconds", "How long phones are told to stay away at most.", sum(service.storm.spread().values()))
        yield _gauge("draining", "1 while the server finishes what it has and takes nothing new.", service.draining)
        yield _gauge("connections", "Open connections.", service.connections())
        newest = service.newest
        if newest is not None:
            yield _gauge("feed_position", "The highest position given out.", newest.get("", 0))
            yield _gauge("ledger_size", "Lines in the ledger that statements name.", service.ledger[0])
        yield _gauge(
            "derivations_waiting", "Photos whose pictures wait to be made or are being made.", service.derivation.waiting
        )
        self._photo_store()
        if self._photo_store.uploads_open is not None:
            uploads_open = self._photo_store.uploads_open
            yield _gauge("uploads_open", "Uploads of photos that began and are not finished, as last counted.", uploads_open)
        yield _gauge("disk_free_bytes", "Free where the data folder is.", shutil.disk_usage(service.settings.data).free)
        yield _gauge("disk_free_bytes_min", "Below it the server is not ready.", service.settings.disk_free_bytes_min)
        about = InfoMetricFamily("lamplighter_build", "What runs here.")
        about.add_metric([], {"version": own_version(), "python": platform.python_version(), "system": sys.platform})
        yield about
        yield from self._from_the_store()

    def _from_the_store(self) -> list[Metric]:
        """What needs the store: one look for many scrapes. A store that is away takes these rows away, nothing else."""
        with self._looking:
            looked_s, found = self._phones
            if time.monotonic() - looked_s >= PHONES_LOOK_S:
                try:
                    found = self._look()
                except Exception:
                    found = []
                    structlog.get_logger().error("the store could not be read for metrics", exc_info=True)
                self._phones = (time.monotonic(), found)
            return found

    def _look(self) -> list[Metric]:
        with closing(self._service.new_reader()) as reader:
            queries = Queries(reader)
            phones, histories = queries.devices(), len(queries.rows(t.History))
        now_ms = self._service.now_ms()
        holding = [phone for phone in phones if not phone.revoked and (phone.waiting or phone.known_n > phone.stored_n)]
        oldest_s = max([_oldest_s(phone, now_ms) for phone in holding], default=0.0)
        return [
            _gauge("histories", "Histories of this database; one more after every restore.", histories),
            _gauge("devices", "Phones that are enrolled and not revoked.", sum(not phone.revoked for phone in phones)),
            _gauge("devices_holding", "Phones that had something only on them at their last contact.", len(holding)),
            _gauge("facts_only_on_phones", "Facts that were only on phones, as known.", sum(map(_only_there, holding))),
            _gauge("oldest_unsent_seconds", "Age of the oldest fact that is only on a phone, as known.", oldest_s),
        ]


def _oldest_s(phone: DeviceLine, now_ms: int) -> float:
    return phone.oldest_s + max(0, now_ms - phone.heard_at) / 1000


def _only_there(phone: DeviceLine) -> int:
    return max(phone.known_n - phone.stored_n, 0)


def listen(metrics: Metrics, host: str, port: int) -> Callable[[], None]:
    """Answer scrapes on an address of their own, to whoever can reach it; gives what ends it."""
    server, thread = prometheus.start_http_server(port, host, registry=metrics.registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


def own_version() -> str:
    """The installed version, or `source` where it runs from a checkout."""
    try:
        return version("lamplighter")
    except PackageNotFoundError:
        return "source"


# ----------------------------------------------------------------------------------------------------------------- shapes

_Labelled = dict[tuple[str, str], int]


def _by_label(answers: dict[tuple[str | None, int | None, str | None], int]) -> tuple[_Labelled, _Labelled]:
    answered: _Labelled = {}
    problems: _Labelled = {}
    for (route, status, slug), count in answers.items():
        name = route or NO_ROUTE
        key = (name, str(status or LEFT))
        answered[key] = answered.get(key, 0) + count
        if slug is not None:
            problems[name, slug] = problems.get((name, slug), 0) + count
    return answered, problems


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"lamplighter_{name}", text, value=value)


def _counted(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"lamplighter_{name}", text, value=value)


def _tallied(name: str, text: str, label: str, tally: Tally[str]) -> Metric:
    family = CounterMetricFamily(f"lamplighter_{name}", text, labels=[label])
    for value, count in dict(tally).items():
        family.add_metric([value], count)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(f"lamplighter_{name}", text, buckets=histogram.buckets(), sum_value=histogram.total)
