"""One crew member's phone: enrol once, record the steps of a job without any signal, sync when there is one.

A verb returns when its fact is durable, and only then may anything be shown as saved. What is shown is the server's
projection with the phone's own newer facts laid over it. Refuses to know screens and business rules.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import httpx

from clients.handset.instruments import Instruments
from clients.handset.keys import KeyList, Signer, create_device_key, load_device_key, public_jwk
from clients.handset.link import Link
from clients.handset.store import HeldPhoto, SqlitePocket, StoreTooNew
from clients.handset.syncer import Synced, Syncer, is_reply, is_request, statement_of
from clients.handset.words import HandsetFault
from sync.facts import FactId, Key, Statement, Truth
from sync.memory import MemoryPocket
from sync.replica import KEEP_MS, Applied, Replica, Row

APP = "handset/1"
PHOTO_BYTES_MAX = 24 * 1024 * 1024
"""A 50-megapixel JPEG of a phone has about 20 MiB; the server takes no more by default."""
_ENDED = ("finished", "returned")
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fix:
    """A position the phone measured: WGS-84 degrees, accuracy in metres, age in milliseconds."""

    lat: float
    lon: float
    acc_m: float | None = None
    age_ms: int | None = None

    def body(self) -> dict[str, Any]:
        return _given(lat=self.lat, lon=self.lon, acc_m=self.acc_m, age_ms=self.age_ms)


@dataclass(frozen=True, slots=True)
class Saved:
    """A fact that is durable on this phone."""

    fact: FactId
    kind: str
    ticket: str
    visit: str | None


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle file holds: `lines` facts; `rest` more did not fit into one request."""

    lines: int
    rest: int


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of a file brought in: a bundle delivered (`statement` is its receipt), or a reply taken in (`applied`)."""

    statement: Statement | None
    applied: Applied | None


@dataclass(frozen=True, slots=True)
class Served:
    """The server's side of this phone: every record in its scopes, and the statement about its newest journal."""

    rows: Mapping[Key, Row]
    statement: Statement | None


