"""Moving between engines and places loses nothing, changes nothing, and is finished only when it reads back the same."""

from __future__ import annotations

import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from server.archive import commands as archives
from server.archive import tape
from server.archive.backup import reading
from server.archive.faults import Unfit
from server.archive.manifest import Manifest, Place, Stream, place_of
from server.commands import Missing
from server.settings import Settings, load_settings
from server.storage import rows
from server.storage.objects import Sha256
from server.storage.session import libpq_address
from sync.problems import Refused
from tests.handset.scene import server_lines, work
from tests.running import ORGANISATION
from tests.server.archive.scene import Yard, digests, silent
from tests.services.swift import Swift

MORE_PEOPLE = {
    **ORGANISATION,
    "members": [*ORGANISATION["members"], {"id": "m9", "name_zh": "新人", "name_en": "New"}],
    "memberships": [*ORGANISATION["memberships"], {"crew": "A", "member": "m9"}],
}


def moved_to(yard: Yard, database: str, objects: Path | str) -> Settings:
    """This server's settings after a move."""
    place = objects.as_uri() if isinstance(objects, Path) else objects
    archives.move_server(yard.settings, database, place, silent)
    return yard.settings.model_copy(update={"database_url": database, "objects_url": place})


def same_but_its_place(before: dict[str, tape.Digest], after: dict[str, tape.Digest]) -> bool:
    """Everything but the mark of the database server a history was written on."""
    return {name for name in before if before[name] != after[name]} <= {"history"}


def test_a_server_moves_to_postgresql_and_back_and_every_table_is_the_same(yard: Yard, bare_postgres: str) -> None:
    server, phone = yard.field.server, yard.morning()
    history = server.service.incarnation
    server.stop()
    before = digests(yard.settings.database)
    there = moved_to(yard, bare_postgres, yard.folder / "photos there")
    assert digests(bare_postgres) == before

    yard.continue_at(there)
    assert server.service.incarnation == history, "phones see no other server"
    ticket = server.ticket()
    server.organise(MORE_PEOPLE)
    server.code("m2")
    phone.sync()
    work(phone, ticket)
    assert phone.sync().done and not phone.differences()
    assert server.service.objects.size(Sha256(_photo(there))) is not None
    server.service.derivation.drain()
    server.stop()

    before = digests(bare_postgres)
    back = moved_to(yard, f"sqlite:///{yard.folder / 'back.db'}", yard.folder / "photos back")
    assert same_but_its_place(before, digests(back.database))
    yard.continue_at(back)
    assert server.service.incarnation == history
    phone.note(ticket, "still the same server")
    assert phone.sync().done and not phone.differences()
    assert server_lines(yard.field, phone) == phone.replica.state.journals[0].n


