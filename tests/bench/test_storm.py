"""A small storm leaves nothing lost or doubled, its audit would notice, and its phones wait when they are told to."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from random import Random

import pytest
from rich.console import Console

from clients.handset.keys import KeyList, Signer, new_device_key
from clients.handset.load import Enrolled, Phone
from tests.bench import processes
from tests.bench.audit import Audit, audit
from tests.bench.devices import Device, Front
from tests.bench.plain import Plain
from tests.bench.storm import Size, Storm, brew, examine, own_database, show
from tests.bench.world import office_token

SIZE = Size(phones=40, facts=50, newcomers=2, moves=6, first_tickets=60)


@dataclass
class After:
    """What a storm left behind, its server still running."""

    storm: Storm
    server: processes.Process
    database: Path
    token: str

    def told(self, database: Path | None = None) -> Audit:
        return examine(self.storm, f"sqlite:///{database or self.database}", self.token)

    def tampered(self, folder: Path, statement: str) -> Audit:
        """The audit against a copy of the database that somebody changed."""
        copy = folder / "copy.db"
        with closing(sqlite3.connect(self.database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute(statement)
            target.commit()
        return self.told(copy)


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Iterator[After]:
    folder = tmp_path_factory.mktemp("storm")
    with processes.lamplighters(folder, 1) as [server]:
        token = office_token(folder / "data-1")
        storm = brew(SIZE, [("127.0.0.1", server.port)], token, servers=[server])
        yield After(storm, server, Path(processes.sqlite_address(folder).removeprefix("sqlite:///")), token)


def test_forty_phones_at_once_lose_nothing_and_double_nothing_and_all_agree(after: After) -> None:
    told = after.told()
    assert told.amiss == []
    written = SIZE.phones * SIZE.facts + SIZE.phones + SIZE.newcomers  # every journal has its opening line
    assert (told.pushed, told.stored, told.lost, told.doubled) == (written, written, 0, 0)
    assert told.copies == SIZE.phones + SIZE.newcomers


def test_three_processes_on_one_postgresql_lose_nothing_and_double_nothing_either(tmp_path: Path) -> None:
    with own_database("postgresql") as database, processes.lamplighters(tmp_path, 3, database) as servers:
        token = office_token(tmp_path / "data-1")
        places = [("127.0.0.1", server.port) for server in servers]
        storm = brew(Size(phones=12, facts=50, newcomers=1, moves=4, first_tickets=20), places, token)
        told = examine(storm, database, token)
    assert told.amiss == [] and told.stored == told.pushed == 12 * 51 + 1


def test_the_table_says_what_was_asked_and_what_came_of_it(after: After) -> None:
    printed = StringIO()
    show(after.storm, [after.server], after.told(), "SQLite", Console(file=printed, width=200))
    for words in ("push", "ask by head", "same bytes again", "idle sync", "first sync of 60", "0 lost, 0 doubled", "agree"):
        assert words in printed.getvalue()


@pytest.mark.parametrize(
    ("tampering", "noticed"),
    [
        ("DELETE FROM fact WHERE seq = (SELECT max(seq) FROM fact WHERE kind = 'note')", "1 facts lost"),
        ("UPDATE fact SET n = n + 1000 WHERE seq = (SELECT max(seq) FROM fact WHERE kind = 'note')", "no phone wrote it there"),
        ("DELETE FROM feed WHERE scope = (SELECT id FROM scope WHERE name = 'hq')", "headquarters' feed says"),
        ("UPDATE feed SET gone = 'x' WHERE scope = (SELECT id FROM scope WHERE name LIKE 'crew:%first')", "the server None"),
    ],
    ids=["a lost line", "a line in another place", "lost rows", "a copy that differs"],
)
def test_the_audit_notices(after: After, tmp_path: Path, tampering: str, noticed: str) -> None:
    assert any(noticed in story for story in after.tampered(tmp_path, tampering).amiss)


def test_the_audit_notices_facts_that_never_arrived_and_have_no_effect(after: After) -> None:
    silent = Phone(after.storm.devices[0].phone.enrolled, "silent")
    silent.work(10)
    assert after.storm.district is not None
    told = audit([silent], after.storm.district, Plain(f"sqlite:///{after.database}"), after.storm.front.places[0], after.token)
    assert told.lost == 11
    assert any("2 notes and photos were written, 0 show" in story for story in told.amiss)


def test_a_phone_that_is_turned_away_waits_as_long_as_it_is_told_and_then_gets_through() -> None:
    """The server is a socket that speaks two answers, because ours is not busy when a test wants it to be."""
    heard: list[float] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            heard.append(time.monotonic())
            busy = b"HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
            writer.write(busy if len(heard) == 1 else b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    async def scene() -> Front:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        front = Front([("127.0.0.1", server.sockets[0].getsockname()[1])], Random(1))
        enrolled = Enrolled("d", "m", Signer(new_device_key(), KeyList([])), "", ())
        device = Device(Phone(enrolled, "test"), front, 0)
        assert (await device.ask("push", device.phone.request()[1])).status == 200
        device.close()
        server.close()
        return front

    front = asyncio.run(scene())
    assert front.tallies["push"].statuses == {503: 1, 200: 1}
    assert heard[1] - heard[0] >= 1.0
