"""`python -m tests.simulation`: simulate worlds and say what broke. `--seed N` replays one world exactly.

Nothing in a world is random but its seed: no clock, no threads, no hash order. What it prints is the same on every machine.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.simulation.plan import run
from tests.simulation.seeds import base_seed, folder
from tests.simulation.world import Broken


def main(arguments: list[str] | None = None) -> int:
    """Exit 0 when every world held, 1 when one broke (its seed and story are printed)."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="the (first) world to play; without it the commit chooses")
    parser.add_argument("--days", type=int, default=1, help="length of each world's plan in working days")
    parser.add_argument("--seeds", type=int, help="how many worlds, one seed after the other")
    parser.add_argument("--store", choices=("sqlite", "memory"), default="sqlite")
    parser.add_argument("--verbose", action="store_true", help="tell every step")
    options = parser.parse_args(arguments)
    first = base_seed() if options.seed is None else options.seed
    count = options.seeds or (1 if options.seed is not None else 300)
    print(f"worlds {first} … {first + count - 1}, {options.days} day(s) each, store {options.store}")
    broken: list[int] = []
    handset_days = 0
    for seed in range(first, first + count):
        with TemporaryDirectory(dir=folder()) as place:
            try:
                world = run(seed, Path(place), days=options.days, store=options.store)
            except Broken as error:
                broken.append(seed)
                print(error)
                continue
        handset_days += len(world.handsets) * options.days
        if options.verbose:
            print(*world.log, sep="\n")
    print(f"{count - len(broken)} of {count} worlds held, {handset_days} handset-days without a violation")
    if broken:
        print(f"replay one with: python -m tests.simulation --seed {broken[0]} --days {options.days} --store {options.store}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
