"""Points for finished work: an append-only ledger in which every entry says why it is what it is.

`settle` compares what a ticket should pay now with what its ledger says, and returns only what must be appended:
counter-entries for what no longer holds, fresh entries for what does. Whole thousandths throughout: sums never drift.
The rule is data (`points_v1.toml`, sentences in `points_reasons.json`). Refuses to know pay, the time of settling, and
who may post.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from typing import Any

import msgspec

from server.desk.codes import LISTS, name_of
from server.desk.data import read_json, read_toml
from server.desk.limits import LimitResult, Ticket
from server.desk.workdays import state_council

Rule = Mapping[str, Any]
"""A rule file as read: its `version` and every parameter."""

WHOLE = 1000
"""One, in thousandths."""


class EntryKind(StrEnum):
    """What an entry does to the member's sum."""

    PROVISIONAL = "provisional"  # adds points; live until reversed
    HELD = "held"  # adds nothing: says why no points are live
    REVERSAL = "reversal"  # the counter-entry of the entry it refers to
    CONFIRMATION = "confirmation"  # adds nothing: the entry it refers to is final


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, as a code of `points_reasons.json` and the values its sentence names."""

    code: str
    values: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """What one member should have for one visit; an entry without its place in a ledger."""

    kind: EntryKind
    ticket: str
    visit: str
    crew: str
    member: str
    milli: int
    share_milli: int
    rule: str
    inputs: Mapping[str, Any]
    factors: Mapping[str, int]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One immutable line of a ticket's ledger: `content.milli` thousandths of a point for one member for one visit.

    `ordinal` counts the ticket's entries from 0; `refers` is the entry reversed or confirmed; `id` hashes the rest.
    """

    id: str
    ordinal: int
    refers: str | None
    content: Draft


def rule_v1() -> Rule:
    """The shipped rule."""
    return read_toml("points_v1.toml")


def settle(ticket: Ticket, limits: Sequence[LimitResult], previous: Sequence[Entry], rule: Rule | None = None) -> list[Entry]:
    """The entries to append to `previous`, the ticket's whole ledger so far; none when it already says the right thing.

    Reads from the ticket, besides the fold: `distance_m`, `customers_restored`, `severe_weather`, `points_released` (a
    person, or the ten working days, ended a hold in the member's favour), and `shares` of a visit (member → weight).
    """
    wanted, gone = _wanted(ticket, limits, rule or rule_v1())
    live = live_entries(previous)
    ledger = _Ledger(list(previous), len(previous))
    for key, entry in live.items():
        draft = wanted.get(key)
        if draft != entry.content:
            ledger.append(_counter(entry.content, _why_reversed(draft, gone)), entry.id)
    for key, draft in wanted.items():
        if key not in live or live[key].content != draft:
            ledger.append(draft, None)
    if ticket.get("state") == "archived":
        _confirm(ledger)
    return ledger.entries[ledger.known :]


def live_entries(entries: Iterable[Entry]) -> dict[tuple[str, str], Entry]:
    """What stands, by (visit, member): provisional or held entries nobody reversed."""
    live: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        key = (entry.content.visit, entry.content.member)
        if entry.content.kind is EntryKind.REVERSAL:
            del live[key]
        elif entry.content.kind is not EntryKind.CONFIRMATION:
            live[key] = entry
    return live


def net_milli(entries: Iterable[Entry]) -> dict[str, int]:
    """Thousandths of a point by member, over all entries."""
    sums: dict[str, int] = {}
    for entry in entries:
        sums[entry.content.member] = sums.get(entry.content.member, 0) + entry.content.milli
    return sums


def explain(entry: Entry, language: str) -> list[str]:
    """The entry's reasons as sentences in `zh` or `en`."""
    templates = read_json("points_reasons.json")
    return [templates[r.code][language].format(**_words(r.values, language)) for r in entry.content.reasons]


def to_row(entry: Entry) -> dict[str, Any]:
    """The entry as JSON types, for storing."""
    row: dict[str, Any] = msgspec.to_builtins(entry)
    return row


def from_row(row: Mapping[str, Any]) -> Entry:
    """The entry `to_row` gave."""
    return msgspec.convert(row, Entry)


