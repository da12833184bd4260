"""`python -m tests.simulation`: simulate worlds on all cores and stop at the first that breaks. `--seed N` replays one exactly.

Nothing in a world is random but its seed: no clock, no threads, no hash order. What a seed tells is the same on every machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.simulation.many import Sum, play_many
from tests.simulation.plan import run
from tests.simulation.seeds import base_seed, folder, length_of
from tests.simulation.world import PLAN, Broken

WORLDS = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0 when every world held, 1 when one broke (its seed, story and the command to replay it are printed)."""
    options = _options(arguments)
    if options.seed is not None and options.days is None and options.worlds is None:
        return _one(options.seed, options.length or length_of(options.seed), options.store, options.plan)
    first = base_seed() if options.seed is None else options.seed
    worlds = options.worlds if options.worlds is not None or options.days is not None else WORLDS
    wanted = f"{options.days:,} device-days" if options.days is not None else f"{worlds} worlds"
    print(f"{wanted} from seed {first} on, store {options.store}", flush=True)
    total = play_many(
        first, device_days=options.days, worlds=worlds, length=options.length, store=options.store,
        processes=options.processes, say=lambda text: print(text, flush=True),
    )  # fmt: skip
    return _conclude(total)


def _one(seed: int, length: int, store: str, plan: int) -> int:
    with TemporaryDirectory(dir=folder()) as place:
        try:
            world = run(seed, Path(place), days=length, store=store, plan=plan)
        except Broken as error:
            print(error)
            return 1
    print(*world.log, sep="\n")
    print(f"seed {seed} held: {len(world.handsets) * length} device-days, {len(world.diary.taps)} facts tapped")
    return 0


def _conclude(total: Sum) -> int:
    print(total.words)
    for name, times in sorted(total.met.items()):
        print(f"  {times:9,} × {name}")
    if total.broken is None:
        print(f"all held, in {total.seconds:.0f} s")
        return 0
    broken = total.broken
    print(broken.story)
    print(f"replay it with: python -m tests.simulation --seed {broken.seed} --length {broken.length} --store {total.store}")
    return 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="the world to replay, or with --days or --worlds the first; else by commit")
    parser.add_argument("--days", type=int, help="go on until so many device-days have been simulated")
    parser.add_argument("--worlds", type=int, help=f"so many worlds, one seed after the other (default {WORLDS})")
    parser.add_argument("--length", type=int, help="length of each world in working days; without it the seed says")
    parser.add_argument("--store", choices=("sqlite", "memory"), default="sqlite")
    parser.add_argument("--plan", type=int, default=PLAN, help="the plan a kept world was found under")
    parser.add_argument("--processes", type=int, help="how many worlds at once (default: one a core)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
