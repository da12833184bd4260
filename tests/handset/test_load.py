"""The load generator speaks HTTP as the server means it, and its phones are real ones."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Sequence

import pytest

from clients.handset.keys import KeyList, Signer, new_device_key, public_jwk
from clients.handset.link import Link
from clients.handset.load import Connection, Enrolled, Fired, Phone, Reply, at_once, get, in_turns
from tests.handset.scene import Field
from tests.running import RunningServer


def phone(field: Field, *tickets: str, member: str = "m1") -> Phone:
    key = new_device_key()
    link = Link(field.server.address)
    said = link.ask("POST", "/v1/enrol", {"code": field.server.code(member), "key": public_jwk(key), "name": "load"})
    link.close()
    keys = KeyList.verify(said["keys"], said["root"])
    assert keys is not None
    return Phone(Enrolled(said["device"], said["member"], Signer(key, keys), said["token"], tickets), "test")


def fired(server: RunningServer, requests: Sequence[bytes]) -> Fired:
    return asyncio.run(at_once(server.port, requests))


def notes(field: Field, ticket: str) -> int:
    return sum(len(visit["notes"]) for visit in field.server.view(ticket)["visits"].values())


def test_shifts_prepared_in_advance_are_stored_and_a_replay_stores_nothing(field: Field) -> None:
    ticket = field.server.ticket()
    phones = [phone(field, ticket) for _ in range(3)]
    for one in phones:
        one.work(20)
    requests = [one.request()[1] for one in phones]
    told = fired(field.server, requests)
    assert [reply.status for reply in told.replies] == [200] * 3 and notes(field, ticket) == 6
    assert {reply.status for reply in fired(field.server, requests * 4).replies} == {200}
    assert notes(field, ticket) == 6


def test_a_phone_goes_on_where_its_last_push_ended(field: Field) -> None:
    ticket = field.server.ticket()
    one = phone(field, ticket)
    for _ in range(3):
        one.work(10)
        [reply] = fired(field.server, [one.request()[1]]).replies
        one.heard(reply)
    assert one.replica.waiting == 0 and one.replica.journal.n == 31 and notes(field, ticket) == 3


def test_a_first_sync_brings_the_tickets_and_an_idle_sync_next_to_nothing(field: Field) -> None:
    field.server.ticket(description="x" * 1000)
    one = phone(field)
    [first] = fired(field.server, [one.request()[1]]).replies
    one.heard(first)
    idle = asyncio.run(in_turns(field.server.port, [one.request()[1]], times=20))
    assert first.plain.count(b'"kind":"ticket"') >= 1 and len(first.plain) > 1500
    assert len(idle.each_s) == 20 and max(len(reply.body) for reply in idle.replies) < 700


def test_a_streamed_feed_arrives_to_its_last_byte(field: Field) -> None:
    for _ in range(3):
        field.server.ticket(description="y" * 1500)
    whole = field.server.office.get("/v1/hq/feed", headers={"accept-encoding": "identity"}).content
    told = fired(field.server, [get("/v1/hq/feed", token=field.server.token())] * 2)
    assert [reply.body for reply in told.replies] == [whole] * 2


def test_over_one_connection_replies_stand_in_the_order_of_the_requests(field: Field) -> None:
    told = asyncio.run(in_turns(field.server.port, [get("/livez"), get("/nowhere")] * 20, connections=1))
    assert [reply.status for reply in told.replies] == [200, 404] * 20 and told.per_s > 0


def answering(*answers: bytes) -> int:
    """The port of a socket that speaks one of these a request, and hangs up after each: servers we do not have here."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return int(listener.getsockname()[1])


async def asked(port: int) -> Reply:
    connection = await Connection.open(port)
    try:
        return await connection.exchange(get("/"))
    finally:
        connection.close()


def test_a_server_that_hangs_up_is_noticed_and_the_next_connection_works() -> None:
    port = answering(b"", b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
    with pytest.raises(ConnectionError):
        asyncio.run(asked(port))
    assert asyncio.run(asked(port)).status == 204


def test_a_refusal_names_its_problem_and_when_to_come_back() -> None:
    problem = json.dumps({"slug": "busy", "status": 503}).encode()
    head = b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: %d\r\n\r\n" % len(problem)
    reply = asyncio.run(asked(answering(head + problem)))
    assert (reply.status, reply.retry_after_s, reply.problem) == (503, 7.0, {"slug": "busy", "status": 503})


def test_a_captive_portals_page_is_no_problem_document() -> None:
    reply = asyncio.run(asked(answering(b"HTTP/1.1 511 Log in\r\ncontent-length: 6\r\n\r\n<html>")))
    assert reply.problem == {}
