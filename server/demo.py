"""`lamplighter demo`: sets up a district of its own, starts the server, has the story told over HTTP, and stays.

The one place where server and clients meet in a process; the story itself knows nothing but addresses.
"""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from clients.demo import story, visitor
from server import commands
from server.auth import Role
from server.service import Service
from server.settings import Settings, load_settings
from server.words import say

FIRST_PORT = 8640
PORTS = 40


def run_demo(*, once: bool, language: str, console: Console) -> int:
    """Tell the story on a fresh district in a temporary folder. Status 0 when every count adds up, else 1."""
    folder = Path(tempfile.mkdtemp(prefix="lamplighter-demo-"))
    try:
        return _tell(folder, once=once, language=language, console=console)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tell(folder: Path, *, once: bool, language: str, console: Console) -> int:
    settings = load_settings(
        data=folder / "data", listen=f"127.0.0.1:{_free_port()}", public_url=None, tls_cert=None, tls_key=None
    )
    with console.status(say("setting_up")):
        login, password = commands.init(settings)
        service = Service(settings)
    with commands.running(service, commands.listen(settings)) as address:
        admin = service.tokens.issue("user:demo", Role.ADMIN, minutes=24 * 60)
        pace_s = 1.0 if console.is_terminal and not once else 0.0
        result = story.run(address, admin, folder / "work", language, console, pace_s)
        if result.holds and not once:
            invitation = visitor.invite(address, admin, language)
            _stay(settings, folder / "work", address, (login, password), invitation, console)
        return result.exit_status


def _stay(
    settings: Settings, work: Path, address: str, admin: tuple[str, str], invitation: visitor.Invitation, console: Console
) -> None:
    """Say what to try next, and wait for Ctrl-C."""
    program = f"{sys.executable} -m server"
    values = {"address": address, "data": settings.data, "login": admin[0], "password": admin[1], "program": program}
    # A browser trusts `localhost` as it trusts HTTPS, on this machine and behind `adb reverse` alike.
    app = f"http://localhost:{urlsplit(address).port}/crew/#enrol={invitation.code}"
    console.print(say("try_next", work=work, app=app, **values, **asdict(invitation)))
    console.print(commands.qr(app), highlight=False)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    console.print(say("bye"))


def _free_port() -> int:
    """The product's port, or the next free one; any port when a whole row is taken."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    return 0
