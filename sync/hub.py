"""The server's side of the conversation: accept, adjudicate, pull — over the small store of `sync/store.py`.

Accepting and adjudicating are two steps on purpose. `prepare` checks the transport (chain, signature) without any lock;
`commit` stores every line of a group of pushes and only then asks what each line means. A rule may contest or quarantine a
fact; it can never refuse it, make the phone keep it, or delay the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sync import journal, wire
from sync.facts import Fact, FactId, Key, Record, Scope, Statement, Write
from sync.journal import fact_id, genesis, head_bytes
from sync.judge import Arrived, Command, Judge, Published, Rules
from sync.problems import Refused
from sync.store import OFFICE_JOURNAL, Chain, Device, Effects, Reader, Transaction
from sync.wire import Envelope, Quarantine

KNOWN_HEADS_MAX = 16
ROWS_A_PAGE = 500


class Seals(Protocol):
    """The signatures the hub relies on; keys live with the server."""

    def checkpoint(self, jws: str, device: Device) -> tuple[str, int, str]:
        """(journal, n, head) as signed by the device's key. Raises: bad-checkpoint."""

    def statement(self, jws: str) -> Statement | None:
        """A statement this server signed, or None for anything else."""


class NoRules:
    """An office without rules: nothing follows from a change."""

    def consequences(self, record: Record, view: dict[str, Any], fresh: Sequence[Write]) -> list[Published]:
        return []


