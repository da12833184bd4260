"""The table of kinds for the web client: what a phone may write and where it shows, generated from `sync/kinds`.

`python -m tests.vectors.make` writes it to `clients/web/core/kinds.json`, which `kinds.ts` beside it reads. A type this module
does not know is an error here, so that no rule can be left out in silence.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sync import replica, wire
from sync.facts import Side
from sync.kinds import KINDS, base
from sync.kinds.base import (
    YEAR_2000_MS,
    YEAR_2100_MS,
    AnyOf,
    Choice,
    Field,
    FieldType,
    Flag,
    Identifier,
    Integer,
    Kind,
    ListOf,
    Moment,
    Number,
    Sha256,
    Shape,
    Slot,
    Text,
)

TABLE = Path(__file__).parents[2] / "clients" / "web" / "core" / "kinds.json"


def _type(known: FieldType) -> dict[str, Any]:
    match known:
        case Text(characters_max):
            return {"type": "text", "characters_max": characters_max}
        case Number(low, high):
            return {"type": "number", "low": low, "high": high}
        case Integer(low, high):
            return {"type": "integer", "low": low, "high": high}
        case Moment():
            return {"type": "integer", "low": YEAR_2000_MS, "high": YEAR_2100_MS}
        case Flag():
            return {"type": "flag"}
        case Choice(values):
            return {"type": "choice", "values": sorted(values)}
        case Identifier():
            return {"type": "pattern", "pattern": base._IDENTIFIER.pattern, "what": known.fault(None)}
        case Sha256():
            return {"type": "pattern", "pattern": base._SHA256.pattern, "what": known.fault(None)}
        case Shape(members, required):
            return {"type": "shape", "members": [[name, _type(member)] for name, member in members], "required": required}
        case AnyOf(types):
            return {"type": "any_of", "types": [_type(each) for each in types]}
        case ListOf(item, count_max):
            return {"type": "list_of", "item": _type(item), "count_max": count_max}
    raise TypeError(f"{type(known).__name__} is not known to the web client; teach tests/vectors/kinds.py and core/kinds.ts")


def _true(**flags: bool) -> dict[str, bool]:
    return {name: value for name, value in flags.items() if value}


def _field(item: Field) -> dict[str, Any]:
    return {"name": item.name, "type": _type(item.type), **_true(required=item.required, private=item.private)}


def _slot(slot: Slot) -> dict[str, Any]:
    return {"name": slot.name, "of": slot.of, "policy": str(slot.policy)} | ({"each": slot.each} if slot.each else {})


def _kind(kind: Kind) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": kind.name,
        "title": {"zh": kind.title_zh, "en": kind.title},
        "version": kind.version,
        "fields": [_field(item) for item in kind.fields],
    }
    if kind.slot is not None:
        document["slot"] = _slot(kind.slot)
    if kind.moves is not None:
        document["moves"] = str(kind.moves)
    return document | _true(corrects=kind.corrects, needs_visit=kind.needs_visit)


def table() -> str:
    """The text of `kinds.json`: one line for each kind."""
    kinds = [json.dumps(_kind(kind), ensure_ascii=False) for kind in KINDS.values() if kind.side is Side.FIELD]
    members = {
        "generated": "by `python -m tests.vectors.make` from sync/kinds; do not edit",
        "header": sorted(wire._HEADER),
        "wall_ms": [YEAR_2000_MS, YEAR_2100_MS],
        "ranks": {str(state): rank for state, rank in replica._RANK.items()},
    }
    lines = [f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in members.items()]
    lines.append(' "kinds": [\n  ' + ",\n  ".join(kinds) + "\n ]")
    return "{\n" + ",\n".join(lines) + "\n}\n"
