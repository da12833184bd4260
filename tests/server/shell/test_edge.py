"""Connections that are slow, endless, silent or too many, on real sockets against the real server."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.edge import HEAD_BYTES_MAX
from tests.server.shell.serving import Serving, serving

HEAD = b"POST /v1/sync HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with little patience."""
    patience: dict[str, Any] = {"header_timeout_s": 1, "body_timeout_s": 1, "body_bytes_per_s_min": 1000, "connections_max": 20}
    with serving(tmp_path_factory.mktemp("edge") / "d", **patience) as server:
        yield server


def connected(server: Serving) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def dripped(connection: socket.socket, drops: Iterator[bytes], pause_s: float = 0.1) -> bytes:
    """What comes back while bytes go in drop by drop, until the server hangs up."""
    connection.settimeout(pause_s)
    heard = b""
    for drop in drops:
        try:
            connection.sendall(drop)
            heard += (more := connection.recv(65536))
            if not more:
                return heard
        except TimeoutError:
            continue
        except OSError:
            return heard
    raise AssertionError(f"the server listened to the very end, and said {heard!r}")


def slow(count: int = 200) -> Iterator[bytes]:
    yield from (b"x" for _ in range(count))


def test_a_header_that_never_ends_is_answered_408_and_cut(server: Serving) -> None:
    with connected(server) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: ")
        assert dripped(connection, slow()).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_drips_is_answered_408_and_cut(server: Serving) -> None:
    with connected(server) as connection:
        connection.sendall(HEAD)
        assert dripped(connection, slow()).startswith(b"HTTP/1.1 408 ")


def test_whoever_connects_and_says_nothing_is_hung_up_on(server: Serving) -> None:
    with connected(server) as connection:
        assert connection.recv(100) == b""


def test_a_photo_that_drips_is_cut_too(server: Serving) -> None:
    with connected(server) as connection:
        connection.sendall(HEAD.replace(b"/v1/sync", b"/v1/photos"))
        assert dripped(connection, slow())[:12] in (b"HTTP/1.1 408", b"HTTP/1.1 401", b"HTTP/1.1 412", b"HTTP/1.1 400")


def test_a_slow_body_above_the_minimum_is_heard_to_its_end(server: Serving) -> None:
    body = b" " * 4000
    with connected(server) as connection:
        connection.sendall(b"POST /v1/login HTTP/1.1\r\nhost: x\r\ncontent-length: 4000\r\n\r\n")
        for at in range(0, 4000, 500):  # 2.4 s, more than two spans of the limit
            connection.sendall(body[at : at + 500])
            time.sleep(0.3)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 "), "heard whole, and refused for what it says"


def test_a_header_too_long_is_refused_in_one_piece_and_in_many(server: Serving) -> None:
    with connected(server) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\nx: " + b"y" * HEAD_BYTES_MAX + b"\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 431 ")
    with connected(server) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n")
        endless = (b"x-%d: %s\r\n" % (n, b"y" * 4000) for n in range(100))
        assert dripped(connection, endless, 0.02).startswith(b"HTTP/1.1 431 ")


def test_garbage_is_answered_400(server: Serving) -> None:
    with connected(server) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_slow_connections_keep_nobody_else_from_being_heard(server: Serving) -> None:
    crowd = [connected(server) for _ in range(15)]
    for connection in crowd:
        connection.sendall(HEAD + b"x")
    assert httpx.get(f"{server.address}/livez", trust_env=False).status_code == 200
    for connection in crowd:
        connection.close()


def test_more_connections_than_the_cap_are_told_to_come_back_and_served_once_there_is_room(server: Serving) -> None:
    crowd = [connected(server) for _ in range(20)]
    for connection in crowd:
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    refused = httpx.get(f"{server.address}/livez", trust_env=False)
    assert refused.status_code == 503 and refused.json()["slug"] == "busy" and refused.headers["connection"] == "close"
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    for connection in crowd:
        connection.close()
    deadline = time.monotonic() + 20
    while (answer := httpx.get(f"{server.address}/livez", trust_env=False).status_code) == 503 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer == 200


def test_two_requests_in_one_segment_are_both_answered(server: Serving) -> None:
    with connected(server) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n" * 2)
        heard = b""
        while heard.count(b'{"alive":true}') < 2:
            heard += connection.recv(65536)
        assert heard.count(b"HTTP/1.1 200 ") == 2


def test_what_was_cut_stands_in_the_counts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with serving(tmp_path / "d", header_timeout_s=0.2, metrics_listen=address) as server, connected(server) as connection:
        connection.sendall(b"GET")
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
        counted = httpx.get(f"http://{address}/metrics", trust_env=False).text
        assert 'lamplighter_held_back_total{limit="slow"} 1.0' in counted
        assert "Traceback" not in server.log() and json.loads((server.data / "server.json").read_text())["pid"]
