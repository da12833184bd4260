"""Alive and ready: what a supervisor or a load balancer asks. Anybody may ask, so the reasons name no path or address.

Refuses to know how to check: the checks are passed in, each a function that says what is wrong in a sentence, or None.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from server.web import Call, Reply

Check = Callable[[], str | None]


def livez(call: Call) -> Reply:
    """200 while the process answers at all."""
    return Reply({"alive": True})


def readyz(checks: Mapping[str, Check]) -> Callable[[Call], Reply]:
    """An endpoint that answers 200 when every check passes, else 503 with the reasons."""

    def ready(call: Call) -> Reply:
        """200 when the server can take work, else 503 with the reason beside each check."""
        reasons = {name: reason for name, check in checks.items() if (reason := _reason(name, check)) is not None}
        document = {"ready": not reasons, "checks": {name: reasons.get(name, "ok") for name in checks}}
        return Reply(document, status=503 if reasons else 200)

    return ready


def disk_free(path: Path, bytes_min: int) -> Check:
    """A check that the file system of `path` has at least `bytes_min` left."""

    def check() -> str | None:
        free_bytes = shutil.disk_usage(path).free
        return None if free_bytes >= bytes_min else f"{free_bytes >> 20} MiB free, {bytes_min >> 20} MiB needed"

    return check


def _reason(name: str, check: Check) -> str | None:
    try:
        return check()
    except Exception as error:
        structlog.get_logger().error("check failed", check=name, exc_info=True)
        return f"the check itself failed ({type(error).__name__})"
