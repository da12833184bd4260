"""What each stored line means: the second half of accept-then-adjudicate.

One `Judge` lives for one transaction. It resolves what depends on the moment of acceptance (time bounds, what the author had
seen), puts each fact into the records it belongs to, lets the office's commands in, and concludes: fold every touched record
once, ask the rules what follows, number the changes, and say what to write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from sync import clock, journal, merge, wire
from sync.clock import Anchor
from sync.facts import HQ, Fact, FactId, Interval, Key, Outcome, Record, Scope, Side, Statement, Write
from sync.journal import fact_id, genesis, head_bytes
from sync.kinds import KINDS
from sync.kinds.base import Kind, State
from sync.policy import Policy, Settled
from sync.problems import QUARANTINE, Refused
from sync.scopes import holders, place, published_scopes, ticket_scopes
from sync.store import OFFICE_JOURNAL, Chain, Device, Effects, Line, Photo, Transaction
from sync.wire import Quarantine


class Arrived(NamedTuple):
    """One new line of one chain. `known_at` is when the server first knew a head that passes through it."""

    chain: Chain
    n: int
    id: FactId
    digest: bytes
    raw: bytes
    parsed: Fact | Quarantine
    device: Device
    received: int
    known_at: int


@dataclass(frozen=True, slots=True)
class Published:
    """A record the office wants in the feed: by its rules verdicts, points, opened ratings, contests; by itself reference."""

    kind: str
    id: str
    scopes: tuple[Scope, ...]
    view: Mapping[str, Any]


class Rules(Protocol):
    def consequences(self, record: Record, view: dict[str, Any], fresh: Sequence[Write]) -> list[Published]:
        """What the office concludes from a ticket that changed. May add to `view` and to `record.derived`."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something the office says about a ticket. `seen` is the position the person had on the screen, if known."""

    kind: str
    by: str
    ticket: str
    body: Mapping[str, Any] = field(default_factory=dict)
    at: int = 0
    seen: int | None = None


_HELD = frozenset({str(Outcome.QUARANTINED), "refused"})
_CLOSED = frozenset({State.CANCELLED, State.MERGED, State.ARCHIVED})
# What the office writes down about a visit goes where the visit goes when tickets are merged.
_FOLLOWS = frozenset({"photo_received", "own_rating"})
_OPEN = frozenset(State) - _CLOSED
# Which states let the office say what; anything else is refused with the present state in the answer.
_ALLOWED: dict[str, frozenset[State]] = {
    "assigned": _OPEN - {State.COMPLETED, State.CALLBACK},
    "transferred": _OPEN - {State.COMPLETED, State.CALLBACK},
    "told_by_phone": _OPEN - {State.COMPLETED, State.CALLBACK},
    "cancelled": _OPEN,
    "merged": _OPEN,
    "reopened": frozenset({State.COMPLETED, State.CALLBACK, State.CANCELLED, State.ARCHIVED}),
    "archived": frozenset(State) - {State.ARCHIVED, State.MERGED},
}


class _Changed(NamedTuple):
    """A record to number: what is shown of it, in which scopes, and whether that is other than before."""

    record: Record
    view: Mapping[str, Any]
    scopes: Mapping[Scope, str | None]
    anew: bool = True


