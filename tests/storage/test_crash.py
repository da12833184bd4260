"""What was acknowledged is there, whatever happened: processes killed at random moments, every single write failing once."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from server.storage.sqlite import connect
from server.storage.store import Away
from server.storage.writer import Writer
from sync.facts import FactId
from sync.hub import Push, Receipt
from sync.judge import Command
from sync.problems import Refused
from tests.scene import NOON
from tests.storage.pusher import device_names
from tests.storage.world import Depot, check_whole, dump, enrol, new_device, opening

ROOT = Path(__file__).parents[2]
KILLS = 40


# ------------------------------------------------------------------------------------------------------------------ kill


@pytest.fixture(scope="module")
def nursery() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.storage.pusher"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.stdin.close()  # type: ignore[union-attr]
    assert process.wait() == 0


def kill_after(
    nursery: subprocess.Popen[str], path: Path, turn: int, count: int, delay_s: float
) -> list[tuple[str, int, FactId]]:
    """Let a child push, kill it some moment after so many acknowledgements, and return all it had given."""
    orders, words = _pipes(nursery)
    orders.write(f"sqlite:///{path} {turn}\n")
    orders.flush()
    pid, given = 0, []
    while (word := words.readline().split()) != ["dead"]:
        assert word, "the nursery ended"
        if word[0] == "born":
            pid = int(word[1])
        else:
            given.append((word[1], int(word[2]), FactId(word[3])))
        if pid and len(given) == count:
            time.sleep(delay_s)
            os.kill(pid, signal.SIGKILL)
            count = -1
    assert count == -1, "the child died by itself"
    return given


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None and process.stdout is not None
    return process.stdin, process.stdout


def test_whatever_was_acknowledged_before_a_kill_is_stored_whole(tmp_path: Path, nursery: subprocess.Popen[str]) -> None:
    chance, path = random.Random(9), tmp_path / "district.db"
    depot = Depot(path)
    with depot.tx.group() as tx:
        for turn in range(KILLS):
            for name in device_names(str(turn)):
                enrol(tx, new_device(name))
    depot.close()
    acknowledged: list[tuple[str, int, FactId]] = []
    for turn in range(KILLS):
        acknowledged += kill_after(nursery, path, turn, chance.randrange(1, 40), chance.random() * 0.02)
        stored = check_whole(path)
        lost = [(journal, n) for journal, n, head in acknowledged if stored.get(journal, [])[n - 1 : n] != [head]]
        assert lost == [], f"acknowledged and not stored after kill {turn}"
    assert len(acknowledged) > KILLS


# -------------------------------------------------------------------------------------------------- the n-th write fails


class Unwell:
    """A connection on which one statement fails: before it ran, halfway through its rows, or after it ran."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, writer=True)
        self.count = 0
        self.fail_at = 0
        self.manner = "before"
        self.rollback_fails = False

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        if statement == "ROLLBACK" and self.rollback_fails:
            self.rollback_fails = False
            raise sqlite3.OperationalError("disk I/O error")
        return self._through(lambda: self._connection.execute(statement, parameters), lambda: None)

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> sqlite3.Cursor:
        half = rows[: len(rows) // 2]
        return self._through(
            lambda: self._connection.executemany(statement, rows),
            lambda: self._connection.executemany(statement, half),
        )

    def _through(self, whole: Callable[[], sqlite3.Cursor], half: Callable[[], Any]) -> sqlite3.Cursor:
        self.count += 1
        if self.count != self.fail_at:
            return whole()
        {"before": lambda: None, "halfway": half, "after": whole}[self.manner]()
        raise sqlite3.OperationalError("disk I/O error")

    def close(self) -> None:
        self._connection.close()


@dataclass
class Case:
    """A database with a past, a group to be disturbed, and a push that comes after it."""

    path: Path
    pushes: list[Push]
    commands: list[list[Command]]
    last: bytes

    def copy(self, path: Path) -> tuple[Depot, Unwell]:
        """The same past again, on a connection that may fail."""
        shutil.copy(self.path, path)
        unwell = Unwell(path)
        depot = Depot(path, connection=unwell)
        unwell.count = 0
        return depot, unwell

    def group(self, depot: Depot) -> None:
        with depot.tx.group() as tx:
            depot.hub.commit(tx, self.pushes, self.commands)

    def later(self, depot: Depot) -> None:
        with depot.tx.group() as tx:
            push = depot.hub.prepare(tx, self.last, NOON)
            depot.hub.commit(tx, [push], [opening("t3", "D")])


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Stored facts, feed rows to replace, a new journal, a quarantined line, a photo, new and changed tickets."""
    depot = Depot(tmp_path_factory.mktemp("case") / "past.db")
    ours, theirs = depot.phone("a"), depot.phone("b", crew="B")
    depot.ticket("t1")
    ours.note("t1")
    ours.heard(depot.commit([depot.prepare(ours)])[0])
    ours.note("t1")
    ours.replica.record("photo", ours.reading(), ticket="t1", visit="v1", body={"sha256": "a" * 64, "size_bytes": 10})
    theirs.note("t1", "not of this crew")
    pushes = [depot.prepare(ours), depot.prepare(theirs)]
    commands = [opening("t2", "B"), [Command("transferred", "user:dispatcher", "t1", {"crew": "C"}, NOON)]]
    ours.note("t2")
    last = ours.body()
    depot.close()
    return Case(depot.path, pushes, commands, last)


def undisturbed(case: Case, folder: Path) -> tuple[int, list[Any]]:
    """How many statements the group has, and what the database holds before it, after it, and after the next one."""
    depot, unwell = case.copy(folder / "undisturbed.db")
    dumps: list[Any] = [dump(depot.path)]
    case.group(depot)
    count = unwell.count
    dumps.append(dump(depot.path))
    case.later(depot)
    dumps.append(dump(depot.path))
    depot.close()
    return count, dumps


@pytest.mark.parametrize(
    ("manner", "rollback_fails"), [("before", False), ("halfway", False), ("after", False), ("before", True)]
)
def test_a_statement_that_fails_leaves_nothing_behind_and_nothing_wrong_in_memory(
    case: Case, tmp_path: Path, manner: str, rollback_fails: bool
) -> None:
    count, (before, after, at_last) = undisturbed(case, tmp_path)
    assert count > 15
    for n in range(1, count + 1):
        depot, unwell = case.copy(tmp_path / f"{n}.db")
        unwell.fail_at, unwell.manner, unwell.rollback_fails = n, manner, rollback_fails
        with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
            case.group(depot)
        committed = n == count and manner == "after"  # the failure came when all was done
        assert dump(depot.path) == (after if committed else before), f"statement {n} of {count} left something"
        unwell.rollback_fails = False
        if not committed:
            case.group(depot)
            assert dump(depot.path) == after, f"statement {n} of {count} left something in memory"
        case.later(depot)
        assert dump(depot.path) == at_last, f"statement {n} of {count} left something in memory for later"
        depot.close()


def test_another_group_may_come_between_a_failure_and_the_next_attempt(case: Case, tmp_path: Path) -> None:
    count, _ = undisturbed(case, tmp_path)
    (well, _), (sick, unwell) = case.copy(tmp_path / "well.db"), case.copy(tmp_path / "sick.db")
    unwell.fail_at = count  # the commit itself: everything was written, and is gone
    with pytest.raises(sqlite3.OperationalError):
        case.group(sick)
    for depot in (well, sick):
        with depot.tx.group() as tx:
            depot.hub.commit(tx, [], [opening("t4", "E"), opening("t5", "F")])
        case.group(depot)
        case.later(depot)
        check_whole(depot.path)
        depot.close()
    assert dump(sick.path) == dump(well.path)


def test_a_push_whose_commit_was_durable_although_it_failed_is_answered_as_stored_when_sent_again(
    case: Case, tmp_path: Path
) -> None:
    count, _ = undisturbed(case, tmp_path)
    depot, unwell = case.copy(tmp_path / "sick.db")
    unwell.fail_at, unwell.manner = count, "after"
    with pytest.raises(sqlite3.OperationalError):
        case.group(depot)
    receipts = depot.commit(case.pushes)
    assert [(r.n, r.head, r.stored, r.problem) for r in receipts] == [
        (push.envelope.n, push.envelope.head, 0, None) for push in case.pushes
    ]
    check_whole(depot.path)
    depot.close()


def test_a_passing_failure_inside_the_writer_costs_no_push(case: Case, tmp_path: Path) -> None:
    count, _ = undisturbed(case, tmp_path)
    for n in range(1, count + 1):
        depot, unwell = case.copy(tmp_path / f"{n}.db")
        writer = Writer(depot.hub, depot.tx)
        unwell.count, unwell.fail_at = 0, n
        futures = [writer.push(push) for push in case.pushes]
        answers: list[Receipt | BaseException] = [future.exception() or future.result() for future in futures]
        writer.stop()
        unwell.fail_at = 0
        # Alone in its group a push is told the failure; together with others it is tried again.
        failed = [answer for answer in answers if not isinstance(answer, Receipt)]
        assert len(failed) <= 1 and all(isinstance(answer, sqlite3.OperationalError) for answer in failed)
        for push, answer, receipt in zip(case.pushes, answers, depot.commit(case.pushes), strict=True):
            assert receipt.n == push.envelope.n and (answer in failed or receipt.stored == 0)
        check_whole(depot.path)
        depot.close()


def test_a_disk_that_stays_full_fails_every_push_and_works_again_when_there_is_room(tmp_path: Path) -> None:
    depot = Depot(tmp_path / "district.db")
    phone = depot.phone("a")
    depot.ticket("t1")
    pages = depot.connection.execute("PRAGMA page_count").fetchone()[0]
    for n in range(200):
        phone.note("t1", f"{n} " + "x" * 300)
    push = depot.prepare(phone)
    writer = Writer(depot.hub, depot.tx)
    before = dump(depot.path)
    writer.work(lambda tx: tx.run(f"PRAGMA max_page_count = {pages + 2}").fetchone())
    for _ in range(3):
        assert isinstance(writer.push(push).exception(), Away)
        assert dump(depot.path) == before
    with pytest.raises(Refused, match="not-found"):
        writer.command([Command("cancelled", "user:a", "absent", {"reason": "x"}, phone.now)])
    writer.work(lambda tx: tx.run("PRAGMA max_page_count = 1000000").fetchone())
    assert writer.push(push).result().n == push.envelope.n
    writer.stop()
    check_whole(depot.path)
    depot.close()
