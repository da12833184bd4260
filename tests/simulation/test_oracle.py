"""The oracle is awake: deliberately broken stores, hubs and phones are each caught, by the guarantee they break."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation import broken
from tests.simulation.plan import run
from tests.simulation.world import Broken, Parts

WORLDS = range(1, 121)

FAULTS: dict[str, tuple[Parts, int]] = {
    "a store that drops one line": (Parts(bend=broken.DropsALine), 1),
    "a feed whose position commits late": (Parts(bend=broken.CommitsAPositionLate), 3),
    "a phone that deletes on an unsigned reply": (Parts(replica=broken.DeletesOnAnyReply), 1),
    "a hub that applies a duplicate twice": (Parts(hub=broken.AppliesTwice), 2),
    "a clock bound that ignores rival branches": (Parts(hub=broken.IgnoresRivals), 8),
    "a phone whose cursor passes a cut": (Parts(replica=broken.ForgetsAnswers), 3),
    "a pull that trusts what is asked for": (Parts(hub=broken.SendsEverything), 6),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_oracle_catches(name: str, tmp_path: Path) -> None:
    parts, guarantee = FAULTS[name]
    caught: set[int] = set()
    for seed in WORLDS:
        place = tmp_path / str(seed)
        place.mkdir()
        try:
            run(seed, place, parts=parts)
        except Broken as error:
            caught |= {violation.guarantee for violation in error.violations}
        except (AssertionError, IndexError):
            continue  # it broke the phone so badly that the world could not go on
        if guarantee in caught:
            return
    pytest.fail(f"{name} went unnoticed in {len(WORLDS)} worlds; caught were {sorted(caught)}")