def test_one_command_moves_sqlite_and_a_folder_to_postgresql_and_s3_and_a_backup_brings_them_back(
    yard: Yard, bare_postgres: str, s3_server: Swift, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMPLIGHTER_S3_ENDPOINT", s3_server.url)
    monkeypatch.setenv("LAMPLIGHTER_S3_ADDRESSING", "path")
    yard.field.server.settings = load_settings(data=yard.settings.data)
    server, phone = yard.field.server, yard.morning()
    photo = _photo(yard.settings)
    server.stop()
    before, picture = digests(yard.settings.database), server.service.objects.open(Sha256(photo)).read()
    there = moved_to(yard, bare_postgres, f"s3://{bucket}/north")
    assert digests(bare_postgres) == before and f"north/photos/{photo[:2]}/{photo}" in s3_server.keys(bucket)

    yard.continue_at(there)
    assert server.service.objects.open(Sha256(photo)).read() == picture and sha256(picture).hexdigest() == photo
    ticket = server.ticket()
    phone.sync()
    work(phone, ticket)
    assert phone.sync().done and phone.photos_waiting == 0
    assert yard.backup().faults == []
    server.stop()
    back = yard.elsewhere(objects_url=(yard.folder / "photos back").as_uri())
    yard.restore(back, same_history=True)
    yard.continue_at(back)
    assert server.service.objects.open(Sha256(photo)).read() == picture
    assert phone.sync().done and not phone.differences()


def _photo(settings: Settings) -> str:
    with rows.snapshot(settings.database) as snapshot:
        [layout] = [each for each in rows.layouts() if each.table == "photo"]
        [photo] = [str(row[0]) for row in snapshot.rows(layout)]
    return photo


def test_a_backup_of_postgresql_is_restored_into_sqlite_and_back(yard: Yard, bare_postgres: str) -> None:
    server, phone = yard.field.server, yard.morning()
    server.stop()
    yard.continue_at(moved_to(yard, bare_postgres, yard.folder / "photos there"))
    phone.note(phone.tickets()[0]["id"], "on PostgreSQL")
    phone.sync()
    assert yard.backup(release=True).faults == []
    server.stop()
    elsewhere = yard.elsewhere()
    yard.restore(elsewhere, same_history=True)
    after = digests(elsewhere.database)
    assert {name for name, digest in digests(bare_postgres).items() if after[name] != digest} <= {
        "history",
        "photo",
        "journal",
        "lease",
    }
    yard.continue_at(elsewhere)
    assert phone.sync().done and not phone.differences()


def test_a_second_move_to_the_same_place_is_recognised(yard: Yard, bare_postgres: str) -> None:
    yard.morning()
    yard.field.server.stop()
    moved_to(yard, bare_postgres, yard.folder / "there")
    before = digests(bare_postgres)
    with pytest.raises(Unfit, match="moved-already"):
        moved_to(yard, bare_postgres, yard.folder / "there")
    assert digests(bare_postgres) == before


def test_a_move_that_broke_off_left_an_empty_database_and_goes_on_with_the_photos_it_brought(
    yard: Yard, bare_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.morning()
    yard.field.server.stop()

    def broken(*given: object) -> None:
        raise Refused("busy", "the connection broke")

    with monkeypatch.context() as patched:
        patched.setattr(rows.Loading, "load", broken)
        with pytest.raises(Refused):
            moved_to(yard, bare_postgres, yard.folder / "there")
    assert sum(digest.rows for digest in digests(bare_postgres).values()) == 0
    again = archives.move_server(yard.settings, bare_postgres, (yard.folder / "there").as_uri(), silent)
    assert (again.photos, again.there, again.faults) == (1, 1, [])
    assert digests(bare_postgres) == digests(yard.settings.database)


def test_a_database_that_reads_back_other_than_it_was_is_not_kept(
    yard: Yard, bare_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard.morning()
    yard.field.server.stop()
    load = rows.Loading.load

    def one_short(self: rows.Loading, layout: rows.Layout, content: object) -> None:
        load(self, layout, list(content)[1:] if layout.table == "body" else content)  # type: ignore[call-overload, arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(rows.Loading, "load", one_short)
        with pytest.raises(Unfit, match="differs"):
            moved_to(yard, bare_postgres, yard.folder / "there")
    assert sum(digest.rows for digest in digests(bare_postgres).values()) == 0


def test_a_server_that_runs_is_not_moved(yard: Yard, bare_postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PATIENCE_S", 0.0)
    with pytest.raises(Missing, match="Stop it first"):
        moved_to(yard, bare_postgres, yard.folder / "there")
    yard.field.server.stop()
    there = moved_to(yard, bare_postgres, yard.folder / "there")
    with psycopg.connect(libpq_address(there.database)), pytest.raises(Unfit, match="still-open"):
        archives.move_server(there, f"sqlite:///{yard.folder / 'x.db'}", (yard.folder / "x").as_uri(), silent)


def test_numbers_that_postgresql_gives_go_on_behind_those_that_came(yard: Yard, bare_postgres: str) -> None:
    yard.field.server.stop()
    there = moved_to(yard, bare_postgres, yard.folder / "there")
    with psycopg.connect(libpq_address(there.database)) as connection:
        row = ("m1", "B", 1)
        [highest] = connection.execute("SELECT max(id) FROM membership").fetchone() or [0]
        inserted = "INSERT INTO membership (member, crew, from_ms) VALUES (%s, %s, %s) RETURNING id"
        assert connection.execute(inserted, row).fetchone() == (highest + 1,)


# ------------------------------------------------------------------------------------------------------ an older release


def test_a_backup_of_an_older_release_is_restored_and_brought_up_to_date(yard: Yard) -> None:
    yard.morning()
    yard.backup()
    _as_of_revision_4(yard.newest())
    elsewhere = yard.elsewhere()
    yard.restore(elsewhere)
    yard.continue_at(elsewhere)
    with rows.snapshot(elsewhere.database) as snapshot:
        assert snapshot.revision > "0004"


def test_a_backup_of_a_newer_release_is_refused(yard: Yard) -> None:
    yard.backup()
    place = yard.newest()
    _rewritten(place, revision="9999")
    with pytest.raises(Unfit, match="does not know"):
        yard.restore(yard.elsewhere())
    shutil.rmtree(place.folder)


def _as_of_revision_4(place: Place) -> None:
    """The backup as the release before `history.origin`, the leases and erased photos would have written it."""
    tables = dict(place.manifest().tables)
    for name, newest in (("history", "origin"), ("photo_use", "erased_at")):
        layout, content = reading(place)(name)
        assert layout.names[-1] == newest
        older = rows.Layout(name, layout.columns[:-1], layout.order)
        kept = [row[:-1] for row in content]
        with place.table(name).open("wb") as file:
            tape.write(file, older, kept)
        tables[name] = _stream(place, older, kept)
    place.table("lease").unlink()
    del tables["lease"]
    _rewritten(place, revision="0004", tables=tables)


def _stream(place: Place, layout: rows.Layout, content: list[rows.Row]) -> Stream:
    digest, data = tape.digest(layout, content), place.table(layout.table).read_bytes()
    return Stream(digest.rows, digest.sha256, len(data), sha256(data).hexdigest())


def _rewritten(place: Place, **changes: object) -> Manifest:
    manifest = replace(place.manifest(), **changes)  # type: ignore[arg-type]
    place.finish(manifest)
    assert place_of(place.folder.parent.parent).manifest() == manifest
    return manifest
