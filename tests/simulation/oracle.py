"""The independent judge of a simulated world: ten guarantees against what was truly done.

It reads the world's diary (true tap times, what each phone showed as saved, what became impossible) and the final stores. It
re-implements the hash chain, the feed's shape and the verdicts' proof on its own and never asks the engine's merge, policy or
judge for an opinion; `merge.fold`, `merge.explain` and the office's rules appear only as the thing under test.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

from sync import merge, wire
from sync.judge import Rules
from tests.simulation.servers import Dump

ONCE = ("photos", "notes", "positions", "rating_opened", "suspended", "resumed")
"""Slots of a visit that hold every fact; each must stand there once."""


@dataclass(slots=True)
class Tap:
    """One line as it truly came to be: when it was tapped, and whether the phone ever showed it as saved."""

    fact: str
    device: str
    journal: str
    n: int
    raw: bytes
    kind: str
    ticket: str | None
    visit: str | None
    at: int
    step: int
    shown: bool = False
    poison: str = ""


@dataclass(slots=True)
class Said:
    """A command of the office that was accepted, and in which life of the server."""

    kind: str
    ticket: str
    body: Mapping[str, Any]
    life: int
    step: int


@dataclass(slots=True)
class Diary:
    """What truly happened. `lost` says why a fact can exist nowhere any more; `adrift`: the server went back untold."""

    taps: dict[str, Tap] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    stated: dict[str, int] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    deadlines: dict[str, int] = field(default_factory=dict)
    adrift: bool = False
    rewritten: set[tuple[str, str]] = field(default_factory=set)
    """(device, journal) of phones that came back from an old copy and wrote on without noticing."""


@dataclass(slots=True)
class PhoneEnd:
    """A phone as it stands at the end: its lines, its confirmed copy, and what it says of itself."""

    device: str
    scopes: tuple[str, ...]
    may_pull: bool
    lines: set[str]
    rows: dict[tuple[str, str], tuple[dict[str, int], Any]]
    notices: list[str]
    journal: str
    written: dict[str, list[str]]
    waiting: int


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken guarantee: its number in the protocol's list, and what happened."""

    guarantee: int
    story: str
    step: int = -1


def judge(dump: Dump, diary: Diary, phones: Sequence[PhoneEnd], seed: int, rules: Rules) -> list[Violation]:
    """Every violation of the ten guarantees that the end of a world shows."""
    return [
        *kept(dump, diary, phones),
        *chains_hold(dump),
        *ledger_holds(dump),
        *once(dump, diary),
        *own_ratings_once(dump),
        *copies_equal(dump, diary, phones),
        *feeds_shaped(dump),
        *order_is_nothing(dump, seed, rules),
        *poison_delays_nothing(dump, diary),
        *restores_detected(dump, diary, phones),
        *times_bounded(dump, diary),
        *verdicts_honest(dump, diary),
        *losers_kept(dump, diary),
    ]


# ----------------------------------------------------------------------------------------------------- 1 · nothing is lost


def kept(dump: Dump, diary: Diary, phones: Sequence[PhoneEnd]) -> Iterator[Violation]:
    """Every fact shown as saved is stored after quiescence, byte for byte; stated means stored; no phone is left waiting."""
    stored = {line.fact: line for line in dump.lines}
    held = {fact for phone in phones for fact in phone.lines}
    for tap in diary.taps.values():
        line = stored.get(tap.fact)
        where = f"{tap.kind} {tap.journal}/{tap.n} of {tap.device} (step {tap.step})"
        if line is not None:
            if line.raw != tap.raw:
                yield Violation(1, f"{where} is stored with other bytes than were written", tap.step)
            continue
        if tap.fact in diary.lost:
            continue
        if tap.fact in diary.stated:
            yield Violation(1, f"{where} was stated at step {diary.stated[tap.fact]} and is not stored", tap.step)
        elif tap.fact not in held and tap.shown:
            yield Violation(1, f"{where} was shown as saved and exists nowhere", tap.step)
        elif tap.fact in held:
            yield Violation(1, f"{where} is on its phone and was never stored, with all faults over", tap.step)
    for phone in phones:
        if phone.waiting:
            yield Violation(1, f"{phone.device} still waits with {phone.waiting} facts after everything became quiet")


