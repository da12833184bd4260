"""The customer's link (客户评价链接): an unguessable address for each assignment, without a table of what was given out.

The token carries ticket and fence and a MAC over both, so the server knows its own links again after any restart or restore,
and nobody can go from one link to another. It is a key for whoever holds it, like a ticket for the cloakroom: crew and
customer have it, logs and lists do not. Refuses to know what a rating is.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

from server.keys import KeyRing, from_base64url, to_base64url

PREFIX = "/r/"
PURPOSE = "visit-link/1"
MAC_BYTES = 16
FENCE_BYTES = 3
TOKEN_CHARACTERS_MAX = 200
PATHS_KEPT = 10_000
_AS_UUID, _AS_TEXT = b"\x01", b"\x02"


@dataclass(frozen=True, slots=True)
class Assignment:
    """One crew's turn at a ticket; fence 0 is the turn of a crew that raised the ticket itself."""

    ticket: str
    fence: int

    @property
    def name(self) -> str:
        """As facts name it; a ticket's id may hold a colon itself, so read it from the right."""
        return f"{self.ticket}:{self.fence}"


class VisitLinks:
    """Makes and reads the links of one server."""

    def __init__(self, keys: KeyRing) -> None:
        self._secret = keys.derived(PURPOSE)
        self.path: Callable[[Assignment], str] = lru_cache(PATHS_KEPT)(self._path)
        """The path of an assignment's page: 51 characters where the ticket has a UUID. Every fold of a ticket asks for it."""

    def _path(self, assignment: Assignment) -> str:
        body = assignment.fence.to_bytes(FENCE_BYTES, "big") + _packed(assignment.ticket)
        return PREFIX + to_base64url(body + self._mac(assignment))

    def read(self, token: str) -> Assignment | None:
        """The assignment a token of ours names, None for any other text."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            return None
        try:
            data = from_base64url(token)
            ticket = _unpacked(data[FENCE_BYTES:-MAC_BYTES])
        except ValueError:
            return None
        assignment = Assignment(ticket, int.from_bytes(data[:FENCE_BYTES], "big"))
        return assignment if hmac.compare_digest(data[-MAC_BYTES:], self._mac(assignment)) else None

    def _mac(self, assignment: Assignment) -> bytes:
        return hmac.digest(self._secret, assignment.name.encode(), sha256)[:MAC_BYTES]


def _packed(ticket: str) -> bytes:
    """A ticket of the office has a UUID, which fits into 16 bytes; one raised by another program may have any identifier."""
    try:
        short = UUID(ticket)
    except ValueError:
        return _AS_TEXT + ticket.encode()
    return _AS_UUID + short.bytes if str(short) == ticket else _AS_TEXT + ticket.encode()


def _unpacked(data: bytes) -> str:
    form, name = data[:1], data[1:]
    if form == _AS_UUID:
        return str(UUID(bytes=name))
    if form == _AS_TEXT:
        return name.decode()
    raise ValueError("not a ticket's name")
