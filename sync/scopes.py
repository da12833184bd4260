"""Who sees what: which scopes a record belongs to, and what a reassignment or a withdrawal does to feeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sync.facts import HQ, Record, Scope
from sync.kinds.base import State

_LEAVES_CREW = {State.ARCHIVED: "archived"}


def ticket_scopes(view: Mapping[str, Any]) -> dict[Scope, str | None]:
    """Scopes that should hold a ticket now; the value says nothing yet (None) or why the scope loses it."""
    scopes: dict[Scope, str | None] = {HQ: None}
    crew = view.get("assigned_crew")
    if crew:
        scopes[Scope(f"crew:{crew}")] = _LEAVES_CREW.get(State(view["state"]))
    return scopes


def holders(record: Record) -> frozenset[str]:
    """Scopes that hold a record now."""
    return frozenset(name for name, (_, gone) in record.scopes.items() if gone is None)


def published_scopes(record: Record, wanted: Iterable[Scope]) -> dict[Scope, str | None]:
    """Scopes that should hold a published record; one that held it and should no more loses it as withdrawn."""
    targets: dict[Scope, str | None] = dict.fromkeys(wanted)
    return targets | {Scope(name): "withdrawn" for name in sorted(holders(record)) if name not in targets}


def place(
    record: Record, wanted: Mapping[Scope, str | None] | Iterable[Scope], position: int, *, anew: bool = True
) -> list[tuple[str, int, str | None]]:
    """Moves a record to its new position in every scope and says what the feed must do.

    Returns (scope, the position it had there or 0, why it is gone or None) for each scope whose row changes. A scope that
    loses the record gets one `gone`, once; a scope that never had it and does not want it gets nothing. Where the content
    is what it was (`anew` False), a scope that holds the record keeps its row.
    """
    targets = dict(wanted) if isinstance(wanted, Mapping) else dict.fromkeys(wanted)
    rows: list[tuple[str, int, str | None]] = []
    for scope in [*targets, *(Scope(name) for name in record.scopes if name not in targets)]:
        before = record.scopes.get(scope)
        gone = targets.get(scope, "reassigned")
        if gone is not None and (before is None or before[1] is not None):
            continue
        if not anew and gone is None and before is not None and before[1] is None:
            continue
        rows.append((scope, before[0] if before else 0, gone))
        record.scopes[scope] = (position, gone)
    record.position = position
    return rows
