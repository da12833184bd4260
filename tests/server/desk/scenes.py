"""Shared scenes: a folded ticket as headquarters sees it, and the real files some tests try when they are at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

REAL = Path(__file__).parents[4] / "shared" / "data"
MINUTE = 60_000
RECEIVED = 1_772_413_200_000  # 2026-03-02 09:00 in Shanghai, a Monday


def real_file(name: str) -> bytes:
    """The bytes of a real-world file, or a skip where this checkout stands alone."""
    path = REAL / name
    if not path.exists():
        pytest.skip(f"the real file {name} is not beside this checkout")
    return path.read_bytes()


def moment(at: int, *, before: int = 0, after: int = 0, fact: str = "", **more: Any) -> dict[str, Any]:
    """A field moment whose hard bounds reach `before` and `after` milliseconds around it."""
    row = {
        "at": at,
        "lower": at - before,
        "upper": at + after,
        "fact": fact or f"f{at}",
        "by": "member:m1",
        "fix": None,
    }
    return {**row, "flags": [], **more}


def visit(arrived: int | None = 30, finished: int | None = 70, **more: Any) -> dict[str, Any]:
    """A visit of two members with one photo; minutes count from the ticket's receipt."""
    row: dict[str, Any] = {
        "crew": "c1",
        "members": ["m1", "m2"],
        "fence": 1,
        "standing": "counts",
        "accepted": moment(RECEIVED + 2 * MINUTE),
        "departed": None,
        "arrived": None if arrived is None else moment(RECEIVED + arrived * MINUTE),
        "started": None,
        "finished": None if finished is None else moment(RECEIVED + finished * MINUTE),
        "answers": {},
        "photos": [{"sha256": "0" * 64, "size": 1, "step": None}],
        "rating": "none",
    }
    return {**row, **more}


def ticket(**more: Any) -> dict[str, Any]:
    """An urban fault repair received on a working morning, assigned after one minute and worked by one crew."""
    row: dict[str, Any] = {
        "id": "t1",
        "number": "N1",
        "kind": "fault_repair",
        "area": "a1",
        "area_class": "urban",
        "station": "s1",
        "received_at": RECEIVED,
        "state": "completed",
        "assigned_crew": "c1",
        "fence": 1,
        "cause": None,
        "fault_class": None,
        "position": {"lat": 31.2, "lon": 121.4},
        "assignments": [{"fence": 1, "crew": "c1", "at": RECEIVED + MINUTE, "by": "user:x"}],
        "contests": {},
        "cancelled": False,
        "merged_into": None,
        "suspensions": [],
        "visits": {"v1": visit()},
    }
    return {**row, **more}


def suspension(begun: int, ended: int | None, *, approved: bool | None = True) -> dict[str, Any]:
    """A suspension between two exactly known moments (ms)."""
    until = None if ended is None else moment(ended)
    return {"begun": moment(begun), "ended": until, "reason": "no access", "approved": approved}
