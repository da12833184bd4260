"""What the commands of `server/__main__.py` do, without the words around it."""

from __future__ import annotations

import gc
import io
import json
import os
import secrets
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import segno

from server import metrics, tls
from server.auth import Role, Tokens, hash_password
from server.edge import Server, allow_many_files
from server.keys import KeyRing, Use
from server.log import configure_log
from server.processes import Flock
from server.service import Clock, DataInUse, Service, address_of, certificate_of, forget_address, tell_address
from server.settings import BadSetting, Lang, Settings, unknown_variables
from server.storage import cluster, migrate
from server.storage import tables as t
from server.storage.database import database_of
from server.storage.places import look as look_at_objects
from server.storage.places import objects_place
from server.storage.queries import Queries
from server.storage.session import DatabaseRefused
from server.storage.sqlite import SQLITE_VERSION
from server.storage.store import begin_history
from server.words import language

ADMIN = "admin"


class Said(Exception):
    """The server refused; the message is its problem's detail with the slug, and `problem` the whole document."""

    def __init__(self, message: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.problem = problem or {}


class Missing(Exception):
    """Something must be done first; the message says what."""


# ------------------------------------------------------------------------------------------------------------- the server


def init(settings: Settings) -> tuple[str, str]:
    """Keys, database, first admin. Raises: `Missing` when there is one already."""
    if settings.keys_directory.exists():
        raise Missing(f"{settings.data} is set up already; nothing was changed.")
    database_of(settings.database), objects_place(settings)  # refuse what cannot be used before anything is made
    settings.data.mkdir(parents=True, exist_ok=True)
    KeyRing.create(settings.keys_directory, now_ms=Clock().now_ms())
    password = secrets.token_urlsafe(12)
    service = Service(settings)
    try:
        hashed = hash_password(password, secrets.token_bytes(16))
        row = {"login": ADMIN, "password": hashed, "role": str(Role.ADMIN), "disabled_at": None}
        service.writer.work(lambda tx: Queries(tx).put(t.Account, [row], "login"))
    finally:
        service.close()
    return ADMIN, password


def migrate_database(settings: Settings) -> str:
    """Upgrade to head and say where it stands. Raises: `Missing` while a server owns the folder."""
    settings.data.mkdir(parents=True, exist_ok=True)
    database_of(settings.database)
    engine = migrate.engine_for(settings.database)
    before = migrate.current(engine)
    migrate.upgrade(engine)
    after = migrate.current(engine)
    return f"The database is at {after}." if before == after else f"The database went from {before or 'empty'} to {after}."


def grant_role(settings: Settings, role: str) -> None:
    """Rights of a server for a database role. Raises: `Missing` when the database refuses."""
    if database_of(settings.database).exclusive:
        raise Missing("An SQLite file has no roles; this is for PostgreSQL.")
    try:
        cluster.grant(settings.database, role)
    except DatabaseRefused as error:
        raise Missing(f"PostgreSQL refused: {str(error).splitlines()[0]}") from error


def open_service(settings: Settings) -> Service:
    """The service over an initialised folder. Raises: `Missing` before `init`."""
    if not settings.keys_directory.exists():
        raise Missing(f"{settings.data} is not set up yet; run `lamplighter init` first.")
    return Service(settings)


def serve(settings: Settings, ready: Callable[[str], None]) -> int:
    """Run until interrupted; the exit status."""
    pair = tls.pair_of(settings)
    several = settings.processes > 1
    if several and database_of(settings.database).exclusive:
        raise BadSetting("LAMPLIGHTER_PROCESSES: an SQLite database has room for one; several need PostgreSQL.")
    try:
        service = open_service(settings)
    except DataInUse as error:
        raise Missing(str(error)) from error
    configure_log()
    allow_many_files()
    if several:
        service.close()  # it could be opened, so every child can; and its threads are gone before anybody forks
    server = None if several else Server(service, pair=pair)
    listener = listen(settings)
    host, port = listener.getsockname()[:2]
    address = f"{settings.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    tell_address(settings.data, address, pair.leaf if pair else None)
    _spare_the_collector()
    if server is not None:
        server.config.load()  # certificate and key are read now: what is told below is what will be shown
        _serve_one(service, server, listener, lambda: ready(settings.public_url or address))
        return 0
    ready(settings.public_url or address)
    try:
        return Flock(settings.processes, lambda index: _serve_one_of(settings, index, listener, pair)).run()
    finally:
        forget_address(settings.data)


def _serve_one(service: Service, server: Server, listener: socket.socket, ready: Callable[[], None]) -> None:
    stop_metrics = _listen_for_scrapes(service)
    ready()
    server.run(sockets=[listener])
    stop_metrics()


def _serve_one_of(settings: Settings, index: int, listener: socket.socket, pair: tls.Pair | None) -> None:
    """A child's work. Each counts for itself, so each has a metrics address of its own, one port after another."""
    host, _, port = settings.metrics_listen.rpartition(":")
    own = settings.model_copy(update={"metrics_listen": f"{host}:{int(port) + index}"}) if port else settings
    service = open_service(own)
    _serve_one(service, Server(service, pair=pair), listener, lambda: None)


def _listen_for_scrapes(service: Service) -> Callable[[], None]:
    """Where `metrics_listen` says; gives what ends it. Raises: `Missing` when the address cannot be used."""
    address = service.settings.metrics_listen
    host, _, port = address.rpartition(":")
    if not address:
        return lambda: None
    try:
        return metrics.listen(service.metrics, host.strip("[]"), int(port))
    except OSError as error:
        raise Missing(f"{address} cannot be used ({error.strerror}); set LAMPLIGHTER_METRICS_LISTEN.") from error


def _spare_the_collector() -> None:
    """Cycles are rare here and objects many: going over all modules again and again cost a fifth of every push."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def listen(settings: Settings) -> socket.socket:
    """The listening socket. Raises: `Missing` when the port is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise Missing(f"{settings.listen} cannot be used ({error.strerror}); set LAMPLIGHTER_LISTEN.") from error
    listener.listen(2048)
    return listener


def begin_new_history(settings: Settings) -> str:
    """A new incarnation, after a restore."""
    service = open_service(settings)
    try:
        name = service.new_incarnation()
        service.writer.work(lambda tx: begin_history(tx, name, service.now_ms()))
    finally:
        service.close()
    return f"History {name} begins. Phones will send again what this database does not have."


def rotate_key(settings: Settings, use: Use) -> tuple[str, str]:
    """A new key in charge of that use; gives the names of the old one and the new one.

    Raises: `Missing` while a server runs on the folder.
    """
    if not settings.keys_directory.exists():
        raise Missing(f"{settings.data} is not set up yet; run `lamplighter init` first.")
    address = address_of(settings.data)
    if address is not None and _answers(address):
        raise Missing(f"A server runs on this folder at {address}; stop every process that uses these keys first.")
    before, _ = KeyRing.load(settings.keys_directory).current(use)
    after, _ = KeyRing.rotate(settings.keys_directory, use, now_ms=Clock().now_ms()).current(use)
    return before, after


def _answers(address: str) -> bool:
    try:
        httpx.get(f"{address}/livez", timeout=2, trust_env=False, verify=False)
    except httpx.HTTPError:
        return False
    return True


# ------------------------------------------------------------------------------------------------------------- the office


class Office:
    """The API as the command line uses it."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        return self._said(self._client.get(path, params=dict(query or {}))).json()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._said(self._client.post(path, json=dict(body))).json()

    def upload(self, path: str, options: Mapping[str, Any], data: bytes) -> Any:
        return self._said(self._client.post(path, content=json.dumps(dict(options)).encode() + b"\n" + data)).json()

    def bytes(self, path: str) -> bytes:
        return self._said(self._client.get(path)).content

    def _said(self, response: httpx.Response) -> httpx.Response:
        if response.status_code >= 400:
            problem = _problem(response)
            title = f"{problem['title_zh']} " if language() is Lang.ZH and "title_zh" in problem else ""
            slug = problem.get("slug", response.status_code)
            raise Said(f"{title}{problem.get('detail') or response.text[:300]}  [{slug}]", problem)
        return response


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


@contextmanager
def office(settings: Settings) -> Iterator[Office]:
    """The API of the server that owns the folder, or of one that lives as long as this block."""
    if not settings.keys_directory.exists():
        raise Missing(f"{settings.data} is not set up yet; run `lamplighter init` first.")
    try:
        service = open_service(settings)
    except DataInUse as error:
        address = error.address or address_of(settings.data)
        if address is None:
            raise Missing(str(error)) from error
        with _client(settings, address) as client:
            yield Office(client)
        return
    with running(service) as address, _client(settings, address) as client:
        yield Office(client)


@contextmanager
def running(service: Service, listener: socket.socket | None = None) -> Iterator[str]:
    """A server over this service in a thread until the block ends; gives its address. Any free local port by default."""
    configure_log()
    listener = listener or socket.create_server(("127.0.0.1", 0), backlog=512)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    tell_address(service.settings.data, address)
    server = Server(service, access_log=False)
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(30)


def _client(settings: Settings, address: str) -> httpx.Client:
    clock = Clock()
    keys = KeyRing.load(settings.keys_directory)
    tokens = Tokens(keys, lambda: clock.now_ms() / 1000, new_id=lambda: secrets.token_hex(8))
    bearer = tokens.issue("user:command-line", Role.ADMIN, minutes=60)
    certificate = certificate_of(settings.data)
    verify = tls.trusting(certificate) if certificate else True
    headers = {"authorization": f"Bearer {bearer}"}
    return httpx.Client(base_url=address, headers=headers, timeout=600, trust_env=False, verify=verify)


def fields_of(pairs: Sequence[str]) -> dict[str, Any]:
    """`field=value` pairs; a value that is JSON (a number, true, an object) is taken as such. Raises: `Said`."""
    fields: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise Said(f"{pair!r} is not field=value.")
        try:
            fields[name] = json.loads(value) if value[:1] in "{[" or value in ("true", "false") else value
        except ValueError as error:
            raise Said(f"{name} looks like JSON but is not: {error}") from error
    return fields


def qr(text: str) -> str:
    """A QR code drawn with half blocks for a terminal."""
    drawn = io.StringIO()
    segno.make(text, micro=False).terminal(out=drawn, compact=True)
    return drawn.getvalue()


# ----------------------------------------------------------------------------------------------------------------- doctor


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    good: bool
    text: str


def doctor(settings: Settings) -> list[Finding]:
    """Effective settings without secrets, versions, keys, database, disk and clock."""
    findings = [Finding(f"setting {name}", True, value) for name, value in settings.describe().items()]
    findings += [
        Finding("variable", False, f"{name} is no setting; see the names above") for name in unknown_variables(os.environ)
    ]
    findings.append(Finding("python", sys.version_info >= (3, 11), sys.version.split()[0]))
    findings.append(_sqlite())
    findings.append(_keys(settings))
    findings.append(_database(settings))
    findings.append(Finding("photos", *look_at_objects(settings)))
    findings.append(Finding("https", *tls.look(settings, tls.utc_now())))
    where = settings.data if settings.data.exists() else settings.data.absolute().parent
    free = shutil.disk_usage(where).free
    enough = free >= settings.disk_free_bytes_min
    findings.append(Finding("disk", enough, f"{free >> 20} MiB free, {settings.disk_free_bytes_min >> 20} MiB needed"))
    year = Clock().now_ms() / 31_556_952_000 + 1970
    findings.append(Finding("clock", 2026 <= year < 2100, f"the server believes it is {year:.1f}"))
    return findings


def _sqlite() -> Finding:
    version = ".".join(str(part) for part in SQLITE_VERSION)
    told = "; one connection writes and checkpoints, so the WAL fault of 3.7.0–3.51.2 cannot occur"
    return Finding("sqlite", SQLITE_VERSION >= (3, 35), version + told)


def _keys(settings: Settings) -> Finding:
    if not settings.keys_directory.exists():
        return Finding("keys", False, "none yet; run `lamplighter init`")
    keys = KeyRing.load(settings.keys_directory)
    return Finding("keys", True, f"{len(keys.public_keys())} keys under root {keys.root.kid[:12]}…")


def _database(settings: Settings) -> Finding:
    where = settings.describe()["LAMPLIGHTER_DATABASE_URL"]
    try:
        revision = migrate.current(migrate.engine_for(settings.database)) if database_of(settings.database).there() else None
    except migrate.DatabaseFault as error:
        return Finding("database", False, f"{where}: {str(error).splitlines()[0]}")
    if revision is None:
        return Finding("database", False, f"{where} is not there yet; run `lamplighter init`")
    at_head = migrate.at_head(migrate.engine_for(settings.database))
    return Finding("database", at_head, f"{where}: " + ("at this version's schema" if at_head else "run `lamplighter migrate`"))