def chains_hold(dump: Dump) -> Iterator[Violation]:
    """Stored lines of each chain follow each other by hash, from the beginning or from where a branch left its trunk."""
    lines: dict[str, dict[int, tuple[str, bytes]]] = {}
    for line in dump.lines:
        if line.n in lines.setdefault(line.chain, {}):
            yield Violation(2, f"line {line.n} of {line.chain} is stored twice")
        lines[line.chain][line.n] = (line.fact, line.raw)
    heads: dict[tuple[str, int], bytes] = {}
    for chain in _trunks_first(dump.chains):
        name, trunk = chain["name"], chain.get("trunk")
        n = trunk[1] if trunk else 0
        own = b"lamplighter/journal/1\n" + chain["journal"].encode()
        head = heads.get((trunk[0], n)) if trunk and n else sha256(own).digest()
        if head is None:
            yield Violation(1, f"branch {name} leaves {trunk} at a line that is not stored")
            continue
        while n + 1 in lines.get(name, {}):
            n += 1
            fact, raw = lines[name][n]
            head = sha256(head + sha256(raw).digest()).digest()
            heads[(name, n)] = head
            if _text(head) != fact:
                yield Violation(1, f"line {n} of {name} does not hash to its name")
                break
        if (n, _text(head)) != (chain["n"], chain["head"]):
            yield Violation(1, f"{name} claims {chain['n']} lines, and {n} follow each other")


