"""Which worlds to play: the commit chooses, so every commit explores new ones and everybody can replay the same."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
FALLBACK = 20_260_701
LENGTHS = (1, 1, 1, 2, 1, 1, 3, 1, 1, 1, 2, 10)


def base_seed() -> int:
    """The first seed of a run: `LAMPLIGHTER_SEED`, else from the commit's id, else a constant."""
    asked = os.environ.get("LAMPLIGHTER_SEED")
    if asked:
        return int(asked)
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return FALLBACK
    return int(commit[:7], 16)


def length_of(seed: int) -> int:
    """How many working days a world lasts when nobody says: most are short, some long enough for a phone to free room."""
    return LENGTHS[seed % len(LENGTHS)]


def kept() -> list[tuple[int, int, int, str]]:
    """(seed, days, plan, story) of every world that once broke."""
    worlds = json.loads((HERE / "kept.json").read_text("utf-8"))
    return [(world["seed"], world["days"], world["plan"], world["story"]) for world in worlds]


def folder() -> str | None:
    """Where a world's files lie: in memory where the system offers it."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