def split_milli(total: int, weights: Mapping[str, int], salt: str) -> dict[str, int]:
    """`total` in whole parts by weight, summing to exactly `total`.

    Largest remainder; the odd thousandths of equal claims fall by a hash of `salt` and the name, so that nobody is
    favoured by their place in the alphabet. Weights are whole and not negative; all zero means equal.
    """
    if not any(weights.values()):
        weights = dict.fromkeys(weights, 1)
    whole = sum(weights.values())
    parts = {name: total * weight // whole for name, weight in weights.items()}
    left = total - sum(parts.values())
    by_claim = sorted(weights, key=lambda name: (-(total * weights[name] % whole), _lot(salt, name)))
    for name in by_claim[:left]:
        parts[name] += 1
    return {name: parts[name] for name in sorted(parts)}


def _lot(salt: str, name: str) -> str:
    return hashlib.sha256(f"{salt}\0{name}".encode()).hexdigest()


# --- the ledger -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Ledger:
    """Entries in order; those from `known` on are new."""

    entries: list[Entry]
    known: int

    def append(self, content: Draft, refers: str | None) -> None:
        ordinal = len(self.entries)
        digest = hashlib.sha256(msgspec.json.encode((content, ordinal, refers), order="deterministic")).hexdigest()
        self.entries.append(Entry(digest[:32], ordinal, refers, content))


def _counter(content: Draft, why: Reason) -> Draft:
    return _changed(content, EntryKind.REVERSAL, -content.milli, why)


def _changed(content: Draft, kind: EntryKind, milli: int, why: Reason) -> Draft:
    """The same visit and member with another effect; its inputs stay with the entry it refers to."""
    return Draft(
        kind=kind,
        ticket=content.ticket,
        visit=content.visit,
        crew=content.crew,
        member=content.member,
        milli=milli,
        share_milli=content.share_milli,
        rule=content.rule,
        inputs={},
        factors={},
        reasons=(why,),
    )


def _why_reversed(draft: Draft | None, gone: str) -> Reason:
    if draft is None:
        return Reason(gone)
    return Reason("reversed_held" if draft.kind is EntryKind.HELD else "reversed_changed")


def _confirm(ledger: _Ledger) -> None:
    confirmed = {entry.refers for entry in ledger.entries if entry.content.kind is EntryKind.CONFIRMATION}
    for entry in live_entries(ledger.entries).values():
        if entry.content.kind is EntryKind.PROVISIONAL and entry.id not in confirmed:
            ledger.append(_changed(entry.content, EntryKind.CONFIRMATION, 0, Reason("confirmed")), entry.id)


# --- what a ticket should pay -----------------------------------------------------------------------------------------

Wanted = dict[tuple[str, str], Draft]


def _wanted(ticket: Ticket, limits: Sequence[LimitResult], rule: Rule) -> tuple[Wanted, str]:
    """What should stand, and the reason code for what should not."""
    finished = _finished(ticket)
    disputed = _ticket_hold(ticket, rule)
    if ticket.get("merged_into"):
        return {}, "reversed_merged"
    if _cancelled(ticket) and disputed is None:
        return {}, "reversed_cancelled"
    on_hold = None if ticket.get("points_released") and ticket.get("kind") else disputed
    wanted: Wanted = {}
    paid: set[str] = set()
    for visit_id, visit in finished:
        hold = on_hold or _visit_hold(ticket, visit, rule)
        if hold is None and visit["crew"] in paid:
            continue
        if hold is None:
            paid.add(visit["crew"])
            drafts = _paid(ticket, visit_id, visit, limits, rule)
        else:
            drafts = _held(ticket, visit_id, visit, hold, rule)
        wanted.update({(draft.visit, draft.member): draft for draft in drafts})
    return wanted, "reversed_withdrawn"


def _finished(ticket: Ticket) -> list[tuple[str, Mapping[str, Any]]]:
    """The finished visits that count or may yet count, earliest finish first."""
    visits = (ticket.get("visits") or {}).items()
    rows = [(vid, visit) for vid, visit in visits if visit.get("finished") and visit["standing"] != "superseded"]
    return sorted(rows, key=lambda row: (row[1]["finished"]["at"], row[0]))


def _cancelled(ticket: Ticket) -> bool:
    return bool(ticket.get("cancelled")) or ticket.get("state") == "cancelled"


def _ticket_hold(ticket: Ticket, rule: Rule) -> Reason | None:
    if ticket.get("kind") not in rule["base_milli"]:
        return Reason("held_kind")
    harmless = rule["held"]["harmless_contests"]
    fields = sorted(path for path in ticket.get("contests") or {} if _without_visit(path) not in harmless)
    if fields:
        return Reason("held_contest", {"fields": ", ".join(fields)})
    return Reason("held_state") if ticket.get("state") in rule["held"]["states"] else None


def _without_visit(path: str) -> str:
    """`visits/v1/rating` → `visits/rating`; a field of the ticket is its own name."""
    head, _, rest = path.partition("/")
    return f"{head}/{rest.partition('/')[2]}" if rest else head


def _visit_hold(ticket: Ticket, visit: Mapping[str, Any], rule: Rule) -> Reason | None:
    if ticket.get("points_released"):
        return None
    if visit["standing"] == "contested":
        return Reason("held_visit")
    moments = [visit.get("arrived") or {}, visit["finished"]]
    suspect = sorted({flag for row in moments for flag in row.get("flags") or ()} & set(rule["held"]["flags"]))
    return Reason("held_time", {"flags": ", ".join(suspect)}) if suspect else None


def _held(ticket: Ticket, visit_id: str, visit: Mapping[str, Any], hold: Reason, rule: Rule) -> list[Draft]:
    return [
        Draft(
            kind=EntryKind.HELD,
            ticket=ticket["id"],
            visit=visit_id,
            crew=visit["crew"],
            member=member,
            milli=0,
            share_milli=0,
            rule=rule["version"],
            inputs={},
            factors={},
            reasons=(hold,),
        )
        for member in sorted(visit["members"])
    ]


def _paid(ticket: Ticket, visit_id: str, visit: Mapping[str, Any], limits: Sequence[LimitResult], rule: Rule) -> list[Draft]:
    price = _price(ticket, visit, limits, rule)
    weights = visit.get("shares") or dict.fromkeys(visit["members"], 1)
    salt = f"{ticket['id']}/{visit_id}"
    shares = split_milli(WHOLE, weights, salt)
    parts = split_milli(price.total_milli, weights, salt)
    return [
        Draft(
            kind=EntryKind.PROVISIONAL,
            ticket=ticket["id"],
            visit=visit_id,
            crew=visit["crew"],
            member=member,
            milli=parts[member],
            share_milli=shares[member],
            rule=rule["version"],
            inputs=price.inputs,
            factors=price.factors,
            reasons=(*price.reasons, Reason("share", {"members": len(parts), "share_milli": shares[member]})),
        )
        for member in parts
    ]


# --- the price of one visit -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Price:
    total_milli: int
    inputs: Mapping[str, Any]
    factors: Mapping[str, int]
    reasons: tuple[Reason, ...]


def _price(ticket: Ticket, visit: Mapping[str, Any], limits: Sequence[LimitResult], rule: Rule) -> _Price:
    inputs = _inputs(ticket, visit, limits, rule)
    base = rule["base_milli"][ticket["kind"]]
    difficulty, hard = _ranged(rule["difficulty"], _difficulty(inputs, rule["difficulty"]))
    intensity, intense = _ranged(rule["intensity"], _intensity(inputs, rule["intensity"]))
    quality, good = _quality(inputs, rule["quality"])
    reasons = (Reason("base", {"kind": ticket["kind"], "points_milli": base}), *hard, *intense, *good)
    total = _rounded(base * difficulty * intensity * quality, WHOLE**3)
    factors = {"base": base, "difficulty": difficulty, "intensity": intensity, "quality": quality}
    return _Price(total, inputs, factors, reasons)


def _rounded(numerator: int, denominator: int) -> int:
    """Half up; both are positive."""
    return (2 * numerator + denominator) // (2 * denominator)


def _inputs(
    ticket: Ticket, visit: Mapping[str, Any], limits: Sequence[LimitResult], rule: Rule
) -> dict[str, str | int | bool | None]:
    """Everything the price depends on, and nothing else: a change of anything else must not touch the ledger."""
    kept = rule["quality"]["limits"]
    judged = {f"limit_{limit.name}": str(limit.verdict) for limit in limits if limit.verdict and limit.name in kept}
    at_night, on_free_day = _odd_hours(ticket.get("received_at"), rule["intensity"])
    return {
        "kind": ticket["kind"],
        "fault_class": ticket.get("fault_class"),
        "cause": ticket.get("cause"),
        "at_night": at_night,
        "on_free_day": on_free_day,
        "severe_weather": bool(ticket.get("severe_weather")),
        "distance_m": int(ticket.get("distance_m") or 0),
        "customers_restored": int(ticket.get("customers_restored") or 0),
        "arrival": bool(visit.get("arrived")),
        "photo": bool(visit.get("photos")),
        **judged,
    }


def _odd_hours(received_at: int | None, table: Mapping[str, Any]) -> tuple[bool, bool]:
    """(at night, on a free day) by the server's clock; a ticket raised in the field may not have been received yet."""
    if received_at is None:
        return False, False
    received = state_council().local(received_at)
    night = _within(received, table["night_from"], table["night_to"])
    return night, not state_council().is_workday(received.date())


def _within(moment: datetime, begins: str, ends: str) -> bool:
    """Whether the wall time lies in a span that may cross midnight."""
    first, last, now = time.fromisoformat(begins), time.fromisoformat(ends), moment.time()
    return first <= now < last if first <= last else now >= first or now < last


Parts = list[tuple[int, Reason]]
"""What is added to a factor, in thousandths, and why."""


def _ranged(table: Mapping[str, Any], parts: Parts) -> tuple[int, list[Reason]]:
    """The factor within its range, and the reasons that moved it."""
    total = table["least_milli"] + sum(milli for milli, _ in parts)
    return min(total, table["most_milli"]), [reason for _, reason in parts]


def _difficulty(inputs: Mapping[str, Any], table: Mapping[str, Any]) -> Parts:
    parts: Parts = []
    for name in ("fault_class", "cause", "kind"):
        milli = table[f"{name}_milli"].get(inputs[name], 0)
        if milli:
            parts.append((milli, Reason(f"difficulty_{name}", {name: inputs[name], "factor_milli": milli})))
    return parts


def _intensity(inputs: Mapping[str, Any], table: Mapping[str, Any]) -> Parts:
    urgent = inputs["kind"] in table["urgent_kinds"]
    standard = table["minutes"]["standard"].get(inputs["fault_class"], 0)
    fixed = (
        ("night", urgent and inputs["at_night"]),
        ("holiday", urgent and inputs["on_free_day"]),
        ("weather", inputs["severe_weather"]),
    )
    parts = [_part(name, table[f"{name}_milli"], None) for name, holds in fixed if holds]
    for name, unit, amount in (
        ("distance", "m", inputs["distance_m"]),
        ("minutes", "minutes", standard),
        ("customers", "customers", inputs["customers_restored"]),
    ):
        steps = max(0, amount - table[name][f"free_{unit}"]) // table[name][f"step_{unit}"]
        if steps:
            milli = min(steps * table[name]["step_milli"], table[name]["most_milli"])
            parts.append(_part(name, milli, amount))
    return parts


def _part(name: str, milli: int, amount: int | None) -> tuple[int, Reason]:
    values: dict[str, str | int] = {"factor_milli": milli}
    if amount is not None:
        values["amount"] = amount
    return milli, Reason(f"intensity_{name}", values)


def _quality(inputs: Mapping[str, Any], table: Mapping[str, Any]) -> tuple[int, list[Reason]]:
    """On time or late by the worst verdict, times whether the evidence is there."""
    scale = table["verdict_milli"]
    order = list(scale)
    verdicts = [inputs[f"limit_{name}"] for name in table["limits"] if f"limit_{name}" in inputs]
    quality, reasons = WHOLE, []
    if verdicts:
        worst = max(verdicts, key=order.index)
        quality = scale[worst]
        reasons.append(Reason(f"verdict_{worst}", {"factor_milli": quality}))
    lacking = [f"no_{name}" for name in ("arrival", "photo") if not inputs[name]]
    if lacking:
        missing = table["evidence_missing_milli"]
        quality = _rounded(quality * missing, WHOLE)
        reasons.append(Reason("_".join(lacking), {"factor_milli": missing}))
    return quality, reasons


def _words(values: Mapping[str, str | int], language: str) -> dict[str, str]:
    """The values as people read them: codes by their names, thousandths as decimals."""
    words = {}
    for name, value in values.items():
        if name.endswith("_milli"):
            words[name.removesuffix("_milli")] = _decimal(int(value))
        else:
            words[name] = name_of(name, str(value), language) if name in LISTS else str(value)
    return words


def _decimal(milli: int) -> str:
    sign = "-" if milli < 0 else ""
    whole, part = divmod(abs(milli), WHOLE)
    return f"{sign}{whole}.{part:03d}".rstrip("0").rstrip(".")