@dataclass(frozen=True, slots=True)
class Push:
    """A request whose transport is in order: lines that lead from `after` to the signed head, parsed.

    `at` is the chain whose stored head is the one named, when nothing is new.
    """

    envelope: Envelope
    device: Device
    raw: tuple[bytes, ...]
    digests: tuple[bytes, ...]
    heads: tuple[FactId, ...]
    facts: tuple[Fact | Quarantine, ...]
    received: int
    at: Chain | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a push came to: the place up to which lines are stored, and a problem if the phone must repair something."""

    journal: str
    n: int
    head: FactId
    durable: int
    ledger: int
    root: str
    stored: int = 0
    problem: Refused | None = None


class Hub:
    """One hub serves a whole server; it holds rules and signatures, and no state of its own."""

    def __init__(
        self,
        seals: Seals,
        rules: Rules,
        *,
        radius_ms: int,
        lines_max: int = 2000,
        written: Callable[[Effects], None] = lambda effects: None,
    ) -> None:
        """`written` hears what a group is about to write, for counting; the transaction may still fail."""
        self._seals = seals
        self._rules = rules
        self._radius_ms = radius_ms
        self._lines_max = lines_max
        self._written = written

    # ------------------------------------------------------------------------------------------------------- transport

    def prepare(self, reader: Reader, body: bytes, received: int) -> Push:
        """Check envelope, chain and signature; parse each line once.

        Raises: bad-envelope, too-large, bad-chain, bad-checkpoint, unknown-device. Nothing has been stored then.
        """
        first, raw = wire.split_body(body, lines_max=self._lines_max)
        envelope = wire.parse_envelope(first, len(raw))
        chains = reader.chains(envelope.journal)
        at = next((chain for chain in chains if chain.n == envelope.n and chain.head == envelope.head), None)
        if at is not None:
            # The head is the one already stored, so whatever lines came along are too: one comparison answers a replay.
            return Push(envelope, self._known_device(reader, at.device), (), (), (), (), received, at)
        digests = self._walk(envelope, raw)
        heads = [fact_id(digest) for digest in digests]
        device = self._device(reader, envelope, chains, raw)
        if raw or envelope.checkpoint is not None:
            self._check_signature(envelope, device)
        facts = tuple(
            wire.parse_line(line, envelope.first + index, head)
            for index, (line, head) in enumerate(zip(raw, heads, strict=True))
        )
        return Push(envelope, device, tuple(raw), tuple(digests), tuple(heads), facts, received, None)

    def settled(self, push: Push, ledger: tuple[int, str]) -> Receipt | None:
        """The receipt of a push that needs no commit, because its head is the one stored; None when it must be committed."""
        chain = push.at
        if chain is None:
            return None
        return Receipt(chain.journal, chain.n, chain.head, chain.durable, *ledger, problem=_forked(chain))

    def _known_device(self, reader: Reader, identity: str) -> Device:
        device = reader.device(identity)
        if device is None:
            raise Refused("unknown-device")
        return device

    def _walk(self, envelope: Envelope, raw: Sequence[bytes]) -> list[bytes]:
        if not raw:
            return []
        after = head_bytes(envelope.after or "")
        if after is None or (envelope.first == 1 and after != genesis(envelope.journal)):
            raise Refused("bad-chain", "Line 1 must follow the journal's own beginning, h(0).")
        if envelope.first + len(raw) - 1 != envelope.n:
            raise Refused("bad-chain", f"{len(raw)} lines from {envelope.first} do not end at n = {envelope.n}.")
        digests = journal.chain(after, raw)
        if fact_id(digests[-1]) != envelope.head:
            raise Refused("bad-chain", "The lines do not hash to the signed head; send them again unchanged.")
        return digests

    def _device(self, reader: Reader, envelope: Envelope, chains: Sequence[Chain], raw: Sequence[bytes]) -> Device:
        if envelope.journal == OFFICE_JOURNAL:
            raise Refused("unknown-device", "The office's journal is written by the office alone.")
        identity = chains[0].device if chains else None
        if identity is None and raw and envelope.first == 1:
            opening = wire.parse_line(raw[0], 1, FactId(""))
            if isinstance(opening, Fact) and opening.kind == "opening":
                identity = str(opening.body["device"])
        elif identity is None:
            # A journal that goes on where this server knows nothing: its first push was lost, or a backup came back.
            raise Refused("unknown-after", "This journal is not known here; send it from its first line.", heads=[])
        return self._known_device(reader, identity or "")

    def _check_signature(self, envelope: Envelope, device: Device) -> None:
        if envelope.checkpoint is None:
            raise Refused("bad-checkpoint", "Lines, and a head this server has not stored, need the device's checkpoint.")
        signed = self._seals.checkpoint(envelope.checkpoint, device)
        if signed != (envelope.journal, envelope.n, envelope.head):
            raise Refused("bad-checkpoint", "The checkpoint signs another place than the envelope names.")

    # ------------------------------------------------------------------------------------------------------ one commit

    def commit(
        self,
        tx: Transaction,
        pushes: Sequence[Push],
        commands: Sequence[Sequence[Command]] = (),
        reference: Sequence[Published] = (),
    ) -> tuple[list[Receipt], list[int | Refused]]:
        """Store a group of pushes and command lists, judge them, and number what changed, in one transaction.

        A list of commands stands or falls as a whole: its answer is the position after it, or why it was refused.
        `reference` are the office's records that follow from no ticket, each with all scopes that should hold it.
        """
        tx.hold(*_touched(pushes, commands, reference))
        group = _Group(tx)
        taken = [group.take(push) for push in pushes]
        judge = Judge(tx, self._seals.statement, self._radius_ms, group.effects)
        judge.facts(group.arrived)
        answers = [judge.commands(batch) for batch in commands]
        judge.reference(reference)
        effects = judge.conclude(self._rules)
        if effects.lines:
            tx.ledger.extend([line.digest for line in effects.lines])
        if effects.lines or effects.chains or effects.records:
            tx.apply(effects)
        self._written(effects)
        size, root = tx.ledger.size, fact_id(tx.ledger.root())
        receipts = [
            Receipt(take.chain.journal, take.n, take.head, take.chain.durable, size, root, take.stored, take.problem)
            for take in taken
        ]
        return receipts, [tx.position if answer is None else answer for answer in answers]

    def again(
        self,
        tx: Transaction,
        tickets: Iterable[Key],
        change: Callable[[Record], None] | None = None,
        commands: Sequence[Command] = (),
        published: Sequence[Published] = (),
    ) -> None:
        """Fold these tickets anew and show them at a new position, though no fact arrived: for mending and for erasure.

        `change` is done to each before; `commands` are said and `published` records shown in the same breath. Raises what
        the commands are refused for.
        """
        wanted = list(tickets)
        tx.hold({OFFICE_JOURNAL} if commands else (), wanted)
        judge = Judge(tx, self._seals.statement, self._radius_ms, Effects())
        judge.again(wanted, change)
        refusal = judge.commands(commands) if commands else None
        if refusal is not None:
            raise refusal
        judge.reference(published)
        effects = judge.conclude(self._rules)
        if effects.lines:
            tx.ledger.extend([line.digest for line in effects.lines])
        if effects.lines or effects.records:
            tx.apply(effects)

    # ------------------------------------------------------------------------------------------------------------ pull

    def pull(
        self,
        reader: Reader,
        device: Device,
        envelope: Envelope,
        *,
        limit_bytes: int = 2**20,
        after_s: int = 30,
        jitter_s: int = 90,
    ) -> Iterator[bytes]:
        """The page of changes of a device: as much as it asked for, at most `limit_bytes`."""
        limit = min(envelope.limit_bytes, limit_bytes)
        yield from pull(
            reader, device.scopes, envelope.cursor, limit, after_s=after_s, jitter_s=jitter_s, mark=envelope.mark
        )


def pull(
    reader: Reader,
    scopes: Sequence[Scope],
    cursor: Mapping[str, Mapping[str, int]],
    limit_bytes: int,
    *,
    after_s: int = 30,
    jitter_s: int = 90,
    mark: str | None = None,
) -> Iterator[bytes]:
    """Rows of these scopes after a cursor, as lines of bytes; the last line is the end with the cursor to use next.

    A cursor counts in this history, and in an earlier one up to where that was left. Any other starts again at 0, announced
    by a `from` row so that the device marks and sweeps instead of wiping. Cutting it to the fork would not do: what the
    lost history took away from a device would never be given back. The end repeats the cursor the page goes on from
    (`since`): a device applies it only there, so a reply that was overtaken by another can do no harm. Where nothing is new,
    the device's own mark of that cursor says the same.
    """
    incarnation, newest = reader.incarnation, reader.position
    starts, told = _starts(reader, cursor, incarnation, newest)
    reached: dict[str, int] = {}
    left, more = limit_bytes, False
    for scope in sorted(set(told) - set(scopes)):
        yield wire.encode({"scope": scope, "gone": "scope"}) + b"\n"
    for scope in scopes:
        position = starts.get(scope, 0)
        if scope in told and position != told[scope]:
            yield wire.encode({"scope": scope, "from": position}) + b"\n"
        while left > 0:
            page = reader.feed(scope, position, ROWS_A_PAGE)
            for at, kind, identity, gone, tail in page:
                row = wire.feed_row(scope, at, tail) if gone is None else wire.gone_row(scope, at, kind, identity, gone, tail)
                yield row
                left -= len(row)
                position = at
                if left <= 0:
                    break
            if len(page) < ROWS_A_PAGE:
                break
        reached[scope] = position
        more = more or left <= 0
    yield _end(cursor, {incarnation: reached}, after_s, jitter_s, more=more, mark=mark)


def empty_page(
    incarnation: str,
    newest: Mapping[str, int],
    scopes: Sequence[Scope],
    envelope: Envelope,
    *,
    after_s: int = 30,
    jitter_s: int = 90,
) -> bytes | None:
    """The page of a device that has everything, told without asking the store; None when `pull` must look.

    `newest` holds the last position of each scope, and under "" the last of all. It may lag a commit that has just ended:
    the device then hears of it next time, as if it had asked a moment earlier.
    """
    cursor = envelope.cursor
    told = cursor.get(incarnation)
    if told is None or len(cursor) != 1 or len(told) != len(scopes):
        return None
    last = newest.get("", 0)
    if all(newest.get(scope, 0) <= told.get(scope, -1) <= last for scope in scopes):
        return _end(cursor, cursor, after_s, jitter_s, more=False, mark=envelope.mark)
    return None


def _end(
    since: Mapping[str, Any], cursor: Mapping[str, Any], after_s: int, jitter_s: int, *, more: bool, mark: str | None
) -> bytes:
    """An idle look is answered so often that its end is kept short for whoever sent a mark of the cursor."""
    where = {"since": since, "cursor": cursor} if mark is None or since != cursor else {"mark": mark}
    return wire.encode({"end": True, **where, "more": more, "after_s": after_s, "jitter_s": jitter_s}) + b"\n"


def _starts(
    reader: Reader, cursor: Mapping[str, Mapping[str, int]], incarnation: str, newest: int
) -> tuple[dict[str, int], dict[str, int]]:
    """Where to read each scope from, and what the device said it had."""
    starts: dict[str, int] = {}
    told: dict[str, int] = {}
    for history, scopes in cursor.items():
        limit: int | None = newest if history == incarnation else reader.fork_position(history)
        for scope, position in scopes.items():
            told[scope] = position
            start = position if limit is not None and position <= limit else 0
            starts[scope] = start if history == incarnation else starts.get(scope, start)
    return starts, told


# ------------------------------------------------------------------------------------------------------- storing a group


def _touched(
    pushes: Sequence[Push], commands: Sequence[Sequence[Command]], reference: Sequence[Published]
) -> tuple[set[str], set[Key]]:
    """The journals and records that a group names itself."""
    journals = {push.envelope.journal for push in pushes} | ({OFFICE_JOURNAL} if any(commands) else set())
    tickets = {fact.ticket for push in pushes for fact in push.facts if isinstance(fact, Fact) and fact.ticket}
    tickets |= {command.ticket for batch in commands for command in batch}
    return journals, {("ticket", ticket) for ticket in tickets} | {(record.kind, record.id) for record in reference}


@dataclass(slots=True)
class _Taken:
    chain: Chain
    n: int
    head: FactId
    stored: int = 0
    problem: Refused | None = None


def _forked(chain: Chain) -> Refused | None:
    """What every answer about a rival branch ends with, so that no lost reply leaves a phone on it."""
    if chain.trunk is None:
        return None
    return Refused("fork", "This journal was continued on another copy; both are kept. Begin a new journal.")


class _Group:
    """The pushes of one transaction: which of their lines are new, and in which chain."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx
        self.effects = Effects()
        self.arrived: list[Arrived] = []
        self._chains: dict[str, list[Chain]] = {}
        self._changed: dict[int, Chain] = {}

    def take(self, push: Push) -> _Taken:
        """Store what is new of a push; the same bytes again, or bytes another push just brought, store nothing."""
        envelope = push.envelope
        chains = self._chains.get(envelope.journal)
        if chains is None:
            chains = self._chains[envelope.journal] = self.tx.chains(envelope.journal)
        if chains and chains[0].device != push.device.id:
            # Two devices opened a journal of one name at the same moment: the second is as foreign as it would be later.
            nobody = Chain(envelope.journal, envelope.journal, push.device.id, 0, fact_id(genesis(envelope.journal)))
            return _Taken(nobody, 0, nobody.head, problem=Refused("bad-checkpoint"))
        for chain in chains:
            if chain.n == envelope.n and chain.head == envelope.head:
                return _Taken(chain, chain.n, chain.head, problem=_forked(chain))
        if not push.raw:
            return self._known_by_hash(chains, push)
        if not chains:
            chain = Chain(envelope.journal, envelope.journal, push.device.id, 0, fact_id(genesis(envelope.journal)))
            chains.append(chain)
            return self._append(chain, push, 0)
        return self._join(chains, push)

    def _join(self, chains: list[Chain], push: Push) -> _Taken:
        """Find where the lines leave what is stored: nowhere (older duplicate), at a head (append), or before (fork)."""
        envelope = push.envelope
        meeting: tuple[Chain, int] | None = None
        for chain in chains:
            shared = self._shared(chain, push)
            if shared is not None and (meeting is None or shared > meeting[1]):
                meeting = (chain, shared)
        if meeting is None:
            heads = [{"n": chain.n, "head": chain.head} for chain in chains]
            trunk = chains[0]
            problem = Refused(
                "unknown-after", f"Line {envelope.first - 1} is not stored here; send from a known head.", heads=heads
            )
            return _Taken(trunk, trunk.n, trunk.head, problem=problem)
        chain, shared = meeting
        if shared == envelope.n:
            # Stated as far as the phone can check: a phone from an old copy knows nothing of what follows here.
            return _Taken(chain, envelope.n, envelope.head, problem=_forked(chain))
        if shared == chain.n:
            return self._append(chain, push, shared - envelope.first + 1)
        branch = Chain(
            chain.journal, f"{chain.journal}~{push.heads[shared - envelope.first + 1]}", chain.device, shared,
            push.heads[shared - envelope.first] if shared >= envelope.first else envelope.after or FactId(""),
            trunk=(chain.name, shared), anchor=None, last=None, previous=chain.previous,
        )  # fmt: skip
        chains.append(branch)
        return self._append(branch, push, shared - envelope.first + 1)

    def _shared(self, chain: Chain, push: Push) -> int | None:
        """The highest n at which the push and this chain agree, or None when they never meet."""
        envelope = push.envelope
        low = envelope.first - 1
        after = fact_id(genesis(chain.journal)) if low == 0 else self._head_at(chain, low)
        if after is None or after != envelope.after:
            return None
        high = min(chain.n, envelope.n)
        while low < high:
            middle = (low + high + 1) // 2
            if self._head_at(chain, middle) == push.heads[middle - envelope.first]:
                low = middle
            else:
                high = middle - 1
        return low

    def _head_at(self, chain: Chain, n: int) -> FactId | None:
        if n == chain.n:
            return chain.head
        if chain.trunk is not None and n <= chain.trunk[1]:
            trunk = next(other for other in self._chains[chain.journal] if other.name == chain.trunk[0])
            return self._head_at(trunk, n)
        fresh = next((new.id for new in self.arrived if new.chain is chain and new.n == n), None)
        return fresh or self.tx.head_at(chain, n)

    def _append(self, chain: Chain, push: Push, skip: int) -> _Taken:
        first = push.envelope.first
        known = self._told(chain.journal, push)
        known_at = push.received
        new: list[Arrived] = []
        for index in range(len(push.raw) - 1, skip - 1, -1):
            n = first + index
            known_at = min(known_at, known.get(n, known_at))
            new.append(
                Arrived(
                    chain,
                    n,
                    push.heads[index],
                    push.digests[index],
                    push.raw[index],
                    push.facts[index],
                    push.device,
                    push.received,
                    known_at,
                )
            )
        self.arrived += reversed(new)
        chain.n, chain.head = push.envelope.n, push.envelope.head
        return self._heard(chain, push, _Taken(chain, chain.n, chain.head, len(new), _forked(chain)))

    def _told(self, journal: str, push: Push) -> dict[int, int]:
        """When the server was told heads that lie on this push, by n, whichever branch they were told for.

        They have come true and are struck off. What another line took the place of stays: somebody deleted it.
        """
        times: dict[int, int] = {}
        on_push = dict(enumerate(push.heads, push.envelope.first))
        for chain in self._chains[journal]:
            true = [(n, time) for n, head, time in chain.known if on_push.get(n) == head]
            if true:
                times |= {n: min(time, times.get(n, time)) for n, time in true}
                chain.known = [entry for entry in chain.known if on_push.get(entry[0]) != entry[1]]
                self._change(chain)
        return times

    def _known_by_hash(self, chains: list[Chain], push: Push) -> _Taken:
        """A head beyond what is stored, signed by the device: remembered before it is stated, so it bounds time later.

        Without a signature nothing is remembered, and the answer is how far the journal goes here: a phone that went
        backwards learns it from a statement beyond its own end, a server that did from one below what it once stated.
        """
        envelope = push.envelope
        trunk = chains[0]
        taken = _Taken(trunk, trunk.n, trunk.head)
        if envelope.n <= trunk.n or envelope.checkpoint is None:
            return taken
        told = any(known[0] == envelope.n and known[1] == envelope.head for known in trunk.known)
        if not told and len(trunk.known) < KNOWN_HEADS_MAX:
            trunk.known.append((envelope.n, envelope.head, push.received))
        return self._heard(trunk, push, taken, force=True)

    def _heard(self, chain: Chain, push: Push, taken: _Taken, *, force: bool = False) -> _Taken:
        if taken.stored or force:
            # What the phone counted as waiting includes the lines it brought; those are here now.
            waiting = max(0, push.envelope.waiting - len(push.raw))
            chain.heard_at, chain.waiting = push.received, waiting
            chain.oldest_s = push.envelope.oldest_s if waiting else 0
            self._change(chain)
        return taken

    def _change(self, chain: Chain) -> None:
        if id(chain) not in self._changed:
            self._changed[id(chain)] = chain
            self.effects.chains.append(chain)
