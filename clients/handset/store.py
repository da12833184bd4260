"""A phone's own storage: one SQLite file, a folder of photos beside it, and a canary outside both.

`SqlitePocket` keeps the contract of `sync.replica.Pocket`: what one transaction holds becomes durable together or not at
all. A photo's bytes are durable before the fact that names them can be. The canary is a small file that remembers how far
the journal had come, so that a database put back from an old copy is noticed when it is opened. Refuses to know what lines,
rows and settings mean.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sync.facts import FactId, Key
from sync.replica import Row

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE replica (id INTEGER PRIMARY KEY CHECK (id = 1), state BLOB NOT NULL);
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE line (
    journal TEXT NOT NULL, n INTEGER NOT NULL, id TEXT NOT NULL, raw BLOB NOT NULL, PRIMARY KEY (journal, n)
) WITHOUT ROWID;
CREATE TABLE record (kind TEXT NOT NULL, id TEXT NOT NULL, row BLOB NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE photo (
    sha256 TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, ticket TEXT NOT NULL, journal TEXT NOT NULL, n INTEGER NOT NULL,
    upload TEXT, sent_bytes INTEGER NOT NULL DEFAULT 0, received_at INTEGER, problem TEXT
) WITHOUT ROWID;
"""
_COUNT, _LAST = "lines_written", "last_line"
_INCOMING = ".incoming-"


class StoreTooNew(Exception):
    """A later version of the app wrote this store; only that version may touch it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a store had come: lines ever written, and the identity of the last."""

    count: int
    last: str


