"""Bad lines, between server and PostgreSQL and between phones and server: acknowledged is stored, once, and all converge."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from server.storage import session as engine
from server.storage.session import Session
from tests.hardship.scene import District, check_photos
from tests.running import RunningServer, running_server
from tests.services.postgres import Postgres
from tests.services.proxy import Fault, FaultProxy, http_answer
from tests.storage.world import check_agrees

COMMITS_CUT = 20
MANY = 1_000_000


@contextmanager
def behind(proxy: FaultProxy, database: str, folder: Path) -> Iterator[tuple[RunningServer, District]]:
    """A server that reaches its database only through the proxy, with office and phones."""
    address = f"postgresql://postgres@127.0.0.1:{proxy.port}/{database}?sslmode=disable&gssencmode=disable"
    settings = {"database_url": address, "device_requests_per_minute_max": MANY}
    with (
        running_server(folder / "data", **settings) as server,
        closing(District(server.address, folder / "data" / "keys", folder)) as district,
    ):
        yield server, district


def socket_of(postgres: Postgres) -> str:
    return f"{postgres.folder}/.s.PGSQL.5432"


def check_database(postgres: Postgres, database: str) -> None:
    with closing(Session(postgres.address(database), writer=False)) as session:
        check_agrees(session)


def test_twenty_commits_whose_answer_is_cut_lose_and_double_nothing(postgres: Postgres, tmp_path: Path) -> None:
    chance, database = random.Random(7), postgres.new_database()
    with FaultProxy(socket_of(postgres)) as proxy, behind(proxy, database, tmp_path) as (_, district):
        phones, struck = [district.phone("m1"), district.phone("m2")], 0
        while struck < COMMITS_CUT:
            ticket, phone = district.ticket(), chance.choice(phones)
            phone.sync(attempts=3)
            district.job(phone, ticket)
            kind = chance.choice([Fault.CUT, Fault.RESET])
            cut = proxy.fault(kind, when=b"COMMIT", after_bytes=chance.choice([0, 1, 5, 12]), times=chance.choice([1, 2, 3]))
            phone.sync(attempts=1)
            proxy.heal()
            proxy.sever()  # a new connection says COMMIT in words again
            struck += cut.struck
            district.check_kept()
        district.check_converged()
        check_database(postgres, database)
        assert district.faults == []


def test_a_slow_database_and_one_that_falls_silent_delay_the_day_and_never_end_it(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = postgres.new_database()
    with FaultProxy(socket_of(postgres)) as proxy, behind(proxy, database, tmp_path) as (_, district):
        phone, tickets = district.phone(), [district.ticket() for _ in range(3)]
        phone.sync()
        proxy.latency_s = 0.01
        district.job(phone, tickets[0])
        assert phone.sync(attempts=1).done
        proxy.heal()
        monkeypatch.setattr(engine, "ANSWER_S", 0.5)
        for ticket, when in zip(tickets[1:], (b"BEGIN", b"COMMIT"), strict=True):
            proxy.sever()
            district.job(phone, ticket)
            hole = proxy.fault(Fault.HOLE, when=when)
            phone.sync(attempts=2)
            proxy.heal()
            assert hole.struck
            district.check_kept()
        district.check_converged()
        check_database(postgres, database)
        assert district.faults == []


# ---------------------------------------------------------------------------------------------------------------- of phones

PORTAL = http_answer(200, "OK", b"<html>Welcome to the hotel. Accept the terms.</html>", "text/html")


def test_a_day_over_every_bad_line_converges_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    chance = random.Random(11)
    with (
        running_server(tmp_path / "data", device_requests_per_minute_max=MANY) as server,
        FaultProxy(("127.0.0.1", server.port)) as proxy,
        closing(District(server.address, tmp_path / "data" / "keys", tmp_path)) as district,
    ):
        phones = [district.phone(member, address=proxy.url) for member in ("m1", "m2")]
        faults = [*Fault] * 3
        chance.shuffle(faults)
        struck = 0
        for kind in faults:
            phone, ticket = chance.choice(phones), district.ticket()
            phone.sync(attempts=3)
            district.job(phone, ticket, photo_bytes=chance.choice([600, 300_000]))
            when = chance.choice([rb"POST /v1/sync", rb"PATCH /v1/photos", rb"POST /v1/photos", rb"HTTP/1\.1"])
            proxy.bytes_per_s = chance.choice([None, 2_000_000])
            for link in district.phones:
                link._link._client.timeout = 0.5
            fault = proxy.fault(kind, when=when, after_bytes=chance.choice([0, 40, 400, 900]), answer=PORTAL)
            phone.sync(attempts=2)
            struck += fault.struck
            proxy.heal()
            district.check_kept()
        for phone in phones:
            phone._link._client.timeout = 60.0
        district.check_converged()
        check_photos(tmp_path / "data" / "objects", district.photos)
        assert district.faults == [] and struck >= len(faults) // 2
