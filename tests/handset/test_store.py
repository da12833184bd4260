"""The phone's storage keeps its contract, and notices when it was put back from an old copy."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from clients.handset.store import HeldPhoto, SqlitePocket, StoreTooNew
from sync.facts import FactId
from sync.memory import MemoryPocket
from sync.replica import Pocket, Row

A, B, C = (FactId(letter * 43) for letter in "abc")


@pytest.fixture(params=["memory", "sqlite"])
def pocket(request: pytest.FixtureRequest, tmp_path: Path) -> Pocket:
    return MemoryPocket() if request.param == "memory" else SqlitePocket(tmp_path / "phone.db")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def opened(home: Path) -> SqlitePocket:
    home.mkdir(exist_ok=True)
    return SqlitePocket(home / "phone.db")


def written(home: Path, count: int) -> None:
    pocket = opened(home)
    for n in range(1, count + 1):
        pocket.append("j", n, FactId(f"fact-{n}"), b"{}")
    pocket.close()


# ------------------------------------------------------------------------------------------------- the contract, for both


def test_what_one_transaction_holds_is_kept_together(pocket: Pocket) -> None:
    with pocket.transaction():
        pocket.save_state(b"state")
        pocket.append("j", 1, A, b"line")
        pocket.save_row(Row("ticket", "t", 7, "k", {"state": "dispatched"}, {"crew:A": 7}))
    assert pocket.load_state() == b"state"
    assert pocket.lines("j", 1, 9) == [(1, A, b"line")]
    assert list(pocket.rows()) == [Row("ticket", "t", 7, "k", {"state": "dispatched"}, {"crew:A": 7})]


def test_a_transaction_that_fails_leaves_everything_as_it_was(pocket: Pocket) -> None:
    pocket.append("j", 1, A, b"one")
    with pytest.raises(ValueError), pocket.transaction():
        pocket.save_state(b"state")
        pocket.append("j", 2, B, b"two")
        pocket.save_row(Row("ticket", "t", 1, "k", {}))
        raise ValueError
    assert pocket.load_state() is None
    assert pocket.lines("j", 1, 9) == [(1, A, b"one")]
    assert list(pocket.rows()) == []


def test_a_line_is_written_once(pocket: Pocket) -> None:
    pocket.append("j", 1, A, b"one")
    with pytest.raises((AssertionError, sqlite3.IntegrityError)):
        pocket.append("j", 1, B, b"other")
    assert pocket.lines("j", 1, 1) == [(1, A, b"one")]


def test_lines_come_in_order_and_only_from_their_journal(pocket: Pocket) -> None:
    for n, identity in ((2, B), (1, A), (3, C)):
        pocket.append("j", n, identity, b"line")
    pocket.append("other", 2, C, b"foreign")
    assert [n for n, _, _ in pocket.lines("j", 2, 3)] == [2, 3]
    pocket.drop_lines("j", 2)
    assert [n for n, _, _ in pocket.lines("j", 1, 9)] == [3]
    assert pocket.lines("other", 1, 9) == [(2, C, b"foreign")]


def test_a_row_that_was_read_is_a_copy(pocket: Pocket) -> None:
    pocket.save_row(Row("ticket", "t", 1, "k", {"state": "received"}, {"crew:A": 1}))
    row = pocket.row(("ticket", "t"))
    assert row is not None
    row.put["state"] = "changed"
    row.scopes.clear()
    again = pocket.row(("ticket", "t"))
    assert again is not None and again.put == {"state": "received"} and again.scopes == {"crew:A": 1}


def test_rows_are_listed_by_kind_and_dropped_by_key(pocket: Pocket) -> None:
    for kind, identity in (("ticket", "b"), ("outcome", "x"), ("ticket", "a")):
        pocket.save_row(Row(kind, identity, 1, "k", {}))
    assert [row.id for row in pocket.rows("ticket")] == ["a", "b"]
    pocket.drop_row(("ticket", "a"))
    assert [(row.kind, row.id) for row in pocket.rows()] == [("outcome", "x"), ("ticket", "b")]


# -------------------------------------------------------------------------------------------------------------- the canary


def test_everything_is_there_after_the_program_ended(home: Path) -> None:
    written(home, 3)
    pocket = opened(home)
    assert [n for n, _, _ in pocket.lines("j", 1, 9)] == [1, 2, 3]
    assert not pocket.went_back


def test_a_database_put_back_from_an_old_copy_is_noticed_when_it_is_opened(home: Path, tmp_path: Path) -> None:
    written(home, 2)
    shutil.copy(home / "phone.db", tmp_path / "copy")
    pocket = opened(home)
    pocket.append("j", 3, FactId("fact-3"), b"{}")
    pocket.close()
    shutil.copy(tmp_path / "copy", home / "phone.db")
    assert opened(home).went_back


def test_a_copy_that_went_another_way_for_as_long_is_noticed_too(home: Path, tmp_path: Path) -> None:
    written(home, 2)
    shutil.copytree(home, tmp_path / "twin")
    for place, identity in ((home, "mine"), (tmp_path / "twin", "theirs")):
        pocket = opened(place)
        pocket.append("j", 3, FactId(identity), b"{}")
        pocket.close()
    shutil.copy(tmp_path / "twin" / "phone.db", home / "phone.db")
    assert opened(home).went_back


def test_once_the_journal_goes_on_elsewhere_the_restored_store_is_trusted_again(home: Path, tmp_path: Path) -> None:
    written(home, 2)
    shutil.copy(home / "phone.db", tmp_path / "copy")
    pocket = opened(home)
    for n in (3, 4, 5):
        pocket.append("j", n, FactId(f"fact-{n}"), b"{}")
    pocket.close()
    shutil.copy(tmp_path / "copy", home / "phone.db")
    pocket = opened(home)
    pocket.append("new", 1, FactId("first"), b"{}")
    pocket.close()
    assert not opened(home).went_back


def test_a_restore_is_noticed_again_when_the_program_died_before_the_new_journal(home: Path, tmp_path: Path) -> None:
    written(home, 2)
    shutil.copy(home / "phone.db", tmp_path / "copy")
    written_more = opened(home)
    written_more.append("j", 3, FactId("fact-3"), b"{}")
    written_more.close()
    shutil.copy(tmp_path / "copy", home / "phone.db")
    opened(home).close()
    assert opened(home).went_back


def test_a_canary_that_lags_after_a_power_cut_is_no_alarm(home: Path) -> None:
    written(home, 3)
    (home / "canary").write_text("2 fact-2\n")
    assert not opened(home).went_back


@pytest.mark.parametrize("damage", [b"", b"7", b"seven x", b"\xff\xfe\n"])
def test_a_damaged_canary_vouches_for_nothing(home: Path, damage: bytes) -> None:
    written(home, 3)
    (home / "canary").write_bytes(damage)
    assert opened(home).went_back


def test_a_phone_that_died_right_after_its_first_line_is_no_alarm(home: Path) -> None:
    written(home, 1)
    (home / "canary").unlink()
    assert not opened(home).went_back


# -------------------------------------------------------------------------------------------------------------- the photos


def test_a_photo_that_was_kept_is_on_the_disk_under_its_hash(home: Path) -> None:
    pocket = opened(home)
    sha256 = pocket.keep_photo(b"bytes")
    assert sha256 == hashlib.sha256(b"bytes").hexdigest()
    assert pocket.photo_path(sha256).read_bytes() == b"bytes"
    assert pocket.keep_photo(b"bytes") == sha256


def test_bytes_are_synced_before_they_get_their_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pocket = opened(home)
    seen: list[list[str]] = []
    real = os.fsync

    def watched(handle: int) -> None:
        seen.append(sorted(path.name[:10] for path in (home / "photos").iterdir()))
        real(handle)

    monkeypatch.setattr(os, "fsync", watched)
    sha256 = pocket.keep_photo(b"bytes")
    assert seen == [[".incoming-"], [sha256[:10]]], "first the bytes under a working name, then the folder with the final one"


def test_a_half_written_photo_is_dropped_and_forgotten_bytes_are_adopted(home: Path) -> None:
    opened(home).close()
    (home / "photos" / ".incoming-abc").write_bytes(b"half")
    (home / "photos" / ("f" * 64)).write_bytes(b"forgotten")
    pocket = opened(home)
    assert [path.name for path in (home / "photos").iterdir()] == ["f" * 64]
    assert pocket.photos() == [HeldPhoto("f" * 64, 9, "", "", 0)]


def test_an_upload_goes_on_where_it_was_noted(home: Path) -> None:
    pocket = opened(home)
    pocket.expect_photo(HeldPhoto("a" * 64, 100, "t", "j", 4))
    pocket.set_upload("a" * 64, "/v1/photos/x", 40)
    pocket.close()
    pocket = opened(home)
    assert [(photo.upload, photo.sent_bytes) for photo in pocket.photos() if photo.ticket] == [("/v1/photos/x", 40)]
    pocket.set_received("a" * 64, 5)
    assert [(photo.sent_bytes, photo.received_at) for photo in pocket.photos()] == [(100, 5)]


# ---------------------------------------------------------------------------------------------------------------- the file


def test_the_store_is_the_owners_alone(home: Path) -> None:
    opened(home).close()
    assert stat.S_IMODE((home / "phone.db").stat().st_mode) == 0o600


def test_a_store_of_a_later_version_is_left_alone(home: Path) -> None:
    opened(home).close()
    connection = sqlite3.connect(home / "phone.db")
    connection.execute("PRAGMA user_version=2")
    connection.close()
    with pytest.raises(StoreTooNew, match="later version"):
        opened(home)


def test_a_commit_waits_for_the_disk(home: Path) -> None:
    pocket = opened(home)
    settings = [pocket._run(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert settings == ["wal", 2], "write-ahead log, FULL"
