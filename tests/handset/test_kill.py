"""What the phone showed as saved survives the process being killed at any moment."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from clients.handset.phone import Handset
from tests.handset.scene import Field

ROUNDS = 8
REPOSITORY = Path(__file__).parents[2]
# Shown only after the verb has returned: this is the promise under test.
WORKER = """
import sys
from pathlib import Path
from clients.handset.phone import Handset
home, ticket, round = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
with Handset.open(home) as phone:
    for number in range(10_000):
        text = f"{round}/{number}"
        saved = phone.note(ticket, text) if number % 3 else phone.photo(ticket, text.encode() * 9000)
        print(saved.fact, flush=True)
"""


def test_killed_in_the_middle_of_writing_the_phone_loses_nothing_it_showed_as_saved(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    home = field.home(phone)
    phone.close()
    field.phones.remove(phone)
    chance, shown = random.Random(20260301), set[str]()
    for round in range(ROUNDS):
        shown |= killed_after(chance.uniform(0.0, 0.25), home, ticket, round)
        with Handset.open(home) as phone:
            items = [item for item in phone.queue() if item["kind"] != "photo_bytes"]
            assert shown <= {item["fact"] for item in items}
            assert [item["n"] for item in items] == list(range(1, len(items) + 1)), (
                "no journal was begun anew, no line is missing"
            )
            for item in items:
                if item["kind"] == "photo":
                    path = home / "photos" / item["line"]["sha256"]
                    assert path.stat().st_size == item["line"]["size_bytes"], "a fact names bytes that are there"
            assert not list((home / "photos").glob(".incoming-*"))
    assert len(shown) > 3 * ROUNDS, "the worker got to write between the kills"
    with Handset.open(home) as phone:
        assert phone.sync().done
        recorded = phone.replica.journal.n
    rows = field.server.said(field.server.office.get("/v1/hq/devices"))["devices"]
    assert [row["stored_n"] for row in rows if row["device"] == phone.device] == [recorded]
    shutil.rmtree(home)


def killed_after(seconds: float, home: Path, ticket: str, round: int) -> set[str]:
    """Facts shown as saved by a process that wrote for so long since its first fact, and was killed."""
    command = [sys.executable, "-c", WORKER, str(home), ticket, str(round)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(seconds)
    process.kill()
    rest = process.stdout.read()
    process.wait()
    # A line without its end was being printed when the process died; it was not shown.
    return {line for line in (first + rest).split("\n")[:-1] if line}
