"""The one writer: it groups what waits, isolates what fails, drains when it stops, and answers only what is durable."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from server.storage.store import StoreTransaction
from server.storage.writer import GROUP_MAX, Job, Writer
from sync.facts import Record, Scope, Write
from sync.hub import Push, Receipt
from sync.judge import Published
from sync.problems import Refused
from tests.storage.world import Depot, Phone, check_whole, opening, stored_chains


class Stumbling:
    """Rules with a bug that one ticket brings out."""

    def consequences(self, record: Record, view: dict[str, Any], fresh: Sequence[Write]) -> list[Published]:
        if any(write.body.get("text") == "poison" for write in fresh):
            raise ZeroDivisionError("a bug in the rules")
        return []


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    depot = Depot(tmp_path / "district.db", Stumbling())
    depot.ticket("t1")
    yield depot
    depot.close()


@pytest.fixture
def phones(depot: Depot) -> list[Phone]:
    return [depot.phone(f"p{n}") for n in range(20)]


@contextmanager
def writing(depot: Depot, *, jobs_max: int = 4096) -> Iterator[Writer]:
    writer = Writer(depot.hub, depot.tx, jobs_max=jobs_max)
    yield writer
    writer.stop()


@contextmanager
def held(writer: Writer) -> Iterator[None]:
    """The writer is busy inside, so that what is submitted meanwhile waits together."""
    entered, release = threading.Event(), threading.Event()

    def hold(_: StoreTransaction) -> None:
        entered.set()
        release.wait()

    holder = threading.Thread(target=writer.work, args=(hold,))
    holder.start()
    entered.wait()
    try:
        yield
    finally:
        release.set()
        holder.join()


@contextmanager
def counted_commits(depot: Depot) -> Iterator[list[str]]:
    found: list[str] = []
    depot.connection.set_trace_callback(lambda text: found.append(text) if text == "COMMIT" else None)
    yield found
    depot.connection.set_trace_callback(None)


def pushes(depot: Depot, phones: Sequence[Phone], *, notes: int = 3) -> list[Push]:
    made = []
    for phone in phones:
        for _ in range(notes):
            phone.note("t1")
        made.append(depot.prepare(phone))
    return made


def place(receipt: Receipt) -> tuple[str, int, str]:
    return receipt.journal, receipt.n, receipt.head


def test_pushes_that_wait_together_share_one_transaction(depot: Depot, phones: list[Phone]) -> None:
    ready = pushes(depot, phones)
    with counted_commits(depot) as commits, writing(depot) as writer:
        with held(writer):
            futures = [writer.push(push) for push in ready]
        receipts = [future.result() for future in futures]
    assert len(commits) == 2, "one for the work that held the writer, one for all pushes"
    assert [place(receipt) for receipt in receipts] == [(p.envelope.journal, p.envelope.n, p.envelope.head) for p in ready]
    assert len({(receipt.ledger, receipt.root) for receipt in receipts}) == 1
    check_whole(depot.path)


def test_a_group_has_a_largest_size(depot: Depot, phones: list[Phone]) -> None:
    with counted_commits(depot) as commits, writing(depot) as writer:
        with held(writer):
            ready = [push for phone in phones for push in pushes(depot, [phone]) * 7]
            futures = [writer.push(push) for push in ready]
        for future in futures:
            future.result()
    assert len(commits) == 1 + -(-len(ready) // GROUP_MAX)


def test_pushes_commands_and_work_share_a_group_and_each_gets_its_own_answer(depot: Depot, phones: list[Phone]) -> None:
    ready = pushes(depot, phones[:2])
    answers: dict[str, Any] = {}
    with counted_commits(depot) as commits, writing(depot) as writer:
        with held(writer):
            jobs = {
                "command": lambda: writer.command(opening("t2")),
                "refused": lambda: writer.command(opening("t1")),
                "work": lambda: writer.work(lambda tx: tx.run("SELECT 6 * 7").fetchone()[0]),
            }
            threads = [threading.Thread(target=keep, args=(answers, name, job)) for name, job in jobs.items()]
            for thread in threads:
                thread.start()
            while writer.waiting < len(jobs):
                pass
            futures = [writer.push(push) for push in ready]
        for thread in threads:
            thread.join()
        assert [place(future.result())[0] for future in futures] == [push.envelope.journal for push in ready]
    assert answers["work"] == 42 and answers["command"] == depot.tx.position
    assert isinstance(answers["refused"], Refused) and answers["refused"].problem.slug == "state-conflict"
    assert len(commits) == 2
    check_whole(depot.path)


def keep(answers: dict[str, Any], name: str, job: Any) -> None:
    try:
        answers[name] = job()
    except Exception as error:
        answers[name] = error


def test_a_poisoned_push_fails_alone_and_leaves_nothing(depot: Depot, phones: list[Phone]) -> None:
    phones[7].note("t1", "poison")
    ready = pushes(depot, phones)
    with writing(depot) as writer:
        with held(writer):
            futures = [writer.push(push) for push in ready]
        for number, future in enumerate(futures):
            if number == 7:
                assert isinstance(future.exception(), ZeroDivisionError)
            else:
                assert future.result().n == ready[number].envelope.n
        phones[3].heard(futures[3].result())
        (after,) = pushes(depot, [phones[3]])
        assert writer.push(after).result().n == after.envelope.n
    check_whole(depot.path)
    assert set(stored_chains(depot.path)) == {"office", *(push.envelope.journal for push in ready)} - {
        ready[7].envelope.journal
    }


def test_work_that_fails_fails_alone_and_leaves_nothing(depot: Depot, phones: list[Phone]) -> None:
    def wrong(tx: StoreTransaction) -> None:
        tx.run("INSERT INTO account VALUES ('half', 'x', 'x', NULL)")
        raise Refused("not-found", "There is no such thing.")

    ready = pushes(depot, phones)
    answers: dict[str, Any] = {}
    with writing(depot) as writer:
        with held(writer):
            futures = [writer.push(push) for push in ready[:10]]
            thread = threading.Thread(target=keep, args=(answers, "work", lambda: writer.work(wrong)))
            thread.start()
            while writer.waiting < 11:
                pass
            futures += [writer.push(push) for push in ready[10:]]
        thread.join()
        assert [future.result().n for future in futures] == [push.envelope.n for push in ready]
        assert writer.work(lambda tx: tx.run("SELECT count(*) FROM account").fetchone()[0]) == 0
    assert isinstance(answers["work"], Refused) and answers["work"].problem.slug == "not-found"
    check_whole(depot.path)


def test_a_full_queue_says_busy_and_what_was_queued_is_still_stored(depot: Depot, phones: list[Phone]) -> None:
    ready = pushes(depot, phones[:4])
    with writing(depot, jobs_max=3) as writer:
        with held(writer):
            futures = [writer.push(push) for push in ready[:3]]
            with pytest.raises(Refused) as refusal:
                writer.push(ready[3])
            assert refusal.value.problem.slug == "busy"
        assert [future.result().n for future in futures] == [push.envelope.n for push in ready[:3]]
        assert writer.push(ready[3]).result().n == ready[3].envelope.n


def test_stopping_finishes_what_is_queued_and_takes_nothing_more(depot: Depot, phones: list[Phone]) -> None:
    ready = pushes(depot, phones)
    writer = Writer(depot.hub, depot.tx)
    with held(writer):
        futures = [writer.push(push) for push in ready[:-1]]
        stopping = threading.Thread(target=writer.stop)
        stopping.start()
        while not writer._stopped:
            pass
        with pytest.raises(Refused) as refusal:
            writer.push(ready[-1])
    stopping.join()
    assert refusal.value.problem.slug == "busy"
    assert all(future.done() for future in futures)
    assert set(stored_chains(depot.path)) == {"office", *(push.envelope.journal for push in ready[:-1])}
    writer.stop()


def test_an_answer_comes_only_after_others_can_read_what_it_says(depot: Depot, phones: list[Phone]) -> None:
    found: list[tuple[int, Any]] = []

    def check(future: Future[Receipt]) -> None:  # runs in the writer's thread, at the very moment of the answer
        connection = sqlite3.connect(depot.path)
        row = connection.execute("SELECT n FROM journal WHERE name = ?", (future.result().journal,)).fetchone()
        connection.close()
        found.append((future.result().n, row and row[0]))

    with writing(depot) as writer:
        for turn in range(5):
            with held(writer):
                for push in pushes(depot, phones[turn * 4 : turn * 4 + 4]):
                    writer.push(push).add_done_callback(check)
    assert len(found) == 20 and all(said == stored for said, stored in found)


def test_the_published_ledger_is_that_of_the_last_commit(depot: Depot, phones: list[Phone]) -> None:
    with writing(depot) as writer:
        for phone in phones[:5]:
            (push,) = pushes(depot, [phone])
            receipt = writer.push(push).result()
            assert depot.tx.horizon.ledger == (receipt.ledger, receipt.root)
        assert depot.tx.horizon.ledger[0] == 2 + 5 * 4


def test_a_waiter_that_hung_up_ends_nothing_and_its_push_is_stored(depot: Depot, phones: list[Phone]) -> None:
    ready = pushes(depot, phones)
    with writing(depot) as writer:
        with held(writer):
            futures = [writer.push(push) for push in ready]
            assert futures[5].cancel()
        assert all(future.result().n for future in futures if not future.cancelled())
        (again,) = pushes(depot, [phones[0]], notes=0)
        assert writer.push(again).result().n == ready[0].envelope.n
    assert ready[5].envelope.journal in stored_chains(depot.path)


@pytest.mark.parametrize("together", [True, False])
def test_one_push_sent_many_times_at_once_is_stored_once_and_answered_alike(
    depot: Depot, phones: list[Phone], together: bool
) -> None:
    (push,) = pushes(depot, phones[:1], notes=30)
    receipts: list[Receipt] = []
    with writing(depot) as writer:
        gate = threading.Barrier(8)

        def send() -> None:
            gate.wait()
            receipts.append(writer.push(push).result())

        threads = [threading.Thread(target=send) for _ in range(8)]
        if together:
            with held(writer):
                for thread in threads:
                    thread.start()
                while writer.waiting < 8:
                    pass
        else:
            for thread in threads:
                thread.start()
        for thread in threads:
            thread.join()
    assert len({(*place(receipt), receipt.durable, receipt.ledger, receipt.root) for receipt in receipts}) == 1
    assert sorted(receipt.stored for receipt in receipts) == [0] * 7 + [31] and not any(r.problem for r in receipts)
    assert len(stored_chains(depot.path)[push.envelope.journal]) == 31
    check_whole(depot.path)


@pytest.mark.parametrize("shorter_first", [True, False])
def test_a_prefix_and_the_whole_sent_at_once_make_one_chain(depot: Depot, phones: list[Phone], shorter_first: bool) -> None:
    (short,), (whole,) = pushes(depot, phones[:1], notes=5), pushes(depot, phones[:1], notes=5)
    assert (short.envelope.n, whole.envelope.n) == (6, 11)
    with writing(depot) as writer:
        with held(writer):
            futures = [writer.push(push) for push in ([short, whole] if shorter_first else [whole, short])]
        receipts = [future.result() for future in futures]
    assert not any(receipt.problem for receipt in receipts)
    assert sum(receipt.stored for receipt in receipts) == 11
    assert all(receipt.n >= 6 for receipt in receipts) and max(receipt.n for receipt in receipts) == 11
    assert list(stored_chains(depot.path)) == ["office", whole.envelope.journal]
    check_whole(depot.path)


# ----------------------------------------------------------------------------------------------------- reference records


def test_what_phones_refer_to_is_published_once_for_all_the_work_of_a_group(depot: Depot) -> None:
    asked: list[int] = []

    def reference(tx: StoreTransaction) -> list[Published]:
        asked.append(tx.run("SELECT count(*) FROM station").fetchone()[0])
        return [Published("station", "all", (Scope("station:s"),), {"count": asked[-1]})]

    writer = Writer(depot.hub, depot.tx, reference=reference)
    with held(writer):
        done = [submitted(writer, station(name)) for name in ("n1", "n2")]
    assert [future.result() for future in done] == [1, 1]
    writer.work(lambda tx: None)
    writer.stop()
    assert len(asked) == 1, "work that refers to nothing asks for nothing"
    assert [row[1:4] for row in depot.tx.feed("station:s", 0, 9)] == [("station", "all", None)]


def station(name: str) -> Callable[[StoreTransaction], Any]:
    """Work that makes a station."""
    return lambda tx: tx.run("INSERT INTO station (id, name, name_en) VALUES (?, ?, ?)", (name, name, name)).rowcount


def submitted(writer: Writer, work: Callable[[StoreTransaction], Any]) -> Future[Any]:
    """Work that changes what phones refer to, queued and not waited for."""
    return writer._submit(Job(work=work, refers=True))


def test_work_whose_reference_records_cannot_be_made_is_undone_and_delays_nobody(depot: Depot) -> None:
    def reference(tx: StoreTransaction) -> list[Published]:
        if tx.run("SELECT count(*) FROM station WHERE id = 'bad'").fetchone()[0]:
            raise ZeroDivisionError("a bug in the reference records")
        return []

    writer = Writer(depot.hub, depot.tx, reference=reference)
    with held(writer):
        bad, good = (submitted(writer, station(name)) for name in ("bad", "good"))
    with pytest.raises(ZeroDivisionError):
        bad.result()
    assert good.result() == 1
    writer.stop()
    assert depot.tx.run("SELECT id FROM station").fetchall() == [("good",)]
