"""The web core against the real server: its own end-to-end tests run in Node, with a server of this repository on loopback.

They are written in TypeScript (clients/web/core/e2e.test.ts), because a phone is used there as a screen uses it. Here they get
what only the server's side can give: an address, the office's token, a token that has expired, and a hand on the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from server.auth import Role
from server.keys import KeyRing, Use
from tests.running import RunningServer, running_server

WEB = Path(__file__).parents[2] / "clients" / "web"

pytestmark = pytest.mark.skipif(
    shutil.which("npx") is None or not (WEB / "node_modules").is_dir(), reason="needs Node and `npm ci` in clients/web"
)


def test_a_crews_phone_in_typescript_keeps_every_promise_against_the_real_server(tmp_path: Path) -> None:
    with running_server(tmp_path / "data") as server, hand_on(server) as control:
        expired = server.service.tokens.issue("device:x", Role.MEMBER, minutes=-1)
        tokens = {"OFFICE_TOKEN": server.token(), "HQ_TOKEN": server.token(Role.HQ), "EXPIRED_TOKEN": expired}
        given = {"ADDRESS": server.address, "CONTROL": control} | tokens
        environment = os.environ | {f"LAMPLIGHTER_{name}": value for name, value in given.items()}
        command = ["npx", "vitest", "run", "core/e2e.test.ts", "--reporter=verbose"]
        done = subprocess.run(command, cwd=WEB, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    assert "skipped" not in done.stdout, done.stdout[-5_000:]


def rotate(server: RunningServer) -> None:
    """A new statement key takes over, as `lamplighter keys rotate` does it: with the server off."""
    server.stop()
    KeyRing.rotate(server.settings.keys_directory, Use.STATEMENT, now_ms=server.service.now_ms())
    server.start()


@contextmanager
def hand_on(server: RunningServer) -> Iterator[str]:
    """The address where the tests stop, start and change the server: POST /stop, /start, /rotate."""
    acts: dict[str, Callable[[], None]] = {"/stop": server.stop, "/start": server.start, "/rotate": lambda: rotate(server)}

    class Hand(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            acts[self.path]()
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    control = ThreadingHTTPServer(("127.0.0.1", 0), Hand)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{control.server_port}"
    finally:
        control.shutdown()
        control.server_close()
