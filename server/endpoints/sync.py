"""`POST /v1/sync` and `POST /v1/time`: the phone's conversation with the server.

The device's key authorises the push, the token only the pull: without a usable token what was recorded is stored and stated
all the same, and the reply ends with the problem. Everything about merging is in `sync`; here bytes come in and go out.
"""

from __future__ import annotations

from collections.abc import Callable

from server.auth import Principal
from server.log import SLUG
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
        hub, tracing = service.hub, service.tracing
        self._prepare = hub.prepare if tracing is None else tracing.stepped("prepare", hub.prepare)
        self._reader = service.reader if tracing is None else lambda: tracing.reader(service.reader())

    def sync(self, call: Call) -> bytes | Later:
        """Push, statement, changes, end. Replies NDJSON in that order (protocol §2)."""
        return self._stored(call, lambda push, receipt: self._reply(call, push, receipt))

    def idle(self, call: Call) -> bytes | None:
        """The same for a request that brings nothing new: no lock, no commit, no thread. None for any other."""
        if call.body.count(b"\n") > 1:
            return None
        service = self._service
        push = self._prepare(self._reader(), call.body, service.now_ms())
        settled = service.hub.settled(push, service.ledger)
        if settled is None:
            return None
        self._asked_again(push)
        return self._reply(call, push, settled)

    def _reply(self, call: Call, push: Push, receipt: Receipt) -> bytes:
        head = self._stated(receipt)
        problem = receipt.problem or self._may_not_pull(push, call.principal)
        if problem is not None:
            call.scope[SLUG] = problem.problem.slug
            return head + _problem(problem)
        service, settings, envelope = self._service, self._service.settings, push.envelope
        spread = service.storm.spread()
        newest = service.newest
        if newest is not None:
            nothing_new = empty_page(service.incarnation, newest, push.device.scopes, envelope, **spread)
            if nothing_new is not None:
                return head + nothing_new
        reader, told = self._reader(), envelope.cursor.get(service.incarnation, {})
        with reader.page({scope: told.get(scope, 0) for scope in push.device.scopes}):
            page = service.hub.pull(reader, push.device, envelope, limit_bytes=settings.reply_bytes_max, **spread)
            return head + b"".join(page)

    def time(self, call: Call) -> bytes | Later:
        """The same without a pull: where the journal stands and what time it is, in one small request."""
        return self._stored(call, lambda _, receipt: self._stated(receipt) + _problem(receipt.problem))

    def _stored(self, call: Call, reply: Callable[[Push, Receipt], bytes]) -> bytes | Later:
        """Have a push stored, without holding a thread while it is, and reply with what came of it."""
        service = self._service
        push = self._prepare(self._reader(), call.body, service.now_ms())
        settled = service.hub.settled(push, service.ledger)
        if settled is not None:
            self._asked_again(push)
            return reply(push, settled)
        service.rates.device(push.device.id)
        service.spend(push.device.id, len(push.raw))
        try:
            stored = service.writer.push(push)
        except Refused as refused:
            service.spend(push.device.id, -len(push.raw))  # turned away, not stored: it comes again and is counted then
            raise service.storm.busy() from refused
        return Later(stored, lambda receipt: reply(push, receipt))

    def _asked_again(self, push: Push) -> None:
        """Nothing is new: an idle look, or a phone that missed a reply and asks by its signed head."""
        self._service.rates.device(push.device.id)
        if push.envelope.checkpoint is not None:
            self._service.metrics.replays.inc()

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