class Judge:
    """The records one transaction touches, and everything that happens to them."""

    def __init__(
        self, tx: Transaction, read_statement: Callable[[str], Statement | None], radius_ms: int, effects: Effects
    ) -> None:
        self._tx = tx
        self._read_statement = read_statement
        self._radius_ms = radius_ms
        self._effects = effects
        self._records: dict[Key, Record] = {}
        self._fresh: dict[Key, list[Write]] = {}
        self._published: dict[Key, Published] = {}
        self._office: Chain | None = None
        self._numbers: dict[str, str] = {}
        # Asked for every fact, and the same until the group ends.
        self._incarnation, self._position = tx.incarnation, tx.position
        self._facts: dict[Key, set[FactId]] = {}
        self._holders: dict[Key, _Holders] = {}

    # ----------------------------------------------------------------------------------------------- what crews recorded

    def facts(self, arrived: Sequence[Arrived]) -> None:
        """Judge new lines in journal order. Every line is stored; what it did is published where it is not simply applied."""
        tickets = {new.parsed.ticket for new in arrived if isinstance(new.parsed, Fact) and new.parsed.ticket}
        self._load(("ticket", ticket) for ticket in tickets)
        for new in arrived:
            self._one(new)

    def _one(self, new: Arrived) -> None:
        fact = new.parsed if isinstance(new.parsed, Fact) else None
        if fact is not None:
            self._take_anchor(new.chain, fact)
        hard = clock.bounds(new.chain.anchor, new.known_at, self._radius_ms)
        if isinstance(new.parsed, Quarantine):
            verdict: Quarantine | None = new.parsed
        else:
            verdict = self._admit(new, new.parsed, hard)
            new.chain.last = new.parsed.reading
        slug = verdict.slug if verdict else ""
        kind, ticket = (fact.kind, fact.ticket) if fact else ("", None)
        self._effects.lines.append(
            Line(new.chain, new.n, new.id, new.digest, new.raw, kind, ticket, new.received, hard.lower, hard.upper, slug)
        )
        if verdict is not None:
            self._quarantined(new, verdict, kind, ticket, hard)

    def _admit(self, new: Arrived, fact: Fact, hard: Interval) -> Quarantine | None:
        """Let a usable fact take effect, or say why it must wait for a person."""
        if new.device.revoked:
            return Quarantine("revoked-author")
        if fact.kind == "opening":
            previous = fact.body.get("previous")
            new.chain.previous = previous if isinstance(previous, str) else None
            return None
        record = self._records.get(("ticket", fact.ticket or ""))
        if fact.kind == "raised":
            record = self._raise(fact, new.device) if record is None else record
        if record is None:
            return Quarantine("unknown-ticket", str(fact.ticket))
        crew = self._crew(record, fact, new.device)
        if crew is None:
            return Quarantine("foreign-ticket", str(fact.ticket))
        write = self._write(new, fact, hard, crew)
        self._add(record, write)
        if record.target is not None:
            self._follow(record.target, write)
        if fact.kind == "photo":
            self._effects.photos += _photos(fact.body, record.id, new.device.id)
        return None

    def _take_anchor(self, chain: Chain, fact: Fact) -> None:
        """A genuine statement about this journal (or the one before it) carried in the line bounds it and what follows."""
        if fact.anchor is None:
            return
        statement = self._read_statement(fact.anchor)
        if statement is None or statement.journal not in (chain.journal, chain.previous, fact.body.get("previous")):
            return
        if chain.anchor is None or statement.time >= chain.anchor.time:
            chain.anchor = Anchor(statement.time, statement.radius, fact.reading)

    def _write(self, new: Arrived, fact: Fact, hard: Interval, crew: str) -> Write:
        at = clock.effective_at(fact.reading, new.chain.anchor, hard)
        write = Write(
            fact.id, fact.kind, Side.FIELD, f"member:{new.device.member}", crew, new.chain.name, fact.n,
            self._seen(fact), at, hard.lower, hard.upper, fact.visit, fact.fence, dict(fact.body),
            trunk=new.chain.trunk, ticket=fact.ticket, device=new.device.id,
        )  # fmt: skip
        if KINDS[fact.kind].moves is not None:
            write.flags = self._flags(new, fact, hard)
        return write

    def _flags(self, new: Arrived, fact: Fact, hard: Interval) -> tuple[str, ...]:
        fix = fact.body.get("fix")
        place = fix and clock.Fix(fix["lat"], fix["lon"], fix.get("acc_m"), fix.get("age_ms"))
        record = self._records.get(("ticket", fact.ticket or ""))
        found = clock.flags(fact.reading, new.chain.last, new.chain.anchor, hard, None, place, _site(record) if fix else None)
        return tuple(str(flag) for flag in found)

    def _seen(self, fact: Fact) -> int:
        """The highest position the author had on the screen, in the present history."""
        base = fact.base
        if base is None:
            return 0
        if base.incarnation == self._incarnation:
            return min(base.position, self._position)
        fork = self._tx.fork_position(base.incarnation)
        return 0 if fork is None else min(base.position, fork)

    def _raise(self, fact: Fact, device: Device) -> Record:
        """A ticket born in the field; one told by phone is bound to the office's ticket of that number."""
        record = self._records[("ticket", fact.ticket or "")] = Record("ticket", fact.ticket or "")
        number = fact.body.get("told_number")
        if isinstance(number, str):
            known = self._numbers.get(number) or self._tx.ticket_of_number(number)
            if known is not None and known != record.id:
                self._load([("ticket", known)])
                target = self._records.get(("ticket", known))
                if target is not None and device.crews & self._held_by(target).crews:
                    record.target = known
        return record

    def _crew(self, record: Record, fact: Fact, device: Device) -> str | None:
        """The crew a fact was recorded for, by assignment history and never by present scope; None if never theirs."""
        if fact.kind == "raised" and not record.writes:
            return device.crew
        holders = self._held_by(record)
        ours = device.crews & (holders.crews or self._crews_of_target(record))
        if not ours and record.target is not None:
            ours = device.crews & self._crews_of_target(record)
        if not ours:
            return None
        at_fence = holders.at_fence.get(fact.fence)
        if at_fence in ours:
            return at_fence
        return device.crew if device.crew in ours else min(ours)

    def _crews_of_target(self, record: Record) -> frozenset[str]:
        if record.target is None:
            return frozenset()
        self._load([("ticket", record.target)])
        target = self._records.get(("ticket", record.target))
        return self._held_by(target).crews if target else frozenset()

    def _held_by(self, record: Record) -> _Holders:
        key = (record.kind, record.id)
        if key not in self._holders:
            self._holders[key] = _holders(record)
        return self._holders[key]

    def _follow(self, target: str, write: Write) -> None:
        """A fact on a merged duplicate counts for the parent; what it had seen of the child says nothing of the parent."""
        for _ in range(8):
            self._load([("ticket", target)])
            record = self._records.get(("ticket", target))
            if record is None:
                return
            self._add(record, _copy(write))
            if record.target is None:
                return
            target = record.target

    def _quarantined(self, new: Arrived, verdict: Quarantine, kind: str, ticket: str | None, hard: Interval) -> None:
        view = {
            "outcome": str(Outcome.QUARANTINED),
            "slug": verdict.slug,
            "title": QUARANTINE[verdict.slug],
            "detail": verdict.detail,
            "journal": new.chain.name,
            "n": new.n,
            "kind": kind,
            "ticket": ticket,
            "interval": [hard.lower, hard.upper],
            "device": new.device.id,
            "member": new.device.member,
        }
        self._publish(Published("outcome", new.id, (Scope(f"device:{new.device.id}"), HQ), view))

    # ------------------------------------------------------------------------------------------------ what the office says

    def commands(self, batch: Sequence[Command]) -> Refused | None:
        """Let a list of commands take effect as a whole, or refuse it as a whole and change nothing."""
        self._load(("ticket", command.ticket) for command in batch)
        try:
            _check_alone(batch)
            for command in batch:
                self._check(command, born={other.ticket for other in batch if other.kind == "created"})
        except Refused as refusal:
            return refusal
        for command in batch:
            self._command(command)
        return None

    def _check(self, command: Command, born: set[str]) -> None:
        record = self._records.get(("ticket", command.ticket))
        kind = KINDS.get(command.kind)
        if kind is None or kind.side is not Side.OFFICE:
            raise Refused("bad-value", f"{command.kind} is not something the office says.")
        faults = kind.faults({"fence": 1, **command.body} if kind.assigns else command.body)
        if faults:
            raise Refused("bad-value", "; ".join(faults))
        if command.kind == "created":
            self._check_new(command, record)
            return
        if record is None:
            if command.ticket in born:
                return
            raise Refused("not-found", f"There is no ticket {command.ticket}.")
        if command.seen is not None and command.seen < record.position:
            raise Refused("stale-base", f"It is at position {record.position} now; look again.", position=record.position)
        if command.seen is not None and self._fresh.get(("ticket", record.id)):
            raise Refused("stale-base", "Somebody changed it at the same moment; look again.", position=record.position)
        folded = merge.fold(record)
        self._check_state(command, folded.view)
        self._check_once(command, kind, folded.settled)
        if command.kind == "decided" and command.body["field"] != "state":
            self._check_choice(command, folded.settled.get(command.body["field"]))
        if kind.corrects:
            self._check_number(command)
        if command.kind == "suspension_judged":
            self._check_suspension(record, str(command.body["suspension"]))
        if command.kind == "quarantine_judged":
            self._check_held(FactId(command.body["fact"]))

    def _check_new(self, command: Command, record: Record | None) -> None:
        if record is not None:
            raise Refused("state-conflict", f"Ticket {command.ticket} exists already.")
        self._check_number(command)

    def _check_number(self, command: Command) -> None:
        number = command.body["set"].get("number")
        holder = (self._numbers.get(number) or self._tx.ticket_of_number(number)) if number else None
        if holder is not None and holder != command.ticket:
            raise Refused("state-conflict", f"Number {number} is taken.", number=number)

    def _check_suspension(self, record: Record, suspension: str) -> None:
        if not any(write.kind == "suspension" and write.fact == suspension for write in record.writes):
            raise Refused("not-found", f"This ticket was never suspended by fact {suspension}.")

    def _check_held(self, fact: FactId) -> None:
        self._load([("outcome", fact)])
        outcome = self._records.get(("outcome", fact))
        if outcome is None:
            raise Refused("not-found", f"No fact {fact} was ever held back.")
        standing = outcome.derived["view"].get("outcome")
        if standing not in _HELD:
            raise Refused("state-conflict", f"That fact is not held back any more: it is {standing}.", outcome=standing)

    def _check_state(self, command: Command, view: Mapping[str, Any]) -> None:
        state = State(view["state"])
        allowed = _ALLOWED.get(command.kind)
        if allowed is not None and state not in allowed:
            raise Refused("state-conflict", f"A ticket that is {state} cannot be {command.kind}.", state=str(state))
        if command.kind == "merged":
            self._check_parent(command)

    def _check_choice(self, command: Command, settled: Settled | None) -> None:
        path, choice = command.body["field"], command.body["choose"]
        if settled is None:
            raise Refused("not-found", f"Nothing is known of {path} here; ask explain for the paths.")
        if settled.rule == Policy.WRITE_ONCE:
            raise Refused("forbidden", f"{path} is written once: the first stays, every other is kept beside it.")
        if choice not in [version.write.fact for version in (settled.shown, *settled.alternatives)]:
            raise Refused("not-found", f"No value of {path} came from fact {choice}; ask explain for those that did.")

    def _check_once(self, command: Command, kind: Kind, settled: Mapping[str, Settled]) -> None:
        """The office, which sees what stands, does not write a second time what is written once."""
        slot = kind.slot
        if slot is None or slot.policy is not Policy.WRITE_ONCE:
            return
        path = slot.name if slot.each is None else f"{slot.name}/{command.body[slot.each]}"
        if path in settled:
            raise Refused("state-conflict", f"{path} is written once, and it is written.")

    def _check_parent(self, command: Command) -> None:
        parent = str(command.body["parent"])
        self._load([("ticket", parent)])
        record = self._records.get(("ticket", parent))
        if record is None or parent == command.ticket:
            raise Refused("not-found", f"There is no other ticket {parent} to merge under.")
        if record.target is not None:
            raise Refused("state-conflict", f"Ticket {parent} is itself merged under {record.target}.")

    def _command(self, command: Command) -> None:
        record = self._records.get(("ticket", command.ticket))
        if record is None:
            record = self._records[("ticket", command.ticket)] = Record("ticket", command.ticket)
        body = dict(command.body)
        if KINDS[command.kind].assigns:
            body["fence"] = max(self._held_by(record).at_fence, default=0) + 1
        write = self._office_line(command, record, body)
        self._add(record, write)
        number = body["set"].get("number") if KINDS[command.kind].corrects else None
        if number:
            self._numbers[number] = record.id
            self._effects.numbers.append((number, record.id))
        if command.kind == "merged":
            record.target = str(body["parent"])
            for fact in [w for w in record.writes if w.side is Side.FIELD or w.kind in _FOLLOWS]:
                self._follow(record.target, fact)
        if command.kind in _FOLLOWS and record.target is not None:
            self._follow(record.target, write)
        if command.kind == "quarantine_judged":
            self._release(command, body)

    def _office_line(self, command: Command, record: Record, body: dict[str, Any]) -> Write:
        """Append the command to the office's own journal: the office is bound by a chain as crews are."""
        chain = self._office_chain()
        n = chain.n + 1
        line = {"n": n, "kind": command.kind, "v": 1, "ticket": record.id, "by": command.by, "at": command.at, **body}
        raw = wire.encode(line)
        head = journal.link(head_bytes(chain.head) or b"", raw)
        identity = fact_id(head)
        chain.n, chain.head = n, identity
        self._effects.lines.append(
            Line(chain, n, identity, head, raw, command.kind, record.id, command.at, command.at, command.at)
        )
        return Write(
            identity, command.kind, Side.OFFICE, command.by, None, chain.name, n, record.position, command.at,
            command.at, command.at, None, 0, body, ticket=record.id,
        )  # fmt: skip

    def _office_chain(self) -> Chain:
        if self._office is None:
            known = self._tx.chains(OFFICE_JOURNAL)
            start = Chain(OFFICE_JOURNAL, OFFICE_JOURNAL, "", 0, fact_id(genesis(OFFICE_JOURNAL)))
            self._office = known[0] if known else start
            self._effects.chains.append(self._office)
        return self._office

    def _release(self, command: Command, body: Mapping[str, Any]) -> None:
        """A person's word on a quarantined fact: released, it takes effect with the bounds it had when it was stored."""
        identity = str(body["fact"])
        self._load([("outcome", identity)])
        outcome = self._records.get(("outcome", identity))
        view = dict(outcome.derived["view"]) if outcome else {}
        if view.get("outcome") not in _HELD:
            return
        found = self._tx.line(view["journal"], FactId(identity))
        device = self._tx.device(view["device"])
        done = {"by": command.by, "reason": body["reason"], "at": command.at}
        if body["do"] == "refuse":
            view |= {"outcome": "refused", "decision": done}
        elif found is not None and device is not None:
            chain, n, raw = found
            parsed = wire.parse_line(raw, n, FactId(identity))
            if isinstance(parsed, Fact):
                # The chain has gone on since: what it last knew lies after this fact and says nothing of it.
                lower, upper = view["interval"]
                anchor = None if lower is None else Anchor(lower + self._radius_ms, self._radius_ms, None)
                then = replace(chain, anchor=anchor, last=None)
                new = Arrived(then, n, FactId(identity), b"", raw, parsed, _trusted(device), command.at, command.at)
                self._load([("ticket", parsed.ticket or "")])
                still = self._admit(new, parsed, Interval(lower, upper))
                view |= {"outcome": str(Outcome.APPLIED if still is None else Outcome.QUARANTINED), "decision": done}
                view["slug"] = still.slug if still else view["slug"]
        self._publish(Published("outcome", identity, (Scope(f"device:{view['device']}"), HQ), view))

    def reference(self, records: Iterable[Published]) -> None:
        """Records that are no tickets and follow from none: what should stand in which scopes, said as often as one likes."""
        for published in records:
            self._publish(published)

    def again(self, keys: Iterable[Key], change: Callable[[Record], None] | None = None) -> None:
        """Conclude these records too, though nothing was added to them; `change` is done to each before."""
        wanted = list(keys)
        self._load(wanted)
        for key in wanted:
            if key in self._records:
                if change is not None:
                    change(self._records[key])
                self._fresh.setdefault(key, [])

    # ---------------------------------------------------------------------------------------------------------- conclusion

    def conclude(self, rules: Rules) -> Effects:
        """Fold what changed, ask the rules, number it all as the last act, and say what to write."""
        folded = {key: self._conclude_one(key, rules) for key in list(self._fresh)}
        self._load(self._published)
        changed: list[_Changed] = []
        for key, view in folded.items():
            changed.append(_Changed(self._records[key], view, ticket_scopes(view)))
        for key, wanted in self._published.items():
            record = self._records.get(key) or Record(*key)
            anew = record.derived.get("view") != wanted.view
            if anew or holders(record) != frozenset(wanted.scopes):
                record.derived["view"] = dict(wanted.view)
                changed.append(_Changed(record, wanted.view, published_scopes(record, wanted.scopes), anew))
        if changed:
            self._number(changed)
        return self._effects

    def _conclude_one(self, key: Key, rules: Rules) -> dict[str, Any]:
        record = self._records[key]
        result = merge.fold(record)
        before: dict[str, str] = record.derived.get("contested", {})
        if before != result.contested:
            self._publish_contested(record, before, result.contested)
            record.derived["contested"] = dict(result.contested)
        for published in rules.consequences(record, result.view, self._fresh[key]):
            self._publish(published)
        return result.view

    def _publish_contested(self, record: Record, before: Mapping[str, str], now: Mapping[FactId, str]) -> None:
        """Tell the device of each fact whose standing changed; silence means it simply counts."""
        writes = {write.fact: write for write in record.writes}
        for fact in sorted({*before, *now}):
            write = writes.get(FactId(fact))
            if write is None or write.device is None or before.get(fact) == now.get(FactId(fact)):
                continue
            why = now.get(FactId(fact))
            view = {
                "outcome": str(Outcome.CONTESTED if why else Outcome.APPLIED),
                "slug": why or "settled",
                "journal": write.chain,
                "n": write.n,
                "kind": write.kind,
                "ticket": record.id,
                "device": write.device,
                "member": write.by.removeprefix("member:"),
            }
            self._publish(Published("outcome", fact, (Scope(f"device:{write.device}"), HQ), view))

    def _number(self, changed: Sequence[_Changed]) -> None:
        position = self._tx.take_positions(len(changed))
        effects = self._effects
        for record, view, scopes, anew in changed:
            for write in self._fresh.get((record.kind, record.id), ()):
                write.position = position
            key = (record.kind, record.id)
            rows = place(record, scopes, position, anew=anew)
            effects.feed += [(scope, old, position, key, gone) for scope, old, gone in rows]
            effects.records.append(record)
            effects.views.append(view)
            effects.tails.append(wire.record_tail(record.kind, record.id, view))
            position += 1

    # --------------------------------------------------------------------------------------------------------------- small

    def _load(self, keys: Iterable[Key]) -> None:
        missing = [key for key in keys if key not in self._records]
        if missing:
            self._records.update(self._tx.records(missing))

    def _add(self, record: Record, write: Write) -> None:
        """Put a fact into a record once: one that followed a merge may come by two roads."""
        key = (record.kind, record.id)
        if key not in self._facts:
            self._facts[key] = {known.fact for known in record.writes}
        if write.fact in self._facts[key]:
            return
        self._facts[key].add(write.fact)
        record.writes.append(write)
        self._fresh.setdefault(key, []).append(write)
        if write.side is Side.OFFICE or write.kind == "raised":
            self._holders.pop(key, None)

    def _publish(self, published: Published) -> None:
        self._published[(published.kind, published.id)] = published


