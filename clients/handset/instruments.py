"""What a phone reads and asks of its machine: clocks, chance, and patience. Passed in, so that tests can hold them."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sync.facts import Reading
from sync.ids import uuid7
from sync.kinds.base import YEAR_2000_MS, YEAR_2100_MS

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _boot() -> str:
    """A short name for this start of the machine; where the system tells none, for this start of the program."""
    try:
        told = _BOOT_ID.read_bytes()
    except OSError:
        told = os.urandom(16)
    return sha256(told).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Instruments:
    """`mono_ms` counts within one `boot`; `uniform` draws between two numbers."""

    wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    mono_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000
    boot: str = _boot()
    random_bytes: Callable[[int], bytes] = os.urandom
    uniform: Callable[[float, float], float] = random.uniform
    sleep_s: Callable[[float], None] = time.sleep

    def reading(self) -> Reading:
        """What the clocks show now. A wall clock outside 2000–2100 is shown at its border: capture must not stop for it."""
        wall = min(max(self.wall_ms(), YEAR_2000_MS), YEAR_2100_MS)
        return Reading(wall, self.mono_ms(), self.boot)

    def new_id(self) -> str:
        """A UUIDv7."""
        return uuid7(self.wall_ms(), self.random_bytes(10))
