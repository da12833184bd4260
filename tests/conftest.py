"""What every test shares: clean settings, Hypothesis without deadlines, and the real-world data where it is present."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A developer's own settings must not leak into what is tested; the simulation's seed and the place of the browser are none.
FOR_TESTS = ("LAMPLIGHTER_SEED", "LAMPLIGHTER_CHROMIUM")
for name in [name for name in os.environ if name.startswith("LAMPLIGHTER_") and name not in FOR_TESTS]:
    del os.environ[name]

settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real files beside the checkout (`../shared/data`); without it, who asks for it is skipped."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real-world files of ../shared/data, which are not part of the repository")
    return folder
