"""`lamplighter demo`: sets up a district of its own, starts the server, has the story told over HTTP, and stays.

The one place where server and clients meet in a process; the story itself knows nothing but addresses.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from pathlib import Path

from rich.console import Console

from clients.demo import story
from clients.demo.words import words
from server import commands
from server.auth import Role
from server.service import Service
from server.settings import Settings, load_settings

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
    said = words(language)
    settings = load_settings(data=folder / "data", listen=f"127.0.0.1:{_free_port()}", public_url=None)
    with console.status(said["setting_up"]):
        login, password = commands.init(settings)
        service = Service(settings)
    with commands.running(service, commands.listen(settings)) as address:
        admin = service.tokens.issue("user:demo", Role.ADMIN, minutes=24 * 60)
        pace = 0.0 if once or not console.is_terminal else 1.0
        result = story.run(address, admin, folder / "work", language, console, pace)
        if once or not result.good:
            return 0 if result.good else 1
        _stay(settings, address, login, password, said, console)
        return 0


def _stay(settings: Settings, address: str, login: str, password: str, said: dict[str, str], console: Console) -> None:
    """Say what to try next, and wait for Ctrl-C."""
    console.print(said["try_next"].format(address=address, data=settings.data, login=login, password=password))
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print(said["bye"])


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
