"""Whatever happens to a backup afterwards is noticed and named; so is a database whose facts are not what phones wrote."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.archive import tape
from server.archive.commands import examine_live, verify_backup
from server.archive.faults import Unfit
from server.archive.manifest import MANIFEST, place_of
from server.storage.rows import Cell, Layout
from tests.handset.scene import Field
from tests.running import running_server
from tests.server.archive.scene import Yard, silent


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    """A district that stands still, with one backup."""
    folder = tmp_path_factory.mktemp("kept")
    with running_server(folder / "server") as running:
        yard = Yard(Field(running, folder), folder)
        yard.morning()
        assert yard.backup().faults == []
        yield yard
        yard.field.close()


@pytest.fixture
def archive(kept: Yard, tmp_path: Path) -> Path:
    """A copy of that backup, to be spoilt."""
    return Path(shutil.copytree(kept.archive, tmp_path / "copy"))


def named(archive: Path) -> list[tuple[str, str]]:
    return [(fault.slug, fault.name) for fault in verify_backup(archive, None, silent).faults]


def files(archive: Path) -> list[Path]:
    return sorted(path for path in place_of(archive).folder.glob("*.gz"))


def test_a_backup_nobody_touched_is_whole(archive: Path) -> None:
    found = verify_backup(archive, None, silent)
    assert found.faults == [] and found.evidence.facts > 10
    assert found.manifest is not None and found.evidence.ledger_size == found.manifest.ledger_size == found.evidence.facts


def test_one_changed_byte_in_any_file_is_named(archive: Path) -> None:
    for path in files(archive):
        content = path.read_bytes()
        for at in (0, 4, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            assert named(archive) == [("damaged", path.name)]
        path.write_bytes(content)


def test_a_file_cut_short_or_gone_is_named(archive: Path) -> None:
    for path in files(archive):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        assert named(archive) == [("damaged", path.name)]
        path.unlink()
        assert named(archive) == [("missing", path.name)]
        path.write_bytes(content)


def test_a_photo_that_is_gone_cut_short_or_changed_is_named(archive: Path) -> None:
    [photo] = [path for path in (archive / "objects").rglob("*") if path.is_file()]
    content = photo.read_bytes()
    photo.chmod(0o600)
    for spoilt in (content[:-1], content[:9] + b"\x00" + content[10:]):
        photo.write_bytes(spoilt)
        assert named(archive) == [("photo-damaged", photo.name)]
    photo.unlink()
    assert named(archive) == [("photo-missing", photo.name)]


def test_keys_that_are_gone_are_named(archive: Path) -> None:
    next(place_of(archive).keys.glob("*.pem")).unlink()
    assert named(archive) == [("damaged", "keys")]


def test_a_manifest_that_was_changed_is_not_believed(archive: Path) -> None:
    path = place_of(archive).folder / MANIFEST
    document = json.loads(path.read_text())
    lies: list[dict[str, object]] = [{"position": document["position"] + 1}, {"missing": ["x"]}, {"tables": {}}]
    for lie in lies:
        path.write_text(json.dumps(document | lie))
        assert named(archive) == [("damaged", MANIFEST)]
    path.write_text("")
    assert named(archive) == [("damaged", MANIFEST)]


def test_a_damaged_backup_is_not_restored(kept: Yard, archive: Path, tmp_path: Path) -> None:
    path = files(archive)[0]
    path.write_bytes(path.read_bytes()[:-3])
    archive.rename(tmp_path / "backups")
    yard = Yard(kept.field, tmp_path)
    with pytest.raises(Unfit, match="bad-backup"):
        yard.restore(yard.elsewhere())
    assert not (tmp_path / "elsewhere" / "lamplighter.db").exists()


# ---------------------------------------------------------------------------- what was wrong before the backup was written


REWRITES = {
    "a word in a line": (
        "UPDATE body SET line = CAST(replace(line, 'note', 'nope') AS BLOB) WHERE instr(line, 'note')",
        "chain",
    ),
    "a line taken out": ("DELETE FROM fact WHERE seq = (SELECT max(seq) - 1 FROM fact)", "chain"),
    "a journal's end forgotten": ("DELETE FROM fact WHERE seq = (SELECT max(seq) FROM fact)", "chain"),
    "a body of no fact": ("INSERT INTO body VALUES (0, x'00')", "chain"),
    "the ledger's edge": ("UPDATE ledgernode SET frontier = zeroblob(length(frontier))", "ledger"),
    "the ledger's size": ("UPDATE ledgernode SET size = size + 1", "ledger"),
}


@pytest.mark.parametrize("what", REWRITES)
def test_history_rewritten_behind_the_servers_back_is_named(kept: Yard, tmp_path: Path, what: str) -> None:
    statement, slug = REWRITES[what]
    copy = tmp_path / "copy.db"
    source, target = sqlite3.connect(kept.settings.data / "lamplighter.db"), sqlite3.connect(copy)
    source.backup(target)
    assert target.execute(statement).rowcount > 0
    target.commit()
    found = examine_live(kept.settings.model_copy(update={"database_url": f"sqlite:///{copy}"}))
    assert slug in {fault.slug for fault in found.faults}
    source.close()
    target.close()


def test_an_erased_body_leaves_its_hash_and_is_counted(kept: Yard, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    source, target = sqlite3.connect(kept.settings.data / "lamplighter.db"), sqlite3.connect(copy)
    source.backup(target)
    target.execute("DELETE FROM body WHERE seq IN (2, 4)")
    target.commit()
    found = examine_live(kept.settings.model_copy(update={"database_url": f"sqlite:///{copy}"}))
    assert (found.faults, found.erased) == ([], 2)
    source.close()
    target.close()


# ---------------------------------------------------------------------------------------------------------------- the tape

LAYOUT = Layout("t", (("a", Cell.INTEGER), ("b", Cell.REAL), ("c", Cell.TEXT), ("d", Cell.BYTES)), ("a",))
SCALARS = st.characters(exclude_categories=["Cs"])
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.text(SCALARS),
        st.none() | st.binary(),
    )
)


@given(ROWS)
def test_every_value_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, content: list[tuple[object, ...]]) -> None:
    path = tmp_path_factory.mktemp("tape") / "t.jsonl.gz"
    with path.open("wb") as file:
        written = tape.write(file, LAYOUT, content)
    layout, back = tape.read(path)
    assert (layout, [tuple(row) for row in back]) == (LAYOUT, content)
    assert tape.digest_of(path) == tape.digest(LAYOUT, content) == written
    assert [type(cell) for row in tape.read(path)[1] for cell in row] == [type(cell) for row in content for cell in row]


def test_the_same_rows_make_the_same_file(tmp_path: Path) -> None:
    content = [(n, n / 3, f"行{n}", bytes([n])) for n in range(200)]
    for name in ("one", "two"):
        with (tmp_path / name).open("wb") as file:
            tape.write(file, LAYOUT, content)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_bytes_in_a_column_of_text_are_refused_and_not_made_text(tmp_path: Path) -> None:
    with (tmp_path / "t").open("wb") as file, pytest.raises(TypeError):
        tape.write(file, LAYOUT, [(1, 1.0, b"bytes", b"")])
