"""Fingerprints of everything two programs must agree on beyond the fields of a kind, which `tests/house/wire.py` pins.

`python -m tests.sync.schema` writes the present ones to `schema.json`; do so when a change of the wire is meant, together with
a line in the version history of `sync/README.md`.
"""

from __future__ import annotations

import json
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from sync import journal, wire
from sync.facts import Change, Outcome, Statement, Truth, Verdict
from sync.journal import fact_id, genesis
from sync.kinds import KINDS
from sync.kinds.base import Kind, State
from sync.kinds.ticket import TICKET
from sync.problems import PROBLEMS, QUARANTINE
from tests.house.wire import plain

PINNED = Path(__file__).with_name("schema.json")


def _meaning(kind: Kind) -> dict[str, Any]:
    """What a fact of this kind does, beside its fields."""
    names = ("side", "slot", "moves", "corrects", "needs_visit", "assigns", "version")
    return {name: plain(getattr(kind, name)) for name in names} | {"private": sorted(kind.private)}


def parts() -> dict[str, Any]:
    """The canonical dump, by part."""
    shared: dict[str, Any] = {
        "journal": {"line_bytes_max": journal.LINE_BYTES_MAX, "h(0) of j": fact_id(genesis("j"))},
        "json": {"depth_max": wire.DEPTH_MAX, "number_max": wire.NUMBER_MAX},
        "envelope": {"version": wire.WIRE_VERSION, "members": sorted(wire._ENVELOPE_MEMBERS)},
        "line header": sorted(wire._HEADER),
        "statement": [item.name for item in fields(Statement)],
        "feed row": [item.name for item in fields(Change)],
        "words": [[str(word) for word in words] for words in (State, Outcome, Verdict, Truth)],
        "ticket": {item.name: [plain(item.type), str(item.policy)] for item in TICKET},
    }
    kinds = {f"kind {kind.name} v{kind.version}": _meaning(kind) for kind in KINDS.values()}
    problems = {f"problem {slug}": [row.status, str(row.action)] for slug, row in PROBLEMS.items()}
    return shared | kinds | problems | {f"quarantine {slug}": slug for slug in QUARANTINE}


def fingerprints() -> dict[str, str]:
    return {
        name: sha256(json.dumps(part, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
        for name, part in parts().items()
    }


if __name__ == "__main__":
    PINNED.write_text(json.dumps(fingerprints(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
