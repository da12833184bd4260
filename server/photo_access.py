"""Who may send or read a photo's bytes: what a stored fact names may be sent, what a scope holds may be read."""

from __future__ import annotations

from starlette.requests import Request

from server.auth import Principal, Role, claimed_device, require, verify_device_assertion
from server.keys import parse_jwk
from server.service import Service
from server.storage.objects import Sha256, Variant
from sync.problems import Refused

_SENDERS = (Role.MEMBER, Role.LEAD, Role.GRID_WORKER)
_READERS = frozenset(Role) - {*_SENDERS, Role.INTEGRATOR}
ASSERTION_HEADER = "lamplighter-assertion"


class PhotoAccess:
    """The questions the photo endpoints ask."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def expected(self, sha256: Sha256) -> int | None:
        """The size a stored fact promised for these bytes, or None when no fact names them."""
        photo = self._service.queries().photo(sha256)
        return None if photo is None else photo.size_bytes

    def may_send(self, request: Request, sha256: Sha256 | None) -> None:
        """Any enrolled phone: by token, or by its key alone (an assertion), because the bytes must match a stored fact."""
        assertion = request.headers.get(ASSERTION_HEADER)
        if assertion is None:
            require(self._principal(request), *_SENDERS)
            return
        service = self._service
        device = service.reader().device(claimed_device(assertion))
        if device is None:
            raise Refused("unknown-device")
        verify_device_assertion(assertion, parse_jwk(device.key), service.tokens.audience, service.now_ms() / 1000)

    def may_read(self, request: Request, sha256: Sha256, variant: Variant) -> None:
        """The office, and phones whose scopes hold the ticket; to anybody else the photo is absent."""
        principal = self._principal(request)
        if principal.role in _READERS:
            return
        device = self._service.reader().device(principal.device or "")
        if device is None or device.revoked or not self._held(sha256) & set(device.scopes):
            raise Refused("not-found")

    def _held(self, sha256: Sha256) -> set[str]:
        """The scopes that hold a ticket whose facts name the photo."""
        queries = self._service.queries()
        found = [queries.record("ticket", ticket) for ticket in queries.photo_tickets(sha256)]
        return {scope for one in found if one for scope, (_, gone) in one[0].scopes.items() if gone is None}

    def _principal(self, request: Request) -> Principal:
        header = request.headers.get("authorization", "")
        if header[:7].lower() != "bearer ":
            raise Refused("sign-in")
        return self._service.tokens.verify(header[7:])
