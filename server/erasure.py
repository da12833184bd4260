"""Erasure: taking personal data out of everything the server holds, so that facts, chains, ledger and verdicts still stand.

One transaction empties the writes of every record the ticket's facts stand in, deletes the bytes of the lines they came in,
says so in the office's journal and shows the records again; hashes stay. Photos follow when that is committed: whoever finds
a use erased and bytes still there goes on. Refuses to know when something is due (`server/retention.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.desk.ratings import KEPT
from server.storage import erasing
from server.storage.erasing import Held, MayNot
from server.storage.objects import Sha256
from server.storage.store import StoreTransaction
from sync import merge, wire
from sync.facts import FactId, Key, Record, Scope, Write
from sync.journal import fact_id, genesis, head_bytes, link
from sync.judge import Command, Published
from sync.kinds import KINDS
from sync.kinds.base import State
from sync.problems import Refused
from sync.scopes import holders
from sync.store import OFFICE_JOURNAL, Chain, Effects, Line

if TYPE_CHECKING:
    from server.service import Service

CUSTOMER, PHOTOS, MEMBER = "customer", "photos", "member"
PERSONAL = frozenset(
    ("customer_name", "contact_phone", "address", "position", "account_no", "meter_asset_no", "description", "remarks")
)
"""Fields of a ticket that say who the customer is, or may: the last two are free text."""
CLOSED = frozenset({State.COMPLETED, State.CALLBACK, State.ARCHIVED, State.CANCELLED, State.MERGED})
"""A crew on its way needs to know where to, so nothing is taken out of other tickets."""
_TOLD = {"note": ("text",), "answer": ("value", "cannot_reason"), "rating": ("sealed", "reason"), "own_rating": ("sealed",)}
"""What a person may have told of the customer in words; a sealed answer may hold a comment."""
_FREE = ("reason", "text", "value", "cannot_reason", "far_reason", "no_fix_reason", "name")
"""Other words stay, unless the customer's own name, number or address is among them."""
_WORDS = ("customer_name", "contact_phone", "address", "account_no", "meter_asset_no")
_WORD_CHARACTERS_MIN = 2


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants what erased, and why. The reason is kept for ever and must itself name nobody."""

    by: str
    reason: str
    what: Collection[str] = (CUSTOMER, PHOTOS)


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure came to."""

    position: int
    lines: int
    photos: int


# --------------------------------------------------------------------------------------------------------------- a ticket


def erase_ticket(service: Service, ticket: str, order: Order, held: Held | None = None) -> Erased:
    """Take the customer, or the photos, or both out of a closed ticket. Harmless to repeat.

    `held`: lines that wait for a person, by their ticket, if the caller knows them already. Raises: not-found,
    state-conflict while the ticket is open, forbidden when the server's database role may not delete.
    """
    now = service.now_ms()

    def work(tx: StoreTransaction) -> tuple[int, int, list[str]]:
        record = tx.records([("ticket", ticket)]).get(("ticket", ticket))
        if record is None:
            raise Refused("not-found", f"There is no ticket {ticket}.")
        _check_closed(record)
        plan = _Plan(tx, record, order.what)
        commands = [Command("erased", order.by, ticket, {"what": what, "reason": order.reason}, now) for what in order.what]
        service.hub.again(tx, plan.records(tx), plan.empty, commands, plan.published())
        seqs = erasing.places(tx, [(write.chain, write.n) for write in plan.lines])
        if CUSTOMER in order.what:
            seqs |= erasing.held_of(tx, ticket, erasing.held_lines(tx) if held is None else held)
        erasing.drop_bodies(tx, seqs)
        if PHOTOS not in order.what:
            return tx.position, len(seqs), []
        uses = {(place, write.body["sha256"]) for write in plan.photos for place in (ticket, write.ticket or ticket)}
        return tx.position, len(seqs), erasing.erase_uses(tx, ticket, uses, now)

    position, lines, photos = _allowed(service, work)
    return Erased(position, lines, forget_bytes(service, sorted(set(photos))))


def _check_closed(record: Record) -> None:
    state = merge.fold(record).view["state"]
    if state not in CLOSED:
        raise Refused("state-conflict", f"The ticket is {state}; finish, cancel or archive it first.", state=state)


