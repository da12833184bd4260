"""Alive, ready, and how it is doing: what a supervisor, a load balancer or Prometheus asks.

Anybody may ask the first two, so the reasons name no path or address.

Refuses to know how to check: the checks are passed in, each a function that says what is wrong in a sentence, or None.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from server.metrics import MEDIA_TYPE, Metrics
from server.web import Call, Reply

Check = Callable[[], str | None]
PHOTO_STORE_LOOK_S = 30.0


def livez(call: Call) -> Reply:
    """200 while the process answers at all."""
    return Reply({"alive": True})


def readyz(checks: Mapping[str, Check], notes: Mapping[str, Check] | None = None) -> Callable[[Call], Reply]:
    """An endpoint that answers 200 when every check passes, else 503 with the reasons; `notes` are told and decide nothing."""

    def ready(call: Call) -> Reply:
        """200 when the server can take work, else 503 with the reason beside each check."""
        told = {**checks, **(notes or {})}
        reasons = {name: reason for name, check in told.items() if (reason := _reason(name, check)) is not None}
        ready = reasons.keys().isdisjoint(checks)
        document = {"ready": ready, "checks": {name: reasons.get(name, "ok") for name in told}}
        return Reply(document, status=200 if ready else 503)

    return ready


def metrics(counted: Metrics) -> Callable[[Call], Reply]:
    """An endpoint that answers what the server counts."""

    def scrape(call: Call) -> Reply:
        """What the server counts about itself, as Prometheus reads it; also on an address of its own (`metrics_listen`)."""
        return Reply(counted.exposition(), media_type=MEDIA_TYPE)

    return scrape


def disk_free(path: Path, bytes_min: int) -> Check:
    """A check that the file system of `path` has at least `bytes_min` left."""

    def check() -> str | None:
        free_bytes = shutil.disk_usage(path).free
        return None if free_bytes >= bytes_min else f"{free_bytes >> 20} MiB free, {bytes_min >> 20} MiB needed"

    return check


class PhotoStore:
    """What the photo store said when it was last asked. It is asked beside, because it may take its time, and not often."""

    def __init__(self, uploads_open: Callable[[], int]) -> None:
        self._ask = uploads_open
        self._turn = threading.Lock()
        self._asked_s = -PHOTO_STORE_LOOK_S
        self._reason: str | None = None
        self.uploads_open: int | None = None
        """None until it has answered."""

    def __call__(self) -> str | None:
        """A check: the last answer, at once."""
        if time.monotonic() - self._asked_s >= PHOTO_STORE_LOOK_S and self._turn.acquire(blocking=False):
            self._asked_s = time.monotonic()
            threading.Thread(target=self._look, name="photo store", daemon=True).start()
        return self._reason

    def _look(self) -> None:
        try:
            self.uploads_open, self._reason = self._ask(), None
        except Exception as error:
            self.uploads_open, self._reason = None, "photos wait: their store does not answer or fails"
            structlog.get_logger().warning("the photo store fails", why=str(error))
        finally:
            self._turn.release()


def _reason(name: str, check: Check) -> str | None:
    try:
        return check()
    except Exception as error:
        structlog.get_logger().error("check failed", check=name, exc_info=True)
        return f"the check itself failed ({type(error).__name__})"
