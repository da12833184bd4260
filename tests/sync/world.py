"""What the engine's tests share beyond `tests.scene`: restarts, restores, and looking at both ends of the wire."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any
from unittest.mock import patch

from sync.facts import Record
from sync.journal import chain, fact_id, genesis, head_bytes
from sync.memory import MemoryStore
from sync.replica import Replica
from sync.wire import Envelope, encode, write_envelope
from tests.scene import Phone, PhoneKeys, Scene


def restart(phone: Phone) -> None:
    """The app was killed: only what its storage holds is left."""
    phone.replica = Replica(phone.pocket, PhoneKeys(f"key-{phone.device.id}"), phone.scene.new_id)


def restore_phone(phone: Phone, snapshot: tuple[Any, ...]) -> None:
    """The phone's storage becomes an old copy of itself."""
    phone.pocket.restore(snapshot)
    restart(phone)


def restore_server(scene: Scene, backup: MemoryStore, incarnation: str) -> None:
    """The server comes back from a backup, as a new history."""
    scene.store = deepcopy(backup)
    scene.store.begin_incarnation(incarnation)


@contextmanager
def disk_full(phone: Phone) -> Iterator[None]:
    """Nothing more can be written to the phone's storage."""
    with patch.object(phone.pocket, "append", side_effect=OSError("disk full")):
        yield


def enrolled(scene: Scene, name: str) -> Phone:
    """A phone whose journal the server knows."""
    phone = scene.phone(name)
    phone.sync()
    return phone


def scope_rows(scene: Scene, scope: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What the server's feed holds in one scope now."""
    return {
        (kind, identity): json.loads(b"{" + tail)["put"]
        for _, kind, identity, gone, tail in scene.store.feed(scope, 0, 10**9)
        if gone is None
    }


def projection(scene: Scene, phone: Phone) -> dict[tuple[str, str], dict[str, Any]]:
    """What this phone should hold: the server's rows in all its scopes."""
    device = scene.store.devices[phone.device.id]
    return {key: put for scope in device.scopes for key, put in scope_rows(scene, scope).items()}


def held(phone: Phone) -> dict[tuple[str, str], dict[str, Any]]:
    """What this phone does hold: its confirmed copy."""
    return {(row.kind, row.id): row.put for row in phone.pocket.rows()}


def record_of(scene: Scene, ticket: str) -> Record:
    return scene.store.records([("ticket", ticket)])[("ticket", ticket)]


def stored(scene: Scene, journal: str) -> dict[int, bytes]:
    """Lines of one chain as the server keeps them."""
    return {n: raw for (name, n), (_, raw) in scene.store.lines().items() if name == journal}


def facts_everywhere(scene: Scene, phones: Iterable[Phone]) -> set[str]:
    """The id of every line that is on the server or on one of these phones."""
    found: set[str] = {identity for identity, _ in scene.store.lines().values()}
    for phone in phones:
        found |= {item["fact"] for item in phone.replica.queue()}
    return found


def push_raw(
    scene: Scene, phone: Phone, lines: list[bytes], *, journal: str | None = None, **changes: Any
) -> tuple[bytes, list[str]]:
    """A request that sends arbitrary bytes as the phone's next lines, rightly chained and signed, and their fact ids."""
    own = phone.replica.journal
    name = journal or own.id
    at_start = journal is not None
    after = genesis(name) if at_start else head_bytes(own.head) or b""
    first = 1 if at_start else own.n + 1
    heads = [fact_id(head) for head in chain(after, lines)]
    n = first + len(lines) - 1
    checkpoint = PhoneKeys(f"key-{phone.device.id}").checkpoint(name, n, heads[-1])
    envelope = Envelope(name, n, heads[-1], first, fact_id(after), checkpoint)
    members: Mapping[str, Any] = json.loads(write_envelope(envelope, len(lines))) | changes
    return b"\n".join([encode(members), *lines, b""]), [str(head) for head in heads]
