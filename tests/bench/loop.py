"""The benches' event loop: uvloop, so that the client costs little beside the server it measures."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import uvloop

from clients.handset import load
from clients.handset.load import Fired

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def at_once(port: int, requests: Sequence[bytes]) -> Fired:
    """`load.at_once`, run to its end."""
    return run(load.at_once(port, requests))


def in_turns(port: int, requests: Sequence[bytes], *, times: int = 1, connections: int = 32) -> Fired:
    """`load.in_turns`, run to its end."""
    return run(load.in_turns(port, requests, times=times, connections=connections))
