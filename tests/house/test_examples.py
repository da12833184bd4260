"""The examples in README and docs are run as they stand: a reader who copies a line gets what the page says."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from server import commands
from server.auth import Role
from server.service import Service
from server.settings import load_settings

ROOT = Path(__file__).parents[2]
PROMISED = "http://127.0.0.1:8640"


def _block(document: str, language: str, containing: str) -> str:
    text = (ROOT / document).read_text("utf-8")
    blocks = re.findall(rf"```{language}\n(.*?)```", text, re.S)
    return next(str(block) for block in blocks if containing in block)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    own = {"LAMPLIGHTER_DATA": str(tmp_path / "var"), "LAMPLIGHTER_LISTEN": listen, "LAMPLIGHTER_LANG": "en"}
    return {**os.environ, **own, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def serving() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait()


def test_the_readme_walk_from_init_to_export_runs_line_by_line(
    tmp_path: Path, environment: dict[str, str], serving: list[subprocess.Popen[bytes]]
) -> None:
    (tmp_path / "clients").symlink_to(ROOT / "clients")
    address, printed = f"http://{environment['LAMPLIGHTER_LISTEN']}", ""
    for line in _block("README.md", "sh", "lamplighter init").splitlines():
        command = line.split("  #")[0].split(" #")[0].strip().replace(PROMISED, address)
        code = re.search(r"\b([0-9A-Z]{2,5}-[0-9A-Z]{2,5}(?:-[0-9A-Z]+)*)\b", printed.replace("GD-1003", ""))
        command = command.replace("CODE", code.group(1) if code else "CODE")
        argv = [sys.executable, "-m", "server", *shlex.split(command)[1:]]
        if command.endswith("serve"):
            serving.append(subprocess.Popen(argv, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL))
            _wait_until_alive(address)
            continue
        run = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, f"{command}\n{run.stdout}\n{run.stderr}"
        printed = run.stdout
        if command.endswith("GD-1003 state"):
            assert '"on_site"' in printed, "the arrival recorded two lines above is what decides the state"
    rows = (tmp_path / "tickets.csv").read_text("utf-8").splitlines()
    assert any("GD-1003" in row and "on_site" in row for row in rows)


def _wait_until_alive(address: str) -> None:
    for _ in range(300):
        try:
            httpx.get(f"{address}/livez", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"no server came up at {address}")


def test_the_integrators_pull_holds_what_headquarters_holds_and_resumes(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path / "var")
    commands.init(settings)
    service = Service(settings)
    example: dict[str, Any] = {}
    exec(_block("docs/integrator.md", "python", "def pull"), example)  # the page's own code is the thing under test
    with commands.running(service) as address:
        admin = {"authorization": f"Bearer {service.tokens.issue('user:a', Role.ADMIN, minutes=5)}"}
        token = service.tokens.issue("program", Role.INTEGRATOR, minutes=5)
        made = httpx.post(f"{address}/v1/tickets", json={"kind": "fault_repair"}, headers=admin, trust_env=False).json()
        records, cursor = example["pull"](address, token)
        assert records["ticket", made["id"]]["state"] == "received"
        httpx.post(f"{address}/v1/tickets/{made['id']}/cancel", json={"reason": "mistake"}, headers=admin, trust_env=False)
        changed, _ = example["pull"](address, token, cursor)
        assert changed["ticket", made["id"]]["state"] == "cancelled"
        assert {kind for kind, _ in changed} == {"ticket", "command"}
