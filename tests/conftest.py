"""What every test shares: clean settings, Hypothesis without deadlines, and the real-world data where it is present."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.services.fixtures import _begun, _migrated, bare_postgres, empty_postgres, new_postgres, postgres
from tests.services.s3_fixtures import bucket, s3_server

__all__ = [
    "_begun",
    "_migrated",
    "bare_postgres",
    "bucket",
    "empty_postgres",
    "new_postgres",
    "postgres",
    "s3_server",
    "shared_data",
]

# A developer's own settings must not leak into what is tested; seed, browser and PostgreSQL of the tests are none of them.
FOR_TESTS = ("LAMPLIGHTER_SEED", "LAMPLIGHTER_CHROMIUM", "LAMPLIGHTER_POSTGRES")
for name in [name for name in os.environ if name.startswith("LAMPLIGHTER_") and name not in FOR_TESTS]:
    del os.environ[name]

settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-engines", action="store_true", help="run everything of the API on every database engine")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real files beside the checkout (`../shared/data`); without it, who asks for it is skipped."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real-world files of ../shared/data, which are not part of the repository")
    return folder