def _trunks_first(chains: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    waiting = {chain["name"]: chain for chain in chains}

    def grown(name: str) -> Iterator[Mapping[str, Any]]:
        if chain := waiting.pop(name, None):
            yield from grown(chain["trunk"][0]) if chain.get("trunk") else ()
            yield chain

    for name in sorted(waiting):
        yield from grown(name)


def ledger_holds(dump: Dump) -> Iterator[Violation]:
    """The ledger names every stored line in commit order and nothing else (RFC 9162, computed here from the definition)."""
    leaves = [_bytes(line.fact) for line in dump.lines]
    if dump.ledger != (len(leaves), _text(_root(leaves))):
        yield Violation(1, f"the ledger says {dump.ledger}, and {len(leaves)} lines are stored with another root")


def _root(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) < 2:
        return sha256(b"\0" + leaves[0]).digest() if leaves else sha256(b"").digest()
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha256(b"\1" + _root(leaves[:split]) + _root(leaves[split:])).digest()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=")


def _text(head: bytes) -> str:
    return urlsafe_b64encode(head).rstrip(b"=").decode()


# ---------------------------------------------------------------------------------------------------- 2 · exactly one effect


def once(dump: Dump, diary: Diary) -> Iterator[Violation]:
    """Each line is stored once and only if someone wrote it; each of its effects shows once in each record."""
    content = Counter((line.chain.split("~")[0], line.raw) for line in dump.lines if line.chain != "office")
    written = {(tap.journal, tap.raw) for tap in diary.taps.values()}
    for (journal, raw), count in sorted(content.items()):
        if (journal, raw) not in written:
            yield Violation(2, f"{journal} holds a line nobody wrote: {raw[:120]!r}")
        # The same bytes may honestly stand in two branches: a restored phone tapped the same thing again.
        distinct = len({t.fact for t in diary.taps.values() if (t.journal, t.raw) == (journal, raw)}) if count > 1 else 1
        if count > distinct:
            yield Violation(2, f"{journal} holds one line {count} times: {raw[:120]!r}")
    for (kind, ticket), view in dump.views.items():
        if kind != "ticket":
            continue
        for visit, entry in sorted(view.get("visits", {}).items()):
            for slot in ONCE:
                moments = entry.get(slot, [])
                facts = Counter(moment["fact"] for moment in moments)
                marks = Counter(moment.get("sha256") or moment.get("text") for moment in moments if slot in ("photos", "notes"))
                for mark, count in [*facts.items(), *marks.items()]:
                    if count > 1:
                        yield Violation(2, f"{ticket} shows {mark} {count} times among the {slot} of {visit}")


def own_ratings_once(dump: Dump) -> Iterator[Violation]:
    """Each assignment a customer rated on their own phone shows one rating, on the ticket or on the one it was merged into."""
    shown = Counter(name for (kind, _), view in dump.views.items() if kind == "ticket" for name in view.get("own_ratings", {}))
    given = {
        json.loads(line.raw)["assignment"] for line in dump.lines if line.chain == "office" and b'"own_rating"' in line.raw
    }
    for name in sorted(given ^ {name for name, count in shown.items() if count}):
        story = "is not shown" if name in given else "was never given"
        yield Violation(2, f"the customer's rating of {name} {story}")


# ---------------------------------------------------------------------------------------------------- 3 · everyone is equal


def copies_equal(dump: Dump, diary: Diary, phones: Sequence[PhoneEnd]) -> Iterator[Violation]:
    """Every phone's confirmed copy is the feed of its scopes, value for value, and nothing else."""
    if diary.adrift:
        return  # a server that went back without a word re-uses positions; only facts are promised then
    for phone in phones:
        if phone.may_pull:
            yield from copy_equal(dump, phone)


def copy_equal(dump: Dump, phone: PhoneEnd) -> Iterator[Violation]:
    """One phone against the feed."""
    expected: dict[tuple[str, str], dict[str, int]] = {}
    for scope in phone.scopes:
        for position, kind, identity, gone in dump.feed.get(scope, []):
            if gone is None:
                expected.setdefault((kind, identity), {})[scope] = position
    for key in sorted(expected.keys() | phone.rows.keys()):
        if key not in phone.rows:
            yield Violation(3, f"{phone.device} lacks {key}, which its scopes {sorted(expected[key])} hold")
        elif key not in expected:
            yield Violation(3, f"{phone.device} keeps {key} by {sorted(phone.rows[key][0])}, which no scope of it holds")
        elif phone.rows[key][0] != expected[key]:
            yield Violation(3, f"{phone.device} holds {key} at {phone.rows[key][0]}, the feed at {expected[key]}")
        elif _flat(phone.rows[key][1]) != _flat(dump.views[key]):
            yield Violation(3, f"{phone.device} shows another {key} than the server")


def _flat(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def feeds_shaped(dump: Dump) -> Iterator[Violation]:
    """Each ticket is in the feed of headquarters and of its present crew (until archived), and of nobody else."""
    held: dict[str, dict[str, int]] = {}
    for scope, rows in dump.feed.items():
        seen: set[tuple[str, str]] = set()
        for position, kind, identity, gone in rows:
            if (kind, identity) in seen:
                yield Violation(3, f"{scope} holds {kind} {identity} in two rows")
            seen.add((kind, identity))
            if kind == "ticket" and gone is None:
                held.setdefault(identity, {})[scope] = position
    for (kind, ticket), view in dump.views.items():
        if kind != "ticket":
            continue
        wanted = {"hq"}
        if view.get("assigned_crew") and view["state"] != "archived":
            wanted.add(f"crew:{view['assigned_crew']}")
        if set(held.get(ticket, {})) != wanted:
            yield Violation(6, f"{ticket} is in the feeds {sorted(held.get(ticket, {}))} and belongs in {sorted(wanted)}")


# ------------------------------------------------------------------------------------------------------ 4 · order is nothing


def order_is_nothing(dump: Dump, seed: int, rules: Rules) -> Iterator[Violation]:
    """Folding a ticket's writes again in any order, and concluding from it again, gives the view that was published."""
    chance = Random(seed)
    for (kind, ticket), document in dump.records.items():
        if kind != "ticket":
            continue
        record = wire.load_record(json.dumps(document).encode())
        for _ in range(2):
            chance.shuffle(record.writes)
            folded = merge.fold(record).view
            anew = [row for row in rules.consequences(record, folded, []) if row.kind in ("points", "verdict", "rating")]
            view, published = json.loads(wire.encode(folded)), dump.views[(kind, ticket)]
            if _flat(view) != _flat(published):
                yield Violation(4, f"{ticket} folds differently in another order: {_difference(published, view)}")
                break
            if anew:
                yield Violation(4, f"{ticket} gives another {anew[0].kind} in another order: {anew[0]}")
                break


def _difference(one: Mapping[str, Any], two: Mapping[str, Any]) -> str:
    names = [name for name in sorted(one.keys() | two.keys()) if _flat(one.get(name)) != _flat(two.get(name))]
    return "; ".join(f"{name}: {_flat(one.get(name))[:300]} ≠ {_flat(two.get(name))[:300]}" for name in names)


# ------------------------------------------------------------------------------------------------- 5 · poison delays nothing


def poison_delays_nothing(dump: Dump, diary: Diary) -> Iterator[Violation]:
    """Every stored line took effect or is quarantined by name; a usable line is never quarantined as unusable."""
    unusable = {"unknown-ticket", "foreign-ticket", "revoked-author"}
    effects = {
        write["fact"] for (kind, _), record in dump.records.items() if kind == "ticket" for write in record.get("writes", [])
    }
    for line in dump.lines:
        tap = diary.taps.get(line.fact)
        if tap is None:
            continue
        outcome = dump.views.get(("outcome", line.fact), {})
        slug = outcome.get("slug") if outcome.get("outcome") in ("quarantined", "refused") or "decision" in outcome else None
        where = f"{tap.kind} {line.chain}/{line.n} of {tap.device}"
        if tap.poison:
            if slug not in (tap.poison, *unusable):
                yield Violation(5, f"{where} is poison ({tap.poison}) and came to {outcome or 'nothing'}", tap.step)
        elif slug is not None and slug not in unusable:
            yield Violation(5, f"{where} is fine and was quarantined: {slug}, {outcome.get('detail')}", tap.step)
        elif tap.kind != "opening" and line.fact not in effects and slug is None:
            yield Violation(5, f"{where} was stored, had no effect and no outcome", tap.step)


# ---------------------------------------------------------------------------------------------------- 6 · only one's own rows


def page_allowed(
    device: str, scopes: Iterable[str], rows: Iterable[Mapping[str, Any]], crews: Mapping[str, str | None]
) -> Iterator[Violation]:
    """Whether each row of a page may go to this device at this moment. `crews` is who has each ticket, by the world."""
    own = set(scopes)
    for row in rows:
        scope, put = str(row["scope"]), row.get("put")
        if "kind" not in row:
            continue
        if scope not in own:
            yield Violation(6, f"{device} received {row['kind']} {row['id']} by {scope}, which is not its scope")
        elif isinstance(put, dict) and row["kind"] == "ticket" and scope.startswith("crew:"):
            crew = scope.removeprefix("crew:")
            if put.get("assigned_crew") != crew or crews.get(row["id"], crew) != crew:
                yield Violation(6, f"{device} of {crew} received ticket {row['id']} of crew {crews.get(row['id'])}")
        elif isinstance(put, dict) and row["kind"] == "outcome" and put.get("device") != device:
            yield Violation(6, f"{device} received the outcome of a fact of {put.get('device')}")


# ------------------------------------------------------------------------------------------------------ 7 · restores are seen


def restores_detected(dump: Dump, diary: Diary, phones: Sequence[PhoneEnd]) -> Iterator[Violation]:
    """A phone whose lines ended on a rival branch knows it, and writes in another journal."""
    for chain in dump.chains:
        if not chain.get("trunk"):
            continue
        for phone in phones:
            written = phone.written.get(chain["journal"], [])
            on_branch = len(written) >= chain["n"] > 0 and written[chain["n"] - 1] == chain["head"]
            if on_branch and phone.journal == chain["journal"]:
                yield Violation(7, f"{phone.device} writes on in {chain['name']}, a rival branch, and was never told")
            elif on_branch and "fork" not in phone.notices and (phone.device, chain["journal"]) in diary.rewritten:
                yield Violation(7, f"{phone.device} came back from an old copy, forked {chain['journal']}, and nobody noticed")


# ------------------------------------------------------------------------------------------------------------------ 8 · time


def times_bounded(dump: Dump, diary: Diary) -> Iterator[Violation]:
    """The true tap lies within its bounds, and no late arrival is ever proven on time (nor a timely one proven late)."""
    for line in dump.lines:
        tap = diary.taps.get(line.fact)
        if tap is not None and line.upper is not None:
            yield from _inside(f"line {line.chain}/{line.n}", tap, line.lower, line.upper)
    for (kind, ticket), record in dump.records.items():
        for write in record.get("writes", []) if kind == "ticket" else []:
            tap = diary.taps.get(write["fact"])
            if tap is None:
                continue
            lower, upper = write["lower"], write["upper"]
            yield from _inside(f"{write['kind']} in {ticket}", tap, lower, upper)
            if not (lower is None or lower <= write["at"]) or write["at"] > upper:
                yield Violation(8, f"{write['kind']} in {ticket} is dated outside its own bounds", tap.step)
            due = diary.deadlines.get(ticket)
            if write["kind"] == "arrival" and due is not None:
                if tap.at > due and upper <= due:
                    late = f"arrival {tap.fact[:8]} at {ticket} was {tap.at - due} ms late and is met_proven"
                    yield Violation(8, late, tap.step)
                if tap.at <= due and lower is not None and lower > due:
                    yield Violation(8, f"arrival {tap.fact[:8]} at {ticket} was in time and is missed_proven", tap.step)


def verdicts_honest(dump: Dump, diary: Diary) -> Iterator[Violation]:
    """What the office's rules call proven about a tap is true of it: nobody who lies about clocks makes a late one proven."""
    rows = [(ticket, row) for (kind, ticket), view in dump.views.items() if kind == "ticket" for row in view.get("limits", [])]
    rows += [(view["ticket"], view) for (kind, _), view in dump.views.items() if kind == "verdict"]
    for ticket, row in rows:
        tap = diary.taps.get(row.get("fact") or "")
        if tap is None:
            continue
        earliest, latest = row["due"]
        if row["verdict"] == "met_proven" and tap.at > latest:
            yield Violation(8, f"{row['name']} of {ticket} is met_proven by a tap {tap.at - latest} ms late", tap.step)
        if row["verdict"] == "missed_proven" and tap.at <= earliest:
            yield Violation(8, f"{row['name']} of {ticket} is missed_proven by a tap in time", tap.step)


def _inside(what: str, tap: Tap, lower: int | None, upper: int) -> Iterator[Violation]:
    if tap.at > upper:
        yield Violation(8, f"{what} of {tap.device} was tapped {tap.at - upper} ms after its upper bound", tap.step)
    if lower is not None and tap.at < lower:
        yield Violation(8, f"{what} of {tap.device} was tapped {lower - tap.at} ms before its lower bound", tap.step)


# -------------------------------------------------------------------------------------------------------- 9 · losers are kept


def losers_kept(dump: Dump, diary: Diary) -> Iterator[Violation]:
    """Every value ever given to a ticket's field is shown there or stands among its alternatives."""
    records: dict[str, Any] = {}
    for line in dump.lines:
        tap = diary.taps.get(line.fact)
        if tap is None and line.chain != "office":
            continue
        try:
            body = json.loads(line.raw)
        except ValueError:
            continue
        if not isinstance(body, dict) or body.get("kind") not in ("amended", "corrected", "created"):
            continue
        if (tap is not None and tap.poison) or _unused(dump.views.get(("outcome", line.fact), {})):
            continue
        ticket = body["ticket"]
        if ticket not in records:
            document = dump.records.get(("ticket", ticket))
            records[ticket] = wire.load_record(json.dumps(document).encode()) if document else None
        record = records[ticket]
        if record is None:
            yield Violation(9, f"{body['kind']} of {ticket} is stored and the ticket is not")
            continue
        for name, value in sorted(body["set"].items()):
            told = merge.explain(record, name)
            values = [told.get("shown"), *(other["value"] for other in told.get("alternatives", []))]
            if value not in values:
                yield Violation(9, f"{name} = {value!r} ({body['kind']} of {ticket}) is neither shown nor an alternative")


def _unused(outcome: Mapping[str, Any]) -> bool:
    return outcome.get("outcome") in ("quarantined", "refused")


# ----------------------------------------------------------------------------------- 10 · headquarters knows what is missing


def waiting_known(
    device: str, said: int, truly: int, wrote: int | None, only_there: int, known_n: int, n: int
) -> Iterator[Violation]:
    """At a contact: the phone told the truth, and headquarters wrote down what is still only on that phone, and its head."""
    if said != truly:
        yield Violation(10, f"{device} said {said} facts wait, and {truly} did")
    if wrote is not None and wrote != only_there:
        yield Violation(10, f"{only_there} facts are only on {device}, and headquarters wrote {wrote}")
    if known_n < n:
        yield Violation(10, f"{device} named head {n}, and headquarters knows only {known_n}")
