"""Who may send or read a photo's bytes: what a stored fact names may be sent, what a scope holds may be read.

Also which smaller form of the phone's own stands in for a picture the server has not made yet. What it answers is always a
picture the server derived from that form, never the form's own bytes.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.requests import Request

from server.auth import Principal, Role, claimed_device, require, verify_device_assertion
from server.keys import parse_jwk
from server.service import Service
from server.storage.objects import Sha256, Variant
from server.storage.tables import PhotoUse
from sync.problems import Refused

_SENDERS = (Role.MEMBER, Role.LEAD, Role.GRID_WORKER)
_READERS = frozenset(Role) - {*_SENDERS, Role.INTEGRATOR}
ASSERTION_HEADER = "lamplighter-assertion"
_STAND_INS = {Variant.PREVIEW: ("preview", "copy"), Variant.COPY: ("copy",)}


class PhotoAccess:
    """The questions the photo endpoints ask."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def expected(self, sha256: Sha256) -> Collection[int]:
        """The sizes stored facts promised for these bytes: one is true at most, and the hash will show which."""
        return {use.size_bytes for use in self._service.queries().photo_uses(sha256)}

    def erased(self, sha256: Sha256) -> int | None:
        """The size of a photo that every ticket which named it had erased."""
        uses = self._service.queries().rows(PhotoUse, sha256=sha256)
        gone = bool(uses) and all(use["erased_at"] is not None for use in uses)
        return int(uses[0]["size_bytes"]) if gone else None

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
        scopes = self._scopes(self._principal(request))
        uses = self._service.queries().photo_uses(sha256)
        if scopes is not None and not any(self._shared(use.ticket, scopes) for use in uses):
            raise Refused("not-found")

    def stand_in(self, request: Request, sha256: Sha256, variant: Variant) -> Sha256 | None:
        """The smaller form of this photo whose derived picture may be shown until the photo's own is there.

        Only a form named by a ticket the caller may see; of several the one named first, because who names another's photo
        again has learnt its hash from the first. A small preview never stands in for the large copy.
        """
        scopes = self._scopes(self._principal(request))
        forms = self._service.queries().photo_forms(sha256)
        for wanted in _STAND_INS.get(variant, ()):
            for use in forms:
                name = Sha256(use.sha256)
                made = use.form == wanted and self._service.objects.size(name, variant) is not None
                if made and (scopes is None or self._shared(use.ticket, scopes)):
                    return name
        return None

    def _scopes(self, principal: Principal) -> frozenset[str] | None:
        """What the caller's phone may pull; None for the office, which sees every ticket."""
        if principal.role in _READERS:
            return None
        device = self._service.reader().device(principal.device or "")
        return frozenset() if device is None or device.revoked else frozenset(device.scopes)

    def _shared(self, ticket: str, scopes: frozenset[str]) -> bool:
        found = self._service.queries().record("ticket", ticket)
        return found is not None and any(gone is None and name in scopes for name, (_, gone) in found[0].scopes.items())

    def _principal(self, request: Request) -> Principal:
        header = request.headers.get("authorization", "")
        if header[:7].lower() != "bearer ":
            raise Refused("sign-in")
        return self._service.tokens.verify(header[7:])
