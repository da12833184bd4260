"""The handset's command line: a whole day typed in, in both languages, with the promised exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clients.handset import cli
from clients.handset.words import Lang
from tests.handset.scene import JPEG, Field

REPOSITORY = Path(__file__).parents[2]
Run = Callable[..., Result]


@pytest.fixture
def run(field: Field, monkeypatch: pytest.MonkeyPatch) -> Run:
    """What a person types after `lamplighter handset`."""
    monkeypatch.setenv("COLUMNS", "120")

    def command(*words: str, status: int = 0, lang: Lang = Lang.EN, typed: str = "") -> Result:
        monkeypatch.setattr(cli, "lang", lang)
        ran = CliRunner().invoke(cli.app, ["--home", str(field.folder / "phone"), *words], input=typed)
        assert ran.exit_code == status, f"{words}: {ran.exit_code}\n{ran.stdout}\n{ran.stderr}\n{ran.exception}"
        return ran

    return command


@pytest.fixture
def enrolled(field: Field, run: Run) -> Run:
    run("enrol", field.server.code(), "--address", field.server.address, "--name", "typed")
    return run


def test_a_whole_job_is_typed_offline_and_synced(field: Field, enrolled: Run, tmp_path: Path) -> None:
    run, ticket = enrolled, field.server.ticket(number="WO-20431", address="柳巷18号")
    (tmp_path / "photo.jpg").write_bytes(JPEG + b"typed")
    assert "HQ has everything" in run("sync").stdout
    listed = run("list").stdout
    assert "WO-20431" in listed and "柳巷18号" in listed and "dispatched" in listed
    run("accept", "20431", "--eta", "15")
    run("depart", "20431", "--fix", "27.94,116.35")
    assert "Saved on phone: Arrived · WO-20431" in run("arrive", "20431", "--fix", "27.94921,116.35812,9").stdout
    run("start", "20431")
    run("answer", "20431", "voltage", "231.5", "--unit", "V", "--guide", "g")
    run("answer", "20431", "gloves", "--cannot", "torn", "--safety")
    run("photo", "20431", str(tmp_path / "photo.jpg"), "--shows", "before")
    run("note", "20431", "更换熔断器")
    run("amend", "20431", "contact_phone=139", 'position={"lat": 27.9, "lon": 116.3}')
    run("suspend", "20431", "lunch")
    run("resume", "20431")
    run("finish", "20431", "--result", "done", "--cause", "fuse")
    run("rate", "20431", "--overall", "4")
    waiting = run("queue").stdout
    assert "Waiting" in waiting and "photo bytes" in waiting and "15 waiting" in waiting
    assert "HQ has everything: 14 facts and 1 photos sent" in run("sync").stdout
    assert "Nothing waits" in run("queue").stdout
    shown = run("show", "20431").stdout
    assert "更换熔断器" in shown and "voltage = 231.5 V" in shown and "1 of 1 photos are with HQ" in shown
    view = json.loads(run("show", "20431", "--json").stdout)
    assert view["contact_phone"] == "139" and view["state"] == "completed"
    assert field.server.view(ticket)["position"] == {"lat": 27.9, "lon": 116.3}


def test_the_same_in_chinese(field: Field, enrolled: Run) -> None:
    field.server.ticket(number="WO-20432")
    enrolled("sync")
    assert "已派单" in enrolled("list", lang=Lang.ZH).stdout
    assert "已存本机：到达现场 · WO-20432" in enrolled("arrive", "20432", lang=Lang.ZH).stdout
    assert "排队" in enrolled("queue", lang=Lang.ZH).stdout
    assert "总部已全部收到" in enrolled("sync", lang=Lang.ZH).stdout


def test_raise_return_time_and_bundles(field: Field, enrolled: Run, tmp_path: Path) -> None:
    run = enrolled
    field.server.ticket(number="WO-20433")
    run("sync")
    run("return", "20433", "no_access", "--text", "locked")
    run("raise", "kind=hazard", "address=桥头")
    assert "It now knows that 2 facts wait here" in run("time").stdout
    assert "2 facts are in" in run("bundle-out", str(tmp_path / "b")).stdout
    assert "Delivered" in run("bundle-in", str(tmp_path / "b"), "--reply", str(tmp_path / "r")).stdout
    assert "2 more facts" in run("bundle-in", str(tmp_path / "r")).stdout
    assert "桥头" in run("list").stdout


def test_what_is_refused_ends_with_1_and_says_what_to_do(field: Field, run: Run, tmp_path: Path) -> None:
    assert "enrol first" in run("list", status=1).stderr
    assert "wrong, used or expired" in run("enrol", "AAAAA-BBBBB", "--address", field.server.address, status=1).stderr
    run("enrol", field.server.code(), "--address", field.server.address)
    assert "enrolled already" in run("enrol", "AAAAA-BBBBB", "--address", field.server.address, status=1).stderr
    assert "knows no ticket WO-0" in run("arrive", "WO-0", status=1).stderr
    field.server.ticket(number="WO-20434")
    run("sync")
    assert "cannot be recorded" in run("return", "20434", "because", status=1).stderr
    assert "A position is" in run("arrive", "20434", "--fix", "here", status=1).stderr
    assert "NAME=VALUE" in run("amend", "20434", "remarks", status=1).stderr
    (tmp_path / "empty").write_bytes(b"")
    assert "no bytes" in run("photo", "20434", str(tmp_path / "empty"), status=1).stderr


def test_a_sync_without_a_server_says_what_waits_and_ends_with_1(own_field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "lang", Lang.EN)
    ticket = own_field.server.ticket(number="WO-1")
    phone = own_field.phone(name="phone")
    phone.sync()
    phone.arrive(ticket)
    phone.close()
    own_field.phones.remove(phone)
    own_field.server.stop()
    ran = CliRunner().invoke(cli.app, ["--home", str(own_field.folder / "phone"), "sync", "--attempts", "1"])
    assert ran.exit_code == 1
    assert "Nothing is lost: 1 facts and 0 photos wait on this phone" in ran.stdout


@pytest.mark.parametrize(
    "words", [("arrive",), ("no-such-command",), ("sync", "--attempts", "0"), ("photo", "t", "/no/such/file")]
)
def test_wrong_usage_ends_with_2(run: Run, words: tuple[str, ...]) -> None:
    run(*words, status=2)


def test_a_score_that_is_asked_for_is_not_shown_and_every_score_looks_the_same(field: Field, enrolled: Run) -> None:
    for number in ("WO-20435", "WO-20436"):
        field.server.ticket(number=number)
    enrolled("sync")
    low, high = enrolled("rate", "20435", typed="9\n1\n").stdout, enrolled("rate", "20436", typed="9\n5\n").stdout
    assert low == high and "Thank you" in low


def test_the_module_runs_by_itself(field: Field) -> None:
    whole = [sys.executable, "-m", "clients.handset", "--home", str(field.folder / "none"), "list"]
    environment = {**os.environ, "LAMPLIGHTER_LANG": "zh-CN"}
    ran = subprocess.run(whole, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1 and "请先登记" in ran.stderr