class Handset:
    """Use `Handset.open` or `Handset.enrol`; give it back with `close`, or use it in a `with` block."""

    def __init__(
        self, lock: IO[str], pocket: SqlitePocket, link: Link, signer: Signer, root: Mapping[str, Any], instruments: Instruments
    ) -> None:
        self._lock = lock
        self._pocket = pocket
        self._link = link
        self._signer = signer
        self._root = root
        self._instruments = instruments
        self.replica = Replica(pocket, signer, instruments.new_id)
        if pocket.went_back:
            # Continuing a journal that may have gone on elsewhere would be a fork; a new one names it instead.
            self.replica.state.notices.append({"slug": "restored"})
            self.replica.begin_journal(instruments.reading(), why="restored")

    @classmethod
    def open(cls, home: Path, *, instruments: Instruments | None = None, client: httpx.Client | None = None) -> Self:
        """The phone that lives in `home`. Raises HandsetFault: not-enrolled, in-use, store-lost, store-too-new."""
        if not (home / "phone.db").exists() and not (home / "canary").exists():
            raise HandsetFault("not-enrolled", home=home)
        with _locked(home) as lock, _pocket(home) as pocket:
            address, keys, root = (pocket.setting(name) for name in ("address", "keys", "root"))
            if pocket.load_state() is None or not (address and keys and root):
                raise HandsetFault("store-lost" if pocket.was_used else "not-enrolled", home=home)
            known = KeyList.verify(keys, json.loads(root))
            if known is None:
                raise HandsetFault("bad-root")
            signer = Signer(load_device_key(home / "device.pem"), known)
            return cls(lock, pocket, Link(address, client), signer, json.loads(root), instruments or Instruments())

    @classmethod
    def enrol(
        cls,
        home: Path,
        address: str,
        code: str,
        name: str,
        *,
        instruments: Instruments | None = None,
        client: httpx.Client | None = None,
    ) -> Self:
        """Make `home` the phone of the member the one-time code was made for, and pin the server's root.

        Raises Unreachable, Declined (bad-code), HandsetFault: enrolled-already, in-use, store-lost, bad-root.
        """
        instruments = instruments or Instruments()
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(home) as lock, _pocket(home) as pocket:
            if pocket.load_state() is not None or pocket.was_used:
                raise HandsetFault("enrolled-already" if pocket.load_state() else "store-lost", home=home)
            path = home / "device.pem"
            key = load_device_key(path) if path.exists() else create_device_key(path)
            link = Link(address, client)
            said = link.ask("POST", "/v1/enrol", {"code": code, "key": public_jwk(key), "name": name})
            keys = KeyList.verify(said["keys"], said["root"])
            if keys is None:
                raise HandsetFault("bad-root")
            signer = Signer(key, keys)
            settings = {"address": link.address, "name": name, "keys": said["keys"], "root": json.dumps(said["root"])}
            with pocket.transaction():
                pocket.set_settings({**settings, "token": said["token"]})
                who = {"device": said["device"], "member": said["member"], "app": APP}
                Replica.enrol(pocket, signer, instruments.new_id, **who, reading=instruments.reading())
            return cls(lock, pocket, link, signer, said["root"], instruments)

    def close(self) -> None:
        """Let the home go."""
        self._link.close()
        self._pocket.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------ the steps of a job

    def accept(self, ticket: str, *, eta_min: float | None = None) -> Saved:
        """接单. Begins a visit, unless the crew has one open on this ticket."""
        return self._begin("acceptance", ticket, eta_min=eta_min)

    def depart(self, ticket: str, *, fix: Fix | None = None) -> Saved:
        """出发."""
        return self._begin("departure", ticket, fix=fix and fix.body())

    def arrive(
        self, ticket: str, *, fix: Fix | None = None, far_reason: str | None = None, no_fix_reason: str | None = None
    ) -> Saved:
        """到达现场. Recorded at once; a better position may follow by `correct_position`."""
        return self._begin("arrival", ticket, fix=fix and fix.body(), far_reason=far_reason, no_fix_reason=no_fix_reason)

    def start(self, ticket: str) -> Saved:
        """开始处理."""
        return self._begin("start", ticket)

    def correct_position(self, ticket: str, fix: Fix, *, of: str | None = None) -> Saved:
        """A better position for the visit, or for the fact `of`."""
        return self._go_on("position_correction", ticket, fix=fix.body(), of=of)

    def answer(
        self,
        ticket: str,
        guide: str,
        version: int,
        step: str,
        value: Any = None,
        *,
        unit: str | None = None,
        cannot_reason: str | None = None,
        safety: bool | None = None,
    ) -> Saved:
        """An answer to one step of a work guide, or why it cannot be given."""
        body = {"guide": guide, "guide_version": version, "step": step, "value": value}
        return self._go_on("answer", ticket, **body, unit=unit, cannot_reason=cannot_reason, safety=safety)

    def photo(self, ticket: str, source: bytes | Path, *, step: str | None = None, shows: str | None = None) -> Saved:
        """A photo: its bytes are durable before the fact that names them is.

        Raises HandsetFault: photo-empty, photo-too-large, unreadable, not-saved.
        """
        data = _bytes_of(source)
        ticket = self.find(ticket)
        visit = self._visit(ticket)
        with self._saving():
            sha256 = self._pocket.keep_photo(data)
            body = _given(sha256=sha256, size_bytes=len(data), type=_media_type(data), step=step, shows=shows)
            own = self.replica.journal
            with self._pocket.transaction():
                self._pocket.expect_photo(HeldPhoto(sha256, len(data), ticket, own.id, own.n + 1))
                fact = self.replica.record("photo", self._instruments.reading(), ticket=ticket, visit=visit, body=body)
        return Saved(fact, "photo", ticket, visit)

    def note(self, ticket: str, text: str) -> Saved:
        """备注."""
        return self._go_on("note", ticket, text=text)

    def material(self, ticket: str, name: str, quantity: float, *, unit: str | None = None, code: str | None = None) -> Saved:
        """材料."""
        return self._go_on("material", ticket, **_given(name=name, quantity=quantity, unit=unit, code=code))

    def amend(self, ticket: str, fields: Mapping[str, Any]) -> Saved:
        """Correct what the ticket says of the customer and the place."""
        ticket = self.find(ticket)
        return self._record("amended", ticket, None, {"set": dict(fields)})

    def raise_ticket(self, fields: Mapping[str, Any], *, told_number: str | None = None) -> Saved:
        """A new ticket, made on site; with `told_number` it becomes the office's ticket of that number once they meet."""
        ticket = self._instruments.new_id()
        return self._record("raised", ticket, None, _given(set=dict(fields), told_number=told_number))

    def suspend(self, ticket: str, reason: str) -> Saved:
        """挂起."""
        return self._go_on("suspension", ticket, reason=reason)

    def resume(self, ticket: str) -> Saved:
        """恢复."""
        return self._go_on("resumption", ticket)

    def give_back(self, ticket: str, reason: str, *, text: str | None = None) -> Saved:
        """退回, with one of the reasons of the kind `return`."""
        return self._go_on("return", ticket, reason=reason, text=text)

    def finish(self, ticket: str, *, result: str | None = None, cause: str | None = None) -> Saved:
        """完成."""
        return self._go_on("finish", ticket, result=result, cause=cause)

    def open_rating(self, ticket: str) -> Saved:
        """Written before the customer sees the screen, so that a missing answer is visible."""
        return self._go_on("rating_opened", ticket)

    def close_rating(
        self, opened: Saved, answer: Mapping[str, Any] | None = None, *, result: str = "answered", reason: str | None = None
    ) -> Saved:
        """The customer's answer, sealed to the server before it is written; or declined, away, abandoned.

        Raises HandsetFault no-rating-key; ValueError when the answer is longer than a seal holds.
        """
        body = _given(opened=opened.fact, result=result, reason=reason)
        if answer is not None:
            try:
                kid, sealed = self._signer.keys.seal_rating(
                    answer, ticket=opened.ticket, visit=opened.visit or "", opened=opened.fact
                )
            except LookupError as error:
                raise HandsetFault("no-rating-key") from error
            body |= {"kid": kid, "sealed": sealed}
        return self._record("rating", opened.ticket, opened.visit, body)

    def rate(
        self, ticket: str, answer: Mapping[str, Any] | None = None, *, result: str = "answered", reason: str | None = None
    ) -> Saved:
        """Hand over and take back in one step, where there is no screen in between."""
        return self.close_rating(self.open_rating(ticket), answer, result=result, reason=reason)

    def _begin(self, kind: str, ticket: str, **body: Any) -> Saved:
        ticket = self.find(ticket)
        return self._record(kind, ticket, self._visit(ticket, open_only=True), _given(**body))

    def _go_on(self, kind: str, ticket: str, **body: Any) -> Saved:
        ticket = self.find(ticket)
        return self._record(kind, ticket, self._visit(ticket), _given(**body))

    def _record(self, kind: str, ticket: str, visit: str | None, body: Mapping[str, Any]) -> Saved:
        with self._saving():
            fact = self.replica.record(kind, self._instruments.reading(), ticket=ticket, visit=visit, body=body)
        return Saved(fact, kind, ticket, visit)

    @contextmanager
    def _saving(self) -> Iterator[None]:
        """Whatever goes wrong, go on from what is on the disk: the only truth about what was saved."""
        try:
            yield
        except BaseException as error:
            self._reload()
            if isinstance(error, (OSError, sqlite3.Error)):
                raise HandsetFault("not-saved", detail=str(error)) from error
            raise

    def _reload(self) -> None:
        with suppress(sqlite3.Error):
            self.replica = Replica(self._pocket, self._signer, self._instruments.new_id)

    # ------------------------------------------------------------------------------------------------------------ visits

    def _visit(self, ticket: str, *, open_only: bool = False) -> str:
        """The visit a fact belongs to: the crew's newest on this ticket (`open_only`: not ended yet), else a new one."""
        view = self.replica.show(ticket) or {}
        crews = self.crews
        me = f"member:{self.replica.state.member}"
        ours = [
            identity
            for identity, visit in view.get("visits", {}).items()
            if (me in visit["members"] or visit.get("crew") in crews)
            and not (open_only and any(visit.get(ending) for ending in _ENDED))
        ]
        return max(ours) if ours else self._instruments.new_id()

    @property
    def crews(self) -> frozenset[str]:
        """The crews whose feed this phone receives."""
        scopes = [scope for history in self.replica.state.cursor.values() for scope in history]
        return frozenset(scope.removeprefix("crew:") for scope in scopes if scope.startswith("crew:"))

    # ----------------------------------------------------------------------------------------------------------- talking

    def sync(self, *, attempts: int = 3) -> Synced:
        """Push, pull, upload photos, until both sides have everything or `attempts` conversations failed.

        Never raises for what the field brings; `done`, `problem` and `fault` tell.
        """
        try:
            return self._syncer().sync(attempts=attempts)
        except BaseException:
            self._reload()
            raise

    def time_only(self) -> Statement | None:
        """Hear the server's time and let it know how far this journal got. Raises Unreachable, Declined."""
        return self._syncer().tell_head()

    def bundle_out(self, path: Path) -> Bundle:
        """Save the next request as a file that anybody may deliver, any number of times; nothing is deleted by that."""
        outgoing = self.replica.request(now_wall=self._instruments.wall_ms())
        self.replica.sent_by_other_road(outgoing)
        path.write_bytes(outgoing.body)
        return Bundle(outgoing.lines, self.replica.waiting - outgoing.lines)

    def bundle_in(self, path: Path, *, reply: Path | None = None) -> Carried:
        """Deliver a bundle to the server (its reply goes to the file `reply`), or take in the reply to one of ours.

        Raises Unreachable, Declined, HandsetFault: unreadable, not-a-bundle.
        """
        data = _bytes_of(path)
        syncer = self._syncer()
        if is_reply(data):
            return Carried(None, syncer.take_reply(data))
        if not is_request(data):
            raise HandsetFault("not-a-bundle", path=path)
        answer = syncer.deliver(data)
        if reply is not None:
            reply.write_bytes(answer)
        return Carried(statement_of(self._signer, answer), None)

    def _syncer(self, replica: Replica | None = None) -> Syncer:
        mine = replica or self.replica
        return Syncer(mine, self._pocket, self._link, self._signer, root=self._root, instruments=self._instruments)

    # ----------------------------------------------------------------------------------------------------------- showing

    @property
    def device(self) -> str:
        return self.replica.state.device

    @property
    def member(self) -> str:
        return self.replica.state.member

    def tickets(self) -> list[dict[str, Any]]:
        """Every ticket on this phone as the crew should see it."""
        return sorted(self.replica.tickets(), key=lambda view: (view.get("received_at") or 0, view["id"]))

    def show(self, ticket: str) -> dict[str, Any]:
        """One ticket by id, number, or the end of either. Raises HandsetFault no-ticket, many-tickets."""
        view = self.replica.show(self.find(ticket))
        assert view is not None, "a ticket that was just found"
        return view

    def find(self, name: str) -> str:
        """The id of a ticket by id, by number, or by the end of either."""
        if self._pocket.row(("ticket", name)) is not None:
            return name
        known = {str(view["id"]): str(view.get("number") or "") for view in self.replica.tickets()}
        known |= {row.id: str(row.put.get("number") or "") for row in self._pocket.rows("ticket")}
        whole = [identity for identity, number in known.items() if name in (identity, number)]
        found = whole or [identity for identity, number in known.items() if identity.endswith(name) or number.endswith(name)]
        if len(found) == 1:
            return found[0]
        if self.replica.show(name) is not None:
            return name  # a ticket raised here whose row has not come down yet
        if found:
            raise HandsetFault("many-tickets", name=name, found=", ".join(known[identity] or identity for identity in found))
        raise HandsetFault("no-ticket", name=name)

    def guides(self) -> list[dict[str, Any]]:
        """Every version of every work guide on this phone, a guide's newest first."""
        found = [dict(row.put) for row in self._pocket.rows("guide") if row.scopes]
        return sorted(found, key=lambda guide: (guide["guide"], -guide["version"]))

    def guide_for(self, ticket: str) -> dict[str, Any] | None:
        """The guide this visit's answers name; before the first answer the one that fits the ticket best, if any does."""
        view, guides = self.show(ticket), self.guides()
        answers = view.get("visits", {}).get(self._visit(view["id"]), {}).get("answers", {})
        for answer in sorted(answers.values(), key=lambda answer: (int(answer["at"]), str(answer["fact"]))):
            for guide in guides:
                if (guide["guide"], guide["version"]) == (answer["guide"], answer["guide_version"]):
                    return guide
        fitting = [guide for guide in guides if not guide["superseded"] and guide_fits(guide, view)]
        return max(fitting, key=lambda guide: (bool(guide["causes"]), bool(guide["kinds"])), default=None)

    def queue(self) -> list[dict[str, Any]]:
        """Every fact and every photo's bytes still on this phone, each with its word of truth, oldest first."""
        why = {row.id: row.put.get("slug") for row in self.replica.outcomes()}
        items = [{**item, "why": why.get(item["fact"])} for item in self.replica.queue()]
        return items + [self._photo_item(photo) for photo in self._pocket.photos()]

    def _photo_item(self, photo: HeldPhoto) -> dict[str, Any]:
        percent = 100 * photo.sent_bytes // photo.size_bytes
        truth = Truth.SAVED
        if photo.received_at is not None:
            truth = Truth.HQ_HAS_IT
        elif photo.problem is not None:
            truth = Truth.NEEDS_YOU
        elif photo.sent_bytes:
            truth = Truth.SENDING
        elif self.replica.state.heard_at:
            truth = Truth.WAITING
        item = {"journal": photo.journal, "n": photo.n, "kind": "photo_bytes", "truth": str(truth), "why": photo.problem}
        return {**item, "sha256": photo.sha256, "percent": percent, "line": {"ticket": photo.ticket}}

    @property
    def photos_waiting(self) -> int:
        """Photos whose bytes the server does not have yet."""
        return sum(photo.received_at is None for photo in self._pocket.photos())

    def outcomes(self) -> list[Row]:
        """What the server said of single facts, where it was more than applied."""
        return self.replica.outcomes()

    def served(self) -> Served:
        """What the server serves this phone, pulled from zero into a second copy in memory. Raises Unreachable, Declined."""
        state = json.loads(self._pocket.load_state() or b"{}") | {"cursor": {}}
        memory = MemoryPocket()
        memory.save_state(json.dumps(state).encode())
        second = Replica(memory, self._signer, self._instruments.new_id)
        self._syncer(second).converse(Synced())
        anchor = second.state.anchor
        return Served(_by_key(memory.rows()), self._signer.statement(anchor) if anchor else None)

    def differences(self, served: Served | None = None) -> list[str]:
        """Records that differ between this phone's confirmed copy and what the server serves; empty when both agree."""
        own, other = _by_key(self._pocket.rows()), (served or self.served()).rows
        differing = {key for key in own.keys() & other.keys() if _content(own[key]) != _content(other[key])}
        return [f"{kind} {identity}" for kind, identity in sorted(differing | (own.keys() ^ other.keys()))]

    # ------------------------------------------------------------------------------------------------------------- space

    def prune(self) -> int:
        """Make room: drop lines and photos that are stated, inside the server's backup, and a week old."""
        now = self._instruments.wall_ms()
        durable = {own.id: own.durable for own in self.replica.state.journals}
        dropped = self.replica.prune(now)
        for photo in self._pocket.photos():
            old = photo.received_at is not None and now - photo.received_at >= KEEP_MS
            if old and 0 < photo.n <= durable.get(photo.journal, 0):
                self._pocket.drop_photo(photo.sha256)
        return dropped


