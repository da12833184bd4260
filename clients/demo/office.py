"""The office's side of the story, as any program could do it: plain HTTP with a token.

Refuses to know the story and the phones. A refusal of the server is raised with the server's own words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from sync import wire

_TIMEOUT_S = 60
_FEED_PAGE_BYTES = 64 * 1024


class OfficeRefused(Exception):
    """The server said no; the message is its problem's detail and slug."""


class Office:
    """One person of the office (or a program of theirs), signed in with a token."""

    def __init__(self, address: str, token: str) -> None:
        headers = {"authorization": f"Bearer {token}"}
        self._address = address
        self._client = httpx.Client(base_url=address, headers=headers, timeout=_TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def colleague(self, role: str, subject: str) -> Office:
        """Somebody with a role of their own; only an admin may ask."""
        said = self.post("/v1/tokens", {"role": role, "subject": subject, "minutes": 60})
        return Office(self._address, said["token"])

    def get(self, path: str, **query: str | int) -> Any:
        """A JSON document."""
        return self._checked(self._client.get(path, params=query)).json()

    def raw(self, path: str, **query: str | int) -> bytes:
        """The body as it came."""
        return self._checked(self._client.get(path, params=query)).content

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """A JSON document for a JSON document."""
        return self._checked(self._client.post(path, json=dict(body))).json()

    def upload(self, what: str, options: Mapping[str, Any], data: bytes) -> Any:
        """Import `areas`, `org`, `guide` or `tickets`."""
        body = json.dumps(dict(options), ensure_ascii=False).encode() + b"\n" + data
        return self._checked(self._client.post(f"/v1/import/{what}", content=body)).json()

    def ticket(self, name: str) -> Any:
        """One ticket by id or number: {id, position, ticket}."""
        return self.get(f"/v1/tickets/{name}")

    def say(self, name: str, command: str, **content: Any) -> Any:
        """Say something about a ticket as it stands on the screen now."""
        seen = self.ticket(name)["position"]
        return self.post(f"/v1/tickets/{name}/{command}", {**content, "seen": seen})

    def feed(self, cursor: str = "") -> tuple[list[bytes], str]:
        """Everything headquarters can pull after a cursor, page by page: the rows as they came, and the next cursor."""
        rows: list[bytes] = []
        while True:
            body = self.raw("/v1/hq/feed", cursor=cursor, limit_bytes=_FEED_PAGE_BYTES)
            rows += [line for line in body.splitlines() if line.startswith(b'{"scope"')]
            end = wire.parse_reply(body).end
            if end is None:
                raise OfficeRefused("The feed was cut before its end.")
            history, reached = next(iter(end["cursor"].items()))
            cursor = f"{history}:{reached['hq']}"
            if not end["more"]:
                return rows, cursor

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if response.status_code >= 400:
            raise OfficeRefused(f"{response.request.method} {response.request.url.path}: {response.text[:400]}")
        return response
