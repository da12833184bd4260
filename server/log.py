"""One structured line per request, for people on a terminal and for machines everywhere else.

Refuses to know bodies, tokens, names and addresses: a line says which route, which role asked, how much, how long.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TextIO, cast

import msgspec
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from server.metrics import Metrics
    from server.tracing import Tracing

REQUEST_ID = "lamplighter.request_id"
PRINCIPAL = "lamplighter.principal"
SLUG = "lamplighter.slug"
"""Keys of the ASGI scope: the request's id, the role that asked, and the slug of the problem that was answered, if any."""

_TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, version 00; anything else is not repeated into the log."""

_encode = msgspec.json.Encoder().encode

Processors = list[Callable[[Any, str, Any], Any]]


def configure_log(stream: TextIO = sys.stderr) -> None:
    """Sends every log line to `stream`: readable on a terminal, else one JSON object a line."""
    patient = _Patient(stream)
    structlog.configure(
        processors=_readable() if stream.isatty() else _json(),
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, patient)),
        cache_logger_on_first_use=True,
    )
    global _tell_request
    _tell_request = _told_by_structlog if stream.isatty() else patient.tell_request


def _told_by_structlog(line: dict[str, Any]) -> None:
    structlog.get_logger().info("request", **line)


_tell_request = _told_by_structlog
"""How a request's line is written: as JSON straight to the stream, because an idle sync costs little more than its line did."""


class _Patient:
    """A stream whose disk may be full: a line is lost then, never the work it tells of."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def tell_request(self, line: dict[str, Any]) -> None:
        """A request's line as structlog would write it."""
        line["event"] = "request"
        self.write(_json_line(None, "info", line) + "\n")
        self.flush()


def _readable() -> Processors:
    # Plain tracebacks: the rich ones print local variables, and those may hold customers and tokens.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False), console]


def _json() -> Processors:
    return [structlog.processors.format_exc_info, _json_line]


def _json_line(_: Any, level: str, line: dict[str, Any]) -> str:
    """One step instead of three, because every request pays for it."""
    now = time.time()
    line["level"] = level
    line["timestamp"] = f"{_utc(int(now))}.{int(now % 1 * 1e6):06d}Z"
    return _to_json(line)


@lru_cache(2)
def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _to_json(line: dict[str, Any]) -> str:
    try:
        return _encode(line).decode()
    except (TypeError, ValueError):  # half a character, or a value that JSON has no word for: logging never fails
        return json.dumps(line, default=repr)


class AccessLog:
    """ASGI middleware, outermost: gives each request an id, and counts, logs and traces it when it has been answered."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        new_id: Callable[[], str],
        clock_s: Callable[[], float] = time.perf_counter,
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
        lines: bool = True,
    ) -> None:
        self._app = app
        self._new_id = new_id
        self._clock_s = clock_s
        self._metrics = metrics
        self._tracing = tracing
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope[REQUEST_ID] = self._new_id()
        trace_id = None if self._tracing is None else self._tracing.begin(scope)
        seen = _Exchange(receive, send)
        begun_s = self._clock_s()
        try:
            await self._app(scope, seen.receive, seen.send)
        except Exception:
            seen.status = seen.status or 500
            raise
        finally:
            self._tell(scope, seen, self._clock_s() - begun_s, trace_id)

    def _tell(self, scope: Scope, seen: _Exchange, elapsed_s: float, trace_id: str | None) -> None:
        route = getattr(scope.get("route"), "path", None)  # the template: the path itself may name a customer
        if self._metrics is not None:
            self._metrics.request(route, seen.status, scope.get(SLUG), elapsed_s, seen.bytes_in, seen.bytes_out)
        if self._tracing is not None:
            self._tracing.end(scope, route, seen.status)
        if self._lines:
            _tell_request(_line(scope, route, seen, elapsed_s, trace_id))


class _Exchange:
    """Counts the bytes that pass in both directions and remembers the status."""

    __slots__ = ("_receive", "_send", "bytes_in", "bytes_out", "status")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.bytes_in = self.bytes_out = 0
        self.status: int | None = None  # stays None when the client left before an answer

    async def receive(self) -> Message:
        message = await self._receive()
        self.bytes_in += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.bytes_out += len(message.get("body", b""))
        await self._send(message)


def _line(scope: Scope, route: str | None, seen: _Exchange, elapsed_s: float, trace_id: str | None) -> dict[str, Any]:
    line = {
        "method": scope["method"] if len(scope["method"]) <= 10 else "?",
        "route": route,
        "status": seen.status,
        "ms": round(elapsed_s * 1000, 2),
        "bytes_in": seen.bytes_in,
        "bytes_out": seen.bytes_out,
        "request_id": scope[REQUEST_ID],
        "principal": scope.get(PRINCIPAL),
    }
    trace = next((value for name, value in scope["headers"] if name == b"traceparent"), None)
    if trace is not None and _TRACEPARENT.fullmatch(trace):
        line["traceparent"] = trace.decode()
        trace_id = trace_id or line["traceparent"][3:35]
    if trace_id is not None:
        line["trace_id"] = trace_id
    if SLUG in scope:
        line["problem"] = scope[SLUG]
    return line
