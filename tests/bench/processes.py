"""Servers in processes of their own, and what the kernel says they cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from server import commands
from server.settings import load_settings

ROOT = Path(__file__).parents[2]
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
START_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Process:
    """A running server. Its costs come from /proc, so they are known on Linux alone."""

    pid: int
    port: int

    @property
    def cpu_s(self) -> float:
        """User and system time of all its threads so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    @property
    def memory_peak_mb(self) -> float:
        return self._status_mb("VmHWM")

    @property
    def memory_mb(self) -> float:
        return self._status_mb("VmRSS")

    @property
    def memory_share_mb(self) -> float:
        """Its own memory and its share of what it has in common with others (PSS): summed over processes, what they take."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
        raise LookupError("Pss")

    def _status_mb(self, name: str) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1024
        raise LookupError(name)


@contextmanager
def lamplighter(data: Path, database: str = "") -> Iterator[Process]:
    """`python -m server serve` over a data folder, everything switched on; the access log goes to a file beside it."""
    with _served(data, database) as process:
        yield process


@contextmanager
def lamplighters(folder: Path, count: int, database: str = "") -> Iterator[list[Process]]:
    """One `serve` of so many processes over one new database; they share an address, so who connects meets any of them."""
    assert count == 1 or database, "several processes share a PostgreSQL database, never an SQLite file"
    data = folder / "data-1"
    commands.init(load_settings(data=data, **({"database_url": database} if database else {})))
    with _served(data, database, count) as watching:
        if count == 1:
            yield [watching]
            return
        while len(children := _children(watching.pid)) < count:
            time.sleep(0.05)
        yield [watching, *(Process(pid, watching.port) for pid in children)]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def sqlite_address(folder: Path) -> str:
    """Where `lamplighters` keeps an SQLite database."""
    return load_settings(data=folder / "data-1").database


@contextmanager
def _served(data: Path, database: str = "", count: int = 1) -> Iterator[Process]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LAMPLIGHTER_")}
    environment |= {"LAMPLIGHTER_DATA": str(data), "LAMPLIGHTER_LISTEN": "127.0.0.1:0", "LAMPLIGHTER_LANG": "en"}
    environment |= {"LAMPLIGHTER_DATABASE_URL": database} if database else {}
    environment["LAMPLIGHTER_PROCESSES"] = str(count)
    with (data / "server.log").open("wb") as log:
        command = [sys.executable, "-m", "server", "serve"]
        child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        with _ended(child):
            yield Process(child.pid, _port_told(data, child))


def _port_told(data: Path, child: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + START_WAIT_S
    while time.monotonic() < deadline and child.poll() is None:
        with suppress(OSError, ValueError):
            told = json.loads((data / "server.json").read_text())
            if told["pid"] == child.pid:
                return int(told["address"].rpartition(":")[2])
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start:\n{(data / 'server.log').read_text()[-2000:]}")


@contextmanager
def echo() -> Iterator[Process]:
    """The echo server."""
    child = subprocess.Popen([sys.executable, "-m", "tests.bench.echo"], cwd=ROOT, stdout=subprocess.PIPE)
    with _ended(child):
        assert child.stdout is not None
        yield Process(child.pid, int(child.stdout.readline()))


@contextmanager
def _ended(child: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()
