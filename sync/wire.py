"""Bytes ⇄ nouns, strict both ways; past this module nobody validates again.

Transport (envelope, request) is refused when it is wrong; a journal line never is: it comes back as a `Fact` or as a
`Quarantine` that names what cannot be used. The fast JSON decoder accepts duplicate keys, so a line whose keys do not add up
is read a second time by a slow and strict reader.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from sync.facts import Base, Fact, FactId, Reading, Record, Side
from sync.journal import LINE_BYTES_MAX, head_bytes
from sync.kinds import KINDS
from sync.kinds.base import YEAR_2000_MS, YEAR_2100_MS, Identifier
from sync.problems import Refused
from sync.store import Chain

WIRE_VERSION = 1
MARK_CHARACTERS = 8
DEPTH_MAX = 16
NUMBER_MAX = 2**53
_HEADER = frozenset(["n", "kind", "v", "ticket", "visit", "fence", "base", "wall", "mono", "boot", "anchor", "salt"])
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_record_decoder = msgspec.json.Decoder(Record)
_chain_decoder = msgspec.json.Decoder(Chain)
_identifier = Identifier()


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A stored line that cannot be used: `slug` is a key of `problems.QUARANTINE`."""

    slug: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """First line of a sync request (protocol §2). `cursor` maps incarnation → scope → position.

    `mark` stands for the cursor where nothing is new: the end then repeats it alone (`mark_of`; None: the device knows none).
    """

    journal: str
    n: int
    head: FactId
    first: int = 1
    after: FactId | None = None
    checkpoint: str | None = None
    cursor: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    app: str = ""
    limit_bytes: int = 65_536
    waiting: int = 0
    oldest_s: int = 0
    free_mb: int | None = None
    persisted: bool | None = None
    ledger: int = 0
    mark: str | None = None


class _Unfit(Exception):
    def __init__(self, slug: str, detail: str = "") -> None:
        self.slug = slug
        self.detail = detail


# ------------------------------------------------------------------------------------------------------------------ JSON


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON of plain values and of the engine's dataclasses."""
    return _encode(value)


def _count_keys(value: Any, depth: int) -> int:
    """Number of object members inside, checking depth and number range on the way. Strings were vouched for already."""
    kind = type(value)
    if kind is dict:
        keys, items = len(value), value.values()
    elif kind is list:
        keys, items = 0, value
    else:
        return _count_keys([value], depth)
    if depth > DEPTH_MAX:
        raise _Unfit("too-deep")
    for item in items:
        kind = type(item)
        if kind is dict or kind is list:
            keys += _count_keys(item, depth + 1)
        elif (kind is int or kind is float) and not -NUMBER_MAX <= item <= NUMBER_MAX:
            raise _Unfit("bad-number")
    return keys


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Unfit("duplicate-key")
    if any(_has_surrogate(name) for name in found):
        raise _Unfit("lone-surrogate")
    return found


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _texts(value: Any) -> Iterator[str]:
    """Every string inside, member names too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _refuse_constant(name: str) -> Any:
    raise _Unfit("bad-json", f"{name} is not JSON")


def _read_integer(digits: str) -> int:
    if len(digits) > len(str(-NUMBER_MAX)):
        raise _Unfit("bad-number", f"{len(digits)} digits")
    return int(digits)


def _read_slowly(raw: bytes) -> Any:
    """The strict reader: says what is wrong by name. Runs only for lines the fast reader could not vouch for."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Unfit("bad-utf8", f"byte {error.start}") from error
    if "\x00" in text:
        raise _Unfit("nul")
    if _depth(text) > DEPTH_MAX:
        raise _Unfit("too-deep")
    try:
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_refuse_constant, parse_int=_read_integer)
    except (ValueError, RecursionError) as error:
        raise _Unfit("bad-json", str(error)[:80]) from error
    texts = list(_texts(value))
    if any("\x00" in text for text in texts):  # only an escape can bring one in, and escapes are read here
        raise _Unfit("nul")
    if any(map(_has_surrogate, texts)):
        raise _Unfit("lone-surrogate")
    return value


