"""A process to be killed: phones push through a real Writer, and every acknowledged place is printed at once.

`python -m tests.storage.pusher` is a nursery. For each line `<address> <turn>` on its standard input it forks a child, prints
`born <pid>`, lets the child print `ack <journal> <n> <head>` lines until somebody kills it, and prints `dead`. Forking
spares each child the imports, so that many can be killed in little time.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress

from server.storage.database import Database, database_of
from server.storage.store import Away, StoreTransaction
from server.storage.writer import Writer
from sync.hub import Hub, NoRules, Receipt
from sync.problems import Refused
from tests.scene import NOON, RADIUS_MS, Seals
from tests.storage.world import Phone, new_device, new_phone, opening

PHONES = 6
NOTES = 5


def push_for_ever(address: str, turn: str) -> None:
    """Phones of this turn push and push; a journal of an earlier turn is never touched again."""
    database = database_of(address)
    transaction = opened(database, turn)
    writer = Writer(Hub(Seals(), NoRules(), radius_ms=RADIUS_MS), transaction)
    phones = [new_phone(new_device(name)) for name in device_names(turn)]
    for count in itertools.count():
        ticket = f"ticket-{turn}-{count}"
        with suppress(Refused):  # it may have been opened although nobody heard so
            writer.command(opening(ticket))
        for phone in phones:
            for _ in range(NOTES):
                phone.note(ticket)
        waiting = list(phones)
        while waiting:
            waiting = push_all(database, writer, waiting)


def opened(database: Database, turn: str) -> StoreTransaction:
    """The writer, as soon as there is a database: it may be killed at this very moment."""
    while True:
        try:
            return database.open(lambda: f"k-{turn}-{time.monotonic_ns()}", lambda: NOON)
        except Away:
            time.sleep(0.02)


def push_all(database: Database, writer: Writer, phones: Sequence[Phone]) -> list[Phone]:
    """Push what each phone has; those that were turned away because the database was not there."""
    hub, away = Hub(Seals(), NoRules(), radius_ms=RADIUS_MS), []
    futures: list[tuple[Phone, Future[Receipt]]] = []
    reader = database.reader()
    for phone in phones:
        try:
            futures.append((phone, writer.push(hub.prepare(reader, phone.body(), phone.now))))
        except Away:
            away.append(phone)
    for phone, future in futures:
        try:
            receipt = future.result()
        except Away:
            away.append(phone)
            continue
        say(receipt)
        phone.heard(receipt)
    reader.close()
    if away:
        time.sleep(0.02)
    return away


def say(receipt: Receipt) -> None:
    # One write shorter than PIPE_BUF: a kill cannot cut it in two.
    os.write(1, f"ack {receipt.journal} {receipt.n} {receipt.head}\n".encode())


def device_names(turn: str) -> list[str]:
    return [f"d{turn}-{n}" for n in range(PHONES)]


def main() -> None:
    for line in sys.stdin:
        address, turn = line.split()
        child = os.fork()
        if child == 0:
            try:
                push_for_ever(address, turn)
            finally:
                traceback.print_exc()
                os._exit(1)
        os.write(1, f"born {child}\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"dead\n")


if __name__ == "__main__":
    main()
