"""Deliberately broken parts: each breaks one promise in the way other people's systems have broken it, so that a test can
show the oracle is not asleep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from sync import wire
from sync.facts import Reading
from sync.hub import Hub, Push, Receipt
from sync.journal import chain, fact_id, genesis
from sync.judge import Command, Published
from sync.problems import Refused
from sync.replica import Applied, Replica
from sync.store import Chain, Effects, Transaction


class Bent:
    """A transaction whose `apply` is not what it seems."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)


class DropsALine(Bent):
    """Says stored, and leaves out the last line of every tenth group."""

    _groups = 0

    def apply(self, effects: Effects) -> None:
        self._groups += 1
        if self._groups % 10 == 0 and effects.lines and effects.lines[-1].kind not in ("", "opening"):
            effects.lines.pop()
        self._transaction.apply(effects)


class CommitsAPositionLate(Bent):
    """Numbers a row now and shows it one transaction later: what bare sequences do under concurrency."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self._late: list[Any] = []
        self._groups = 0

    def apply(self, effects: Effects) -> None:
        self._groups += 1
        if self._late:
            self._transaction.executemany(  # type: ignore[attr-defined]
                "INSERT OR IGNORE INTO feed (scope, position, record, gone)"
                " SELECT scope.id, ?, record.key, ? FROM scope, record"
                " WHERE scope.name = ? AND record.kind = ? AND record.id = ?",
                [(new, gone, scope, *key) for scope, _, new, key, gone in self._late],
            )
            self._late = []
        if self._groups % 3 == 0:
            self._late = [row for row in effects.feed if row[0].startswith("crew:") and row[1] == 0]
            effects.feed = [row for row in effects.feed if row not in self._late]
        self._transaction.apply(effects)


class DeletesOnAnyReply(Replica):
    """Takes a reply with status 200 for a receipt, as sync code behind captive portals has done."""

    def apply(self, body: bytes, reading: Reading) -> Applied:
        asked = self._sending
        applied = super().apply(body, reading)
        if asked is not None and wire.parse_reply(body).statement is None:
            own = self._journal_of(asked[0])
            if own is not None and own.stated < asked[2] <= own.n:
                own.stated, own.stated_at = asked[2], reading.wall
                own.dropped = asked[2] - 1
                self._pocket.drop_lines(own.id, own.dropped)
                self._keep()
        return applied


class AppliesTwice(Hub):
    """Does not recognise a batch it has seen: the same lines again become new facts of another journal."""

    def commit(
        self,
        tx: Transaction,
        pushes: Sequence[Push],
        commands: Sequence[Sequence[Command]] = (),
        reference: Sequence[Published] = (),
    ) -> tuple[list[Receipt], list[int | Refused]]:
        seen: set[str] = set()
        changed = []
        for push in pushes:
            again = push.envelope.head in seen and push.raw
            seen.add(push.envelope.head)
            changed.append(_under_another_name(push) if again else push)
        return super().commit(tx, changed, commands, reference)


def _under_another_name(push: Push) -> Push:
    name = f"{push.envelope.journal}-again"
    lines = push.raw
    heads = [fact_id(head) for head in chain(genesis(name), lines)]
    envelope = replace(push.envelope, journal=name, first=1, n=len(lines), after=fact_id(genesis(name)), head=heads[-1])
    facts = tuple(
        fact if isinstance(fact, wire.Quarantine) else fact._replace(id=head)
        for fact, head in zip(push.facts, heads, strict=True)
    )
    return replace(push, envelope=envelope, heads=tuple(heads), facts=facts)


class IgnoresRivals(Hub):
    """Bounds a fact by any head ever named at its place, also by a rival branch's, which says nothing of it."""

    def commit(
        self,
        tx: Transaction,
        pushes: Sequence[Push],
        commands: Sequence[Sequence[Command]] = (),
        reference: Sequence[Published] = (),
    ) -> tuple[list[Receipt], list[int | Refused]]:
        return super().commit(cast(Transaction, _Credulous(tx, pushes)), pushes, commands, reference)


class _Credulous(Bent):
    """Shows every head that was named at a place as if it had been this push's own."""

    def __init__(self, transaction: Transaction, pushes: Sequence[Push]) -> None:
        super().__init__(transaction)
        self._heads = {
            (push.envelope.journal, n): str(head) for push in pushes for n, head in enumerate(push.heads, push.envelope.first)
        }

    def chains(self, journal: str) -> list[Chain]:
        held = self._transaction.chains(journal)
        for one in held:
            one.known = [(n, self._heads.get((journal, n), head), time) for n, head, time in one.known]
        return held


class ForgetsAnswers(Replica):
    """Moves its cursor before the page is whole: a cut reply then skips what was behind the cut."""

    def apply(self, body: bytes, reading: Reading) -> Applied:
        applied = super().apply(body, reading)
        reply = wire.parse_reply(body)
        last = [row for row in reply.rows if "put" in row]
        if reply.end is None and last and self.state.cursor:
            history = next(iter(self.state.cursor))
            scopes = self.state.cursor[history]
            scope = str(last[-1]["scope"])
            scopes[scope] = max(scopes.get(scope, 0), int(last[-1]["at"]))
            self._keep()
        return applied


class SendsEverything(Hub):
    """Judges who may see a row by what the phone asks for: the rows of another crew leak."""

    def pull(self, reader: Any, device: Any, envelope: Any, **when: Any) -> Any:
        wider = replace(device, station=None, crew="A" if device.crew != "A" else "B")
        return super().pull(reader, wider, envelope, **when)
