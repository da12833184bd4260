"""`POST /v1/sync` and `POST /v1/time`: the phone's conversation with the server.

The device's key authorises the push, the token only the pull: without a usable token what was recorded is stored and stated
all the same, and the reply ends with the problem. Everything about merging is in `sync`; here bytes come in and go out.
"""

from __future__ import annotations

from collections.abc import Callable

from server.auth import Principal
from server.service import Service
from server.web import Call, Later
from sync import wire
from sync.hub import Push, Receipt, empty_page
from sync.problems import Refused

TIME_BYTES_MAX = 1024


class Sync:
    """The two endpoints over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def sync(self, call: Call) -> bytes | Later:
        """Push, statement, changes, end. Replies NDJSON in that order (protocol §2)."""
        return self._stored(call, lambda push, receipt: self._reply(call, push, receipt))

    def idle(self, call: Call) -> bytes | None:
        """The same for a request that brings nothing new: no lock, no commit, no thread. None for any other."""
        if call.body.count(b"\n") > 1:
            return None
        service = self._service
        push = service.hub.prepare(service.reader(), call.body, service.now_ms())
        settled = service.hub.settled(push, service.writer.ledger)
        return None if settled is None else self._reply(call, push, settled)

    def _reply(self, call: Call, push: Push, receipt: Receipt) -> bytes:
        head = self._stated(receipt)
        problem = receipt.problem or self._may_not_pull(push, call.principal)
        if problem is not None:
            return head + _problem(problem)
        service, settings, envelope = self._service, self._service.settings, push.envelope
        spread = {"after_s": settings.sync_after_s, "jitter_s": settings.sync_jitter_s}
        nothing_new = empty_page(service.incarnation, service.newest, push.device.scopes, envelope.cursor, **spread)
        if nothing_new is not None:
            return head + nothing_new
        reader = service.reader()
        with reader.snapshot():
            page = service.hub.pull(reader, push.device, envelope, limit_bytes=settings.reply_bytes_max, **spread)
            return head + b"".join(page)

    def time(self, call: Call) -> bytes | Later:
        """The same without a pull: where the journal stands and what time it is, in one small request."""
        return self._stored(call, lambda _, receipt: self._stated(receipt) + _problem(receipt.problem))

    def _stored(self, call: Call, reply: Callable[[Push, Receipt], bytes]) -> bytes | Later:
        """Have a push stored, without holding a thread while it is, and reply with what came of it."""
        service = self._service
        push = service.hub.prepare(service.reader(), call.body, service.now_ms())
        settled = service.hub.settled(push, service.writer.ledger)
        if settled is not None:
            return reply(push, settled)
        service.spend(push.device.id, len(push.raw))
        try:
            stored = service.writer.push(push)
        except Refused:
            service.spend(push.device.id, -len(push.raw))  # turned away, not stored: it comes again and is counted then
            raise
        return Later(stored, lambda receipt: reply(push, receipt))

    def _stated(self, receipt: Receipt) -> bytes:
        return wire.encode({"statement": self._service.statement(receipt)}) + b"\n"

    def _may_not_pull(self, push: Push, principal: Principal | None) -> Refused | None:
        if principal is None or principal.device != push.device.id:
            return Refused("sign-in", "What you sent is stored. Sign in again to receive changes.")
        if push.device.revoked:
            return Refused("forbidden", "This device was revoked. What you sent is stored; hand the phone in.")
        return None


def _problem(problem: Refused | None) -> bytes:
    """The last line of a reply that ends with a problem."""
    return b"" if problem is None else wire.encode({"problem": problem.document()}) + b"\n"