def _depth(text: str) -> int:
    """Deepest nesting by brackets outside strings, found without recursion."""
    deepest = depth = 0
    quoted = escaped = False
    for character in text:
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def read_json(raw: bytes) -> Any:
    """Strict JSON: UTF-8, no duplicate keys, no NaN, depth ≤ 16, numbers within ±2⁵³.

    Raises `_Unfit` inside this module only; `parse_line` and `strict_json` translate it.
    """
    try:
        value = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _read_slowly(raw)
        # The strict reader accepts a few numbers the fast one does not (1e999); they are not usable either.
        raise _Unfit("bad-number", str(error)[:80]) from error
    keys = _count_keys(value, 1)
    # Every member name ends in `":`. If as many stand in the bytes as members were read, none was read twice.
    if raw.count(b'":') != keys or b"\\" in raw or b'" ' in raw or b'"\t' in raw or b'"\r' in raw or b'"\n' in raw:
        return _read_slowly(raw)
    return value


def strict_json(raw: bytes) -> Any:
    """Strict JSON of an API request. Raises: bad-request, with what is wrong."""
    try:
        return read_json(raw)
    except _Unfit as error:
        raise Refused("bad-request", f"The body is not usable JSON: {error.slug} {error.detail}".strip()) from error


# --------------------------------------------------------------------------------------------------------------- a line


def _integer(line: dict[str, Any], name: str, low: int, high: int, slug: str = "bad-field") -> int:
    value = line.get(name)
    if type(value) is not int or not low <= value <= high:
        raise _Unfit(slug, f"{name} must be a whole number within {low}…{high}")
    return value


def _name(line: dict[str, Any], name: str) -> str | None:
    value = line.get(name)
    if value is not None and _identifier.fault(value):
        raise _Unfit("bad-field", f"{name} is not an identifier")
    return value


def _base(value: Any) -> Base | None:
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and type(value[1]) is int:
        return Base(value[0][:64], max(0, value[1]))
    raise _Unfit("bad-field", "base must be [incarnation, position]")


def _reading(line: dict[str, Any]) -> Reading:
    wall = line.get("wall")
    if type(wall) is not int or not YEAR_2000_MS <= wall <= YEAR_2100_MS:
        raise _Unfit("bad-time", "wall must be milliseconds within 2000–2100")
    mono, boot = line.get("mono"), line.get("boot")
    if not isinstance(mono, (int, float)) or isinstance(mono, bool) or not isinstance(boot, str) or len(boot) > 40:
        raise _Unfit("bad-field", "mono must be a number and boot a short text")
    return Reading(wall, int(mono), boot)


def _as_fact(raw: bytes, n: int, identity: FactId) -> Fact:
    if len(raw) > LINE_BYTES_MAX:
        raise _Unfit("too-long")
    line = read_json(raw)
    if not isinstance(line, dict):
        raise _Unfit("bad-line", "a line must be an object")
    if line.get("n") != n or type(line.get("n")) is not int:
        raise _Unfit("bad-line", f"n must be {n}, its place in the journal")
    name = line.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None or kind.side is not Side.FIELD:
        raise _Unfit("unknown-kind", str(name)[:40])
    version = _integer(line, "v", 1, 10**6)
    if version > kind.version:
        raise _Unfit("future-version", f"{kind.name} {version}")
    ticket, visit = _name(line, "ticket"), _name(line, "visit")
    if ticket is None and kind.name != "opening":
        raise _Unfit("bad-field", "ticket is missing")
    if visit is None and kind.needs_visit:
        raise _Unfit("bad-field", "visit is missing")
    anchor = line.get("anchor")
    if anchor is not None and (not isinstance(anchor, str) or len(anchor) > 2000):
        raise _Unfit("bad-field", "anchor must be a compact JWS")
    body = {key: value for key, value in line.items() if key not in _HEADER}
    faults = kind.faults(body)
    if faults:
        raise _Unfit("bad-field", "; ".join(faults)[:400])
    fence = _integer(line, "fence", 0, 10**6) if "fence" in line else 0
    return Fact(identity, n, kind.name, version, ticket, visit, fence, _base(line.get("base")), _reading(line), anchor, body)


def parse_line(raw: bytes, n: int, identity: FactId) -> Fact | Quarantine:
    """What line n says, or why it cannot be used. Never raises: a line of a signed journal is stored whatever it holds."""
    try:
        return _as_fact(raw, n, identity)
    except _Unfit as error:
        return Quarantine(error.slug, error.detail)


