"""What a process remembers of its store, so that most questions need no query: newest positions, ledger, journals, devices.

Kept true by every commit of this process and by word of the others'. Refuses to know databases.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import fields
from operator import attrgetter

from sync.store import Chain, Device

JOURNALS_MAX = 20_000
"""Journals a horizon remembers, each about a kilobyte; the one read first is forgotten first."""


class Horizon:
    """What was last committed, for whoever asks without a query: the newest position of each scope, the ledger, and how far
    the journals go that somebody asked about.

    It may lag a commit that has just ended. While it is not `known`, ask the database.
    """

    def __init__(self) -> None:
        self.known = True
        self.generation = 0
        """Of what is known of journals: what was read before a commit is not kept after it."""
        self.newest: dict[str, int] = {}
        """By scope; of all under ""."""
        self.ledger: tuple[int, str] = (0, "")
        """(size, root)"""
        self._journals: dict[str, Chain] = {}
        self._turn = threading.Lock()

    def begin(self, newest: Mapping[str, int], ledger: tuple[int, str]) -> None:
        """Start anew from what the database holds."""
        with self._turn:
            self.newest, self.ledger, self.known = dict(newest), ledger, True
            self._forget_journals()

    def advance(
        self, newest: Mapping[str, int], ledger: tuple[int, str] | None, journals: Iterable[str] | None = None
    ) -> None:
        """A commit, maybe an older one than the last heard of; of these journals, or nobody knows of which."""
        with self._turn:
            if journals is None:
                self._forget_journals()
            else:
                self.generation += 1
                for journal in journals:
                    self._journals.pop(journal, None)
            for scope, position in newest.items():
                if position > self.newest.get(scope, 0):
                    self.newest[scope] = position
            if ledger is not None and ledger[0] > self.ledger[0]:
                self.ledger = (ledger[0], ledger[1])

    def journal(self, journal: str) -> Chain | None:
        """How far a journal without branches goes, if it is remembered."""
        known = self._journals.get(journal) if self.known else None
        return None if known is None else _copy(known)

    def keep(self, generation: int, chain: Chain) -> None:
        """Remember what was read when this generation began."""
        with self._turn:
            if generation == self.generation:
                if len(self._journals) >= JOURNALS_MAX:
                    del self._journals[next(iter(self._journals))]
                self._journals[chain.journal] = _copy(chain)

    def _forget_journals(self) -> None:
        self.generation += 1
        self._journals = {}


class Roster:
    """Devices as the readers last found them, until the office changes people.

    What was read before a change is known by its generation and never used after it. Ask outside of `snapshot`, which may
    show people as they were.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.deaf = False
        """While word of changes made elsewhere does not arrive, nothing is remembered."""
        self._known: dict[str, tuple[int, Device]] = {}

    def get(self, identity: str) -> Device | None:
        known = self._known.get(identity)
        return known[1] if known is not None and known[0] == self.generation and not self.deaf else None

    def keep(self, generation: int, device: Device) -> None:
        self._known[device.id] = (generation, device)

    def forget(self) -> None:
        """People changed; to be called when that is committed."""
        self.generation += 1
        self._known = {}


_all_of_chain = attrgetter(*(field.name for field in fields(Chain)))


def _copy(chain: Chain) -> Chain:
    """One that may be changed; every idle sync takes one."""
    copied = Chain(*_all_of_chain(chain))
    copied.known = chain.known.copy()
    return copied
