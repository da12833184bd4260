"""Traces: from the phone's own span to SQL, linked to the group that committed it, and nothing at all when they are off."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from server import service as service_module
from server.settings import BadSetting
from server.tracing import Tracing, tracing_of
from tests.house.tree import ROOT
from tests.server.api.world import World, running_world
from tests.server.shell.serving import serving

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


class Kept(InMemorySpanExporter):
    """It outlives the service that sets the folder up."""

    def shutdown(self) -> None:
        pass


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, InMemorySpanExporter]]:
    """A world whose spans stay in memory."""
    kept = Kept()
    monkeypatch.setattr(service_module, "tracing_of", lambda *_: Tracing(SimpleSpanProcessor(kept), "test"))
    with running_world(tmp_path) as world:
        yield world, kept


def push(world: World, headers: dict[str, str]) -> None:
    """One new fact, sent with these headers."""
    phone = world.phone()
    phone.sync()
    phone.record("note", world.ticket(), text="secret words")
    body = gzip.compress(phone.replica.request().body)
    usual = {"content-encoding": "gzip"}
    answer = world.ask("POST", "/v1/sync", token=phone.enrolled.token, content=body, headers=usual | headers)
    assert answer.is_success


def finished(kept: InMemorySpanExporter, name: str) -> tuple[ReadableSpan, ...]:
    """Every span so far, once one of that name is among them: a request's own ends after its answer."""
    deadline = time.monotonic() + 30
    while name not in {span.name for span in kept.get_finished_spans()}:
        assert time.monotonic() < deadline, f"no span {name}"
        time.sleep(0.01)
    return kept.get_finished_spans()


def of_trace(spans: tuple[ReadableSpan, ...], trace: str) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans if format(span.context.trace_id, "032x") == trace}


def test_a_push_is_followed_from_the_phones_span_to_sql(traced: tuple[World, InMemorySpanExporter]) -> None:
    world, kept = traced
    push(world, SAMPLED)
    mine = of_trace(finished(kept, "POST /v1/sync"), TRACE)
    while "POST /v1/sync" not in mine:  # the first of them was the phone's opening
        mine = of_trace(kept.get_finished_spans(), TRACE)
    request = mine["POST /v1/sync"]
    assert request.parent is not None and format(request.parent.span_id, "016x") == PARENT
    assert request.attributes is not None and request.attributes["http.response.status_code"] == 200
    for name in ("prepare", "group commit"):
        parent = mine[name].parent
        assert parent is not None and parent.span_id == request.context.span_id
    read = mine["sql chains"].parent
    assert read is not None and read.span_id == mine["prepare"].context.span_id, "the reads of a check belong to it"
    [link] = mine["group commit"].links
    group = of_trace(kept.get_finished_spans(), format(link.context.trace_id, "032x"))
    assert link.context.span_id == group["group"].context.span_id
    assert request.context.span_id in {back.context.span_id for back in group["group"].links}
    written = group["sql apply"].parent
    assert written is not None and written.span_id == group["group"].context.span_id
    waited = mine["group commit"]
    assert waited.start_time and waited.end_time and request.end_time
    assert waited.start_time <= waited.end_time <= request.end_time


def test_spans_say_nothing_of_who_asked_and_what_was_said(traced: tuple[World, InMemorySpanExporter]) -> None:
    world, kept = traced
    push(world, SAMPLED)
    world.ask("GET", "/r/a-customers-secret", role=None, headers=SAMPLED)
    finished(kept, "GET /r/{token}")
    told = json.dumps([json.loads(span.to_json()) for span in kept.get_finished_spans()])
    assert "secret" not in told and "device" not in told.replace("sql device", "")


def test_what_the_phone_does_not_sample_is_not_recorded(traced: tuple[World, InMemorySpanExporter]) -> None:
    world, kept = traced
    kept.clear()
    world.ask("GET", "/livez", role=None, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert kept.get_finished_spans() == ()


def test_a_malformed_parent_begins_a_trace_of_our_own(traced: tuple[World, InMemorySpanExporter]) -> None:
    world, kept = traced
    kept.clear()
    world.ask("GET", "/livez", role=None, headers={"traceparent": f"00-{TRACE}-{PARENT}"})
    [span] = finished(kept, "GET /livez")
    assert span.parent is None and format(span.context.trace_id, "032x") != TRACE


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
    ],
)
def test_tracing_is_off_unless_a_collector_is_named(environment: dict[str, str]) -> None:
    assert tracing_of(environment, "test") is None


@pytest.mark.parametrize("environment", [{"OTEL_TRACES_EXPORTER": "zipkin"}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}])
def test_what_is_not_spoken_is_refused_in_a_sentence(environment: dict[str, str]) -> None:
    with pytest.raises(BadSetting, match=r"OTEL_\w+ can (only )?be"):
        tracing_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"} | environment, "test")


def test_while_it_is_off_opentelemetry_is_not_even_loaded() -> None:
    script = (
        "import server.app, server.commands, sys; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.strip() == "[]", run.stderr


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """A real OTLP/HTTP receiver: its address, and what it was sent, decoded."""
    received: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces" and self.headers["content-type"] == "application/x-protobuf":
                received.append(ExportTraceServiceRequest.FromString(body))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=receiver.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{receiver.server_port}", received
    finally:
        receiver.shutdown()
        receiver.server_close()
        thread.join()


def test_a_real_receiver_gets_the_spans_of_a_real_server_and_the_log_names_the_trace(tmp_path: Path) -> None:
    with collector() as (address, received):
        with serving(tmp_path / "d", OTEL_EXPORTER_OTLP_ENDPOINT=address, drain_notice_s=0) as server:
            assert httpx.get(f"{server.address}/livez", headers=SAMPLED, trust_env=False).status_code == 200
            server.child.terminate()
            assert server.child.wait(30) == 0, "what is left is sent before the end"
        found = [
            (resource, span)
            for request in received
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            if span.name == "GET /livez" and span.trace_id.hex() == TRACE
        ]
        [(resource, span)] = found
        assert span.parent_span_id.hex() == PARENT
        names = {one.key: one.value.string_value for one in resource.resource.attributes}
        assert names["service.name"] == "lamplighter"
        [line] = [json.loads(line) for line in server.log().splitlines() if TRACE in line]
        assert line["route"] == "/livez" and line["trace_id"] == TRACE


def test_a_collector_that_is_away_changes_nothing_for_phones(tmp_path: Path) -> None:
    with serving(tmp_path / "d", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", drain_notice_s=0) as server:
        for _ in range(5):
            assert httpx.get(f"{server.address}/livez", headers=SAMPLED, trust_env=False).status_code == 200
        server.child.terminate()
        assert server.child.wait(30) == 0