def write_line(n: int, kind: str, header: Mapping[str, Any], body: Mapping[str, Any]) -> bytes:
    """A journal line. Raises: bad-value when it does not fit its kind's table or 16 KiB; nothing else may be saved."""
    line = {
        "n": n,
        "kind": kind,
        "v": KINDS[kind].version,
        **{k: v for k, v in header.items() if v is not None},
        **body,
    }
    raw = encode(line)
    result = parse_line(raw, n, FactId(""))
    if isinstance(result, Quarantine):
        raise Refused("bad-value", f"This cannot be recorded: {result.slug} {result.detail}".strip())
    return raw


# ------------------------------------------------------------------------------------------------------------- a request


def split_body(body: bytes, *, lines_max: int) -> tuple[bytes, list[bytes]]:
    """The envelope's bytes and the journal lines' bytes. Raises: bad-envelope, too-large."""
    rows = body.split(b"\n")
    if rows and rows[-1] == b"":
        rows.pop()
    if not rows:
        raise Refused("bad-envelope", "The request is empty; send an envelope line.")
    if len(rows) - 1 > lines_max:
        raise Refused("too-large", f"{len(rows) - 1} lines; send at most {lines_max} at a time.")
    return rows[0], rows[1:]


_ENVELOPE_MEMBERS = frozenset(
    [
        "v",
        "app",
        "journal",
        "after",
        "from",
        "n",
        "head",
        "checkpoint",
        "cursor",
        "ledger",
        "limit_bytes",
        "waiting",
        "oldest_s",
        "free_mb",
        "persisted",
        "mark",
    ]
)


def parse_envelope(raw: bytes, line_count: int) -> Envelope:
    """The envelope, checked against the number of lines that follow it. Raises: bad-envelope."""
    try:
        return _as_envelope(raw, line_count)
    except _Unfit as error:
        raise Refused("bad-envelope", f"The envelope cannot be used: {error.slug} {error.detail}".strip()) from error


def _as_envelope(raw: bytes, line_count: int) -> Envelope:
    line = read_json(raw)
    if not isinstance(line, dict) or line.get("v") != WIRE_VERSION:
        raise _Unfit("bad-field", f"v must be {WIRE_VERSION}")
    journal = line.get("journal")
    if not isinstance(journal, str) or _identifier.fault(journal):
        raise _Unfit("bad-field", "journal must be an identifier")
    n = _integer(line, "n", 0, 2**40)
    head = line.get("head")
    if not isinstance(head, str) or head_bytes(head) is None:
        raise _Unfit("bad-field", "head must be a fact id")
    first = _integer(line, "from", 1, 2**40) if line_count else n + 1
    after = line.get("after")
    if line_count and (not isinstance(after, str) or head_bytes(after) is None or first + line_count - 1 > n):
        raise _Unfit("bad-field", "after, from and n do not fit the lines sent")
    checkpoint = line.get("checkpoint")
    if checkpoint is not None and (not isinstance(checkpoint, str) or len(checkpoint) > 2000):
        raise _Unfit("bad-field", "checkpoint must be a compact JWS")
    return Envelope(
        journal=journal,
        n=n,
        head=FactId(head),
        first=first,
        after=FactId(after) if isinstance(after, str) else None,
        checkpoint=checkpoint,
        cursor=_cursor(line.get("cursor", {})),
        app=str(line.get("app", ""))[:40],
        limit_bytes=_integer(line, "limit_bytes", 1024, 2**24) if "limit_bytes" in line else 65_536,
        waiting=_integer(line, "waiting", 0, 2**40) if "waiting" in line else 0,
        oldest_s=_integer(line, "oldest_s", 0, 2**40) if "oldest_s" in line else 0,
        free_mb=line.get("free_mb") if type(line.get("free_mb")) is int else None,
        persisted=line.get("persisted") if type(line.get("persisted")) is bool else None,
        ledger=_integer(line, "ledger", 0, 2**53) if "ledger" in line else 0,
        mark=_mark(line.get("mark")),
    )


def _cursor(value: Any) -> Mapping[str, Mapping[str, int]]:
    """{incarnation: {scope: position}}. Raises `_Unfit` on any other shape."""
    if not isinstance(value, dict) or len(value) > 8:
        raise _Unfit("bad-field", "cursor must map an incarnation to scopes")
    for scopes in value.values():
        if not isinstance(scopes, dict) or len(scopes) > 64:
            raise _Unfit("bad-field", "cursor must map scopes to positions")
        if any(type(position) is not int or position < 0 for position in scopes.values()):
            raise _Unfit("bad-field", "cursor positions must be whole numbers")
    return value


