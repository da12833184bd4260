"""The running server's parts, put together once: keys, tokens, hub, writer, readers, photos. No routes, no rules.

One process owns a data folder: the lock file says which, so that two writers can never meet in one database.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from server import retention
from server.auth import Tokens
from server.desk.office import OfficeRules
from server.erasure import forget_bytes
from server.jobs import Housekeeper
from server.keys import KeyRing, Seals
from server.metrics import GroupWatch, Metrics, own_version
from server.rates import Rates, Storm
from server.seal import SealFault, open_own_rating, open_rating
from server.settings import Settings
from server.storage.database import database_of
from server.storage.images import Derivation, Derivatives, Derived, ImageLimits
from server.storage.objects import Sha256
from server.storage.places import objects_of
from server.storage.queries import Queries
from server.storage.reference import reference_records
from server.storage.store import StoreReader, StoreTransaction
from server.storage.writer import Writer
from server.tracing import TraceWatch, tracing_of
from server.visit_links import Assignment, VisitLinks
from sync.facts import Statement
from sync.hub import Hub, Receipt
from sync.ids import uuid7
from sync.judge import Command
from sync.problems import Refused

LEASE_MS = 90 * 60_000
"""Longer than the hour between two rounds, so that one process keeps house; when it dies, another does from then on."""


class DataInUse(Exception):
    """Another process has this data folder open; `address` is where it listens."""

    def __init__(self, address: str | None) -> None:
        self.address = address
        super().__init__(f"This data folder is in use by a server at {address or 'an unknown address'}.")


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and randomness, passed in so that tests can hold them."""

    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    random_bytes: Callable[[int], bytes] = os.urandom


