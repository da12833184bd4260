"""Many worlds on all cores: one world a task, until enough device-days have passed or one of them breaks.

The first broken world ends everything, with its seed, its story and the command that plays it again.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.simulation.plan import run
from tests.simulation.seeds import folder, length_of
from tests.simulation.world import Broken

SAY_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Played:
    """What one world came to. `story` is empty when it held."""

    seed: int
    length: int
    device_days: int = 0
    taps: int = 0
    met: Counter[str] = field(default_factory=Counter)
    story: str = ""


@dataclass(slots=True)
class Sum:
    """All worlds so far. `broken` is the first that did not hold."""

    first: int
    store: str
    worlds: int = 0
    last: int = 0
    device_days: int = 0
    taps: int = 0
    seconds: float = 0.0
    met: Counter[str] = field(default_factory=Counter)
    broken: Played | None = None

    def add(self, played: Played) -> None:
        self.worlds += 1
        self.last = max(self.last, played.seed)
        self.device_days += played.device_days
        self.taps += played.taps
        self.met += played.met
        if played.story and self.broken is None:
            self.broken = played

    @property
    def words(self) -> str:
        """One line of progress."""
        rate = self.device_days / self.seconds if self.seconds else 0.0
        return (
            f"seeds {self.first} … {self.last}: {self.worlds:,} worlds, {self.device_days:,.0f} device-days,"
            f" {self.taps:,} facts tapped, {rate:.0f} device-days a second"
        )


def play(seed: int, length: int, store: str) -> Played:
    """One world, in whatever process."""
    with TemporaryDirectory(dir=folder()) as place:
        try:
            world = run(seed, Path(place), days=length, store=store)
        except Broken as error:
            return Played(seed, length, story=str(error))
        except Exception as error:  # a fault of the product or of the world itself: both end the run, with the seed
            notes = "\n".join(getattr(error, "__notes__", []))
            return Played(seed, length, story=f"seed {seed}: {type(error).__name__}: {error}\n{notes}")
    return Played(seed, length, len(world.handsets) * length, len(world.diary.taps), world.met)


def play_many(
    first: int,
    *,
    device_days: int | None = None,
    worlds: int | None = None,
    length: int | None = None,
    store: str = "sqlite",
    processes: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Sum:
    """Worlds one seed after the other, until so many device-days or worlds have been played, or one broke."""
    total, begun = Sum(first, store), time.monotonic()
    seeds = iter(range(first, first + worlds)) if worlds is not None else _endless(first)
    at_once = processes or os.cpu_count() or 1
    said = begun
    with ProcessPoolExecutor(at_once) as pool:
        running: set[Future[Played]] = set()
        while True:
            while len(running) < 2 * at_once and not _enough(total, device_days):
                seed = next(seeds, None)
                if seed is None:
                    break
                running.add(pool.submit(play, seed, length or length_of(seed), store))
            if not running:
                return total
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                total.add(future.result())
            total.seconds = time.monotonic() - begun
            if time.monotonic() - said >= SAY_EVERY_S:
                said = time.monotonic()
                say(total.words)


def _enough(total: Sum, device_days: int | None) -> bool:
    return total.broken is not None or (device_days is not None and total.device_days >= device_days)


def _endless(first: int) -> Iterator[int]:
    while True:
        yield first
        first += 1