class _Plan:
    """Which facts of a ticket are emptied, and what of each is left."""

    def __init__(self, tx: StoreTransaction, record: Record, what: Collection[str]) -> None:
        self._record = record
        words = _words(record) if CUSTOMER in what else frozenset()
        left = {write.fact: emptied(write, words) for write in record.writes} if CUSTOMER in what else {}
        told = tx.records([(kind, fact) for fact in left for kind in ("command", "rating")])
        for rating in told.values():
            if rating.kind == "rating" and (scores := _scores(rating)):
                left[FactId(rating.id)] |= {KEPT: scores}
        self._left = {write.fact: left[write.fact] for write in record.writes if left.get(write.fact, write.body) != write.body}
        self.photos = [write for write in record.writes if write.kind == "photo"] if PHOTOS in what else []
        self._told = [each for each in told.values() if each.id in self._left]
        """What headquarters was told of these facts one by one."""
        # Of a photo its line goes too: a backup would wait for the bytes for ever.
        self.lines = [write for write in record.writes if write.fact in self._left] + self.photos

    def records(self, tx: StoreTransaction) -> list[Key]:
        """The ticket and every other one its facts followed a merger to, or came from."""
        family = {self._record.id} | {write.ticket for write in self._record.writes if write.ticket}
        above = self._record.target
        while above is not None and above not in family:
            family.add(above)
            parent = tx.records([("ticket", above)]).get(("ticket", above))
            above = parent.target if parent else None
        return [("ticket", name) for name in sorted(family)]

    def empty(self, record: Record) -> None:
        for write in record.writes:
            if write.fact in self._left:
                write.body = self._left[write.fact]

    def published(self) -> list[Published]:
        """What headquarters was told, without what is erased."""
        return [self._retold(record) for record in self._told]

    def _retold(self, record: Record) -> Published:
        view = dict(record.derived["view"])
        if record.kind == "command":
            view["said"] = self._left[FactId(record.id)]
        else:
            view["answer"] = _scores(record)
        return Published(record.kind, record.id, tuple(Scope(name) for name in holders(record)), view)


def _scores(rating: Record) -> dict[str, int]:
    """What a rating says without words."""
    answer: Mapping[str, Any] = rating.derived["view"].get("answer", {})
    return {name: value for name, value in answer.items() if isinstance(value, int)}


def _words(record: Record) -> frozenset[str]:
    """The customer's own name, numbers and address, in every version there ever was."""
    sets = [write.body["set"] for write in record.writes if KINDS[write.kind].corrects]
    said = {fields[name] for fields in sets for name in _WORDS if isinstance(fields.get(name), str)}
    return frozenset(word for word in said if len(word) >= _WORD_CHARACTERS_MIN)


def emptied(write: Write, words: Collection[str]) -> dict[str, Any]:
    """A write's body without the customer."""
    told = _TOLD.get(write.kind, ())
    body = {name: _silent(value) if name in told else _without(name, value, words) for name, value in write.body.items()}
    if KINDS[write.kind].corrects:
        body["set"] = {name: value for name, value in body["set"].items() if name not in PERSONAL}
    return body


def _silent(value: Any) -> Any:
    if isinstance(value, str):
        return ""
    return [] if isinstance(value, list) else value


def _without(name: str, value: Any, words: Collection[str]) -> Any:
    spoken = name in _FREE and isinstance(value, str) and any(word in value for word in words)
    return "" if spoken else value


# ----------------------------------------------------------------------------------------------------------------- photos


def forget_bytes(service: Service, photos: Iterable[str]) -> int:
    """Have the object store forget photos that no ticket uses any more; how many."""
    gone = [name for name in photos if service.queries().photo_erased(name)]
    for name in gone:
        service.objects.erase(Sha256(name))
    service.writer.work(lambda tx: erasing.forget_photos(tx, gone))
    return len(gone)


# --------------------------------------------------------------------------------------------------------------- a member


def erase_member(service: Service, member: str, order: Order) -> Erased:
    """Take a member's names and number away; the id stays and stands for the person in everything they did.

    Raises: not-found.
    """
    now = service.now_ms()

    def work(tx: StoreTransaction) -> int:
        if not erasing.unname_member(tx, member):
            raise Refused("not-found", f"There is no member {member}.")
        _say(tx, {"by": order.by, "at": now, "what": MEMBER, "reason": order.reason, "member": member}, now)
        return tx.position

    service.writer.work(work, refers=True)
    return Erased(service.queries().position(), 0, 0)


def _say(tx: StoreTransaction, content: Mapping[str, Any], now: int) -> None:
    """A line of the office's journal that is about no ticket."""
    tx.hold([OFFICE_JOURNAL], [])
    chains = tx.chains(OFFICE_JOURNAL)
    chain = chains[0] if chains else Chain(OFFICE_JOURNAL, OFFICE_JOURNAL, "", 0, fact_id(genesis(OFFICE_JOURNAL)))
    raw = wire.encode({"n": chain.n + 1, "kind": "erased", "v": 1, **content})
    head = link(head_bytes(chain.head) or b"", raw)
    chain.n, chain.head = chain.n + 1, fact_id(head)
    line = Line(chain, chain.n, chain.head, head, raw, "erased", None, now, now, now)
    tx.ledger.extend([head])
    tx.apply(Effects(chains=[chain], lines=[line]))


def _allowed(service: Service, work: Any) -> Any:
    try:
        return service.writer.work(work)
    except MayNot as error:
        told = "The server's database role may not erase; run `lamplighter erase` or `retention` as the owner of the tables."
        raise Refused("forbidden", told) from error
