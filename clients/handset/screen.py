"""What the command line prints: tables and sentences made from what the phone knows. No input, no storage, no sending."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clients.handset.phone import Handset, Saved
from clients.handset.syncer import Synced
from clients.handset.words import (
    CONTESTED_FOR,
    STATES,
    TICKET_KINDS,
    Lang,
    kind_title,
    name_in,
    problem_text,
    quarantine_text,
    say,
    truth_word,
)
from sync.facts import Truth

_COLOURS = {Truth.NEEDS_YOU: "yellow", Truth.HQ_HAS_IT: "green", Truth.SENDING: "cyan"}
_OFFLINE = "magenta"  # waiting is violet, never red: red is for what may be lost
_FIELDS = ("kind", "state", "address", "contact", "customer", "description", "remarks")
_NAMES = {"contact": "contact_phone", "customer": "customer_name"}
_STEPS = {
    "accepted": "acceptance",
    "departed": "departure",
    "arrived": "arrival",
    "started": "start",
    "finished": "finish",
    "returned": "return",
    "rating": "rating",
}
_LISTS = {
    "photos": "photo",
    "notes": "note",
    "suspended": "suspension",
    "resumed": "resumption",
    "positions": "position_correction",
}


def ticket_list(phone: Handset, lang: Lang) -> RenderableType:
    """One line a ticket."""
    views = phone.tickets()
    if not views:
        return say("no-tickets", lang)
    table = _table(lang, "number", "state", "kind", "address")
    for view in views:
        state = Text(name_in(STATES, view.get("state"), lang))
        if view.get("contests"):
            state.append(" !", "yellow")
        table.add_row(_number(view), state, name_in(TICKET_KINDS, view.get("kind"), lang), str(view.get("address") or "–"))
    return table


def ticket(phone: Handset, view: Mapping[str, Any], lang: Lang) -> RenderableType:
    """One ticket: its fields, what was done in each visit, and what HQ changed or must decide."""
    parts: list[RenderableType] = [Text(_number(view), "bold")]
    fields = Table.grid(padding=(0, 2))
    for name in _FIELDS:
        value = view.get(_NAMES.get(name, name))
        if value:
            fields.add_row(Text(say(f"h-{name}", lang), "dim"), _value(name, value, lang))
    parts.append(fields)
    parts += [Text(line, "yellow") for line in _changed(view, lang)]
    for visit in view.get("visits", {}).values():
        parts += ["", _visit(visit, lang)]
    named = {photo["sha256"] for visit in view.get("visits", {}).values() for photo in visit.get("photos", ())}
    if named:
        received = len(named & set(view.get("photos_received", {})))
        parts.append(say("photos-received", lang, received=received, named=len(named)))
    return Group(*parts)


def _value(name: str, value: Any, lang: Lang) -> str:
    table = {"kind": TICKET_KINDS, "state": STATES}.get(name)
    return str(value) if table is None else name_in(table, value, lang)


def _changed(view: Mapping[str, Any], lang: Lang) -> Iterator[str]:
    gone = view.get("gone")
    if gone == "reassigned":
        to = view.get("gone_to") or {}
        yield say("gone-reassigned", lang, crew=to.get("crew", "–"), time=_clock(to.get("at", 0)))
    elif gone:
        yield say("gone", lang, reason=gone)
    for field in view.get("contests", {}):
        yield say("contest", lang, field=field)


def _visit(visit: Mapping[str, Any], lang: Lang) -> RenderableType:
    table = _table(lang, "when", "what", "why")
    moments = [(_STEPS[slot], visit[slot]) for slot in _STEPS if isinstance(visit.get(slot), dict)]
    moments += [(_LISTS[slot], moment) for slot in _LISTS for moment in visit.get(slot, ())]
    moments += [("answer", {**moment, "step": step}) for step, moment in visit.get("answers", {}).items()]
    for kind, moment in sorted(moments, key=lambda pair: (pair[1]["at"], pair[1]["fact"])):
        table.add_row(_clock(moment["at"]), kind_title(kind, lang), _details(moment))
    return table


def _details(moment: Mapping[str, Any]) -> str:
    step = f"{moment['step']} = {moment.get('value')} {moment.get('unit') or ''}".rstrip() if "guide" in moment else None
    shown = (
        step,
        moment.get("text"),
        moment.get("reason"),
        moment.get("result"),
        moment.get("far_reason"),
        moment.get("shows"),
    )
    return " · ".join(str(part) for part in shown if part)


def queue(phone: Handset, lang: Lang, *, everything: bool) -> RenderableType:
    """What is on this phone, oldest first, each thing with its word of truth."""
    items = [item for item in phone.queue() if everything or item["truth"] != Truth.HQ_HAS_IT]
    if not items:
        return say("nothing-waits", lang)
    numbers = {view["id"]: _number(view) for view in phone.tickets()}
    table = _table(lang, "when", "what", "ticket", "truth", "why")
    for item in items:
        line, truth = item["line"], Truth(item["truth"])
        word = Text(truth_word(truth, lang, item.get("percent")), _COLOURS.get(truth, _OFFLINE))
        identity = str(line.get("ticket") or "")
        what = say("h-photo-bytes", lang) if item["kind"] == "photo_bytes" else kind_title(item["kind"], lang)
        wall = line.get("wall")
        table.add_row(
            _clock(wall) if wall else "", what, numbers.get(identity, identity[-6:]), word, _why(item.get("why"), lang)
        )
    return table


def _why(slug: str | None, lang: Lang) -> str:
    if not slug:
        return ""
    return CONTESTED_FOR[slug][lang is Lang.ZH] if slug in CONTESTED_FOR else quarantine_text(slug)


def saved(phone: Handset, done: Saved, lang: Lang) -> RenderableType:
    """`Saved on phone: Arrived · WO-20431`."""
    view = phone.replica.show(done.ticket) or {"id": done.ticket}
    sentence = say("saved", lang, truth=truth_word(Truth.SAVED, lang), what=kind_title(done.kind, lang), number=_number(view))
    return Text(sentence, _OFFLINE)


def synced(phone: Handset, told: Synced, lang: Lang) -> RenderableType:
    """What one sync came to, and what still waits."""
    waits = {"waiting": phone.replica.waiting, "photos": phone.photos_waiting}
    if told.done and not any(waits.values()):
        return Text(say("synced", lang, stated=told.stated, photos=told.photos, rows=told.rows), "green")
    if told.done:
        return Text(say("still-waiting", lang, **waits), "yellow")
    if told.problem is not None:
        text = problem_text(told.problem, lang)
        return Group(Text(text, "yellow"), Text(say("still-waiting", lang, **waits), _OFFLINE))
    return Text(say("unreachable", lang, detail=told.fault, **waits), _OFFLINE)


def notices(phone: Handset, lang: Lang) -> Iterator[RenderableType]:
    """What happened to jobs, to this phone's journals and to the server's history."""
    keys = {
        "fork": "notice-fork",
        "server-regressed": "notice-server-regressed",
        "restored": "journal-restored",
        "reassigned": "notice-reassigned",
    }
    for notice in phone.replica.state.notices:
        if notice["slug"] in keys:
            values = {"ticket": notice.get("number") or notice.get("ticket"), "crew": notice.get("crew", "–")}
            yield Text(say(keys[notice["slug"]], lang, time=_clock(notice.get("at", 0)), **values), "yellow")


def pill(phone: Handset, lang: Lang) -> RenderableType:
    """`3 waiting · HQ 09:12`."""
    heard = phone.replica.state.heard_at
    waiting = phone.replica.waiting + phone.photos_waiting
    return Text(say("pill", lang, waiting=waiting, heard=_clock(heard) if heard else say("never", lang)), "dim")


def _table(lang: Lang, *headings: str) -> Table:
    return Table(*(say(f"h-{name}", lang) for name in headings), box=None, header_style="dim", pad_edge=False)


def _number(view: Mapping[str, Any]) -> str:
    return str(view.get("number") or f"…{view['id'][-6:]}")


def _clock(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000).astimezone()
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S" if today else "%m-%d %H:%M")
