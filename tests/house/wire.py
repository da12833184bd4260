"""A fingerprint of what each kind of fact looks like on the wire, so that no phone in the field is broken unawares.

`python -m tests.house.wire` writes the present fingerprints to `wire.json` beside this file; do so at a release or,
before the first release, when a change is meant. A new kind is free, and not in the file, until then.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from sync.kinds import KINDS
from sync.kinds.base import Kind

PINNED = Path(__file__).with_name("wire.json")


def plain(value: Any) -> Any:
    """A declaration as plain JSON, the same in every process (sets are sorted)."""
    if is_dataclass(value):
        return {"type": type(value).__name__, **{f.name: plain(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, frozenset):
        return sorted(map(plain, value))
    if isinstance(value, tuple):
        return list(map(plain, value))
    return value


def fingerprint(kind: Kind) -> str:
    """What a writer of this kind must know: its fields in any order, their types and limits, and which are required."""
    table = {item.name: [plain(item.type), item.required] for item in kind.fields}
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:16]


def fingerprints() -> dict[str, str]:
    return {f"{kind.name} v{kind.version}": fingerprint(kind) for kind in KINDS.values()}


if __name__ == "__main__":
    PINNED.write_text(json.dumps(fingerprints(), indent=2, sort_keys=True) + "\n")
