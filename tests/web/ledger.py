"""What a phone's store holds, read raw and away from the app, and what is wrong with it.

`stored` reads IndexedDB through the page: lines as the bytes they were written, photos as the hash and size of their bytes.
`broken` compares that with what the page had called saved, with what was there before, and with itself. Refuses to know
browsers and kills.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page

from sync import journal


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a journal as it lies in the store; `fact` is the id the app keeps beside it."""

    journal: str
    n: int
    fact: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Store:
    """`photos`: what was found under each name, as the SHA-256 and the size of the bytes themselves. `heads`: how far the app
    believes each journal to be; `where`: the screen it means to come back to."""

    lines: Sequence[Line] = ()
    photos: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    heads: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    where: str | None = None

    @property
    def facts(self) -> set[str]:
        return {line.fact for line in self.lines}


def stored(page: Page) -> Store:
    """Everything this phone keeps, at one moment."""
    found = page.evaluate(READ_STORE)
    lines = [Line(each["journal"], each["n"], each["fact"], base64.b64decode(each["raw"])) for each in found["lines"]]
    return Store(
        sorted(lines, key=lambda line: (line.journal, line.n)),
        {each["name"]: (each["sha256"], each["size"]) for each in found["photos"]},
        {each["id"]: (each["n"], each["head"]) for each in found["journals"]},
        found["where"],
    )


def broken(promised: Collection[str], now: Store, before: Store | None = None) -> list[str]:
    """Every promise that does not hold, as a sentence each; empty when all do."""
    lost = sorted(set(promised) - now.facts)
    return [
        *(f"lost: the page called {fact} saved, and the journal does not have it" for fact in lost),
        *_gone(now, before or Store()),
        *_unchained(now),
        *_without_bytes(now),
    ]


def _gone(now: Store, before: Store) -> Iterator[str]:
    """What was on the phone once stays there, byte for byte."""
    kept = {(line.journal, line.n): line for line in now.lines}
    for line in before.lines:
        if kept.get((line.journal, line.n)) != line:
            yield f"gone: line {line.n} of journal {line.journal} is not what it was"
    for name in sorted(before.photos.keys() - now.photos.keys()):
        yield f"gone: the bytes of photo {name}"


def _unchained(now: Store) -> Iterator[str]:
    """Each journal counts from 1 without a gap, and each id is the hash of everything up to its line."""
    if len(now.heads) > 1:
        yield f"began again: {len(now.heads)} journals, although nothing was restored"
    for name in sorted({line.journal for line in now.lines} | now.heads.keys()):
        lines = [line for line in now.lines if line.journal == name]
        if [line.n for line in lines] != list(range(1, len(lines) + 1)):
            yield f"gap: journal {name} has the lines {[line.n for line in lines]}"
        heads = journal.chain(journal.genesis(name), [line.raw for line in lines])
        for line, head in zip(lines, heads, strict=True):
            if journal.fact_id(head) != line.fact or json.loads(line.raw)["n"] != line.n:
                yield f"torn: line {line.n} of journal {name} does not hash to {line.fact}"
        last = (lines[-1].n, lines[-1].fact) if lines else None
        if now.heads.get(name) != last:
            yield f"apart: the app goes on from {now.heads.get(name)}, and the last line is {last}"


def _without_bytes(now: Store) -> Iterator[str]:
    """A photo fact and all the bytes it names are one."""
    for line in now.lines:
        for sha256, size in forms_of(json.loads(line.raw)):
            if now.photos.get(sha256) != (sha256, size):
                yield f"photo: line {line.n} names {size} bytes {sha256}, and there is {now.photos.get(sha256)}"


def forms_of(line: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Hash and size of every form of a photo that a line names."""
    if line["kind"] == "photo":
        for form in (line, line.get("preview"), line.get("copy")):
            if form:
                yield form["sha256"], form["size_bytes"]


def photos_of(store: Store) -> set[str]:
    """The names of the originals."""
    lines = (json.loads(line.raw) for line in store.lines)
    return {line["sha256"] for line in lines if line["kind"] == "photo"}


READ_STORE = """
async () => {
  const opening = indexedDB.open("lamplighter");
  const db = await new Promise((done, failed) => {
    opening.onsuccess = () => done(opening.result);
    opening.onerror = () => failed(opening.error);
  });
  const all = (table) => new Promise((done, failed) => {
    const asked = table.getAll();
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => failed(asked.error);
  });
  const tables = db.transaction(["lines", "bytes", "state", "settings"]);
  const read = ["lines", "bytes", "state", "settings"].map((name) => all(tables.objectStore(name)));
  const [lines, photos, states, settings] = await Promise.all(read);
  db.close();
  const text = (bytes) => btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(""));
  const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return {
    where: settings.find(({ name }) => name === "screen:where")?.value,
    journals: states[0].state.journals.map(({ id, n, head }) => ({ id, n, head })),
    lines: lines.map(({ journal, n, fact, raw }) => ({ journal, n, fact, raw: text(raw) })),
    photos: await Promise.all(photos.map(async ({ sha256: name, bytes }) =>
      ({ name, size: bytes.byteLength, sha256: hex(await crypto.subtle.digest("SHA-256", bytes)) }))),
  };
}
"""