def _check_alone(batch: Sequence[Command]) -> None:
    """What the commands of one list must not do to each other: give one number to two tickets."""
    holders: dict[str, str] = {}
    for command in batch:
        given = command.body.get("set")
        number = given.get("number") if isinstance(given, dict) else None
        if isinstance(number, str) and holders.setdefault(number, command.ticket) != command.ticket:
            raise Refused("state-conflict", f"Number {number} is given to two tickets.", number=number)


@dataclass(frozen=True, slots=True)
class _Holders:
    """Every crew that ever had the ticket, or raised it; and which crew each assignment (fence) gave it to."""

    crews: frozenset[str]
    at_fence: Mapping[int, str]


def _holders(record: Record) -> _Holders:
    office = [write for write in record.writes if write.side is Side.OFFICE and KINDS[write.kind].assigns]
    at_fence = {int(write.body["fence"]): str(write.body["crew"]) for write in office}
    raised = {write.crew for write in record.writes if write.kind == "raised" and write.crew}
    return _Holders(frozenset({*at_fence.values(), *raised}), at_fence)


def _photos(body: Mapping[str, Any], ticket: str, device: str) -> list[Photo]:
    """The bytes a photo fact names: the photo, and the smaller forms the phone made of it."""
    own = body["sha256"]
    forms = [(name, body[name]) for name in ("preview", "copy") if name in body]
    photos = [Photo(own, body["size_bytes"], ticket, device)]
    return photos + [Photo(form["sha256"], form["size_bytes"], ticket, device, name, own) for name, form in forms]


def _copy(write: Write) -> Write:
    return Write(
        write.fact, write.kind, write.side, write.by, write.crew, write.chain, write.n, 0, write.at, write.lower,
        write.upper, write.visit, write.fence, write.body, 0, write.trunk, write.ticket, write.flags, write.device,
    )  # fmt: skip


def _trusted(device: Device) -> Device:
    return Device(device.id, device.member, device.crew, device.crews, device.station, device.key, revoked=False)


def _site(record: Record | None) -> clock.Site | None:
    """The ticket's position as the office last gave it, for the distance flag."""
    office = [write for write in (record.writes if record else []) if write.side is Side.OFFICE]
    for write in reversed(office):
        position = write.body.get("set", {}).get("position")
        if isinstance(position, dict):
            return clock.Site(position["lat"], position["lon"])
    return None
