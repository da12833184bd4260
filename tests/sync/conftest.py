"""How hard Hypothesis looks at the engine: moderately on every run, harder on request (`--hypothesis-profile=deep`).

Deriving examples from the test itself in CI makes a red run red again; on a developer's machine each run looks elsewhere.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "engine",
    deadline=None,
    max_examples=60,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=_QUIET,
)
settings.register_profile("deep", deadline=None, max_examples=2000, print_blob=True, suppress_health_check=_QUIET)
if settings.get_current_profile_name() != "deep":
    settings.load_profile("engine")
