"""A version of a kind, once pinned, means the same for ever; another meaning is another version."""

from __future__ import annotations

import json
from dataclasses import replace

from sync.kinds import KINDS
from sync.kinds.base import Field, Flag
from tests.house.wire import PINNED, fingerprint, fingerprints


def test_no_pinned_version_of_a_kind_has_changed_or_gone() -> None:
    present, pinned = fingerprints(), json.loads(PINNED.read_text())
    versions = {kind.name: kind.version for kind in KINDS.values()}
    changed = [row for row in pinned if present.get(row) != pinned[row] and not superseded(row, versions)]
    assert not changed, (
        f"the wire changed for {', '.join(changed)}: phones out there still write the old form. "
        "Raise the kind's version; if no release carries this one yet, renew the pins: `python -m tests.house.wire`."
    )


def superseded(row: str, versions: dict[str, int]) -> bool:
    """Whether a pinned row names an older version of a kind than the present one."""
    name, version = row.rsplit(" v", 1)
    return int(version) < versions.get(name, 0)


def test_a_changed_limit_or_a_new_field_changes_the_fingerprint() -> None:
    arrival = KINDS["arrival"]
    assert fingerprint(replace(arrival, fields=(*arrival.fields, Field("new", Flag())))) != fingerprint(arrival)
    assert fingerprint(replace(arrival, fields=arrival.fields[::-1])) == fingerprint(arrival)
