"""The phone's side of the conversation: its journal, its confirmed copy, what to show, and the words of truth.

A `Replica` records facts durably before it says saved, makes requests, applies replies, and never deletes what the server has
not stated. It decides nothing about merging: what is shown is the server's projection with the phone's own newer facts laid
over it. Storage, keys and clock readings are passed in; `clients/handset` gives it SQLite, a simulation gives it memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from sync import journal, wire
from sync.facts import FactId, Key, Reading, Statement, Truth
from sync.journal import fact_id, genesis, head_bytes
from sync.kinds import KINDS
from sync.kinds.base import YEAR_2000_MS, YEAR_2100_MS, State
from sync.problems import Refused
from sync.wire import Envelope

LINES_A_PUSH = 1000
BYTES_A_PUSH = 512 * 1024
KEEP_MS = 7 * 24 * 3_600_000
# How far a ticket is, for laying own facts over the copy: they move it on, never back, and never open what is closed.
_RANK = {
    State.RECEIVED: 0,
    State.DISPATCHED: 0,
    State.REOPENED: 0,
    State.ACCEPTED: 1,
    State.EN_ROUTE: 2,
    State.ON_SITE: 3,
    State.WORKING: 4,
    State.SUSPENDED: 5,
    State.RETURNED: 6,
    State.COMPLETED: 7,
    State.CALLBACK: 8,
    State.ARCHIVED: 9,
    State.MERGED: 9,
    State.CANCELLED: 9,
}


@dataclass(slots=True)
class JournalState:
    """How far one of the phone's journals got: written to `n`, stated by the server to `stated`, backed up to `durable`.

    `unsure` is the n of a push whose reply never came: the next request asks by head before it sends bytes again.
    `dropped` is the last n whose line was deleted here.
    """

    id: str
    n: int = 0
    head: str = ""
    stated: int = 0
    durable: int = 0
    stated_at: int = 0
    unsure: int = 0
    forked: bool = False
    dropped: int = 0

    @property
    def torn(self) -> bool:
        """Whether the server lost lines it had called durable and the phone has since deleted: nothing can join on."""
        return self.dropped > 0 and self.stated <= self.dropped


@dataclass(slots=True)
class Row:
    """One record of the confirmed copy: the server's projection, the scopes it came by, and where it stood in the feed."""

    kind: str
    id: str
    at: int
    incarnation: str
    put: dict[str, Any]
    scopes: dict[str, int] = field(default_factory=dict)
    doubtful: list[str] = field(default_factory=list)
    gone: str | None = None
    gone_to: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ReplicaState:
    """Everything small a replica remembers between restarts. `raised`: tickets made here whose row has not come down yet."""

    device: str
    member: str
    app: str
    journals: list[JournalState]
    cursor: dict[str, dict[str, int]] = field(default_factory=dict)
    anchor: str | None = None
    anchor_used: bool = True
    heard_at: int = 0
    incarnation: str = ""
    ledger: int = 0
    notices: list[dict[str, Any]] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)


class Pocket(Protocol):
    """The phone's own storage. Everything inside one `transaction` becomes durable together or not at all."""

    def transaction(self) -> AbstractContextManager[None]: ...

    def load_state(self) -> bytes | None: ...

    def save_state(self, raw: bytes) -> None: ...

    def append(self, journal: str, n: int, identity: FactId, raw: bytes) -> None: ...

    def lines(self, journal: str, first: int, last: int) -> list[tuple[int, FactId, bytes]]: ...

    def drop_lines(self, journal: str, last: int) -> None: ...

    def row(self, key: Key) -> Row | None: ...

    def save_row(self, row: Row) -> None: ...

    def drop_row(self, key: Key) -> None: ...

    def rows(self, kind: str | None = None) -> Iterable[Row]: ...


