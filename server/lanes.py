"""How much of what comes is worked on at once, and how much may wait: threads by sort of traffic, room for bodies.

Refuses to know what a request says.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor


class Lane:
    """Threads for one sort of traffic, and how many requests of it may be under way at once; the others wait with their body.

    Phones and office have a lane each: an import must not keep a phone from being heard, nor a storm the dispatcher.
    `waiting` have not had their turn yet; when they are `waiting_max`, whoever comes is told to come back.
    """

    def __init__(self, name: str, *, workers: int, at_once_max: int, waiting_max: int) -> None:
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self.turn = asyncio.Semaphore(at_once_max)
        self.waiting_max = waiting_max
        self.waiting = 0

    @property
    def full(self) -> bool:
        return self.waiting >= self.waiting_max


class Room:
    """How many bytes of bodies may be held at once by requests that wait; the loop's thread alone counts."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self.held_bytes = 0

    def take(self, size_bytes: int) -> bool:
        """Whether there is room, and takes it."""
        if self.held_bytes + size_bytes > self._bytes_max:
            return False
        self.held_bytes += size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        self.held_bytes -= size_bytes
