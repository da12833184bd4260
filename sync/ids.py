"""Identifiers made by whoever creates a thing, offline too: UUIDv7 (RFC 9562, section 5.7)."""

from __future__ import annotations

from uuid import UUID


def uuid7(now_ms: int, random_bytes: bytes) -> str:
    """A UUIDv7 in the usual text form from the wall clock and 10 random bytes; sorts by time of making."""
    value = (now_ms & (2**48 - 1)) << 80 | int.from_bytes(random_bytes[:10], "big")
    value &= ~(0xF << 76) & ~(0x3 << 62)
    return str(UUID(int=value | 0x7 << 76 | 0x2 << 62))
