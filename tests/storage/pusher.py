"""A process to be killed: phones push through a real Writer, and every acknowledged place is printed at once.

`python -m tests.storage.pusher` is a nursery. For each line `<database> <turn>` on its standard input it forks a child, prints
`born <pid>`, lets the child print `ack <journal> <n> <head>` lines until somebody kills it, and prints `dead`. Forking
spares each child the imports, so that many can be killed in little time.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from server.storage.writer import Writer
from sync.hub import Receipt
from tests.storage.world import Depot, new_device, new_phone, opening

PHONES = 6
NOTES = 5


def push_for_ever(path: Path, turn: str) -> None:
    """Phones of this turn push and push; a journal of an earlier turn is never touched again."""
    depot = Depot(path)
    phones = [new_phone(new_device(name)) for name in device_names(turn)]
    writer = Writer(depot.hub, depot.tx)
    with depot.reader() as reader:
        count = 0
        while True:
            count += 1
            writer_answer = writer.command(opening(f"ticket-{turn}-{count}"))
            assert writer_answer
            pushes = []
            for phone in phones:
                for _ in range(NOTES):
                    phone.note(f"ticket-{turn}-{count}")
                pushes.append(depot.hub.prepare(reader, phone.body(), phone.now))
            for phone, future in zip(phones, [writer.push(push) for push in pushes], strict=True):
                receipt = future.result()
                say(receipt)
                phone.heard(receipt)


def say(receipt: Receipt) -> None:
    # One write shorter than PIPE_BUF: a kill cannot cut it in two.
    os.write(1, f"ack {receipt.journal} {receipt.n} {receipt.head}\n".encode())


def device_names(turn: str) -> list[str]:
    return [f"d{turn}-{n}" for n in range(PHONES)]


def main() -> None:
    for line in sys.stdin:
        path, turn = line.split()
        child = os.fork()
        if child == 0:
            try:
                push_for_ever(Path(path), turn)
            finally:
                os._exit(1)
        os.write(1, f"born {child}\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"dead\n")


if __name__ == "__main__":
    main()
