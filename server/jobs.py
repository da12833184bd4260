"""Work that is due by the clock rather than asked for: forgetting stale uploads, making pictures that are still missing."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from sync.problems import Refused

PERIOD_S = 3600.0


class Housekeeper:
    """Runs `work` at once and then every hour in a thread of its own; a failure is logged and tried again next time."""

    def __init__(self, work: Callable[[], None], *, period_s: float = PERIOD_S) -> None:
        self._work = work
        self._period_s = period_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the round under way finish, then end."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._work()
            except Refused as refused:  # the database or the photo store is away: it passes, and nobody needs the road there
                structlog.get_logger().warning("housekeeping waits", why=str(refused))
            except Exception:
                structlog.get_logger().error("housekeeping failed", exc_info=True)
            self._stopped.wait(self._period_s)
