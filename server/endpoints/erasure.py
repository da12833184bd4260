"""Erasing by order of an admin, and what retention would erase. Refuses to know how it is done."""

from __future__ import annotations

from typing import Any

from server import retention
from server.endpoints.devices import author
from server.endpoints.fields import choice, flag, text
from server.erasure import CUSTOMER, PHOTOS, Erased, Order, erase_member, erase_ticket
from server.service import Service
from server.web import Call
from sync.problems import Refused

LISTED_MAX = 10_000
"""Tickets a dry run names."""


class Erasure:
    """The endpoints of erasure, for admins alone."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def ticket(self, call: Call) -> dict[str, Any]:
        """Erase the customer, the photos or both ({what: customer | photos | all, reason}) of a closed ticket; hashes stay."""
        body = call.json()
        what = choice(body, "what", [CUSTOMER, PHOTOS, "all"])
        identity = self._service.queries().ticket_id(call.path["ticket"])
        if identity is None:
            raise Refused("not-found", f"There is no ticket {call.path['ticket']}.")
        order = Order(author(call.principal), text(body, "reason", 500), (CUSTOMER, PHOTOS) if what == "all" else (what,))
        return self._answer(identity, erase_ticket(self._service, identity, order))

    def member(self, call: Call) -> dict[str, Any]:
        """Erase a member's names and telephone number ({reason}); the id goes on standing for the person."""
        member = call.path["member"]
        order = Order(author(call.principal), text(call.json(), "reason", 500))
        return self._answer(member, erase_member(self._service, member, order))

    def retention(self, call: Call) -> dict[str, Any]:
        """Erase a round of what the settings do not keep any longer; with {dry_run: true} only say what that is."""
        if flag(call.json(), "dry_run"):
            return retention.look(self._service, tickets_max=LISTED_MAX).as_row()
        return retention.apply(self._service).as_row()

    def _answer(self, name: str, erased: Erased) -> dict[str, Any]:
        self._service.writer.scrub()
        return {"id": name, "position": erased.position, "lines": erased.lines, "photos": erased.photos}
