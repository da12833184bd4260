"""Opens ratings that were sealed on a crew's phone, so that the crew can neither read nor alter them.

HPKE (RFC 9180) base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM. The plaintext is JSON padded with spaces
to 256 bytes, so every score has the same sealed length. `info` binds the answer to its ticket, its visit, the
`rating_opened` fact and the key. Whoever holds the phone can still seal an answer of their own: the customer's code
inside, checked elsewhere, decides what it weighs.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke

from server.keys import KeyRing, Use, from_base64url

PLAINTEXT_BYTES = 256
SEALED_BYTES = 65 + PLAINTEXT_BYTES + 16
"""The sender's point, the answer, the tag: 337 bytes, 450 characters of base64url."""

SUITE = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_128_GCM)


class SealFault(StrEnum):
    """Why a sealed rating could not be read; shown to HQ, never to the crew."""

    UNKNOWN_KEY = "unknown-key"
    BAD_ENCODING = "bad-encoding"
    BAD_SEAL = "bad-seal"  # another ticket, visit, opening or key, or altered bytes
    BAD_ANSWER = "bad-answer"  # opened, but not a padded JSON object


def open_rating(keys: KeyRing, sealed: str, *, ticket: str, visit: str, opened: str, kid: str) -> dict[str, Any] | SealFault:
    """The customer's answer, or why it cannot be read. `opened` is the id of the `rating_opened` fact. Never raises."""
    key = keys.find(Use.RATING, kid)
    if key is None:
        return SealFault.UNKNOWN_KEY
    try:
        data = from_base64url(sealed)
    except ValueError:
        return SealFault.BAD_ENCODING
    if len(data) != SEALED_BYTES:
        return SealFault.BAD_ENCODING
    try:
        plaintext = SUITE.decrypt(data, key, rating_info(ticket, visit, opened, kid))
    except (InvalidTag, ValueError):
        return SealFault.BAD_SEAL
    return _answer(plaintext)


def rating_info(ticket: str, visit: str, opened: str, kid: str) -> bytes:
    """What a sealed answer is bound to. Raises ValueError for a line feed in a part: parts must not run together."""
    parts = (ticket, visit, opened, kid)
    if any("\n" in part for part in parts):
        raise ValueError("an identifier holds a line feed")
    return "\n".join(("lamplighter/rating/1", *parts)).encode()


def _answer(plaintext: bytes) -> dict[str, Any] | SealFault:
    try:
        answer = json.loads(plaintext.decode())
    except (ValueError, RecursionError):
        return SealFault.BAD_ANSWER
    return answer if isinstance(answer, dict) else SealFault.BAD_ANSWER
