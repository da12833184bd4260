"""What lies inside a verified backup: from then on statements say so, and phones may let go of it after a week.

Refuses to believe more than it can check: a mark counts only where this history holds the very line it names.
"""

from __future__ import annotations

from typing import Any

from server.endpoints.fields import integer, text
from server.service import Service
from server.storage.store import StoreTransaction
from server.web import Call
from sync.problems import Refused
from sync.store import Effects

MARKS_MAX = 500


class Backups:
    """Endpoints over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def report(self, call: Call) -> dict[str, Any]:
        """{incarnation, journals: [{journal, n, head}]}: these journals are in a verified backup up to n, photos included.

        `journals` in the answer is how many of them moved on; a mark that names another line than the one here moves none.
        """
        body = call.json()
        if text(body, "incarnation", 64) != self._service.incarnation:
            raise Refused("bad-request", "The backup is of another history than the one this server writes.")
        given = body.get("journals")
        if not isinstance(given, list) or len(given) > MARKS_MAX or not all(isinstance(mark, dict) for mark in given):
            raise Refused("bad-request", f"journals must be a list of at most {MARKS_MAX} objects.")
        marks = [(text(mark, "journal", 128), integer(mark, "n", 1, 2**53), text(mark, "head", 43)) for mark in given]
        return {"journals": self._service.writer.work(lambda tx: mark_durable(tx, marks))}


def mark_durable(tx: StoreTransaction, marks: list[tuple[str, int, str]]) -> int:
    """Remember (journal, n, head) as safe; the number of journals that moved on."""
    moved = []
    for journal, n, head in marks:
        for chain in tx.chains(journal)[:1]:
            here = chain.head if n == chain.n else tx.head_at(chain, n)
            if chain.durable < n and here == head:
                chain.durable = n
                moved.append(chain)
    if moved:
        tx.apply(Effects(chains=moved))
    return len(moved)
