"""The end of a process: nothing acknowledged is lost, nothing begun is cut, and two signals are enough for anybody."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from clients.handset.keys import Signer
from clients.handset.load import Connection, Enrolled, Phone, Reply
from server.service import Service
from server.settings import load_settings
from tests.server.api.world import running_world
from tests.server.shell.serving import Serving, serving

PHONES = 6
FACTS = 5


def enrolled(folder: Path) -> list[Enrolled]:
    """Phones with a ticket each, in a data folder that no server runs on any more."""
    with running_world(folder, token_minutes=500_000) as world:
        found = []
        for _ in range(PHONES):
            own = world.enrol()
            found.append(Enrolled(own.device, own.member, Signer(own.key, own.keys), own.token, (world.ticket(),)))
        return found


class Sender:
    """A phone that pushes as fast as it is answered, and remembers what it was told."""

    def __init__(self, enrolled: Enrolled) -> None:
        self.phone = Phone(enrolled, "drain")
        self.answered = 0
        self.cut = 0
        self.refused = 0

    async def work(self, port: int, end: asyncio.Event) -> None:
        connection: Connection | None = None
        while True:
            self.phone.work(FACTS)
            _, request = self.phone.request()
            if connection is None or connection.closed:
                if end.is_set():
                    return
                try:
                    connection = await Connection.open(port)
                except OSError:
                    self.refused += 1
                    return  # nobody new is let in
            if not await self._sent(connection, request):
                return

    async def _sent(self, connection: Connection, request: bytes) -> bool:
        try:
            reply: Reply = await connection.exchange(request)
        except ConnectionError:
            self.cut += 1
            return False
        self.phone.heard(reply)
        self.answered = self.phone.replica.journal.stated
        return True


async def storm(server: Serving, phones: list[Enrolled]) -> list[Sender]:
    senders = [Sender(phone) for phone in phones]
    end = asyncio.Event()
    tasks = [asyncio.create_task(sender.work(server.port, end)) for sender in senders]
    while min(sender.answered for sender in senders) < 3 * FACTS:
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in tasks), "a phone gave up before the signal"
    server.signal(signal.SIGTERM)
    end.set()
    await asyncio.gather(*tasks)
    return senders


def test_sigterm_under_load_loses_no_acknowledged_fact_and_cuts_no_request(tmp_path: Path) -> None:
    phones = enrolled(tmp_path)
    with serving(tmp_path / "data", drain_notice_s=0.5, device_requests_per_minute_max=100_000) as server:
        senders = asyncio.run(storm(server, phones))
        assert server.child.wait(30) == 0, server.log()[-2000:]
    assert [sender.cut for sender in senders] == [0] * PHONES
    service = Service(load_settings(data=tmp_path / "data"))
    try:
        journals = [sender.phone.replica.journal.id for sender in senders]
        stored = {journal: service.reader().chains(journal)[0].n for journal in journals}
    finally:
        service.close()
    assert all(stored[sender.phone.replica.journal.id] >= sender.answered for sender in senders)
    assert sum(sender.answered for sender in senders) >= 3 * FACTS * PHONES, "there was a load"
    assert "Traceback" not in server.log()


def test_from_the_signal_on_the_server_is_not_ready_and_still_answers_until_the_notice_is_over(tmp_path: Path) -> None:
    with serving(tmp_path / "d", drain_notice_s=3) as server, httpx.Client(base_url=server.address, trust_env=False) as client:
        assert client.get("/readyz").status_code == 200
        server.signal(signal.SIGTERM)
        answer = client.get("/readyz")
        while answer.status_code == 200:  # the signal travels
            answer = client.get("/readyz")
        assert answer.status_code == 503 and answer.json()["checks"]["drain"] == "draining"
        assert answer.headers["connection"] == "close"
        assert httpx.get(f"{server.address}/livez", trust_env=False).status_code == 200, "new ones are still served"
        assert server.child.wait(30) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))


def test_a_request_whose_header_is_half_sent_at_the_signal_is_answered(tmp_path: Path) -> None:
    with serving(tmp_path / "d", drain_notice_s=0) as server:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        connection.sendall(b"GET /livez HTTP/1.1\r\nho")
        assert httpx.get(f"{server.address}/livez", trust_env=False).status_code == 200  # by now it has been read
        server.signal(signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(b"st: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert server.child.wait(30) == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(tmp_path: Path, second: signal.Signals) -> None:
    with serving(tmp_path / "d", body_timeout_s=60) as server:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        connection.sendall(b"POST /v1/sync HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nx")
        assert httpx.get(f"{server.address}/livez", trust_env=False).status_code == 200
        server.signal(signal.SIGTERM)
        while httpx.get(f"{server.address}/readyz", trust_env=False).status_code == 200:
            pass
        assert server.child.poll() is None, "a request is under way"
        server.signal(second)
        assert server.child.wait(30) == 128 + second
    with serving(tmp_path / "d") as again:
        assert httpx.get(f"{again.address}/readyz", trust_env=False).status_code == 200


def test_ctrl_c_ends_an_idle_server_in_order(tmp_path: Path) -> None:
    with serving(tmp_path / "d", drain_notice_s=0) as server:
        server.signal(signal.SIGINT)
        assert server.child.wait(30) == 0
        assert not (server.data / "server.json").exists() and "Traceback" not in server.log()
