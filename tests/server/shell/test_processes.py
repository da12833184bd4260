"""Several server processes behind one address: they replace each other, end together, and end with the one that watches."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from server import commands
from server.settings import BadSetting, load_settings
from tests.server.shell.serving import Serving, serving


def start(tmp_path: Path, database: str, **settings: Any) -> AbstractContextManager[Serving]:
    commands.init(load_settings(data=tmp_path, database_url=database))
    return serving(tmp_path, database_url=database, processes=3, **settings)


def children_of(pid: int) -> set[int]:
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            after_name = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(after_name[1]) == pid and after_name[0] != "Z":
            found.add(int(folder.name))
    return found


def until(true: Callable[[], bool]) -> None:
    while not true():
        threading.Event().wait(0.05)


def ready(server: Serving) -> bool:
    try:
        return httpx.get(f"{server.address}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_a_process_that_dies_is_replaced_and_all_end_in_order(tmp_path: Path, bare_postgres: str) -> None:
    with start(tmp_path, bare_postgres) as server:
        until(lambda: len(children_of(server.child.pid)) == 3)
        first = children_of(server.child.pid)
        os.kill(min(first), signal.SIGKILL)
        until(lambda: len(children_of(server.child.pid)) == 3 and children_of(server.child.pid) != first)
        until(lambda: ready(server))
        server.signal(signal.SIGTERM)
        assert server.child.wait() == 0
        assert "a server process died" in server.log()


def test_no_process_outlives_the_one_that_watches(tmp_path: Path, bare_postgres: str) -> None:
    with start(tmp_path, bare_postgres) as server:
        until(lambda: len(children_of(server.child.pid)) == 3)
        children = children_of(server.child.pid)
        server.signal(signal.SIGKILL)
        server.child.wait()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


def test_each_process_counts_at_an_address_of_its_own(tmp_path: Path, bare_postgres: str) -> None:
    with start(tmp_path, bare_postgres, metrics_listen="127.0.0.1:18741") as server:
        until(lambda: ready(server))
        for port in (18741, 18742, 18743):
            until(lambda port=port: scraped(port))  # type: ignore[misc]


def scraped(port: int) -> bool:
    try:
        return "lamplighter_" in httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    except httpx.TransportError:
        return False


def test_an_sqlite_database_has_room_for_one(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="LAMPLIGHTER_PROCESSES"):
        commands.serve(load_settings(data=tmp_path, processes=2), lambda address: None)
