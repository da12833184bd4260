"""Scenes of the server's shell: a key ring on disk, a clock that stands still, an application of small functions."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.testclient import TestClient

from clients.handset import keys as handset
from server.auth import Role, Tokens
from server.keys import KeyRing
from server.log import AccessLog, configure_log
from server.web import Call, Reply, SecurityHeaders, Web, exception_handlers
from sync.facts import FactId, Statement
from sync.problems import Refused

NOW_MS = 1_795_312_867_123


@dataclass
class Clock:
    now_s: float = NOW_MS / 1000

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(scope="session")
def ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return KeyRing.create(tmp_path_factory.mktemp("ring") / "keys", now_ms=NOW_MS)


@pytest.fixture(scope="session")
def foreign_ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return KeyRing.create(tmp_path_factory.mktemp("foreign") / "keys", now_ms=NOW_MS)


@pytest.fixture(scope="session")
def phone() -> handset.PrivateKey:
    return handset.new_device_key()


@pytest.fixture(scope="session")
def other_phone() -> handset.PrivateKey:
    return handset.new_device_key()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(ring: KeyRing, clock: Clock) -> Tokens:
    numbers = itertools.count()
    return Tokens(ring, clock, new_id=lambda: f"token-{next(numbers)}")


@pytest.fixture(scope="session")
def statement() -> Statement:
    return Statement(
        journal="0199aa00-journal",
        n=97,
        head=FactId("h" * 43),
        time=NOW_MS,
        radius=1000,
        incarnation="k7",
        durable=41,
        ledger=88_000,
        root="r" * 43,
    )


@dataclass
class Scene:
    """An application over plain functions, a client of it, what the functions were given, and what was logged."""

    client: TestClient
    tokens: Tokens
    app: Starlette
    log: io.StringIO
    calls: list[Call] = field(default_factory=list)
    entered: threading.Event = field(default_factory=threading.Event)
    leave: threading.Event = field(default_factory=threading.Event)

    def wait(self, call: Call) -> dict[str, Any]:
        """A function that waits until the test lets it leave."""
        self.entered.set()
        assert self.leave.wait(30)
        return {}


@pytest.fixture
def scene(tokens: Tokens) -> Iterator[Scene]:
    log = io.StringIO()
    configure_log(log)
    calls: list[Call] = []

    def seen(function: Callable[[Call], Any]) -> Callable[[Call], Any]:
        def remember(call: Call) -> Any:
            calls.append(call)
            return function(call)

        return remember

    web = Web(tokens, workers=2, request_bytes_max=1024, decompressed_bytes_max=4096)
    routes = [
        Route("/echo", web.handle(seen(lambda call: Reply(call.body))), methods=["POST"]),
        Route("/json", web.handle(seen(lambda call: {"got": call.json()})), methods=["POST"]),
        Route("/query", web.handle(seen(lambda call: call.query())), methods=["GET"]),
        Route("/things/{id}", web.handle(seen(lambda call: {"id": call.path["id"]})), methods=["GET"]),
        Route("/office", web.handle(seen(lambda call: {}), roles=[Role.DISPATCHER]), methods=["GET"]),
        Route("/anyone", web.handle(seen(who)), methods=["GET"]),
        Route("/refused", web.handle(seen(refuse)), methods=["GET"]),
        Route("/broken", web.handle(seen(lambda call: {"never": 1 // 0})), methods=["GET"]),
        Route(
            "/stream", web.handle(seen(lambda call: Reply(b'{"row":%d}\n' % n for n in range(500)))), methods=["GET"]
        ),
        Route("/stream-breaks", web.handle(seen(lambda call: Reply(half()))), methods=["GET"]),
        Route("/large", web.handle(seen(lambda call: {"rows": ["the same words"] * 500})), methods=["GET"]),
        Route("/waits", web.handle(lambda call: made.wait(call)), methods=["GET"]),
        Route("/quick", web.handle(thorough, quick=quick, body_bytes_max=8192), methods=["POST"]),
        Route("/elsewhere", elsewhere, methods=["GET"]),
    ]
    numbers = itertools.count(1)
    middleware = [Middleware(AccessLog, new_id=lambda: f"r{next(numbers)}"), Middleware(SecurityHeaders)]
    app = Starlette(routes=routes, middleware=middleware, exception_handlers=exception_handlers())
    app.router.redirect_slashes = False
    with TestClient(app, raise_server_exceptions=False) as client:
        made = Scene(client, tokens, app, log, calls)
        yield made
    web.close()


def who(call: Call) -> dict[str, Any]:
    return {"role": call.principal.role if call.principal else None}


def refuse(call: Call) -> dict[str, Any]:
    raise Refused("quota", "Half a \ud800 character, quoted.", retry_after_s=1.2)


def half() -> Iterator[bytes]:
    yield b"one\n"
    raise OSError("the disk went away")


def quick(call: Call) -> dict[str, Any] | None:
    if call.body == b"refuse":
        raise Refused("bad-request")
    return None if call.body == b"decline" else {"by": where()}


def thorough(call: Call) -> dict[str, Any]:
    return {"by": where()}


def where() -> str:
    return "thread" if threading.current_thread().name.startswith("office") else "loop"


async def elsewhere(request: Any) -> Any:
    raise RuntimeError("a fault outside of the wrapper")


@pytest.fixture
def key_directory(tmp_path: Path) -> Path:
    return tmp_path / "keys"
