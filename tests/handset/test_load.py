"""The load generator speaks HTTP as the server means it, and its prepared devices are real ones."""

from __future__ import annotations

import asyncio
import socket
import threading

from clients.handset.link import Link
from clients.handset.load import LoadDevice, Timings, cursor_of, request, run
from tests.handset.scene import Field
from tests.running import RunningServer


def device(field: Field, member: str = "m1") -> LoadDevice:
    link = Link(field.server.address)
    made = LoadDevice.enrol(link, field.server.code(member), "load")
    link.close()
    return made


def fired(server: RunningServer, requests: list[bytes], concurrency: int = 4) -> Timings:
    return asyncio.run(run(server.address, requests, concurrency))


def test_pushes_prepared_in_advance_are_stored_and_a_replay_stores_nothing(field: Field) -> None:
    ticket, address = field.server.ticket(), field.server.address
    devices = [device(field) for _ in range(3)]
    bodies = [one.push([("note", ticket, "v1", {"text": f"{n}"}) for n in range(20)]) for one in devices]
    requests = [request(address, "POST", "/v1/sync", body, zipped=True) for body in bodies]
    told = fired(field.server, requests)
    assert told.statuses == {200: 3} and told.broken == 0 and len(field.server.view(ticket)["visits"]["v1"]["notes"]) == 60
    assert fired(field.server, requests * 4).statuses == {200: 12}
    assert len(field.server.view(ticket)["visits"]["v1"]["notes"]) == 60


def test_a_device_goes_on_where_its_last_push_ended(field: Field) -> None:
    ticket, address = field.server.ticket(), field.server.address
    one = device(field)
    for n in range(3):
        body = one.push([("note", ticket, "v1", {"text": str(n)})])
        assert fired(field.server, [request(address, "POST", "/v1/sync", body)]).statuses == {200: 1}
    assert one.n == 4 and len(field.server.view(ticket)["visits"]["v1"]["notes"]) == 3


def test_idle_and_first_syncs_pull_with_a_token(field: Field) -> None:
    field.server.ticket(description="x" * 1000)
    one, link = device(field), Link(field.server.address)
    reply = link.exchange("/v1/sync", one.push([]), one.token).body
    cursor = cursor_of(reply)
    assert cursor
    idle = [request(field.server.address, "POST", "/v1/sync", one.idle(cursor), token=one.token)] * 20
    first = [request(field.server.address, "POST", "/v1/sync", one.idle(), token=one.token)]
    quiet, full = fired(field.server, idle), fired(field.server, first)
    assert quiet.statuses == {200: 20} and quiet.bytes_in / 20 < 1500
    assert full.bytes_in > 1500, "a first sync brings the tickets"
    link.close()


def test_a_streamed_feed_is_counted_to_its_last_byte(field: Field) -> None:
    for _ in range(3):
        field.server.ticket(description="y" * 1500)
    whole = field.server.office.get("/v1/hq/feed", headers={"accept-encoding": "identity"}).content
    token = field.server.token()
    told = fired(field.server, [request(field.server.address, "GET", "/v1/hq/feed", token=token)] * 2, 1)
    assert told.statuses == {200: 2} and told.bytes_in == 2 * len(whole)


def test_latencies_stand_in_the_order_of_the_requests(field: Field) -> None:
    told = fired(field.server, [request(field.server.address, "GET", "/livez")] * 50, 8)
    assert len(told.latencies_s) == 50 and all(told.latencies_s) and told.per_second > 0
    assert told.percentile_ms(50) <= told.percentile_ms(99)


def test_a_server_that_hangs_up_is_counted_and_the_rest_goes_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_every_other() -> None:
            for number in range(4):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    if number % 2:
                        connection.sendall(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")

        thread = threading.Thread(target=answer_every_other)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        told = asyncio.run(run(address, [request(address, "GET", "/")] * 4, 1))
        thread.join()
    assert told.broken == 2 and told.statuses == {204: 2} and told.percentile_ms(50) > 0
