"""The listening end: connections that are bounded in number and patience, and a server that leaves in order.

uvicorn speaks HTTP; here stands what it leaves open: how long a header may take, how slowly a body may come, how many
connections there may be, and what happens between SIGTERM and the end. Refuses to know routes and bodies.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import structlog
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from server import tls
from server.app import create_app
from server.service import Service
from server.web import Rendered, problem, request_id, send_whole
from sync.problems import Refused

DRAIN_S_MAX = 25.0
"""From the first signal to the end, whatever still goes on then; balancers and supervisors commonly wait 30 s."""
FINISH_S = 18
"""Of those, what requests under way may still take."""
HEAD_BYTES_MAX = 32_768
FILES_KEPT = 256
"""Open files that are not connections: database, photos, log."""

_CONNECTED, _HEAD, _BODY, _QUIET = "connected", "head", "body", "quiet"


@dataclass(slots=True)
class Edge:
    """What every connection of one server shares."""

    connections_max: int
    header_s: float
    body_s: float
    body_bytes_per_s_min: int
    held_back: Callable[[str], None]
    busy: Callable[[], Refused]
    draining: bool = False

    @classmethod
    def of(cls, service: Service) -> Edge:
        settings = service.settings
        return cls(
            min(settings.connections_max, _files_max() - FILES_KEPT),
            settings.header_timeout_s,
            settings.body_timeout_s,
            settings.body_bytes_per_s_min,
            lambda limit: service.metrics.held_back.labels(limit).inc(),
            service.storm.busy,
        )

    async def full(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers in place of the application when there are too many connections already."""
        self.held_back("connections")
        await _refuse(scope, send, self.busy())


class Config(uvicorn.Config):
    """uvicorn's, with the edge that connections belong to."""

    def __init__(self, app: Any, edge: Edge, **options: Any) -> None:
        self.edge = edge
        super().__init__(app, **options)


class Connection(HttpToolsProtocol):
    """One client. It is timed only while something of a request is missing; one that comes in one piece costs no timer."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._edge = config.edge
        self._phase = _CONNECTED
        self._timed: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._received = 0
        self._segment = 0
        self._head_from = 0
        self._checked = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself narrows it
        super().connection_made(transport)
        if len(self.connections) > 2 * self._edge.connections_max:
            transport.abort()  # not even a word: each of them would cost one
        elif len(self.connections) > self._edge.connections_max:
            self.app = self._edge.full
        self._keep_time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._segment = len(data)
        self._received += self._segment
        super().data_received(data)
        if self._timed is not self._phase:
            self._keep_time()
        if self._phase is _HEAD and self._received - self._head_from > HEAD_BYTES_MAX:
            self._say_and_close(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        self._phase, self._timed = _HEAD, None
        self._head_from = self._received - self._segment
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._phase = _BODY
        if self._received - self._head_from > HEAD_BYTES_MAX and self._head_bytes() > HEAD_BYTES_MAX:
            usual, self.app = self.app, _long_head
            super().on_headers_complete()
            self.app = usual
        else:
            super().on_headers_complete()
        if self._edge.draining or self.app == self._edge.full:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._phase = _QUIET
        super().on_message_complete()

    def shutdown(self) -> None:
        """Nothing new any more; a request whose header has begun is still heard and answered."""
        if self._phase is not _HEAD:
            super().shutdown()

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    # ---------------------------------------------------------------------------------------------------------- patience

    def _keep_time(self) -> None:
        self._stop_timer()
        self._timed = self._phase
        if self._phase is _BODY:
            self._checked = self._received
            self._timer = self.loop.call_later(self._edge.body_s, self._check_rate)
        elif self._phase is not _QUIET:
            self._timer = self.loop.call_later(self._edge.header_s, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_rate(self) -> None:
        came, self._checked = self._received - self._checked, self._received
        # While we do not read, the slowness is ours.
        if self.flow.read_paused or came >= self._edge.body_bytes_per_s_min * self._edge.body_s:
            self._timer = self.loop.call_later(self._edge.body_s, self._check_rate)
        else:
            self._too_slow()

    def _too_slow(self) -> None:
        self._edge.held_back("slow")
        if self._phase is _CONNECTED:
            self.transport.close()
        else:
            self._say_and_close(b"408 Request Timeout")

    def _say_and_close(self, status: bytes) -> None:
        self._stop_timer()
        answering = self._phase is _BODY and self.cycle.response_started
        if not answering and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


async def _long_head(scope: Scope, receive: Receive, send: Send) -> None:
    rendered = problem(Refused("too-large", f"The header has more than {HEAD_BYTES_MAX} bytes."), request_id(scope))
    await send_whole(scope, send, Rendered(431, [*rendered.headers, (b"connection", b"close")], rendered.body))


async def _refuse(scope: Scope, send: Send, refused: Refused) -> None:
    rendered = problem(refused, request_id(scope))
    await send_whole(scope, send, Rendered(rendered.status, [*rendered.headers, (b"connection", b"close")], rendered.body))


class Server(uvicorn.Server):
    """uvicorn with the product's settings over one service.

    The first SIGTERM or SIGINT: not ready any more at once; for `drain_notice_s` whoever still comes is served, so that a
    balancer has time to hear of it; then nobody new, what was begun is finished, what was accepted is stored, exit 0. The
    second ends the process there and then; what was answered is durable either way.
    """

    def __init__(self, service: Service, *, access_log: bool = True, pair: tls.Pair | None = None) -> None:
        self._service = service
        self._edge = Edge.of(service)
        self._told_to_end = False
        super().__init__(
            Config(
                create_app(service, access_log=access_log),
                self._edge,
                http=Connection,
                loop="uvloop",
                access_log=False,
                log_level="warning",
                timeout_keep_alive=service.settings.keep_alive_s,
                timeout_graceful_shutdown=FINISH_S,
                server_header=False,
                date_header=False,
                proxy_headers=False,  # `rates.Addresses` believes the proxies that are named, and nobody else
                backlog=2048,
                ssl_certfile=pair.cert if pair else None,
                ssl_keyfile=pair.key if pair else None,
            )
        )
        service.connections = lambda: len(self.server_state.connections)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or ():
            # The event loop does this only for sockets it made itself. Without it a reply's body, written after its header,
            # waits up to 40 ms for the client's delayed acknowledgement.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal. uvicorn would raise it again at the end; leaving in order is no death by signal."""
        if self._told_to_end:
            os._exit(128 + sig)
        self._told_to_end = True
        self._service.draining = self._edge.draining = self.should_exit = True
        watchdog = threading.Timer(DRAIN_S_MAX, _give_up)
        watchdog.daemon = True
        watchdog.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._told_to_end:
            await asyncio.sleep(self._service.settings.drain_notice_s)
        await super().shutdown(sockets)


def _give_up() -> None:
    structlog.get_logger().error("not everything was finished in time; what was answered is stored", after_s=DRAIN_S_MAX)
    os._exit(1)


def _files_max() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def allow_many_files() -> None:
    """Every connection is an open file, and shells commonly allow 1024: take what this user may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
