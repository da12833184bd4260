"""The wire cannot change unnoticed: phones that were installed last year still write it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sync import schema
from tests.sync.schema import PINNED, fingerprints, parts


def test_the_wire_is_the_one_that_was_agreed() -> None:
    pinned, present = json.loads(PINNED.read_text(encoding="utf-8")), fingerprints()
    changed = sorted(name for name in pinned if present.get(name) != pinned[name])
    assert not changed, (
        f"the wire changed: {', '.join(changed)}. Installed phones and other programs rely on it. If this is meant and old "
        "phones are served, write a line in the version history of sync/README.md and run `python -m tests.sync.schema`."
    )


def test_whatever_was_added_is_pinned_or_one_more_of_a_kind() -> None:
    """A new kind of fact or problem is free until a release pins it; any other part is agreed on at once."""
    added = set(fingerprints()) - set(json.loads(PINNED.read_text(encoding="utf-8")))
    assert all(name.startswith(("kind ", "problem ", "quarantine ")) for name in added)


@pytest.mark.parametrize("name", sorted(parts()))
def test_any_change_of_a_part_changes_its_fingerprint_and_no_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, changed = fingerprints(), dict[str, Any](parts())
    changed[name] = [changed[name], "and more"]
    monkeypatch.setattr(schema, "parts", lambda: changed)
    after = fingerprints()
    assert {part for part in before if before[part] != after[part]} == {name}
