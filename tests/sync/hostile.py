"""Lines no honest phone writes, each with the slug it must be quarantined by, in a world where t1 is crew A's and t2 B's."""

from __future__ import annotations

from typing import Any

from sync.journal import LINE_BYTES_MAX
from sync.wire import encode
from tests.scene import NOON

GOOD: dict[str, Any] = {
    "n": 2, "kind": "note", "v": 1, "ticket": "t1", "visit": "v1", "fence": 1,
    "base": ["k1", 1], "wall": NOON, "mono": 1, "boot": "b1", "text": "fine",
}  # fmt: skip


def line(**changes: Any) -> bytes:
    """A good line of a note with some members changed; None takes one away."""
    return encode({name: value for name, value in (GOOD | changes).items() if value is not None})


def nested(depth: int) -> bytes:
    return line().replace(b'"fine"', b"[" * depth + b"]" * depth)


HOSTILE: dict[str, tuple[bytes, str]] = {
    "bad UTF-8": (line().replace(b"fine", b"\xff\xfe"), "bad-utf8"),
    "a surrogate in UTF-8": (line().replace(b"fine", b"\xed\xa0\x80"), "bad-utf8"),
    "UTF-16": (line().decode().encode("utf-16-le"), "nul"),
    "a byte order mark": (b"\xef\xbb\xbf" + line(), "bad-json"),
    "NUL as it is": (line().replace(b"fine", b"fi\x00ne"), "nul"),
    "NUL escaped": (line().replace(b"fine", b"fi\\u0000ne"), "nul"),
    "NUL in a name": (line().replace(b'"text"', b'"te\\u0000xt"'), "nul"),
    "NaN": (line().replace(b'"fine"', b"NaN"), "bad-json"),
    "Infinity": (line().replace(b'"fine"', b"-Infinity"), "bad-json"),
    "1e999": (line().replace(b'"mono":1', b'"mono":1e999'), "bad-number"),
    "-1e999": (line().replace(b'"mono":1', b'"mono":-1e999'), "bad-number"),
    "beyond 2^53": (line(mono=2**53 + 1), "bad-number"),
    "a number of 5000 digits": (line().replace(b'"mono":1', b'"mono":1' + b"0" * 5000), "bad-number"),
    "duplicate keys": (line().replace(b'"n":2', b'"n":2,"n":2'), "duplicate-key"),
    "duplicate keys deep inside": (
        line(kind="arrival", text=None, fix={"lat": 1, "lon": 2}).replace(b'"lat":1', b'"lat":1,"lat":1'),
        "duplicate-key",
    ),
    "duplicate keys spelled differently": (line().replace(b'"n":2', b'"n":2,"\\u006e":2'), "duplicate-key"),
    "duplicate keys with blanks": (line().replace(b'"n":2', b'"n" :2,"n" :2'), "duplicate-key"),
    "a lone surrogate": (line().replace(b"fine", b"\\ud800"), "lone-surrogate"),
    "a lone surrogate as a name": (line().replace(b'"text"', b'"\\udc00"'), "lone-surrogate"),
    "depth 17": (nested(16), "too-deep"),
    "depth 1000": (nested(1000), "too-deep"),
    "depth 8000": (b"[" * 8000, "too-deep"),
    "depth 10^5": (nested(10**5), "too-long"),
    "longer than 16 KiB": (line(text="x" * LINE_BYTES_MAX), "too-long"),
    "not JSON": (b"hello", "bad-json"),
    "nothing": (b"", "bad-json"),
    "trailing text": (line() + b" x", "bad-json"),
    "not an object": (b"[1,2]", "bad-line"),
    "n of another place": (line(n=3), "bad-line"),
    "n as a fraction": (line().replace(b'"n":2', b'"n":2.0'), "bad-line"),
    "n as a flag": (line(n=True), "bad-line"),
    "no n": (line(n=None), "bad-line"),
    "an unknown kind": (line(kind="teleport"), "unknown-kind"),
    "a kind that is no text": (line(kind=["note"]), "unknown-kind"),
    "a kind of the office": (line(kind="cancelled", text=None), "unknown-kind"),
    "a future version": (line(v=2), "future-version"),
    "year 9999": (line(wall=253_402_300_799_000), "bad-time"),
    "year 1999": (line(wall=946_684_799_999), "bad-time"),
    "a wall clock in words": (line(wall="noon"), "bad-time"),
    "latitude 91": (line(kind="arrival", text=None, fix={"lat": 91, "lon": 0}), "bad-field"),
    "a field of no kind": (line(surprise=1), "bad-field"),
    "a missing field": (line(text=None), "bad-field"),
    "no ticket": (line(ticket=None), "bad-field"),
    "no visit": (line(visit=None), "bad-field"),
    "a ticket that is a path": (line(ticket="../t1"), "bad-field"),
    "a fence below zero": (line(fence=-1), "bad-field"),
    "a base of the wrong shape": (line(base=[1, 2]), "bad-field"),
    "an anchor of the wrong shape": (line(anchor={"a": 1}), "bad-field"),
    "an unknown ticket": (line(ticket="t99"), "unknown-ticket"),
    "a foreign ticket": (line(ticket="t2"), "foreign-ticket"),
    "a foreign ticket raised again": (line(kind="raised", ticket="t2", visit=None, text=None, set={}), "foreign-ticket"),
}
