"""`lamplighter serve` in a process of its own, for what only a process can show: signals, sockets, the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from server import commands
from server.settings import load_settings
from tests.house.tree import ROOT

START_WAIT_S = 60.0


@dataclass
class Serving:
    """A running server; its log lies beside its data."""

    child: subprocess.Popen[bytes]
    port: int
    data: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def signal(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    def log(self) -> str:
        return (self.data / "server.log").read_text()


@contextmanager
def serving(
    data: Path, *, launch: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen, **settings: object
) -> Iterator[Serving]:
    """A server over `data`, which is set up when it is not; `settings` by their names, OTEL_… variables as they are."""
    if not (data / "keys").exists():
        commands.init(load_settings(data=data))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LAMPLIGHTER_", "OTEL_"))}
    environment |= {"LAMPLIGHTER_DATA": str(data), "LAMPLIGHTER_LISTEN": "127.0.0.1:0", "LAMPLIGHTER_LANG": "en"}
    for name, value in settings.items():
        environment[name if name.startswith("OTEL_") else f"LAMPLIGHTER_{name.upper()}"] = str(value)
    with (data / "server.log").open("wb") as log:
        command = [sys.executable, "-m", "server", "serve"]
        child = launch(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        running = Serving(child, _port_told(data, child), data)
        httpx.get(f"{running.address}/livez", trust_env=False, timeout=START_WAIT_S)  # from here on it hears signals
        yield running
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()


def _port_told(data: Path, child: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + START_WAIT_S
    while time.monotonic() < deadline and child.poll() is None:
        with suppress(OSError, ValueError):
            told = json.loads((data / "server.json").read_text())
            if told["pid"] == child.pid and "Ctrl-C" in (data / "server.log").read_text():
                return int(told["address"].rpartition(":")[2])
        time.sleep(0.02)
    raise AssertionError(f"the server did not start:\n{(data / 'server.log').read_text()[-2000:]}")
