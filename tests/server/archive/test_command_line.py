"""The commands as an operator types them: what they print, in both languages, and their exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.settings import load_settings
from tests.server.archive.scene import Shell, Yard

ROOT = Path(__file__).parents[3]


def test_the_program_itself_saves_a_running_server(yard: Yard) -> None:
    yard.morning()
    environment = os.environ | {"LAMPLIGHTER_DATA": str(yard.settings.data), "LAMPLIGHTER_LANG": "en"}
    command = [sys.executable, "-m", "server", "backup", str(yard.archive), "--release"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "") and "1 journals moved on" in done.stdout
    assert yard.verify().faults == []


def test_an_operator_saves_a_running_server_and_brings_it_back_elsewhere(yard: Yard, lamplighter: Shell) -> None:
    phone = yard.morning()
    status, said, complaint = lamplighter(yard.settings, "backup", yard.archive)
    assert (status, complaint.strip()) == (0, "")
    assert "is complete and was read again" in said and "Phones keep everything" in said
    assert f"Keep {yard.settings.keys_directory} elsewhere" in said
    status, said, _ = lamplighter(yard.settings, "backup", yard.archive, "--with-keys", "--release", lang="zh-CN")
    assert status == 0 and "密钥在备份里" in said and "1 个终端日志推进到此备份" in said

    status, said, _ = lamplighter(yard.settings, "verify-backup", yard.archive)
    assert status == 0 and "is whole" in said
    status, said, complaint = lamplighter(yard.settings, "restore", yard.archive)
    assert status == 1 and "Stop it first" in complaint
    elsewhere = yard.elsewhere()
    status, said, complaint = lamplighter(elsewhere, "restore", yard.archive)
    assert status == 0 and "compared table by table" in said and "begins" in said, complaint
    status, said, complaint = lamplighter(elsewhere, "restore", yard.archive, lang="zh-CN")
    assert status == 1 and "目标数据库不是空的" in complaint
    status, said, _ = lamplighter(elsewhere, "evidence", "verify")
    assert status == 0 and "the ledger agree" in said
    yard.continue_at(elsewhere)
    assert phone.sync().done and not phone.differences()


def test_what_is_wrong_with_a_backup_is_said_one_a_line_and_ends_in_failure(yard: Yard, lamplighter: Shell) -> None:
    yard.morning()
    yard.backup()
    (yard.newest().table("feed")).unlink()
    body = yard.newest().table("body")
    body.write_bytes(body.read_bytes()[:-9])
    status, said, complaint = lamplighter(yard.settings, "verify-backup", yard.archive)
    assert (status, said) == (1, "")
    assert [line[:28] for line in complaint.splitlines()] == ["✗ body.jsonl.gz is damaged: ", "✗ feed.jsonl.gz is missing"]
    status, _, complaint = lamplighter(yard.elsewhere(), "restore", yard.archive)
    assert status == 1 and "nothing was restored" in complaint and "feed.jsonl.gz is missing" in complaint


def test_moving_says_what_to_set_and_hides_no_step(yard: Yard, bare_postgres: str, lamplighter: Shell) -> None:
    yard.morning()
    yard.field.server.stop()
    there = (yard.folder / "there").as_uri()
    status, said, complaint = lamplighter(yard.settings, "move", "--to-database", bare_postgres, "--to-objects", there)
    assert status == 0, complaint
    assert f"LAMPLIGHTER_DATABASE_URL={bare_postgres}" in said and f"LAMPLIGHTER_OBJECTS_URL={there}" in said
    status, _, complaint = lamplighter(yard.settings, "move", "--to-database", bare_postgres, "--to-objects", there)
    assert status == 1 and "already holds this very history" in complaint


@pytest.mark.parametrize("words", [("backup",), ("restore",), ("move", "--to-database", "sqlite:///x"), ("verify-backup",)])
def test_a_command_without_its_places_is_refused_as_usage(tmp_path: Path, words: tuple[str, ...], lamplighter: Shell) -> None:
    assert lamplighter(load_settings(data=tmp_path), *words)[0] == 2


def test_a_folder_without_a_backup_and_a_server_without_keys_are_said_so(
    yard: Yard, tmp_path: Path, lamplighter: Shell
) -> None:
    status, _, complaint = lamplighter(yard.settings, "verify-backup", tmp_path / "nothing")
    assert status == 1 and "holds no finished backup" in complaint
    status, _, complaint = lamplighter(yard.elsewhere(), "backup", tmp_path / "b")
    assert status == 1 and "lamplighter init" in complaint
