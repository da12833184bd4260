"""`python -m tests.hardship`: the sweeps of failing system calls, every place of them; `--every 10` tries each tenth.

`--rounds` repeats them: what the server writes when differs a little from run to run.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.hardship import sweep
from tests.hardship.sweep import Found, Place

SWEEPS = {"work": sweep.sweep_work, "start": sweep.sweep_start, "backup": sweep.sweep_backup}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("parts", nargs="*", default=list(SWEEPS), help=", ".join(SWEEPS))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--every", type=int, default=1)
    wanted = parser.parse_args()
    console, broken = Console(highlight=False), 0
    for turn in range(wanted.rounds):

        def chosen(places: Sequence[Place], turn: int = turn) -> Sequence[Place]:
            return places[turn % wanted.every :: wanted.every]

        for part in wanted.parts:
            with tempfile.TemporaryDirectory(prefix="lamplighter-hardship-") as folder, console.status(part) as status:
                found = SWEEPS[part](Path(folder), chosen, status.update)
            broken += _report(console, part, found)
    return 1 if broken else 0


def _report(console: Console, part: str, found: Found) -> int:
    count = len(found.broken)
    console.print(f"{part}: {found.tried} calls told to fail, {found.struck} did, {found.refused} refusals, {count} broken")
    for line in found.broken:
        console.print(f"  {line}", markup=False)
    return count


if __name__ == "__main__":
    raise SystemExit(main())