def _mark(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and len(value) <= MARK_CHARACTERS and value.isascii()):
        return value
    raise _Unfit("bad-field", f"mark must be at most {MARK_CHARACTERS} ASCII characters")


def mark_of(cursor: Mapping[str, Mapping[str, int]]) -> str:
    """A short name of a cursor, for the device that made it: nobody else needs to come to the same."""
    text = json.dumps(cursor, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return urlsafe_b64encode(sha256(text.encode()).digest())[:MARK_CHARACTERS].decode()


def write_envelope(envelope: Envelope, line_count: int) -> bytes:
    """The first line of a request."""
    line: dict[str, Any] = {"v": WIRE_VERSION, "app": envelope.app, "journal": envelope.journal}
    if line_count:
        line |= {"after": envelope.after, "from": envelope.first}
    line |= {"n": envelope.n, "head": envelope.head}
    optional = {"checkpoint": envelope.checkpoint, "free_mb": envelope.free_mb, "persisted": envelope.persisted}
    line |= {name: value for name, value in optional.items() if value is not None}
    line |= {"cursor": envelope.cursor, "limit_bytes": envelope.limit_bytes, "waiting": envelope.waiting}
    line |= {"oldest_s": envelope.oldest_s, "ledger": envelope.ledger}
    line |= {"mark": envelope.mark} if envelope.mark is not None else {}
    return encode(line)


# --------------------------------------------------------------------------------------------------------------- a reply


@dataclass(frozen=True, slots=True)
class Reply:
    """What a device reads: the statement, rows of the page, and its end. `end` is None when the reply was cut.

    An end with a mark in place of a cursor says that nothing is new since the cursor of that mark.
    """

    statement: str | None
    rows: tuple[Mapping[str, Any], ...]
    end: Mapping[str, Any] | None
    problem: Mapping[str, Any] | None


def parse_reply(body: bytes) -> Reply:
    """Reads as far as whole, well-formed lines go; a cut or foreign reply yields what is certain and no end."""
    statement: str | None = None
    rows: list[Mapping[str, Any]] = []
    for raw in body.split(b"\n")[:-1]:
        try:
            line = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            break
        if not isinstance(line, dict):
            break
        if "statement" in line:
            statement = line["statement"]
        elif "scope" in line:
            rows.append(line)
        elif "problem" in line or "end" in line:
            problem = line.get("problem")
            return Reply(statement, tuple(rows), _page_end(line), problem if isinstance(problem, dict) else None)
    return Reply(statement, tuple(rows), None, None)


def _page_end(line: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return line if isinstance(line.get("cursor"), dict) or isinstance(line.get("mark"), str) else None


def record_tail(kind: str, identity: str, view: Mapping[str, Any]) -> bytes:
    """The part of a feed row that is the same in every scope; stored once and passed through as bytes."""
    return b'"kind":%b,"id":%b,"put":%b}' % (_encode(kind), _encode(identity), _encode(view))


def feed_row(scope: str, position: int, tail: bytes) -> bytes:
    """One line of the feed from a stored tail."""
    return b'{"scope":"%b","at":%d,%b\n' % (scope.encode(), position, tail)


def gone_row(scope: str, position: int, kind: str, identity: str, reason: str, tail: bytes) -> bytes:
    """The line that takes a record away from a scope; one that was reassigned says to which crew and when."""
    row: dict[str, Any] = {"scope": scope, "at": position, "kind": kind, "id": identity, "gone": reason}
    if reason == "reassigned":
        last = (_decode(b"{" + tail)["put"].get("assignments") or [{}])[-1]
        row |= {"to": {name: last[name] for name in ("crew", "at") if name in last}}
    return encode(row) + b"\n"


# ------------------------------------------------------------------------------------------------------------- at rest


def dump_record(record: Record) -> bytes:
    """A record as the store keeps it."""
    return _encode(record)


def load_record(raw: bytes) -> Record:
    """The record `dump_record` wrote."""
    return _record_decoder.decode(raw)


def dump_chain(chain: Chain) -> bytes:
    """What the server knows of a journal, as the store keeps it."""
    return _encode(chain)


def load_chain(raw: bytes) -> Chain:
    """The chain `dump_chain` wrote."""
    return _chain_decoder.decode(raw)