class Canary:
    """Remembers the furthest `Progress` in a file of its own, which a restored database does not bring back with it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Progress | None:
        """What was noted last; None when the file is missing or damaged."""
        try:
            count, last = self._path.read_text("ascii").split()
            return Progress(int(count), last)
        except (OSError, ValueError):
            return None

    def note(self, progress: Progress) -> None:
        """Replace what is noted. Not synced: after a power cut it may lag behind, which is harmless; it never runs ahead."""
        beside = self._path.with_name(self._path.name + ".new")
        beside.write_text(f"{progress.count} {progress.last}\n", "ascii")
        beside.replace(self._path)


@dataclass(frozen=True, slots=True)
class HeldPhoto:
    """A photo whose bytes are on the phone. `journal` and `n` say which line names it first; "" and 0 if none here does."""

    sha256: str
    size_bytes: int
    ticket: str
    journal: str
    n: int
    upload: str | None = None
    sent_bytes: int = 0
    received_at: int | None = None
    problem: str | None = None


class SqlitePocket:
    """A phone's storage in `path`, with `photos/` and `canary` beside it. One connection; safe to pass between threads."""

    def __init__(self, path: Path) -> None:
        self._photos = path.parent / "photos"
        self._photos.mkdir(parents=True, exist_ok=True)
        self._canary = Canary(path.parent / "canary")
        self._lock = threading.RLock()
        self._depth = 0
        self._written: Progress | None = None
        self._connection = _connect(path)
        self._run = self._connection.execute
        self.went_back = self._compare()
        """True when this database is older than the canary knows: the journal must not be continued."""
        self._tidy_photos()

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    # ---------------------------------------------------------------------------------------------------- transactions

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is durable when the outermost block has ended, or never happened."""
        with self._lock:
            if self._depth:
                yield
                return
            self._run("BEGIN IMMEDIATE")
            self._depth, self._written = 1, None
            try:
                yield
                self._run("COMMIT")
            except BaseException:
                with suppress(sqlite3.OperationalError):
                    self._run("ROLLBACK")
                raise
            finally:
                self._depth = 0
            if self._written is not None:
                # It is durable by now; a canary that could not be written lags behind, and that is harmless.
                with suppress(OSError):
                    self._canary.note(self._written)

    @property
    def was_used(self) -> bool:
        """Whether a journal was ever written beside this file, by the canary's word."""
        return self._canary.read() is not None

    def _progress(self) -> Progress:
        return Progress(int(self.setting(_COUNT) or 0), self.setting(_LAST) or "-")

    def _compare(self) -> bool:
        own, noted = self._progress(), self._canary.read()
        if noted is None:
            # Right after the first line the canary may not be there yet; later it was lost, and nobody can vouch.
            return own.count > 1
        return own.count < noted.count or (own.count == noted.count and own.last != noted.last)

    # ------------------------------------------------------------------------------------------------ state and lines

    def load_state(self) -> bytes | None:
        found = self._run("SELECT state FROM replica").fetchone()
        return None if found is None else bytes(found[0])

    def save_state(self, raw: bytes) -> None:
        self._run("INSERT INTO replica VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state", (raw,))

    def append(self, journal: str, n: int, identity: FactId, raw: bytes) -> None:
        with self.transaction():
            self._run("INSERT INTO line VALUES (?, ?, ?, ?)", (journal, n, identity, raw))
            noted = self._canary.read() if self.went_back else None
            # After a restore the count goes on above the canary's, so that the two can be compared again.
            count = max(self._progress().count, noted.count if noted else 0) + 1
            self.went_back = False
            self._written = Progress(count, identity)
            self.set_settings({_COUNT: str(count), _LAST: identity})

    def lines(self, journal: str, first: int, last: int) -> list[tuple[int, FactId, bytes]]:
        found = self._run(
            "SELECT n, id, raw FROM line WHERE journal = ? AND n BETWEEN ? AND ? ORDER BY n", (journal, first, last)
        )
        return [(n, FactId(identity), bytes(raw)) for n, identity, raw in found]

    def drop_lines(self, journal: str, last: int) -> None:
        self._run("DELETE FROM line WHERE journal = ? AND n <= ?", (journal, last))

    # -------------------------------------------------------------------------------------------------------- records

    def row(self, key: Key) -> Row | None:
        found = self._run("SELECT row FROM record WHERE kind = ? AND id = ?", key).fetchone()
        return None if found is None else _row(found[0])

    def save_row(self, row: Row) -> None:
        raw = json.dumps(asdict(row), separators=(",", ":"), ensure_ascii=False).encode()
        put = "INSERT INTO record VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET row = excluded.row"
        self._run(put, (row.kind, row.id, raw))

    def drop_row(self, key: Key) -> None:
        self._run("DELETE FROM record WHERE kind = ? AND id = ?", key)

    def rows(self, kind: str | None = None) -> list[Row]:
        where, values = ("", ()) if kind is None else (" WHERE kind = ?", (kind,))
        return [_row(raw) for (raw,) in self._run(f"SELECT row FROM record{where} ORDER BY kind, id", values)]

    # ------------------------------------------------------------------------------------------------------- settings

    def setting(self, name: str) -> str | None:
        """A small thing kept beside the journal, such as the server's address."""
        found = self._run("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def set_settings(self, values: dict[str, str]) -> None:
        """Keep settings, together."""
        with self.transaction():
            put = "INSERT INTO setting VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            self._connection.executemany(put, values.items())

    # --------------------------------------------------------------------------------------------------------- photos

    def keep_photo(self, data: bytes) -> str:
        """Store a photo's bytes; durable when this returns its SHA-256. The fact that names it is recorded after this."""
        sha256 = hashlib.sha256(data).hexdigest()
        final = self._photos / sha256
        if not final.exists():
            incoming = self._photos / f"{_INCOMING}{sha256}"
            with incoming.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            incoming.replace(final)
            _sync_folder(self._photos)
        return sha256

    def expect_photo(self, photo: HeldPhoto) -> None:
        """Remember that a photo's bytes must travel. Part of the transaction that records the fact."""
        put = "INSERT INTO photo VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO NOTHING"
        self._run(put, tuple(asdict(photo).values()))

    def photos(self) -> list[HeldPhoto]:
        """Every photo with bytes on the phone, in the order of the journal."""
        return [HeldPhoto(*row) for row in self._run("SELECT * FROM photo ORDER BY journal, n, sha256")]

    def photo_path(self, sha256: str) -> Path:
        return self._photos / sha256

    def set_upload(self, sha256: str, upload: str | None, sent_bytes: int) -> None:
        """Remember where an upload goes on."""
        put = "UPDATE photo SET upload = ?, sent_bytes = ?, problem = NULL WHERE sha256 = ?"
        self._run(put, (upload, sent_bytes, sha256))

    def set_received(self, sha256: str, at: int) -> None:
        """The server has all bytes and re-hashed them."""
        put = "UPDATE photo SET received_at = ?, sent_bytes = size_bytes, upload = NULL, problem = NULL WHERE sha256 = ?"
        self._run(put, (at, sha256))

    def set_photo_problem(self, sha256: str, slug: str) -> None:
        """The server does not take these bytes now; they are kept."""
        self._run("UPDATE photo SET problem = ? WHERE sha256 = ?", (slug, sha256))

    def drop_photo(self, sha256: str) -> None:
        """Forget a photo and its bytes; the caller knows that they are safe elsewhere."""
        with self.transaction():
            self._run("DELETE FROM photo WHERE sha256 = ?", (sha256,))
        self.photo_path(sha256).unlink(missing_ok=True)

    def _tidy_photos(self) -> None:
        """Drop half-written files; adopt bytes no row knows (a restored database forgot them, the server may want them)."""
        known = {sha256 for (sha256,) in self._run("SELECT sha256 FROM photo")}
        for path in sorted(self._photos.iterdir()):
            if path.name.startswith(_INCOMING):
                path.unlink()
            elif path.name not in known:
                self.expect_photo(HeldPhoto(path.name, path.stat().st_size, "", "", 0))


def _connect(path: Path) -> sqlite3.Connection:
    """One connection; a commit is on the disk when it returns. Only the owner may read the file."""
    fresh = not path.exists()
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    if fresh:
        path.chmod(0o600)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA busy_timeout=10000")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        connection.close()
        raise StoreTooNew(f"{path} was written by a later version of this app (schema {version}).")
    if version == 0:
        connection.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
    return connection


def _row(raw: bytes) -> Row:
    return Row(**json.loads(raw))


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
