"""One line per request: enough to find a fault, nothing about people."""

from __future__ import annotations

import io
import json
from typing import Any

import structlog

from server.auth import Role
from server.log import configure_log


def requests(scene: Any) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in scene.log.getvalue().splitlines()]
    return [line for line in lines if line["event"] == "request"]


def test_each_request_is_one_line_with_its_measures(scene: Any) -> None:
    token = scene.tokens.issue("office", Role.DISPATCHER, minutes=5)
    reply = scene.client.get("/office", headers={"authorization": f"Bearer {token}"})
    scene.client.post("/echo", content=b"12345")
    scene.client.get("/nowhere")
    office, echo, nowhere = requests(scene)
    assert (office["method"], office["route"], office["status"]) == ("GET", "/office", 200)
    assert office["request_id"] == reply.headers["x-request-id"] and office["principal"] == "dispatcher"
    assert (echo["bytes_in"], echo["bytes_out"], echo["principal"]) == (5, 5, None)
    assert (nowhere["route"], nowhere["status"]) == (None, 404)
    assert office["ms"] >= 0 and office["level"] == "info" and office["timestamp"].endswith("Z")


def test_no_token_body_name_or_address_reaches_the_log(scene: Any) -> None:
    token = scene.tokens.issue("wang-xiaoming", Role.MEMBER, minutes=5)
    secret = "13800138000"
    headers = {"authorization": f"Bearer {token}", "x-customer": secret, "traceparent": secret, "user-agent": secret}
    scene.client.get(f"/things/{secret}", headers=headers)
    scene.client.get(f"/query?phone={secret}", headers=headers)
    scene.client.post("/json", json={"phone": secret}, headers=headers)
    scene.client.get(f"/nowhere/{secret}", headers=headers)
    logged = scene.log.getvalue()
    assert len(requests(scene)) == 4
    assert secret not in logged and token not in logged and "wang-xiaoming" not in logged


def test_a_trace_is_continued_only_when_it_is_well_formed(scene: Any) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    scene.client.get("/anyone", headers={"traceparent": trace})
    scene.client.get("/anyone", headers={"traceparent": trace + "\t{}"})
    first, second = requests(scene)
    assert first["traceparent"] == trace and "traceparent" not in second


def test_a_fault_is_logged_as_500(scene: Any) -> None:
    scene.client.get("/elsewhere")
    scene.client.get("/broken")
    assert [line["status"] for line in requests(scene)] == [500, 500]


def test_on_a_terminal_the_lines_are_for_people_and_show_no_variables() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    configure_log(terminal)
    token = "secret" + "-token"
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().error("internal", exc_info=True)
    assert "internal" in terminal.getvalue() and "ValueError: broken" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert token not in terminal.getvalue()
