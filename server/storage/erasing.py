"""The SQL of erasure and retention: which rows hold what is to go, and their going. Decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from psycopg.errors import InsufficientPrivilege as MayNot
from sqlalchemy import bindparam, func, select

from server.storage import tables as t
from server.storage.sql import compiled, table_of
from server.storage.store import StoreReader, StoreTransaction

__all__ = ["MayNot"]

Held = Mapping[str | None, Sequence[int]]
"""Places of lines that were held back, by the ticket they name; under None those of lines nobody could read."""

_p = bindparam
_fact, _body, _journal = (table_of(m) for m in (t.StoredFact, t.Body, t.Journal))
_use, _photo, _member = (table_of(m) for m in (t.PhotoUse, t.PhotoBytes, t.Member))
_phone, _code = table_of(t.Phone), table_of(t.EnrolCode)
_HELD = compiled(select(_fact.c.seq, _fact.c.ticket).where(_fact.c.slug != ""))
_LINE = compiled(select(_body.c.line).where(_body.c.seq == _p("s")))
_PLACE = compiled(
    select(_fact.c.seq)
    .join_from(_fact, _journal, _fact.c.chain == _journal.c.key)
    .join(_body, _body.c.seq == _fact.c.seq)
    .where(_journal.c.name == _p("c"), _fact.c.n == _p("n"))
)
_DROP_BODY = compiled(_body.delete().where(_body.c.seq == _p("s")))
_THIS_USE = (_use.c.ticket == _p("t"), _use.c.original == _p("o"), _use.c.erased_at.is_(None))
_ERASE_USE = compiled(_use.update().values(erased_at=_p("at")).where(*_THIS_USE))
_ERASED_USES = compiled(select(_use.c.sha256).where(_use.c.erased_at.is_not(None), _use.c.ticket == _p("t")))
_IN_USE = compiled(select(func.count()).select_from(_use).where(_use.c.ticket == _p("t"), _use.c.erased_at.is_(None)))
_FORGET = compiled(_photo.update().values(received_at=_p("r"), details=_p("d")).where(_photo.c.sha256 == _p("s")))
_LEFT_OVER = compiled(
    select(_photo.c.sha256)
    .where(_photo.c.received_at.is_not(None))
    .where(_photo.c.sha256.in_(select(_use.c.sha256).where(_use.c.erased_at.is_not(None))))
    .where(_photo.c.sha256.not_in(select(_use.c.sha256).where(_use.c.erased_at.is_(None))))
)
_UNNAME = compiled(_member.update().values(name=_p("n"), name_en=_p("e"), phone="").where(_member.c.id == _p("i")))
_UNNAME_PHONES = compiled(_phone.update().values(name="").where(_phone.c.member == _p("m")))
_OLD_CODES = (_code.c.used_at.is_not(None), _code.c.used_at < _p("before"))
_COUNT_CODES = compiled(select(func.count()).select_from(_code).where(*_OLD_CODES))
_DROP_CODES = compiled(_code.delete().where(*_OLD_CODES))


# ------------------------------------------------------------------------------------------------------------------ lines


def held_lines(store: StoreReader) -> Held:
    """The places of all lines that were held back."""
    found: dict[str | None, list[int]] = {}
    for seq, ticket in store.run(_HELD).fetchall():
        found.setdefault(ticket, []).append(seq)
    return found


def held_of(tx: StoreTransaction, ticket: str, held: Held) -> set[int]:
    """What was held back of this ticket; of lines nobody could read those in which its id stands."""
    unread = {seq for seq in held.get(None, ()) for row in tx.run(_LINE, (seq,)).fetchall() if ticket.encode() in row[0]}
    return unread | set(held.get(ticket, ()))


def places(tx: StoreTransaction, lines: Iterable[tuple[str, int]]) -> set[int]:
    """The places of lines, by chain and number, whose bytes are still here."""
    return {row[0] for line in lines for row in tx.run(_PLACE, line).fetchall()}


def drop_bodies(tx: StoreTransaction, seqs: Iterable[int]) -> None:
    """Delete the bytes of lines; their facts stay. Raises: `MayNot`."""
    tx.executemany(_DROP_BODY, [(seq,) for seq in sorted(seqs)])


# ----------------------------------------------------------------------------------------------------------------- photos


def erase_uses(tx: StoreTransaction, ticket: str, uses: Collection[tuple[str, str]], now_ms: int) -> list[str]:
    """Let uses (ticket, photo) not count any more; everything this ticket ever had erased."""
    tx.executemany(_ERASE_USE, [(now_ms, *use) for use in sorted(uses)])
    return sorted({row[0] for row in tx.run(_ERASED_USES, (ticket,)).fetchall()})


def photos_in_use(store: StoreReader, ticket: str) -> int:
    """How many uses of photos by this ticket still count."""
    return int(store.run(_IN_USE, (ticket,)).fetchone()[0])


def forget_photos(tx: StoreTransaction, photos: Iterable[str]) -> None:
    """Their bytes are not here any more, nor what was read out of them."""
    tx.executemany(_FORGET, [(None, None, name) for name in photos])


def left_over(store: StoreReader) -> list[str]:
    """Photos whose uses are erased while their bytes are not: a crash came between, or an upload ended just then."""
    return [row[0] for row in store.run(_LEFT_OVER).fetchall()]


# ----------------------------------------------------------------------------------------------------------------- people


def unname_member(tx: StoreTransaction, member: str) -> bool:
    """Put the id in place of a member's names; whether there is such a member."""
    tx.run(_UNNAME_PHONES, (member,))
    return bool(tx.run(_UNNAME, (member, member, member)).rowcount)


def old_codes(store: StoreReader, before_ms: int) -> int:
    """How many enrolment codes were used before then."""
    return int(store.run(_COUNT_CODES, (before_ms,)).fetchone()[0])


def drop_codes(tx: StoreTransaction, before_ms: int) -> None:
    tx.run(_DROP_CODES, (before_ms,))
