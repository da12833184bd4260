"""The phone's road to the server: one HTTP exchange at a time, and resumable photo uploads (tus 1.0.0).

Says three things apart: the server answered, the server declined with a problem, nobody who is the server answered. Refuses
to know what the bytes mean, and never trusts a page only because its status is 200: that is for statements to say.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import ipaddress
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from sync.problems import Action

REPLY_BYTES_MAX = 32 * 1024 * 1024
"""A page is about `limit_bytes`; anything near this is not ours."""
CHUNK_BYTES = 256 * 1024
CHUNK_TRIES = 3
PACK_FROM_BYTES = 512
"""An idle sync has 300 bytes; packing saves it thirty and costs both ends time."""
TIMEOUT = httpx.Timeout(60.0, connect=15.0)
_TUS = {"Tus-Resumable": "1.0.0"}


class Unreachable(Exception):
    """No server of ours answered: no signal, a cut, or somebody else's page. Nothing is known of what arrived."""


class Declined(Exception):
    """The server answered with a problem document (RFC 9457)."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.slug = str(document["slug"])
        self.action = _action(document.get("action"))
        super().__init__(f"{self.slug}: {document.get('detail') or document.get('title')}")


def _action(name: Any) -> Action:
    try:
        return Action(name)
    except ValueError:
        return Action.REPORT


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `whole` is False when the link broke inside the body."""

    status: int
    body: bytes
    whole: bool
    problem: Mapping[str, Any] | None


Headers = Callable[[], Mapping[str, str]]
"""Headers that prove the device, made anew for every request: an assertion is good for two minutes."""


class Link:
    """The server at `address`. `client` is given by tests; else one that leaves proxies aside on loopback."""

    def __init__(self, address: str, client: httpx.Client | None = None) -> None:
        self.address = address.rstrip("/")
        self._client = client or httpx.Client(timeout=TIMEOUT, trust_env=not _is_loopback(address))

    def close(self) -> None:
        self._client.close()

    def exchange(self, path: str, body: bytes, token: str | None = None) -> Answer:
        """Send NDJSON, gzipped where that pays, and take whatever part of the answer arrives. Raises Unreachable."""
        headers = {"Content-Type": "application/x-ndjson"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        packed = body
        if len(body) >= PACK_FROM_BYTES:
            packed = gzip.compress(body, 6, mtime=0)
            headers["Content-Encoding"] = "gzip"
        received = bytearray()
        try:
            with self._client.stream("POST", self.address + path, content=packed, headers=headers) as response:
                whole = self._take(response, received)
                return Answer(response.status_code, bytes(received), whole, problem_of(response, bytes(received)))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(str(error) or type(error).__name__) from error

    def _take(self, response: httpx.Response, received: bytearray) -> bool:
        try:
            for chunk in response.iter_bytes():
                received += chunk
                if len(received) > REPLY_BYTES_MAX:
                    return False
        except (httpx.TransportError, httpx.DecodingError):
            return False
        return True

    def ask(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One JSON question. Raises Unreachable, Declined."""
        response = self.request(method, path, json=document)
        try:
            answer = response.json()
        except ValueError as error:
            raise Unreachable("The answer is not JSON; something else than the server spoke.") from error
        if response.is_error or not isinstance(answer, dict):
            raise Unreachable(f"Status {response.status_code} without a reason.")
        return answer

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Any request. Raises Unreachable, and Declined for a problem document."""
        try:
            response = self._client.request(method, self.address + path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        problem = problem_of(response, response.content)
        if problem is not None:
            raise Declined(problem)
        return response


def problem_of(response: httpx.Response, body: bytes) -> Mapping[str, Any] | None:
    """The problem document of an error answer, or None when there is none that is ours."""
    if not response.is_error:
        return None
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) and isinstance(document.get("slug"), str) else None


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# ------------------------------------------------------------------------------------------------------------------ photos

Remember = Callable[[str | None, int], None]
"""Told (where the upload lives, bytes the server has) after every step, so that it goes on there another day."""


class Upload:
    """One photo on its way. `place` is the path of an upload begun earlier, or None."""

    def __init__(self, link: Link, headers: Headers, remember: Remember) -> None:
        self._link = link
        self._headers = headers
        self._remember = remember

    def send(self, path: Path, sha256: str, size_bytes: int, place: str | None) -> None:
        """Bring the bytes to the server, wherever they stopped. Done when it returns. Raises Unreachable, Declined."""
        offset = self._offset(place) if place else None
        with path.open("rb") as file:
            for _ in range(CHUNK_TRIES):
                if place is None or offset is None:
                    place, offset = self._create(sha256, size_bytes)
                self._remember(place, offset)
                try:
                    self._send_from(file, place, offset, size_bytes)
                    return
                except Declined as declined:
                    offset = self._repaired(declined, place)
        raise Unreachable("The upload was answered, but does not advance.")

    def _repaired(self, declined: Declined, place: str) -> int | None:
        """Where to go on after a problem that can be repaired; None: create it again. Raises the others again."""
        if declined.slug == "bad-offset":
            return self._offset(place)
        if declined.slug in ("upload-gone", "not-found"):
            return None
        raise declined

    def _send_from(self, file: Any, place: str, offset: int, size_bytes: int) -> None:
        while offset < size_bytes:
            file.seek(offset)
            chunk = file.read(CHUNK_BYTES)
            offset = self._patch(place, offset, chunk)
            self._remember(place, offset)

    def _create(self, sha256: str, size_bytes: int) -> tuple[str, int]:
        promise = base64.b64encode(sha256.encode()).decode()
        answer = self._request("POST", "/v1/photos", {"Upload-Length": str(size_bytes), "Upload-Metadata": f"sha256 {promise}"})
        # Only the path is taken from the answer: the proof of the device goes to no other host.
        place = urlsplit(answer.headers.get("Location", "")).path
        if not place.startswith("/"):
            raise Unreachable("The answer does not say where the upload lives.")
        return place, _number(answer)

    def _offset(self, place: str) -> int | None:
        """How much the server has, or None when it forgot the upload."""
        answer = self._request("HEAD", place, {}, missing=(404, 410))
        return None if answer.is_error else _number(answer)

    def _patch(self, place: str, offset: int, chunk: bytes) -> int:
        digest = base64.b64encode(hashlib.sha256(chunk).digest()).decode()
        headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        answer = self._request("PATCH", place, {**headers, "Upload-Checksum": f"sha256 {digest}"}, content=chunk)
        reached = _number(answer)
        if reached <= offset:
            raise Unreachable("The server took none of the bytes.")
        return reached

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], *, missing: tuple[int, ...] = (), content: bytes = b""
    ) -> httpx.Response:
        answer = self._link.request(method, path, headers={**_TUS, **self._headers(), **headers}, content=content)
        if answer.is_error and answer.status_code not in missing:
            raise Unreachable(f"Status {answer.status_code} without a reason.")
        if answer.headers.get("Tus-Resumable") is None:
            raise Unreachable("Something else than the server answered an upload.")
        return answer


def _number(answer: httpx.Response) -> int:
    text = answer.headers.get("Upload-Offset", "")
    if not text.isdecimal():
        raise Unreachable("The upload's answer names no offset.")
    return int(text)
