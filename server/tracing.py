"""Traces from the phone to SQL (OpenTelemetry, W3C Trace Context): off unless the environment names a collector.

A request's trace holds what was done for it: `prepare`, the reads of the store, and `group commit`, where it waited for the
writer. A group serves many requests, so it has a trace of its own, and both are linked. Spans carry routes, counts and
statuses, nothing of who asked and what was said. While tracing is off none of this is imported and nothing of it is called.

The variables are OpenTelemetry's own (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.types import Scope

from server.settings import BadSetting
from server.storage.writer import Job, Watch

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span, SpanProcessor
    from opentelemetry.trace import SpanContext

T = TypeVar("T")

SPAN = "lamplighter.span"
"""Key of the ASGI scope: the request's span, when there is one."""
SQL_STEPS = frozenset(
    [
        *("device", "chains", "head_at", "feed", "fork_position", "ledger_edge"),
        *("hold", "records", "line", "ticket_of_number", "take_positions", "apply"),
    ]
)
"""What of a store is a group of SQL statements."""
STEPS_MAX = 200
"""Spans of one request or group; a page of a thousand rows needs no thousand of them."""
LAST_SPANS_S = 2.0


def tracing_of(environment: Mapping[str, str], version: str) -> Tracing | None:
    """What the environment asks for, or None. Raises: BadSetting for a protocol that is not spoken."""
    wanted = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    endpoint = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    off = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if off or wanted == "none" or not (wanted or endpoint):
        return None
    if wanted not in ("", "otlp"):
        raise BadSetting(f"OTEL_TRACES_EXPORTER can be otlp or none, not {wanted!r}.")
    protocols = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    protocol = next((environment[name] for name in protocols if environment.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        raise BadSetting(f"OTEL_EXPORTER_OTLP_PROTOCOL can only be http/protobuf here, not {protocol!r}.")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return Tracing(BatchSpanProcessor(OTLPSpanExporter()), version)


@dataclass(slots=True)
class Asked:
    """Which request a job of the writer belongs to, and since when it waits."""

    context: Context
    since_ns: int


class Tracing:
    """Makes spans and hands them to one processor. A provider of its own: nothing global is set."""

    def __init__(self, processor: SpanProcessor, version: str) -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._trace = trace
        self._propagator = TraceContextTextMapPropagator()
        resource = Resource.create({"service.version": version})
        if str(resource.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "lamplighter"}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("lamplighter", version)

    def close(self) -> None:
        """Send what is left, for at most a few seconds: a collector that is away must not hold up the end."""
        last = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        last.start()
        last.join(LAST_SPANS_S)

    # ------------------------------------------------------------------------------------------------------------ requests

    def begin(self, scope: Scope) -> str:
        """Begin a request's span, as a child of what its `traceparent` names; the trace's id."""
        carrier = {
            name.decode(): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"traceparent", b"tracestate")
        }
        parent = self._propagator.extract(carrier)
        span = self._tracer.start_span(scope["method"][:10], parent, self._trace.SpanKind.SERVER)
        scope[SPAN] = span
        return format(span.get_span_context().trace_id, "032x")

    def end(self, scope: Scope, route: str | None, status: int | None) -> None:
        """The request was answered."""
        span: Span = scope[SPAN]
        method = scope["method"][:10]
        span.update_name(f"{method} {route}" if route else method)
        span.set_attributes({"http.request.method": method, "url.scheme": scope.get("scheme", "http")})
        if route:
            span.set_attribute("http.route", route)
        if status is not None:
            span.set_attribute("http.response.status_code", status)
        if status is None or status >= 500:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end()

    # --------------------------------------------------------------------------------------------------------------- steps

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A part of the request under way in this thread; without one, nothing."""
        if not self._recording():
            yield
            return
        with self._tracer.start_as_current_span(name):
            yield

    def stepped(self, name: str, function: Callable[..., T]) -> Callable[..., T]:
        """The function, as a step of that name."""

        def traced(*given: Any, **named: Any) -> T:
            with self.step(name):
                return function(*given, **named)

        return traced

    def reader(self, reader: T) -> T:
        """The reader, with its SQL as steps of the request under way in this thread."""
        return self._through(reader) if self._recording() else reader

    def _recording(self) -> bool:
        return bool(self._trace.get_current_span().is_recording())

    def _through(self, store: Any) -> Any:
        return _Seen(store, self._tracer)

    # -------------------------------------------------------------------------------------------------------------- groups

    def asked(self) -> Asked | None:
        """Who asks the writer, in the thread of whoever asks."""
        span = self._trace.get_current_span()
        return Asked(self._trace.set_span_in_context(span), time.time_ns()) if span.is_recording() else None

    @contextmanager
    def group(self, jobs: Sequence[Job]) -> Iterator[Callable[[Any], Any]]:
        """Around a group: its own trace when one of its requests is traced."""
        asked = [job.asked for job in jobs if isinstance(job.asked, Asked)]
        if not asked:
            yield lambda tx: tx
            return
        links = [self._trace.Link(self._context_of(one)) for one in asked]
        attributes = {"lamplighter.jobs": len(jobs)}
        root = self._trace.set_span_in_context(self._trace.INVALID_SPAN)
        with self._tracer.start_as_current_span("group", root, attributes=attributes, links=links) as span:
            try:
                yield self._through
            finally:
                for one in asked:
                    self._waited(one, span.get_span_context())

    def _waited(self, one: Asked, group: SpanContext) -> None:
        links = [self._trace.Link(group)]
        self._tracer.start_span("group commit", one.context, links=links, start_time=one.since_ns).end()

    def _context_of(self, one: Asked) -> SpanContext:
        return self._trace.get_current_span(one.context).get_span_context()


class TraceWatch(Watch):
    """Has the writer's groups traced."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def asked(self) -> object:
        return self._tracing.asked()

    @contextmanager
    def group(self, jobs: Sequence[Job]) -> Iterator[Callable[[Any], Any]]:
        with self._tracing.group(jobs) as through:
            yield through


class _Seen:
    """A store whose SQL steps are spans; everything else of it is as it is."""

    def __init__(self, store: Any, tracer: Any) -> None:
        self._store = store
        self._tracer = tracer
        self._left = STEPS_MAX

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in SQL_STEPS or not callable(found) or self._left <= 0:
            return found
        self._left -= 1

        def step(*given: Any, **named: Any) -> Any:
            with self._tracer.start_as_current_span(f"sql {name}"):
                return found(*given, **named)

        return step


@contextmanager
def within(scope: Scope) -> Iterator[None]:
    """This thread works for that request; only for requests that have a span."""
    from opentelemetry import trace

    with trace.use_span(scope[SPAN], end_on_exit=False):
        yield