def guide_fits(guide: Mapping[str, Any], ticket: Mapping[str, Any]) -> bool:
    """Whether a guide is for tickets like this; an empty list is any."""
    found = {ticket.get("cause"), ticket.get("fault_class")}
    kinds, causes = guide["kinds"], guide["causes"]
    return (not kinds or ticket.get("kind") in kinds) and (not causes or bool(found & set(causes)))


# ---------------------------------------------------------------------------------------------------------------- the home


@contextmanager
def _locked(home: Path) -> Iterator[IO[str]]:
    """The right to this home, kept when the block ends well: two windows would write one journal twice."""
    lock = (home / "lock").open("a+")
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise HandsetFault("in-use", home=home) from error
        yield lock
    except BaseException:
        lock.close()
        raise


@contextmanager
def _pocket(home: Path) -> Iterator[SqlitePocket]:
    """The store of this home, closed again when the block fails."""
    try:
        pocket = SqlitePocket(home / "phone.db")
    except StoreTooNew as error:
        raise HandsetFault("store-too-new", detail=str(error)) from error
    try:
        yield pocket
    except BaseException:
        pocket.close()
        raise


# ------------------------------------------------------------------------------------------------------------------- small


def _given(**values: Any) -> dict[str, Any]:
    """The values that are there."""
    return {name: value for name, value in values.items() if value is not None}