class Signer(Protocol):
    """The device key and the server keys it trusts."""

    def checkpoint(self, journal: str, n: int, head: str) -> str: ...

    def statement(self, jws: str) -> Statement | None:
        """A statement with a valid signature of a pinned server key, or None."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request body (also a bundle when saved to a file) and what it carries."""

    body: bytes
    journal: str
    first: int
    last: int

    @property
    def lines(self) -> int:
        return max(0, self.last - self.first + 1)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a reply changed: lines newly stated, rows applied, whether there is more, and the problem to act on."""

    stated: int = 0
    rows: int = 0
    more: bool = False
    complete: bool = False
    problem: Mapping[str, Any] | None = None
    forked: bool = False
    regressed: bool = False
    changed: tuple[Key, ...] = ()


class Replica:
    """One phone. `new_id` makes identifiers (UUIDv7 in real life)."""

    def __init__(self, pocket: Pocket, signer: Signer, new_id: Callable[[], str]) -> None:
        self._pocket = pocket
        self._signer = signer
        self._new_id = new_id
        raw = pocket.load_state()
        if raw is None:
            raise Refused("unknown-device", "This phone is not enrolled yet.")
        self.state = _state_of(raw)
        self._sending: tuple[str, int, int] | None = None

    @classmethod
    def enrol(
        cls, pocket: Pocket, signer: Signer, new_id: Callable[[], str], *, device: str, member: str, app: str, reading: Reading
    ) -> Replica:
        """Begin a phone's life: its state and the opening line of its first journal, in one transaction."""
        with pocket.transaction():
            pocket.save_state(_state_bytes(ReplicaState(device, member, app, [])))
        replica = cls(pocket, signer, new_id)
        replica.begin_journal(reading, why="enrolled")
        return replica

    # ----------------------------------------------------------------------------------------------------- recording

    @property
    def journal(self) -> JournalState:
        return self.state.journals[-1]

    def begin_journal(self, reading: Reading, *, why: str) -> None:
        """Open a new journal that names the one before; never re-number, never continue what may have gone backwards."""
        before = self.state.journals[-1] if self.state.journals else None
        identity = self._new_id()
        self.state.journals.append(JournalState(identity, head=fact_id(genesis(identity))))
        body: dict[str, Any] = {"device": self.state.device, "member": self.state.member, "app": self.state.app, "why": why}
        if before is not None:
            body |= {"previous": before.id, "previous_n": before.n, "previous_head": before.head}
            self.state.anchor_used = self.state.anchor is None
            # What this phone remembers as stated may itself come from an old copy: ask once more about what went before.
            self._ask_again(self.journal)
        try:
            self._append("opening", {}, body, reading)
        except BaseException:
            self.state.journals.pop()
            raise

    def record(
        self, kind: str, reading: Reading, *, ticket: str, visit: str | None = None, body: Mapping[str, Any] | None = None
    ) -> FactId:
        """Write one fact; it is durable when this returns, and only then may a screen say saved.

        Raises: bad-value when the fact does not fit its kind's table.
        """
        row = self._pocket.row(("ticket", ticket))
        header: dict[str, Any] = {"ticket": ticket, "visit": visit, "fence": 0}
        if row is not None:
            header |= {"fence": row.put.get("fence", 0), "base": [row.incarnation, row.at]}
        if kind != "raised":
            return self._append(kind, header, body or {}, reading)
        self.state.raised.append(ticket)
        try:
            return self._append(kind, header, body or {}, reading)
        except BaseException:
            self.state.raised.remove(ticket)
            raise

    def _append(self, kind: str, header: dict[str, Any], body: Mapping[str, Any], reading: Reading) -> FactId:
        own = self.journal
        # A clock outside the years the wire can say (a flat battery says 1970) must not keep anything from being recorded;
        # the bounds the server can prove do not depend on it.
        wall = min(max(reading.wall, YEAR_2000_MS), YEAR_2100_MS)
        stamps = {"wall": wall, "mono": reading.mono, "boot": reading.boot}
        carried = None if self.state.anchor_used else self.state.anchor
        raw = wire.write_line(own.n + 1, kind, header | stamps | {"anchor": carried}, body)
        head = fact_id(journal.link(head_bytes(own.head) or b"", raw))
        n, before = own.n, own.head
        own.n, own.head = n + 1, head
        used, self.state.anchor_used = self.state.anchor_used, True
        try:
            with self._pocket.transaction():
                self._pocket.append(own.id, own.n, head, raw)
                self._save()
        except BaseException:
            own.n, own.head, self.state.anchor_used = n, before, used
            raise
        return head

    # ------------------------------------------------------------------------------------------------------- sending

    def request(self, *, limit_bytes: int = 65_536, now_wall: int = 0) -> Outgoing:
        """The next request: the oldest unstated lines, or a head alone when a reply was lost or nothing waits."""
        own = self._next_journal()
        last = own.n
        rows: list[tuple[int, FactId, bytes]] = []
        if own.unsure <= own.stated:
            rows = _fitting(self._pocket.lines(own.id, own.stated + 1, min(own.n, own.stated + LINES_A_PUSH)))
            last = rows[-1][0] if rows else own.n
        else:
            last = own.unsure
        head = self._head(own, last)
        first = rows[0][0] if rows else last + 1
        oldest = _wall(self._pocket.lines(own.id, own.stated + 1, own.stated + 1))
        envelope = Envelope(
            journal=own.id,
            n=last,
            head=head,
            first=first,
            after=self._head(own, first - 1) if rows else None,
            checkpoint=self._signer.checkpoint(own.id, last, head) if last > own.stated else None,
            cursor=self.state.cursor,
            app=self.state.app,
            limit_bytes=limit_bytes,
            waiting=self.waiting,
            oldest_s=max(0, (now_wall - oldest) // 1000) if oldest and now_wall else 0,
            ledger=self.state.ledger,
            mark=wire.mark_of(self.state.cursor),
        )
        body = b"\n".join([wire.write_envelope(envelope, len(rows)), *(raw for _, _, raw in rows), b""])
        self._sending = (own.id, first, last)
        return Outgoing(body, own.id, first, last)

    def lost(self, outgoing: Outgoing) -> None:
        """The reply to a request never came: nobody knows what was stored, so ask by head before sending again."""
        self._sending = None
        own = self._journal_of(outgoing.journal)
        if own is not None and outgoing.lines:
            own.unsure = outgoing.last
            self._keep()

    def sent_by_other_road(self, outgoing: Outgoing) -> None:
        """A bundle was written to a file: nothing is stated by that, and nothing may be deleted."""
        self._sending = None

    def _next_journal(self) -> JournalState:
        wanted = (own for own in self.state.journals if own.stated < own.n and (own.unsure or not own.torn))
        return next(wanted, self.journal)

    def _head(self, own: JournalState, n: int) -> FactId:
        if n == own.n:
            return FactId(own.head)
        if n == 0:
            return fact_id(genesis(own.id))
        return self._pocket.lines(own.id, n, n)[0][1]

    # ------------------------------------------------------------------------------------------------------ applying

    def apply(self, body: bytes, reading: Reading) -> Applied:
        """Apply a reply: the statement at once, the page only when its end arrived and it goes on from this phone's cursor.

        A reply without a valid statement (a captive portal's page, say) states nothing and deletes nothing.
        """
        asked, self._sending = self._sending, None
        reply = wire.parse_reply(body)
        stated, regressed = self._take_statement(reply.statement, asked, reading)
        problem = reply.problem
        changed: list[Key] = []
        end = self._where(reply.end)
        overtaken = end is not None and end.get("since") != self.state.cursor
        if end is not None and not overtaken and self._is_for_us(reply.statement):
            with self._pocket.transaction():
                changed = self._apply_rows(reply.rows, str(next(iter(end["cursor"]), "")))
                if not end.get("more"):
                    changed += self._sweep()
                self.state.cursor = {k: dict(v) for k, v in end["cursor"].items()}
                self._purge()
                self._save()
        forked = self._repair(problem, asked, reading) or self._begin_again(reading)
        self._keep()
        return Applied(
            stated,
            len(changed),
            bool(end and end.get("more")) or overtaken,
            end is not None,
            problem,
            forked,
            regressed,
            tuple(dict.fromkeys(changed)),
        )

    def _where(self, end: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """The end of a page with the cursor that its mark stands for; a mark of another cursor stands for none."""
        if end is None or "cursor" in end:
            return end
        cursor = self.state.cursor if end["mark"] == wire.mark_of(self.state.cursor) else None
        return {**end, "since": cursor, "cursor": cursor}

    def _is_for_us(self, jws: str | None) -> bool:
        statement = self._signer.statement(jws) if isinstance(jws, str) else None
        return statement is not None and self._journal_of(statement.journal) is not None

    def _take_statement(self, jws: str | None, asked: tuple[str, int, int] | None, reading: Reading) -> tuple[int, bool]:
        """Believe a statement only if it is the server's, about a journal of this phone, and names this phone's own head."""
        statement = self._signer.statement(jws) if isinstance(jws, str) else None
        own = self._journal_of(statement.journal) if statement else None
        if statement is None or own is None:
            return 0, False
        late = statement.time < self.state.heard_at
        if not late:
            self.state.anchor, self.state.anchor_used = jws, False
            self.state.heard_at = statement.time
            if self.state.incarnation not in ("", statement.incarnation) or statement.ledger < self.state.ledger:
                self._ask_again(own)
            self.state.incarnation, self.state.ledger = statement.incarnation, statement.ledger
        if statement.n > own.n:
            # The server has more of this journal than the phone: its storage went backwards, and another life went on.
            own.forked, own.unsure = True, 0
            return 0, False
        if self._own_head(own, statement.n) not in (statement.head, None):
            own.unsure = 0  # another life went on there; asking by head again would be answered the same for ever
            return 0, False
        newly = statement.n - own.stated
        if late and newly <= 0:
            return 0, False  # a reply overtaken by a newer one
        own.durable = max(own.durable, min(statement.durable, statement.n))
        # A server says how it stands at the n that was asked for; a bundle of long ago may have asked for an earlier one.
        less = asked is not None and asked[0] == own.id and statement.n < asked[2]
        if newly < 0 and own.unsure == 0 and less:
            # The server knows less than it once stated: it was restored from a backup. What is still here goes again.
            self._notice("server-regressed", journal=own.id, stated=own.stated, now=statement.n)
            own.stated = statement.n
            own.durable = min(own.durable, statement.n)
            self._ask_again(own)
            return 0, True
        if newly > 0:
            if own is self.journal and own.stated == 0:
                # The server's first word on this journal says nothing of those before it, and it may have forgotten them since.
                self._ask_again(own)
            own.stated, own.stated_at = statement.n, reading.wall
        own.unsure = 0
        return max(0, newly), False

    def _ask_again(self, known: JournalState) -> None:
        """The server went back: what it said of this phone's other journals must be asked again, by head.

        Of a torn one too: perhaps nobody but an unsigned word ever said that its beginning is lost.
        """
        for own in self.state.journals:
            if own is not known and own.n:
                own.stated, own.unsure = min(own.stated, own.dropped + 1 if own.dropped else 0), own.n

    def _own_head(self, own: JournalState, n: int) -> str | None:
        if n == own.n:
            return own.head
        if n == 0:
            return fact_id(genesis(own.id))
        found = self._pocket.lines(own.id, n, n)
        return found[0][1] if found else None

    def _apply_rows(self, rows: Iterable[Mapping[str, Any]], incarnation: str) -> list[Key]:
        changed: list[Key] = []
        for line in rows:
            scope = str(line["scope"])
            if "from" in line:
                self._doubt(scope, int(line["from"]))
            elif "put" in line:
                changed.append(self._put(scope, line, incarnation))
            elif "kind" in line and "gone" in line:
                changed.append(self._take_away(scope, line))
            elif "gone" in line:
                changed += self._lose_scope(scope)
        return changed

    def _put(self, scope: str, line: Mapping[str, Any], incarnation: str) -> Key:
        key = (str(line["kind"]), str(line["id"]))
        row = self._pocket.row(key) or Row(*key, at=0, incarnation="", put={})
        row.at, row.put, row.gone = int(line["at"]), dict(line["put"]), None
        row.scopes[scope] = row.at
        row.doubtful = [name for name in row.doubtful if name != scope]
        row.incarnation = incarnation
        self._pocket.save_row(row)
        if row.id in self.state.raised:
            self.state.raised.remove(row.id)
        return key

    def _take_away(self, scope: str, line: Mapping[str, Any]) -> Key:
        key = (str(line["kind"]), str(line["id"]))
        row = self._pocket.row(key)
        if row is not None:
            row.scopes.pop(scope, None)
            row.gone, row.gone_to = str(line["gone"]), dict(line.get("to", {}))
            if row.kind == "ticket" and row.gone == "reassigned":
                # The row goes once everything about it is sent; that a person lost a job must stay readable.
                self._notice("reassigned", ticket=row.id, number=row.put.get("number"), **row.gone_to)
            row.at = max(row.at, int(line["at"]))  # whoever writes from now on has seen that it went
            row.doubtful = [name for name in row.doubtful if name != scope]
            self._pocket.save_row(row)
        return key

    def _doubt(self, scope: str, position: int) -> None:
        """The server reads this scope again from an earlier place: mark what it may not send again. Never a wipe."""
        for row in list(self._pocket.rows()):
            if row.scopes.get(scope, -1) > position and scope not in row.doubtful:
                row.doubtful.append(scope)
                self._pocket.save_row(row)

    def _sweep(self) -> list[Key]:
        """After a whole drain: what was marked and not sent again is gone from that scope."""
        swept: list[Key] = []
        for row in list(self._pocket.rows()):
            if row.doubtful:
                for scope in row.doubtful:
                    row.scopes.pop(scope, None)
                row.doubtful = []
                row.gone = row.gone or "not-in-this-history"
                self._pocket.save_row(row)
                swept.append((row.kind, row.id))
        return swept

    def _lose_scope(self, scope: str) -> list[Key]:
        lost: list[Key] = []
        for row in list(self._pocket.rows()):
            if scope in row.scopes:
                del row.scopes[scope]
                row.gone = "scope"
                self._pocket.save_row(row)
                lost.append((row.kind, row.id))
        return lost

    def _purge(self) -> None:
        """Drop records no scope holds any more, once nothing unsent speaks of them."""
        unsent = self._tickets_unsent()
        for row in list(self._pocket.rows()):
            if not row.scopes and row.id not in unsent:
                self._pocket.drop_row((row.kind, row.id))

    def _tickets_unsent(self) -> set[str]:
        return {str(line.get("ticket")) for _, line in self._unstated()}

    def _unstated(self) -> list[tuple[JournalState, dict[str, Any]]]:
        return [
            (own, json.loads(raw))
            for own in self.state.journals
            if own.stated < own.n
            for _, _, raw in self._pocket.lines(own.id, own.stated + 1, own.n)
        ]

    # ------------------------------------------------------------------------------------------------------ repairing

    def _repair(self, problem: Mapping[str, Any] | None, asked: tuple[str, int, int] | None, reading: Reading) -> bool:
        """Do what a problem's repair data say about the journal that was asked for; True when a new journal began."""
        if problem is None:
            return False
        own = (self._journal_of(asked[0]) if asked else None) or self._next_journal()
        if problem.get("slug") == "unknown-after":
            self._rewind(own, problem.get("heads") or [])
        if problem.get("slug") == "fork":
            own.forked = True
        return self._begin_again(reading)

    def _begin_again(self, reading: Reading) -> bool:
        """A new journal where the present one cannot go on; True when one began."""
        own = self.journal
        if not own.forked and not own.torn:
            return False
        why = "lines-missing" if own.torn else "fork"
        self._notice(why, journal=own.id, n=own.n)
        try:
            self.begin_journal(reading, why=why)
        except BaseException:
            self.state.notices.pop()
            raise
        return True

    def refused(self, problem: Mapping[str, Any], reading: Reading) -> Applied:
        """A whole request was refused with a problem document: follow its repair data and keep everything."""
        asked, self._sending = self._sending, None
        forked = self._repair(problem, asked, reading)
        self._keep()
        return Applied(problem=problem, forked=forked)

    def _rewind(self, own: JournalState, heads: Iterable[Mapping[str, Any]]) -> None:
        own.unsure = 0
        known = [int(h["n"]) for h in heads if int(h["n"]) <= own.n and self._own_head(own, int(h["n"])) == h["head"]]
        before, was_torn = own.stated, own.torn
        own.stated = max(known, default=0)
        own.durable = min(own.durable, own.stated)
        if own.stated < before or (not known and not was_torn):  # that a torn one is still not known is no news
            self._ask_again(own)

    def prune(self, now_wall: int) -> int:
        """Delete lines the server stated, that lie inside its backup horizon, a week after they were stated."""
        dropped = 0
        for own in self.state.journals:
            last = min(own.stated, own.durable)
            if last and now_wall - own.stated_at >= KEEP_MS:
                with self._pocket.transaction():
                    dropped += len(self._pocket.lines(own.id, 1, last - 1))
                    # The last line stays: its head is what the next push joins on.
                    self._pocket.drop_lines(own.id, last - 1)
                    own.dropped = max(own.dropped, last - 1)
                    self._save()
        return dropped

    # -------------------------------------------------------------------------------------------------------- showing

    @property
    def waiting(self) -> int:
        """Facts here that the server has not stated; what it stated, and forgot after it was deleted here, is here no more."""
        return sum(own.n - max(own.stated, own.dropped) for own in self.state.journals)

    @property
    def sendable(self) -> int:
        """Those of them that can go: lines of a journal whose beginning the server lost and the phone deleted join nothing."""
        return sum(own.n - own.stated for own in self.state.journals if not own.torn)

    def truth(self, own: JournalState, n: int, identity: str) -> Truth:
        """The word for one fact, from the journal alone."""
        outcome = self._pocket.row(("outcome", identity))
        if outcome is not None and outcome.put.get("outcome") in ("contested", "quarantined"):
            return Truth.NEEDS_YOU
        if n <= own.stated:
            return Truth.HQ_HAS_IT
        if self._sending is not None and self._sending[0] == own.id and self._sending[1] <= n <= self._sending[2]:
            return Truth.SENDING
        return Truth.WAITING if self.state.heard_at or own.unsure else Truth.SAVED

    def queue(self) -> list[dict[str, Any]]:
        """Every fact still on the phone with its place and its word of truth, oldest first."""
        items = []
        for own in self.state.journals:
            for n, identity, raw in self._pocket.lines(own.id, 1, own.n):
                line = json.loads(raw)
                word = self.truth(own, n, identity)
                items.append(
                    {"journal": own.id, "n": n, "fact": identity, "kind": line["kind"], "truth": str(word), "line": line}
                )
        return items

    def tickets(self) -> list[dict[str, Any]]:
        """What to show: every ticket in scope, with the phone's own newer facts laid over."""
        shown = [self.show(row.id) for row in self._pocket.rows("ticket") if row.scopes]
        shown += [self.show(ticket) for ticket in sorted(self.state.raised)]
        return [view for view in shown if view is not None]

    def show(self, ticket: str) -> dict[str, Any] | None:
        """One ticket as the crew should see it, or None when this phone knows nothing of it."""
        row = self._pocket.row(("ticket", ticket))
        view: dict[str, Any] = json.loads(json.dumps(row.put)) if row else {}
        have: Mapping[str, int] = view.get("have", {})

        def known(own: JournalState) -> int:
            """Up to which line the confirmed copy speaks for the phone's own facts."""
            return _counted(own, have) if row else 0 if ticket in self.state.raised else own.stated

        mine = [
            (json.loads(raw), identity)
            for own in self.state.journals
            for _, identity, raw in self._pocket.lines(own.id, known(own) + 1, own.n)
        ]
        mine = [(line, fact) for line, fact in mine if line.get("ticket") == ticket and not self._set_aside(fact)]
        if row is None and not mine:
            return None
        for line, identity in mine:
            _lay_over(view, line, identity, self.state.member)
        view["id"] = ticket
        if row is not None and row.gone and not row.scopes:
            view |= {"gone": row.gone, "gone_to": row.gone_to}
        return view

    def _set_aside(self, fact: str) -> bool:
        """Whether the server said that a fact has no effect, at least until a person releases it."""
        outcome = self._pocket.row(("outcome", fact))
        return outcome is not None and outcome.put.get("outcome") in ("quarantined", "refused")

    def outcomes(self) -> list[Row]:
        """What the server said of single facts, where it was more than applied."""
        return list(self._pocket.rows("outcome"))

    # ---------------------------------------------------------------------------------------------------------- small

    def _notice(self, slug: str, **details: Any) -> None:
        self.state.notices.append({"slug": slug, **details})

    def _journal_of(self, identity: str) -> JournalState | None:
        return next((own for own in self.state.journals if own.id == identity), None)

    def _save(self) -> None:
        self._pocket.save_state(_state_bytes(self.state))

    def _keep(self) -> None:
        with self._pocket.transaction():
            self._save()


def _counted(own: JournalState, have: Mapping[str, int]) -> int:
    """Up to which n a projection holds a journal's facts; where the journal forked, in whichever branch is ours."""
    if not own.forked:
        return have.get(own.id, 0)
    return max((n for name, n in have.items() if name.split("~")[0] == own.id), default=0)


def _lay_over(view: dict[str, Any], line: Mapping[str, Any], identity: str, member: str) -> None:
    """Lay one own fact over the confirmed projection: enough for a screen, while the server's merge decides."""
    kind = KINDS.get(line["kind"])
    if kind is None:
        return
    header = {"n", "kind", "v", "ticket", "visit", "fence", "base", "wall", "mono", "boot", "anchor", "salt"}
    body = {name: value for name, value in line.items() if name not in header and name not in kind.private}
    moment = {"at": line["wall"], "fact": identity, "by": f"member:{member}", **body}
    if kind.corrects:
        view |= body["set"]
    if kind.slot is not None and kind.slot.of == "visit":
        visit = view.setdefault("visits", {}).setdefault(line["visit"], {"members": [f"member:{member}"]})
        if kind.slot.each is not None:
            visit.setdefault(kind.slot.name, {})[body[kind.slot.each]] = moment
        elif kind.slot.policy == "append":
            visit.setdefault(kind.slot.name, []).append(moment)
        else:
            visit.setdefault(kind.slot.name, moment)
    now = view.get("state")
    resumed = kind.name == "resumption" and now == State.SUSPENDED
    if kind.moves is not None and (now is None or resumed or _RANK[kind.moves] >= _RANK[State(now)]):
        view["state"] = str(kind.moves)


def _fitting(rows: list[tuple[int, FactId, bytes]]) -> list[tuple[int, FactId, bytes]]:
    """As many lines as one request may hold, at least one."""
    size = 0
    for count, (_, _, raw) in enumerate(rows):
        size += len(raw) + 1
        if size > BYTES_A_PUSH and count:
            return rows[:count]
    return rows


def _wall(rows: list[tuple[int, FactId, bytes]]) -> int:
    return int(json.loads(rows[0][2]).get("wall", 0)) if rows else 0


def _state_bytes(state: ReplicaState) -> bytes:
    return json.dumps(asdict(state), separators=(",", ":")).encode()


def _state_of(raw: bytes) -> ReplicaState:
    data = json.loads(raw)
    data["journals"] = [JournalState(**own) for own in data["journals"]]
    return ReplicaState(**data)
