"""Several server processes behind one listening socket, forked from one that has loaded everything: they share its memory.

The first process only watches: it hands signals on, replaces a child that died, and takes all of them along when it ends, even
by kill −9. Refuses to know what a child does. Fork before any thread begins whose work a child would miss.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import structlog

YOUNG_S = 5.0
"""A child that lives for less did not get going."""
YOUNG_DEATHS_MAX = 5
PAUSE_S = 0.5


class Flock:
    """`count` children, each running `work(index)` until it is told to end."""

    def __init__(self, count: int, work: Callable[[int], None]) -> None:
        self._work = work
        self._count = count
        self._children: dict[int, tuple[int, float]] = {}
        """pid → (index, when it was born)"""
        self._ending = False
        self._failed = False
        # Nobody writes into it: its end tells every child that this process is gone.
        self._lifeline, self._held = os.pipe()

    def run(self) -> int:
        """Until all children have ended; the exit status, 0 when they ended in order."""
        for index in range(self._count):
            self._bear(index)
        for told in (signal.SIGTERM, signal.SIGINT):
            signal.signal(told, self._hand_on)
        young_deaths = 0
        while self._children:
            pid, status = os.wait()
            index, born = self._children.pop(pid)
            if self._ending:
                # One that had not got as far as serving has nothing to finish: the signal itself ends it.
                self._failed |= os.waitstatus_to_exitcode(status) not in (0, -signal.SIGTERM, -signal.SIGINT)
                continue
            young_deaths = young_deaths + 1 if time.monotonic() - born < YOUNG_S else 0
            structlog.get_logger().error("a server process died", index=index, status=os.waitstatus_to_exitcode(status))
            if young_deaths >= YOUNG_DEATHS_MAX:
                self._failed = True
                self._hand_on(signal.SIGTERM, None)
            else:
                time.sleep(PAUSE_S)
                if not self._ending:
                    self._bear(index)
        return int(self._failed)

    def _hand_on(self, told: int, frame: FrameType | None) -> None:
        self._ending = True
        for pid in list(self._children):
            with suppress(ProcessLookupError):  # it has just ended, and nobody noted it yet
                os.kill(pid, told)

    def _bear(self, index: int) -> None:
        pid = os.fork()
        if pid:
            self._children[pid] = (index, time.monotonic())
            if self._ending:
                os.kill(pid, signal.SIGTERM)  # the signal came while it was being born
            return
        status = 1
        try:
            for told in (signal.SIGTERM, signal.SIGINT):
                signal.signal(told, signal.SIG_DFL)
            os.close(self._held)
            threading.Thread(target=self._end_with_parent, daemon=True).start()
            self._work(index)
            status = 0
        except Exception:
            structlog.get_logger().error("a server process could not go on", index=index, exc_info=True)
        finally:
            os._exit(status)

    def _end_with_parent(self) -> None:
        os.read(self._lifeline, 1)
        os.kill(os.getpid(), signal.SIGTERM)
