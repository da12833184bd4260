"""`python -m tests.trial [DATA]`: the trial with its counts printed; status 1 when one does not add up."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from clients.handset.simulator import counts_table
from clients.handset.words import language_of
from tests.trial.trial import run


def main() -> int:
    console = Console(highlight=False)
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[3] / "shared" / "data"
    if not (data / "tickets_myla311_2017.csv").is_file():
        console.print(f"The real file is not in {data}.", style="red", markup=False)
        return 2
    with tempfile.TemporaryDirectory(prefix="trial-") as folder:
        trial = run(data, Path(folder), lambda sentence: console.print(sentence, markup=False))
    console.print(counts_table(trial.counts, language_of(os.environ)))
    console.print(f"polygon agreement {trial.agreement:.2%}; tickets by state {dict(trial.states)}", markup=False)
    wrong = trial.counts.mismatches()
    console.print("Everything adds up." if not wrong else f"Does not add up: {wrong}", style="red" if wrong else "green")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
