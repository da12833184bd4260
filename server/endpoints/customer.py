"""The customer's own phone (客户本人手机): `GET` and `POST /r/<token>`, a page without script and account.

Whoever holds the link is the customer, as far as a link can tell. The answer is sealed before it is written, so that from
here on only headquarters reads it. Refuses to know how a page looks and which of several answers counts.

There is no token against forged requests from other sites, because there is nothing such a site could use: no cookie, no
session, nothing a browser sends by itself. Whoever can make a browser post here knows the link, and could post it directly.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from server.desk import ratings
from server.desk.codes import name_of
from server.desk.ratings import BadForm, Turn
from server.desk.workdays import state_council
from server.endpoints.customer_page import CSP, About, Language, absent_page, form_page, word_page
from server.seal import seal_own_rating
from server.service import Service
from server.storage import tables as t
from server.visit_links import Assignment
from server.web import Call, Reply
from sync.facts import Record
from sync.judge import Command
from sync.problems import Refused

FORM_BYTES_MAX = 4096
FORM_FIELDS_MAX = 40
AUTHOR = "customer:own-phone"
TRIES_MAX = 20
TRIES_WINDOW_MS = 10 * 60_000
LINKS_KNOWN_MAX = 10_000
_FORM = "application/x-www-form-urlencoded"
_HEADERS = {
    "content-security-policy": CSP,
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex",
}


class Turnstile:
    """Lets each name through so many times in a window; when it knows too many names it forgets them all."""

    def __init__(self, times_max: int, window_ms: int, names_max: int) -> None:
        self._times_max, self._window_ms, self._names_max = times_max, window_ms, names_max
        self._seen: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def lets(self, name: str, now_ms: int) -> bool:
        """Whether this one may pass now; counts it."""
        with self._lock:
            begun, times = self._seen.get(name, (now_ms, 0))
            if not 0 <= now_ms - begun < self._window_ms:
                begun, times = now_ms, 0
            if len(self._seen) >= self._names_max:
                self._seen.clear()
            self._seen[name] = (begun, times + 1)
            return times < self._times_max


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a genuine link leads to."""

    assignment: Assignment
    record: Record
    view: Mapping[str, Any]
    turn: Turn

    @property
    def rated(self) -> bool:
        name = self.assignment.name
        return any(w.kind == "own_rating" and w.body["assignment"] == name for w in self.record.writes)


class Customer:
    """The page over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._turnstile = Turnstile(TRIES_MAX, TRIES_WINDOW_MS, LINKS_KNOWN_MAX)

    def show(self, call: Call) -> Reply:
        """The customer's rating form for one assignment, in Chinese or English (`?lang=`); it works without a script."""
        asked, language = self._asked(call), _language(call)
        if asked is None:
            return _page(absent_page(), 404)
        return self._over(asked, language) or _page(form_page(language, self._about(asked, language), {}))

    def answer(self, call: Call) -> Reply:
        """A filled-in form. The thank-you is the same for every answer; a second answer is told that the first counts."""
        asked, language = self._asked(call), _language(call)
        if asked is None:
            return _page(absent_page(), 404)
        if not self._turnstile.lets(asked.assignment.name, self._service.now_ms()):
            return _page(word_page(language, "busy"), 429)
        over = self._over(asked, language)
        if over is not None:
            return over
        form: Mapping[str, str] = {}
        try:
            form = _form(call)
            answer = ratings.parse_form(form)
        except BadForm as fault:
            return _page(form_page(language, self._about(asked, language), form, fault.why), 422)
        return _page(word_page(language, self._write(asked, answer)))

    def _write(self, asked: _Asked, answer: Mapping[str, Any]) -> str:
        """Seal it and write it down; the word to say."""
        service, name = self._service, asked.assignment.name
        kid, sealed = seal_own_rating(service.keys, answer, assignment=name)
        body = {"assignment": name, "crew": asked.turn.crew, "sealed": sealed, "kid": kid}
        try:
            service.writer.command([Command("own_rating", AUTHOR, asked.record.id, body, service.now_ms())])
        except Refused as refused:
            if refused.problem.slug == "state-conflict":  # sent twice in one moment
                return "already"
            raise
        return "thanks"

    def _asked(self, call: Call) -> _Asked | None:
        assignment = self._service.links.read(call.path["token"])
        found = assignment and self._service.queries().record("ticket", assignment.ticket)
        if assignment is None or not found:
            return None
        record, view = found
        turn = ratings.turn_of(record.writes, record.id, assignment.fence)
        return None if turn is None else _Asked(assignment, record, view, turn)

    def _over(self, asked: _Asked, language: Language) -> Reply | None:
        """The page that says why nothing can be answered here any more, or None."""
        if asked.rated:
            return _page(word_page(language, "already"))
        if self._service.now_ms() > asked.turn.closes_at:
            return _page(word_page(language, "closed"), 410)
        return None

    def _about(self, asked: _Asked, language: Language) -> About:
        crew = self._service.queries().one(t.Crew, id=asked.turn.crew)
        name = (crew["name"] if language == "zh" else crew["name_en"]) if crew else asked.turn.crew
        day = state_council().local(asked.turn.at)
        written = f"{day.year}年{day.month}月{day.day}日" if language == "zh" else f"{day.day} {day:%B} {day.year}"
        kind = asked.view.get("kind")
        return About(name, written, name_of("kind", kind, language) if kind else "")


def _page(body: bytes, status: int = 200) -> Reply:
    return Reply(body, status, "text/html; charset=utf-8", _HEADERS)


def _form(call: Call) -> dict[str, str]:
    """The fields of a form, each given once. Raises: BadForm."""
    media_type = (call.header("content-type") or "").partition(";")[0].strip().lower()
    if media_type != _FORM or len(call.body) > FORM_BYTES_MAX:
        raise BadForm("unreadable")
    try:
        text = call.body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS_MAX)
    except ValueError as error:
        raise BadForm("unreadable") from error
    form = dict(pairs)
    if len(form) != len(pairs) or any("\0" in value for value in form.values()):
        raise BadForm("unreadable")
    return form


def _language(call: Call) -> Language:
    """What the page's link asked for, else what the browser prefers, else Chinese."""
    asked = dict(parse_qsl(call.scope["query_string"].decode("latin-1"))).get("lang")
    if asked in ("zh", "en"):
        return "zh" if asked == "zh" else "en"
    wanted: list[tuple[float, int, Language]] = []
    for place, part in enumerate((call.header("accept-language") or "").lower().split(",")[:20]):
        name, _, quality = part.strip().partition(";q=")
        language = name.partition("-")[0]
        if language in ("zh", "en"):
            wanted.append((-_quality(quality), place, "zh" if language == "zh" else "en"))
    return min(wanted)[2] if wanted else "zh"


def _quality(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text))) if text else 1.0
    except ValueError:
        return 0.0
