"""Seals and opens ratings, so that the crew can neither read nor alter them.

HPKE (RFC 9180) base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM. The plaintext is JSON padded with spaces
to one length, so every score has the same sealed length: 256 bytes from a crew's phone, 1536 from the customer's own, which
has room for a longer text. `info` binds the answer to the key and to its place: ticket, visit and `rating_opened` fact on the
crew's phone, ticket and assignment on the customer's. Whoever holds the crew's phone can still seal an answer of their own:
the customer's code inside, checked elsewhere, decides what it weighs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke

from server.keys import KeyRing, Use, compact_json, from_base64url, to_base64url

PLAINTEXT_BYTES = 256
OVERHEAD_BYTES = 65 + 16
SEALED_BYTES = PLAINTEXT_BYTES + OVERHEAD_BYTES
"""The sender's point, the answer, the tag: 337 bytes, 450 characters of base64url."""
OWN_PLAINTEXT_BYTES = 1536
"""300 characters of four bytes each, and everything else an answer may hold; 2156 characters sealed."""

SUITE = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_128_GCM)


class SealFault(StrEnum):
    """Why a sealed rating could not be read; shown to HQ, never to the crew."""

    UNKNOWN_KEY = "unknown-key"
    BAD_ENCODING = "bad-encoding"
    BAD_SEAL = "bad-seal"  # another ticket, visit, opening or key, or altered bytes
    BAD_ANSWER = "bad-answer"  # opened, but not a padded JSON object


def open_rating(keys: KeyRing, sealed: str, *, ticket: str, visit: str, opened: str, kid: str) -> dict[str, Any] | SealFault:
    """The customer's answer, or why it cannot be read. `opened` is the id of the `rating_opened` fact. Never raises."""
    return _opened(keys, sealed, kid, PLAINTEXT_BYTES, "rating", (ticket, visit, opened, kid))


def seal_own_rating(keys: KeyRing, answer: Mapping[str, Any], *, assignment: str) -> tuple[str, str]:
    """(kid, sealed) of what a customer answered on a phone of their own; `assignment` is "<ticket>:<fence>"."""
    kid, key = keys.current(Use.RATING)
    plaintext = compact_json(answer)
    assert len(plaintext) <= OWN_PLAINTEXT_BYTES, "the form takes no answer that does not fit"
    info = _info("own-rating", (assignment, kid))
    return kid, to_base64url(SUITE.encrypt(plaintext.ljust(OWN_PLAINTEXT_BYTES), key.public_key(), info))


def open_own_rating(keys: KeyRing, sealed: str, *, assignment: str, kid: str) -> dict[str, Any] | SealFault:
    """What the customer answered, or why it cannot be read. Never raises."""
    return _opened(keys, sealed, kid, OWN_PLAINTEXT_BYTES, "own-rating", (assignment, kid))


def rating_info(ticket: str, visit: str, opened: str, kid: str) -> bytes:
    """What an answer sealed on a crew's phone is bound to. Raises ValueError for a line feed in a part."""
    return _info("rating", (ticket, visit, opened, kid))


def _info(purpose: str, parts: Sequence[str]) -> bytes:
    if any("\n" in part for part in parts):
        raise ValueError("an identifier holds a line feed, and parts must not run together")
    return "\n".join((f"lamplighter/{purpose}/1", *parts)).encode()


def _opened(
    keys: KeyRing, sealed: str, kid: str, plaintext_bytes: int, purpose: str, parts: Sequence[str]
) -> dict[str, Any] | SealFault:
    key = keys.find(Use.RATING, kid)
    if key is None:
        return SealFault.UNKNOWN_KEY
    try:
        data = from_base64url(sealed)
    except ValueError:
        return SealFault.BAD_ENCODING
    if len(data) != OVERHEAD_BYTES + plaintext_bytes:
        return SealFault.BAD_ENCODING
    try:
        plaintext = SUITE.decrypt(data, key, _info(purpose, parts))
    except (InvalidTag, ValueError):
        return SealFault.BAD_SEAL
    return _answer(plaintext)


def _answer(plaintext: bytes) -> dict[str, Any] | SealFault:
    try:
        answer = json.loads(plaintext.decode())
    except (ValueError, RecursionError):
        return SealFault.BAD_ANSWER
    return answer if isinstance(answer, dict) else SealFault.BAD_ANSWER
