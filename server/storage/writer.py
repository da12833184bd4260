"""The one writer: pushes and commands that arrive together share one transaction and one fsync (group commit).

Each job waits for a `Future` that is answered only after the commit. A job that fails for a reason of its own is taken out and
the others are committed without it: one bad job delays nobody. Work that changes what phones refer to (crews, guides) has it
published in the same commit.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from server.storage.store import Away, StoreTransaction
from sync.hub import Hub, Push, Receipt
from sync.judge import Command, Published
from sync.problems import Refused

GROUP_MAX = 64
ATTEMPTS_MAX = 5
"""How often a group is begun anew when a transaction of another process stood in its way."""


@dataclass(slots=True)
class Job:
    """A push, a list of commands, the office's own work on tables, or what is done aside; exactly one of them.

    `refers`: the work changes what reference records are made of. `beside`: it changes rows of its own alone.
    `asked`: what the watch wants to remember of who asked.
    """

    push: Push | None = None
    commands: Sequence[Command] | None = None
    work: Callable[[StoreTransaction], Any] | None = None
    refers: bool = False
    beside: bool = False
    asked: object = None
    aside: Callable[[], Any] | None = None
    """Done between two groups, in no transaction."""
    done: Future[Any] = field(default_factory=Future)


class Watch:
    """Hears of the writer's work; this one does not listen. Whoever does is quick and never raises."""

    def asked(self) -> object:
        """What to keep in `Job.asked`; called in the thread of whoever asks."""
        return None

    @contextmanager
    def group(self, jobs: Sequence[Job]) -> Iterator[Callable[[Any], Any]]:
        """Around everything that is done for a group; gives what the hub's transaction is to be seen through."""
        yield _as_it_is


def _as_it_is(tx: Any) -> Any:
    return tx


class Writer:
    """Owns the writing connection and its thread."""

    def __init__(
        self,
        hub: Hub,
        transaction: StoreTransaction,
        *,
        jobs_max: int = 4096,
        people_changed: Callable[[], None] = lambda: None,
        reference: Callable[[StoreTransaction], Sequence[Published]] = lambda tx: (),
        watch: Watch | None = None,
    ) -> None:
        self._hub = hub
        self._watch = watch or Watch()
        self._people_changed = people_changed
        self._reference = reference
        self._transaction = transaction
        self._jobs: queue.Queue[Job | None] = queue.Queue(jobs_max)
        self._open = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def push(self, push: Push) -> Future[Receipt]:
        """Store a prepared push; the receipt comes after the commit. Raises: busy when the queue is full.

        Cancelling the future gives up the answer only: a push that was handed over is stored.
        """
        return self._submit(Job(push=push))

    def command(self, commands: Sequence[Command]) -> int:
        """Let the office speak; returns the position after it. Raises what the hub refuses."""
        position: int = self._submit(Job(commands=commands)).result()
        return position

    def work(self, work: Callable[[StoreTransaction], Any], *, refers: bool = False, beside: bool = False) -> Any:
        """Run the office's own statements in a transaction of the writer's and return their result.

        `refers`: afterwards every reference record is made anew from the tables; what did not change moves nothing.
        `beside`: neither people nor rows that others decide by are touched, so other processes may commit meanwhile and
        need not hear of it.
        """
        return self._submit(Job(work=work, refers=refers, beside=beside)).result()

    def scrub(self) -> None:
        """Leave nothing of what was deleted in the database's file; everything that is to be written waits meanwhile."""
        self._submit(Job(aside=self._transaction.scrub)).result()

    @property
    def waiting(self) -> int:
        """Jobs that are queued and not begun; about, when others submit meanwhile."""
        return self._jobs.qsize()

    def stop(self) -> None:
        """Finish what is queued, then end; whoever comes later is told busy."""
        with self._open:
            self._stopped = True
        self._jobs.put(None)
        self._thread.join()

    def _submit(self, job: Job) -> Future[Any]:
        job.asked = self._watch.asked()
        with self._open:  # nothing may be queued behind the end
            if self._stopped:
                raise Refused("busy", "The server is stopping; try again shortly.")
            try:
                self._jobs.put_nowait(job)
            except queue.Full as error:
                raise Refused("busy", "Too much is waiting to be written; try again shortly.") from error
        return job.done

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            group = [job]
            while len(group) < GROUP_MAX and group[-1].aside is None:
                try:
                    following = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    self._do(group)
                    return
                group.append(following)
            self._do(group)

    def _do(self, group: list[Job]) -> None:
        """Commit a group; only its last job may be one that is done aside."""
        last = group.pop() if group[-1].aside is not None else None
        if group:
            self._commit(group)
        if last is not None and last.aside is not None:
            try:
                _answer(last, last.aside())
            except BaseException as error:
                _answer(last, error)

    def _commit(self, group: list[Job]) -> None:
        try:
            answers = self._attempt(group)
        except BaseException as error:
            if len(group) == 1 or isinstance(error, Away):  # no use in asking a database that is not there for each job
                for job in group:
                    _answer(job, error)
                return
            for job in group:
                self._commit([job])
            return
        for job, answer in zip(group, answers, strict=True):
            _answer(job, answer)

    def _attempt(self, group: Sequence[Job]) -> list[Any]:
        with self._watch.group(group) as through:
            for _ in range(ATTEMPTS_MAX - 1):
                try:
                    return self._write(group, through)
                except Exception as error:
                    if not self._transaction.passing(error):
                        raise
            return self._write(group, through)

    def _write(self, group: Sequence[Job], through: Callable[[Any], Any]) -> list[Any]:
        pushes = [job.push for job in group if job.push is not None]
        commands = [job.commands for job in group if job.commands is not None]
        alone = any(job.work is not None and not job.beside for job in group)
        with self._transaction.group(alone=alone) as tx:
            results = {id(job): job.work(tx) for job in group if job.work is not None}
            reference = self._reference(tx) if any(job.refers for job in group) else ()
            receipts: list[Receipt] = []
            positions: list[int | Refused] = []
            if pushes or commands or reference:  # else nothing is numbered, and nobody waits for those who number
                receipts, positions = self._hub.commit(through(tx), pushes, commands, reference)
        if alone:
            self._people_changed()  # the office's own work is what changes people
        waiting_receipts, waiting_positions = iter(receipts), iter(positions)
        answers: list[Any] = []
        for job in group:
            if job.push is not None:
                answers.append(next(waiting_receipts))
            else:
                answers.append(next(waiting_positions) if job.commands is not None else results[id(job)])
        return answers


def _answer(job: Job, answer: Any) -> None:
    # A waiter that was cancelled (its phone hung up) must not end the writer's thread.
    if not job.done.set_running_or_notify_cancel():
        return
    if isinstance(answer, BaseException):
        job.done.set_exception(answer)
    else:
        job.done.set_result(answer)
