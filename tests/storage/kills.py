"""kill −9 of server processes and of PostgreSQL itself while phones push: what was acknowledged must be stored, every time.

`python -m tests.storage.kills --kills 200 --seed 7`; three server processes share one database.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from server.storage.cluster import PostgresDatabase
from server.storage.session import Session
from server.storage.store import Away
from sync.facts import FactId
from tests.scene import NOON
from tests.services.postgres import Postgres
from tests.storage.pusher import device_names
from tests.storage.world import check_agrees, enrol, new_device

ROOT = Path(__file__).parents[2]
PROCESSES = 3
DATABASE_SHARE = 0.2
"""Of the kills, how many hit the database instead of a server."""

LOOK_EVERY = 10

Place = tuple[str, int, FactId]


@dataclass
class Child:
    """A nursery and the process in it that serves now; the places it acknowledged arrive in a list all children share."""

    name: str
    address: str
    told: list[Place]
    born: int = 0
    pid: int = 0

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "tests.storage.pusher"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._changed = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def bear(self, turn: str) -> None:
        """Have a server process, and wait until it lives."""
        assert self._process.stdin is not None
        born = self.born + 1
        self._process.stdin.write(f"{self.address} {turn}\n")
        self._process.stdin.flush()
        with self._changed:
            self._changed.wait_for(lambda: self.born == born)

    def kill(self) -> None:
        """kill −9, and wait until it is gone."""
        assert self.pid > 0, "the process ended by itself"
        os.kill(self.pid, signal.SIGKILL)
        with self._changed:
            self._changed.wait_for(lambda: self.pid == 0)

    def close(self) -> None:
        if self.pid:
            self.kill()
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word = line.split()
            if word[0] == "ack":
                self.told.append((word[1], int(word[2]), FactId(word[3])))
            elif word[0] in ("born", "dead"):  # anything else is the server's log
                with self._changed:
                    self.pid = int(word[1]) if word[0] == "born" else 0
                    self.born += word[0] == "born"
                    self._changed.notify_all()


@dataclass
class Outcome:
    """What a series of kills came to."""

    servers_killed: int = 0
    databases_killed: int = 0
    acknowledged: int = 0
    lost: list[Place] = field(default_factory=list)


def kill_servers_and_database(
    postgres: Postgres, kills: int, seed: int, say: Callable[[str], None] = lambda text: None
) -> Outcome:
    """Let three processes serve phones, kill one or the database after each other, and look after every kill."""
    chance, outcome = random.Random(seed), Outcome()
    address = postgres.address(postgres.new_database())
    _enrol(address, kills)
    told: list[Place] = []
    children = [Child(f"server{n}", address, told) for n in range(PROCESSES)]
    try:
        for child in children:
            child.bear(child.name)
        for turn in range(kills):
            _wait_for(children, told, len(told) + chance.randrange(1, 60))
            if chance.random() < DATABASE_SHARE:
                postgres.kill()
                postgres.start()
                outcome.databases_killed += 1
            else:
                victim = chance.choice(children)
                victim.kill()
                victim.bear(str(turn))
                outcome.servers_killed += 1
            if turn % LOOK_EVERY == 0 or kills <= 2 * LOOK_EVERY:  # a look reads all there is
                outcome.lost += _lost(address, list(told))
            if outcome.lost:
                break
            say(f"{turn + 1} kills, {len(told)} places acknowledged, 0 lost")
    finally:
        for child in children:
            child.close()
    outcome.lost += _lost(address, list(told))
    outcome.acknowledged = len(told)
    return outcome


def _enrol(address: str, kills: int) -> None:
    database = PostgresDatabase(address)
    transaction = database.open(lambda: "k1", lambda: NOON)
    with transaction.group(alone=True) as tx:
        for turn in [*(f"server{n}" for n in range(PROCESSES)), *map(str, range(kills))]:
            for name in device_names(turn):
                enrol(tx, new_device(name))
    database.close()


def _wait_for(children: list[Child], told: list[Place], count: int) -> None:
    pause = threading.Event()
    while len(told) < count:
        assert any(child.pid for child in children), "no server process is left"
        pause.wait(0.005)


def _lost(address: str, told: list[Place]) -> list[Place]:
    """What was acknowledged and is not stored, after checking that everything stored agrees; others may write meanwhile."""
    while True:
        session = Session(address, writer=False)
        try:
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            stored = check_agrees(session)
            return [(journal, n, head) for journal, n, head in told if stored.get(journal, [])[n - 1 : n] != [head]]
        except Away:
            threading.Event().wait(0.05)
        finally:
            session.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    wanted = parser.parse_args()
    console = Console(highlight=False)
    with Postgres().create() as postgres, console.status("starting") as status:
        outcome = kill_servers_and_database(postgres, wanted.kills, wanted.seed, status.update)
        console.print(
            f"seed {wanted.seed}, PostgreSQL {postgres.version}: {outcome.servers_killed} kills of one of {PROCESSES} servers, "
            f"{outcome.databases_killed} of the database; {outcome.acknowledged} places acknowledged, {len(outcome.lost)} lost"
        )
    return 1 if outcome.lost else 0


if __name__ == "__main__":
    raise SystemExit(main())
