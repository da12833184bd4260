"""The nouns of the engine: what a phone records, what the server knows of it, and what it says back.

Values only: no behaviour beyond what follows from a value itself. Times are integer milliseconds since 1970 UTC on the
server's time scale unless the name says `wall` (the phone's own clock) or `mono` (its monotonic clock).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, NewType

FactId = NewType("FactId", str)
"""h(n) of a journal line, base64url without padding (43 characters)."""

Key = tuple[str, str]
"""(kind, id) of a record, for example ("ticket", "0199…")."""

Scope = NewType("Scope", str)
"""A cut of the feed: `crew:<id>`, `member:<id>`, `station:<id>`, `device:<id>` or `hq`."""

HQ = Scope("hq")


class Side(StrEnum):
    """Who speaks: a crew's phone, or the office."""

    FIELD = "field"
    OFFICE = "office"


class Outcome(StrEnum):
    """What became of one stored fact (处理结论)."""

    APPLIED = "applied"
    CONTESTED = "contested"
    QUARANTINED = "quarantined"


class Verdict(StrEnum):
    """What is said of a limit: five words, because an offline clock cannot always answer yes or no (时限判定)."""

    MET_PROVEN = "met_proven"
    MET_CLAIMED = "met_claimed"
    INDETERMINATE = "indeterminate"
    MISSED_CLAIMED = "missed_claimed"
    MISSED_PROVEN = "missed_proven"


class Truth(StrEnum):
    """The words a phone may use about one of its facts, computed from its journal and never from a last-sync time."""

    SAVED = "saved"  # 已存本机: in the journal, no request under way
    WAITING = "waiting"  # 排队: a send was tried or is due
    SENDING = "sending"  # 上传中: in the request now under way
    HQ_HAS_IT = "hq_has_it"  # 总部已收: covered by a verified statement
    NEEDS_YOU = "needs_you"  # 需处理: contested or quarantined by the server


class Interval(NamedTuple):
    """Hard bounds of a moment. `lower` is None when no anchor precedes the fact in its own chain."""

    lower: int | None
    upper: int


class Reading(NamedTuple):
    """What the phone's own clocks showed: `wall` ms since 1970, `mono` ms since an unknown start, within one `boot`."""

    wall: int
    mono: int
    boot: str


class Base(NamedTuple):
    """The row that was on the screen when a fact was written: its position in one server history."""

    incarnation: str
    position: int


class Fact(NamedTuple):
    """One line of a journal, parsed and checked against its kind's table (`sync/kinds`)."""

    id: FactId
    n: int
    kind: str
    v: int
    ticket: str | None
    visit: str | None
    fence: int
    base: Base | None
    reading: Reading
    anchor: str | None
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """The server's signed word (签名回执): the journal is stored durably up to `n`, whose head is `head`, at `time` ± `radius`.

    `durable` is the highest n inside the last verified backup (0 = none); `ledger` is the size of the Merkle ledger and
    `root` its root hash (RFC 9162). Signed as a JWS with typ `lamplighter-statement`.
    """

    journal: str
    n: int
    head: FactId
    time: int
    radius: int
    incarnation: str
    durable: int
    ledger: int
    root: str


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the feed as a device receives it: the newest projection of one record, or why it is gone.

    `to` = {crew, at} goes with `gone: "reassigned"`.
    """

    scope: Scope
    at: int
    kind: str
    id: str
    put: Mapping[str, Any] | None
    gone: str | None
    to: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Write:
    """A fact as merge sees it: its content with everything that was resolved once, when the server accepted it.

    `chain` and `n` say where it stands in its own journal (`trunk` = (chain, n) where a rival branch left the trunk);
    `base` is the highest position of this record it has seen in the present history; `position` is the record's position
    when it was committed (0 until the commit numbers it, the only change a write ever sees); `at` is the effective time;
    `lower`/`upper` the hard bounds; `ticket` is the ticket the fact names, which differs from the record's where the fact
    followed a merge.
    """

    fact: FactId
    kind: str
    side: Side
    by: str
    crew: str | None
    chain: str
    n: int
    base: int
    at: int
    lower: int | None
    upper: int
    visit: str | None
    fence: int
    body: dict[str, Any]
    position: int = 0
    trunk: tuple[str, int] | None = None
    ticket: str | None = None
    flags: tuple[str, ...] = ()
    device: str | None = None


@dataclass(slots=True)
class Record:
    """One object of the business with every write it ever received; what people see is folded from it (`sync/merge.py`).

    `scopes` maps each scope that ever saw the record to (position, why it is gone or None). `target` names the record
    that took over (a merged duplicate's parent, or the ticket behind a number told by phone). `derived` belongs to the
    office's rules: points entries and verdict history, kept here so that one load brings all there is.
    """

    kind: str
    id: str
    writes: list[Write] = field(default_factory=list)
    position: int = 0
    scopes: dict[str, tuple[int, str | None]] = field(default_factory=dict)
    target: str | None = None
    derived: dict[str, Any] = field(default_factory=dict)
