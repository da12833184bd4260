"""Alive and ready, with reasons that a stranger may read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from server.auth import Tokens
from server.endpoints.health import PhotoStore, disk_free, livez, readyz
from server.web import Web


@pytest.fixture
def checks() -> dict[str, Any]:
    return {"database": lambda: None, "keys": lambda: None}


@pytest.fixture
def client(tokens: Tokens, checks: dict[str, Any]) -> Iterator[TestClient]:
    web = Web(tokens, workers=1, request_bytes_max=1024, decompressed_bytes_max=1024)
    routes = [Route("/livez", web.handle(livez)), Route("/readyz", web.handle(readyz(checks)))]
    with TestClient(Starlette(routes=routes)) as client:
        yield client
    web.close()


def test_a_server_with_nothing_amiss_is_alive_and_ready(client: TestClient) -> None:
    assert client.get("/livez").json() == {"alive": True}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"ready": True, "checks": {"database": "ok", "keys": "ok"}}


def test_a_failing_check_makes_it_unready_but_alive_and_says_why(client: TestClient, checks: dict[str, Any]) -> None:
    checks["database"] = lambda: "3 migrations behind"
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json() == {"ready": False, "checks": {"database": "3 migrations behind", "keys": "ok"}}
    assert client.get("/livez").status_code == 200


def test_a_check_that_breaks_is_a_reason_without_secrets(client: TestClient, checks: dict[str, Any]) -> None:
    def broken() -> str | None:
        raise OSError("/srv/secret/place is gone")

    checks["database"] = broken
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"]["database"] == "the check itself failed (OSError)"


def test_a_full_disk_is_a_reason(tmp_path: Path) -> None:
    assert disk_free(tmp_path, 1)() is None
    reason = disk_free(tmp_path, 2**80)()
    assert reason is not None and "MiB free" in reason


def test_a_photo_store_that_fails_is_told_and_takes_nobody_out_of_service(client: TestClient, tokens: Tokens) -> None:
    may_answer = threading.Event()

    def broken() -> int:
        may_answer.wait()
        raise OSError("the bucket is gone")

    store = PhotoStore(broken)
    assert store() is None, "nobody waits for the first answer"
    may_answer.set()
    while (reason := store()) is None:
        pass
    assert "bucket" not in reason and store.uploads_open is None
    web = Web(tokens, workers=1, request_bytes_max=1024, decompressed_bytes_max=1024)
    routes = [Route("/readyz", web.handle(readyz({"database": lambda: None}, {"photos": store})))]
    with TestClient(Starlette(routes=routes)) as asking:
        ready = asking.get("/readyz")
    web.close()
    assert ready.status_code == 200
    assert ready.json() == {"ready": True, "checks": {"database": "ok", "photos": reason}}
