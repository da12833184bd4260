"""The hash chain of one device's lines, and what a server says when new lines do not simply follow.

    h(0) = SHA-256("lamplighter/journal/1\\n" + journal id)        h(n) = SHA-256(h(n-1) ‖ SHA-256(line n))

A fact's id is h(n) in base64url. Lines are hashed as the bytes that were written: there is no canonical form to argue over.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable
from hashlib import sha256

from sync.facts import FactId

LINE_BYTES_MAX = 16 * 1024
_GENESIS = b"lamplighter/journal/1\n"
_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


def genesis(journal: str) -> bytes:
    """h(0) of a journal: 32 bytes."""
    return sha256(_GENESIS + journal.encode()).digest()


def link(head: bytes, line: bytes) -> bytes:
    """h(n) from h(n-1) and line n, without its line feed."""
    return sha256(head + sha256(line).digest()).digest()


def chain(after: bytes, lines: Iterable[bytes]) -> list[bytes]:
    """The heads after each line, in order."""
    heads = []
    for line in lines:
        after = link(after, line)
        heads.append(after)
    return heads


def fact_id(head: bytes) -> FactId:
    """A head as text: base64url, 43 characters, no padding."""
    return FactId(b2a_base64(head, newline=False).translate(_TO_URL).rstrip(b"=").decode())


def head_bytes(text: str) -> bytes | None:
    """The 32 bytes of a fact id, or None when the text is not one (also when it is not the one way to write it)."""
    if len(text) != 43:
        return None
    try:
        head = a2b_base64(text.encode("ascii").translate(_FROM_URL) + b"=")
    except ValueError:
        return None
    return head if len(head) == 32 and fact_id(head) == text else None