def _bytes_of(source: bytes | Path) -> bytes:
    """What to store or carry, within the limit of one photo."""
    if isinstance(source, Path):
        try:
            size = source.stat().st_size
            source = source.read_bytes() if size <= PHOTO_BYTES_MAX else bytes(PHOTO_BYTES_MAX + 1)
        except OSError as error:
            raise HandsetFault("unreadable", path=source, detail=error.strerror or str(error)) from error
    if not source:
        raise HandsetFault("photo-empty")
    if len(source) > PHOTO_BYTES_MAX:
        raise HandsetFault("photo-too-large", max_mb=PHOTO_BYTES_MAX // _MIB, mb=-(-len(source) // _MIB))
    return source


def _by_key(rows: Iterable[Row]) -> dict[Key, Row]:
    return {(row.kind, row.id): row for row in rows}


def _content(row: Row) -> tuple[Mapping[str, Any], set[str]]:
    return row.put, set(row.scopes)


_SIGNATURES = (
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"WEBP", 8, "image/webp"),
    (b"ftypheic", 4, "image/heic"),
)


def _media_type(data: bytes) -> str | None:
    """A hint from the first bytes; the server looks for itself."""
    return next((name for mark, at, name in _SIGNATURES if data[at : at + len(mark)] == mark), None)