class Service:
    """Everything behind the routes."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or Clock()
        self.database = database_of(settings.database)
        # An engine for several processes locks what it must by itself.
        self._lock = take_folder(settings.data) if self.database.exclusive else None
        try:
            self._open()
        except BaseException:
            self._let_go()
            raise

    def _open(self) -> None:
        settings = self.settings
        self.objects = objects_of(settings)  # first: a bucket that is not there ends the start before anything runs
        self.keys = KeyRing.load(settings.keys_directory)
        self.tokens = Tokens(self.keys, lambda: self.clock.now_ms() / 1000, new_id=self.new_id)
        self._observe()
        self._readers = threading.local()
        self._own_readers: list[StoreReader] = []
        self._name = self.new_id()
        self._transaction = self.database.open(self.new_incarnation, self.now_ms)
        self.links = VisitLinks(self.keys)
        rules = OfficeRules(self._open_rating, lambda ticket, fence: self.links.path(Assignment(ticket, fence)))
        self.hub = Hub(
            Seals(self.keys),
            rules,
            radius_ms=settings.statement_radius_ms,
            lines_max=settings.lines_max,
            written=self.metrics.written,
        )
        people_changed = self.database.roster.forget
        self.writer = Writer(
            self.hub, self._transaction, people_changed=people_changed, reference=reference_records, watch=self._watch
        )
        self.writer.work(lambda tx: None, refers=True)  # a database of an earlier version has published none yet
        limits = ImageLimits(pixels_max=settings.photo_pixels_max)
        self.derivation = Derivation(self.objects, self._derived, limits=limits, at_once_max=settings.derivatives_workers)
        self._housekeeper = Housekeeper(self._keep_house)
        self._quota: dict[tuple[int, str], int] = {}

    def _observe(self) -> None:
        """What only looks on, and what keeps too many from coming at once."""
        settings = self.settings
        self.metrics = Metrics()
        self.tracing = tracing_of(os.environ, own_version())
        self._watch = GroupWatch(self.metrics, None if self.tracing is None else TraceWatch(self.tracing))
        self.storm = Storm(settings, lambda: self.clock.random_bytes(1)[0] / 256)
        self.rates = Rates.of(settings, time.monotonic, lambda limit: self.metrics.held_back.labels(limit).inc())
        self.draining = False
        """Set by the signal to end: not ready any more."""
        self.connections: Callable[[], int] = lambda: 0

    def close(self) -> None:
        """Finish what is queued and let the data folder go."""
        self._housekeeper.stop()
        with suppress(Refused):  # a database that is away lets the lease run out by itself
            self.writer.work(lambda tx: Queries(tx).give_back_leases(self._name))
        self.derivation.close()
        self.writer.stop()
        for reader in self._own_readers:
            reader.close()
        self.database.close()
        if self.tracing is not None:
            self.tracing.close()
        self._let_go()

    def _let_go(self) -> None:
        forget_address(self.settings.data)
        if self._lock is not None:
            self._lock.close()

    # ------------------------------------------------------------------------------------------------------------ small

    def now_ms(self) -> int:
        return self.clock.now_ms()

    @property
    def incarnation(self) -> str:
        """The history being written."""
        return self.database.incarnation

    @property
    def newest(self) -> Mapping[str, int] | None:
        """The newest position of each scope without a query, maybe a moment old; None while nobody can tell."""
        horizon = self.database.horizon
        return horizon.newest if horizon.known else None

    @property
    def ledger(self) -> tuple[int, str]:
        """(size, root) after the last commit, for statements that need no commit of their own."""
        horizon = self.database.horizon
        return horizon.ledger if horizon.known else self.reader().ledger_edge()

    def new_id(self) -> str:
        """A UUIDv7."""
        return uuid7(self.clock.now_ms(), self.clock.random_bytes(10))

    def new_incarnation(self) -> str:
        """The name of a new history: short, because every base carries it."""
        return "k" + self.clock.random_bytes(5).hex()

    def reader(self) -> StoreReader:
        """This thread's own reader."""
        reader: StoreReader | None = getattr(self._readers, "reader", None)
        if reader is None:
            reader = self._readers.reader = self.new_reader()
            self._own_readers.append(reader)
        return reader

    def new_reader(self) -> StoreReader:
        """A reader of one's own, for work that outlives a call."""
        return self.database.reader()

    def queries(self) -> Queries:
        """Office reads over this thread's reader."""
        return Queries(self.reader())

    def statement(self, receipt: Receipt) -> str:
        """The signed word about a receipt, at this moment."""
        settings = self.settings
        return self.keys.sign_statement(
            Statement(
                receipt.journal,
                receipt.n,
                receipt.head,
                self.now_ms(),
                settings.statement_radius_ms,
                self.incarnation,
                receipt.durable,
                receipt.ledger,
                receipt.root,
            )
        )

    def spend(self, device: str, facts: int) -> None:
        """Count a device's facts of the day. Raises: quota."""
        day = self.now_ms() // 86_400_000
        used = self._quota.get((day, device), 0) + facts
        if used > self.settings.device_facts_per_day_max:
            raise Refused("quota", f"At most {self.settings.device_facts_per_day_max} facts a day; keep them and try tomorrow.")
        if len(self._quota) > 100_000:
            self._quota = {key: value for key, value in self._quota.items() if key[0] == day}
        self._quota[(day, device)] = used

    # ----------------------------------------------------------------------------------------------------------- photos

    def photo_completed(self, sha256: Sha256, size_bytes: int) -> None:
        """All bytes are here and re-hashed: tell each ticket that names them, once, and have pictures made."""
        queries = self.queries()
        if queries.photo_erased(sha256):
            forget_bytes(self, [sha256])  # erased while the last bytes came in
            return
        # Of a preview or copy no ticket is told: it waits for the photo itself.
        untold = [use.ticket for use in queries.photo_uses(sha256) if use.form == "original" and use.told_at is None]
        photo = queries.photo(sha256)
        if untold or (photo is not None and photo.received_at is None):
            now = self.now_ms()
            body = {"sha256": str(sha256), "size_bytes": size_bytes}

            def mark(tx: StoreTransaction) -> None:
                Queries(tx).mark_photo_received(sha256, size_bytes, now)
                Queries(tx).mark_tickets_told(sha256, untold, now)

            # The tickets first: told twice does no harm, told never would leave them waiting for bytes that are here.
            if untold:
                self.writer.command([Command("photo_received", "system:photos", ticket, body, now) for ticket in untold])
            self.writer.work(mark, beside=True)
        self.derivation.submit(sha256)

    def _keep_house(self) -> None:
        now = self.now_ms()
        if not self.writer.work(lambda tx: Queries(tx).take_lease("housekeeping", self._name, now, now + LEASE_MS)):
            return
        self.objects.sweep(now_ms=self.now_ms())
        for sha256 in self.queries().photos_without_details():
            self.derivation.submit(Sha256(sha256))
        retention.keep_house(self)

    def _derived(self, sha256: Sha256, result: Derivatives) -> None:
        self.metrics.derived.labels(str(result.outcome)).inc()
        if result.outcome is Derived.FAILED:
            return  # ours to mend, not the picture's fault: it stays without details and is tried again
        details = json.dumps(asdict(result), default=str)
        self.writer.work(lambda tx: Queries(tx).set_photo_details(sha256, details), beside=True)

    def _open_rating(self, sealed: Mapping[str, Any]) -> Mapping[str, Any]:
        text, kid = str(sealed["sealed"]), str(sealed["kid"])
        if "assignment" in sealed:
            answer = open_own_rating(self.keys, text, assignment=str(sealed["assignment"]), kid=kid)
        else:
            place = {name: str(sealed[name]) for name in ("ticket", "visit", "opened")}
            answer = open_rating(self.keys, text, kid=kid, **place)
        return {"fault": str(answer)} if isinstance(answer, SealFault) else answer


# ------------------------------------------------------------------------------------------------------- the data folder


def take_folder(data: Path) -> IO[str]:
    """Own a data folder until the handle is closed. Raises: `DataInUse`."""
    data.mkdir(parents=True, exist_ok=True)
    handle = (data / "writer.lock").open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise DataInUse(address_of(data)) from error
    return handle


def tell_address(data: Path, address: str, certificate: str | None = None) -> None:
    """Leave word where the server that owns this folder listens, for command lines beside it.

    With the certificate itself, not its file: that may be renewed while the server still shows the old one.
    """
    word = {"address": address, "pid": os.getpid(), "certificate": certificate}
    (data / "server.json").write_text(json.dumps(word))


def address_of(data: Path) -> str | None:
    """Where the owner of this folder listens, if it said so."""
    return _told(data, "address")


def certificate_of(data: Path) -> str | None:
    """The certificate the owner of this folder shows (PEM), if it speaks HTTPS."""
    return _told(data, "certificate")


def _told(data: Path, name: str) -> str | None:
    try:
        found = json.loads((data / "server.json").read_text())[name]
    except (OSError, ValueError, KeyError):
        return None
    return None if found is None else str(found)


def forget_address(data: Path) -> None:
    """Take the word back, unless it is another process's by now."""
    with suppress(OSError, ValueError, KeyError):
        if json.loads((data / "server.json").read_text())["pid"] == os.getpid():
            (data / "server.json").unlink()
