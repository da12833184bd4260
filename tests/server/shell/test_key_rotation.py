"""`lamplighter keys rotate`: a new key takes over, and everything that was made under the old one still counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clients.handset.keys import KeyList
from server import commands
from server.keys import KeyRing, Use
from server.seal import open_own_rating, seal_own_rating
from server.service import tell_address
from server.settings import load_settings
from tests.handset.scene import Field, work
from tests.house.tree import ROOT
from tests.running import RunningServer, running_server


def rotate(data: Path, use: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LAMPLIGHTER_")}
    environment |= {"LAMPLIGHTER_DATA": str(data), "LAMPLIGHTER_LANG": "en"}
    command = [sys.executable, "-m", "server", "keys", "rotate", "--use", use]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_phones_that_hold_statements_of_the_old_key_go_on_and_take_the_new_one(tmp_path: Path) -> None:
    with running_server(tmp_path / "server") as server:
        field = Field(server, tmp_path)
        phone = field.phone()
        ticket = server.ticket()
        phone.sync()
        work(phone, ticket)  # its first line carries a statement of the old key as its anchor
        keys_before = phone._pocket.setting("keys")
        server.stop()
        assert rotate(server.settings.data, "statement").returncode == 0
        server.start()
        later = server.ticket()
        assert phone.sync().done
        assert phone._pocket.setting("keys") != keys_before, "the list came, signed by the root it had pinned"
        phone.note(later, "after the rotation")
        phone.sync()
        assert phone.replica.waiting == 0 and server.view(ticket)["state"] == "completed"
        field.close()


def test_a_customers_answer_sealed_before_the_rotation_still_opens(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path)
    commands.init(settings)
    answer: dict[str, Any] = {"overall": 5}
    kid, sealed = seal_own_rating(KeyRing.load(settings.keys_directory), answer, assignment="t1/1")
    assert rotate(tmp_path, "rating").returncode == 0
    after = KeyRing.load(settings.keys_directory)
    assert open_own_rating(after, sealed, assignment="t1/1", kid=kid) == answer
    assert after.current(Use.RATING)[0] != kid


def test_it_refuses_while_a_server_runs_on_the_folder(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path / "d")
    with RunningServer(tmp_path / "d") as server:
        tell_address(settings.data, server.address)
        refused = rotate(tmp_path / "d", "statement")
        assert refused.returncode == 1 and "stop every process" in refused.stderr
    before = KeyRing.load(settings.keys_directory).current(Use.STATEMENT)[0]
    done = rotate(tmp_path / "d", "statement")
    assert done.returncode == 0 and before[:12] in done.stdout
    ring = KeyRing.load(settings.keys_directory)
    phone = KeyList.verify(ring.key_list(), ring.root_jwk)
    assert phone is not None and ring.current(Use.STATEMENT)[0] != before


@pytest.mark.parametrize(("use", "status"), [("root", 1), ("nonsense", 2)])
def test_what_cannot_be_rotated_is_refused_with_a_sentence(tmp_path: Path, use: str, status: int) -> None:
    commands.init(load_settings(data=tmp_path))
    refused = rotate(tmp_path, use)
    assert refused.returncode == status and refused.stderr
