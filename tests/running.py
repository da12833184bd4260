"""A real server for tests: the application under uvicorn on loopback, a small organisation, and the office's own client.

Share it: `RunningServer(folder)` starts, `crew_member` makes people and codes, `ticket` makes work, `stop` and `start` are
what a power cut and a repair look like from outside.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn

from server import commands
from server.app import create_app
from server.auth import Role
from server.endpoints.pages import BUILT
from server.service import Clock, Service
from server.settings import load_settings

ORGANISATION: Mapping[str, Any] = {
    "stations": [{"id": "s1", "name_zh": "柳巷供电所", "name_en": "Willow Lane station"}],
    "crews": [
        {"id": "A", "station": "s1", "name_zh": "甲班", "name_en": "Crew A"},
        {"id": "B", "station": "s1", "name_zh": "乙班", "name_en": "Crew B"},
    ],
    "members": [
        {"id": "m1", "name_zh": "李明", "name_en": "Li Ming"},
        {"id": "m2", "name_zh": "王芳", "name_en": "Wang Fang"},
        {"id": "m3", "name_zh": "赵强", "name_en": "Zhao Qiang"},
    ],
    "memberships": [{"crew": "A", "member": "m1"}, {"crew": "A", "member": "m2"}, {"crew": "B", "member": "m3"}],
}


class RunningServer:
    """One server over `folder`. `address` stays the same over `stop` and `start`; `web_app` is read anew at every start."""

    def __init__(self, folder: Path, *, clock: Clock | None = None, web_app: Path = BUILT, **settings: Any) -> None:
        self.web_app = web_app
        self.settings = load_settings(data=folder, **settings)
        self._clock = clock
        self._listener: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.port = 0
        if not self.settings.keys_directory.exists():
            commands.init(self.settings)
        self.start()
        self.office = httpx.Client(base_url=self.address, timeout=120, trust_env=False)
        self.office.headers["authorization"] = f"Bearer {self.token()}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.office.close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # ------------------------------------------------------------------------------------------------------ on and off

    def start(self) -> None:
        """Open the data folder and answer requests."""
        self.service = Service(self.settings, self._clock)
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(512)
        self.port = self._listener.getsockname()[1]
        app = create_app(self.service, access_log=False, web_app=self.web_app)
        config = uvicorn.Config(app, access_log=False, log_level="warning")
        server = self._server = uvicorn.Server(config)
        sockets = [self._listener]
        self._thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=sockets)), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer nobody any more and let the data folder go; harmless when it is off already."""
        if self._server is None or self._thread is None or self._listener is None:
            return
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()
        self._server = None

    # ------------------------------------------------------------------------------------------------------- the office

    def token(self, role: Role = Role.ADMIN) -> str:
        """A token of the office."""
        return self.service.tokens.issue(f"user:{role}", role, minutes=60)

    def said(self, response: httpx.Response) -> Any:
        """The answer's document; a refusal fails the test with its text."""
        assert response.is_success, response.text
        return response.json()

    def organise(self, organisation: Mapping[str, Any] = ORGANISATION) -> None:
        """Import stations, crews and members."""
        body = b"{}\n" + json.dumps(organisation).encode()
        self.said(self.office.post("/v1/import/org", content=body))

    def code(self, member: str = "m1") -> str:
        """A one-time enrolment code."""
        return str(self.said(self.office.post("/v1/enrol-codes", json={"member": member}))["code"])

    def ticket(self, crew: str | None = "A", **fields: Any) -> str:
        """A ticket, opened and given to a crew; its id."""
        fields = {"kind": "fault_repair", "address": "柳巷18号", "area_class": "urban", **fields}
        identity = str(self.said(self.office.post("/v1/tickets", json=fields))["id"])
        if crew is not None:
            self.command(identity, "assign", crew=crew)
        return identity

    def command(self, ticket: str, command: str, **body: Any) -> Any:
        """A word of the office about a ticket."""
        return self.said(self.office.post(f"/v1/tickets/{ticket}/{command}", json=body))

    def view(self, ticket: str) -> dict[str, Any]:
        """What the office sees."""
        view: dict[str, Any] = self.said(self.office.get(f"/v1/tickets/{ticket}"))["ticket"]
        return view

    def feed(self, kind: str) -> list[dict[str, Any]]:
        """Every record of a kind in headquarters' feed, newest content, as an analyst reads it."""
        headers = {"authorization": f"Bearer {self.token(Role.HQ)}"}
        lines = [json.loads(line) for line in self.office.get("/v1/hq/feed", headers=headers).content.splitlines()]
        return [line for line in lines if line.get("kind") == kind and "put" in line]


@contextmanager
def running_server(folder: Path, **settings: Any) -> Iterator[RunningServer]:
    """A server with the small organisation, until the block ends."""
    with RunningServer(folder, **settings) as server:
        server.organise()
        yield server
