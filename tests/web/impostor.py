"""Somebody else at the server's address: a hotel's log-in page, a broken proxy, a server that hangs up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.running import RunningServer

LOG_IN_PAGE = b"<!doctype html><title>Hotel</title><h1>Welcome! Please log in to use our network.</h1>"


@contextmanager
def instead_of(server: RunningServer, *, status: int = 200, body: bytes = LOG_IN_PAGE) -> Iterator[list[str]]:
    """Until the block ends this answers every request to the server's address, and says which came; then the server is back."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(status)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.send_header("connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PATCH = do_OPTIONS = answer

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server.stop()
    impostor = ThreadingHTTPServer(("127.0.0.1", server.port), Answer)
    impostor.daemon_threads = True
    thread = threading.Thread(target=impostor.serve_forever, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        impostor.shutdown()
        impostor.server_close()
        thread.join()
        server.start()
