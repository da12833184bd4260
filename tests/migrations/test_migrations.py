"""The steps lead from nothing to the tables of the code, all or none, from a checkout and from an installed wheel."""

from __future__ import annotations

import ast
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, event, inspect
from sqlalchemy.exc import OperationalError

from server.storage import migrate, tables
from server.storage.sql import table_of

ROOT = Path(__file__).parents[2]
STEPS = sorted((ROOT / "migrations" / "versions").glob("0*.py"))
METADATA = table_of(tables.Counter).metadata


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "district.db"


@pytest.fixture
def engine(path: Path) -> Engine:
    return migrate.engine_for(path)


def schema(path: Path) -> dict[str, str]:
    """Every table and index as SQLite keeps it, spacing aside."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {name: " ".join(sql.split()) for name, sql in rows if name != "alembic_version"}


def test_all_steps_together_make_exactly_the_tables_of_the_code(engine: Engine) -> None:
    migrate.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, METADATA) == [], "a new step must still do this"


def test_the_schema_is_the_same_to_the_letter(engine: Engine, path: Path, tmp_path: Path) -> None:
    migrate.upgrade(engine)
    plain = create_engine(f"sqlite:///{tmp_path / 'plain.db'}")
    METADATA.create_all(plain)
    plain.dispose()
    assert schema(path) == schema(tmp_path / "plain.db")


def test_what_autogenerate_does_not_compare_is_there(engine: Engine, path: Path) -> None:
    migrate.upgrade(engine)
    found = schema(path)
    assert found["feed"].endswith("WITHOUT ROWID")
    assert found["record_state"].endswith("WHERE state IS NOT NULL")
    assert found["fact_place"].startswith("CREATE UNIQUE INDEX")


@pytest.mark.parametrize("table", ["journal", "fact", "body", "record", "scope"])
def test_a_key_the_sync_path_counts_up_is_the_rowid_itself(engine: Engine, path: Path, table: str) -> None:
    migrate.upgrade(engine)
    key = inspect(engine).get_pk_constraint(table)["constrained_columns"][0]
    with sqlite3.connect(path) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {key} = 1").fetchone()[3]
    connection.close()
    assert "INTEGER PRIMARY KEY" in plan


def test_a_second_upgrade_changes_nothing(engine: Engine, path: Path) -> None:
    migrate.upgrade(engine)
    before = path.read_bytes()
    migrate.upgrade(engine)
    assert path.read_bytes() == before


def test_a_database_is_at_head_only_after_the_upgrade(engine: Engine) -> None:
    assert migrate.current(engine) is None and not migrate.at_head(engine)
    migrate.upgrade(engine)
    assert migrate.current(engine) == STEPS[-1].name[:4] and migrate.at_head(engine)


def test_looking_at_the_revision_waits_for_no_writer(engine: Engine, path: Path) -> None:
    migrate.upgrade(engine)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("BEGIN IMMEDIATE")
    assert migrate.at_head(engine)
    writer.close()


def test_a_folder_with_odd_characters_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / "50% off? #1 供电所"
    folder.mkdir()
    migrate.upgrade(migrate.engine_for(folder / "a.db"))
    assert [file.name for file in folder.iterdir()] == ["a.db"]


def test_a_url_works_as_well_as_a_path(path: Path) -> None:
    migrate.upgrade(migrate.engine_for(f"sqlite:///{path}"))
    assert migrate.at_head(migrate.engine_for(path))


def test_a_newer_database_is_refused_with_advice_and_left_alone(engine: Engine, path: Path) -> None:
    migrate.upgrade(engine)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(migrate.UnknownRevision, match=r"9999.*restore a backup"):
        migrate.upgrade(engine)
    assert migrate.current(engine) == "9999" and not migrate.at_head(engine)


def test_there_is_no_way_back_and_the_message_says_what_to_do(engine: Engine, path: Path) -> None:
    migrate.upgrade(engine)
    before = schema(path)
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    with pytest.raises(NotImplementedError, match="restore the backup"), engine.begin() as connection:
        config.attributes.update(connection=connection, metadata=METADATA)
        command.downgrade(config, "base")
    assert schema(path) == before and migrate.at_head(engine)


def test_an_upgrade_that_fails_anywhere_leaves_nothing_and_the_next_one_succeeds(engine: Engine, path: Path) -> None:
    statements = count_statements(engine)
    migrate.upgrade(engine)
    whole, total = schema(path), statements[0]
    assert total > 20
    for n in range(2, total + 1):  # the first is BEGIN
        path.unlink()
        broken = migrate.engine_for(path)
        fail_at(broken, n)
        with pytest.raises(OperationalError, match="disk I/O error"):
            migrate.upgrade(broken)
        assert schema(path) == {}, f"statement {n} failed and something stayed"
        migrate.upgrade(engine)
        assert schema(path) == whole


def count_statements(engine: Engine) -> list[int]:
    count = [0]

    @event.listens_for(engine, "before_cursor_execute")
    def _count(*_: Any) -> None:
        count[0] += 1

    return count


def fail_at(engine: Engine, n: int) -> None:
    count = [0]

    @event.listens_for(engine, "before_cursor_execute")
    def _fail(*_: Any) -> None:
        count[0] += 1
        if count[0] == n:
            raise sqlite3.OperationalError("disk I/O error")


def test_processes_that_start_together_upgrade_once(path: Path) -> None:
    failures: list[BaseException] = []
    gate = threading.Barrier(4)

    def run() -> None:
        try:
            gate.wait()
            migrate.upgrade(migrate.engine_for(path))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and migrate.at_head(migrate.engine_for(path))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.stem)
def test_a_step_imports_nothing_of_ours(step: Path) -> None:
    allowed = {"__future__", "typing", "sqlalchemy", "alembic", "json", "collections"}
    tree = ast.parse(step.read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or "."])
    }
    assert imported <= allowed


def test_steps_are_numbered_without_gaps_and_each_follows_the_one_before() -> None:
    numbers = [step.name[:4] for step in STEPS]
    assert numbers == [f"{n:04d}" for n in range(1, len(STEPS) + 1)]
    for before, step in zip([None, *numbers], STEPS, strict=False):
        names = {}
        for node in ast.parse(step.read_text(encoding="utf-8")).body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                names[target.id] = ast.literal_eval(node.value)
        assert (names["revision"], names["down_revision"]) == (step.name[:4], before)


def test_an_installed_release_upgrades_a_database_outside_the_checkout(tmp_path: Path) -> None:
    for package in ("server", "sync", "migrations"):  # laid out as the wheel lays them out (tests/house/test_wheel.py)
        shutil.copytree(ROOT / package, tmp_path / "site" / package, ignore=shutil.ignore_patterns("__pycache__"))
    script = (
        "import migrations, server; from server.storage import migrate; engine = migrate.engine_for('district.db');"
        "migrate.upgrade(engine); print(migrate.at_head(engine), migrations.__file__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHONSAFEPATH": "1"}
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["True", str(tmp_path / "site" / "migrations" / "__init__.py")]


def test_photos_that_were_named_before_their_smaller_forms_are_named_as_photos_after(engine: Engine, path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    with engine.begin() as connection:
        config.attributes.update(connection=connection, metadata=METADATA)
        command.upgrade(config, "0002")
    with sqlite3.connect(path) as rows:
        rows.execute("INSERT INTO photo VALUES ('aa', 100, 't1', 'd1', 5, NULL), ('bb', 7, 't2', 'd1', NULL, NULL)")
        rows.execute("INSERT INTO photo_use VALUES ('aa', 't1', 5), ('aa', 't2', NULL), ('bb', 't2', NULL)")
    rows.close()
    migrate.upgrade(engine)
    with sqlite3.connect(path) as after:
        found = after.execute(
            "SELECT sha256, ticket, form, original, size_bytes, told_at FROM photo_use ORDER BY sha256, ticket"
        )
        assert found.fetchall() == [
            ("aa", "t1", "original", "aa", 100, 5),
            ("aa", "t2", "original", "aa", 100, None),
            ("bb", "t2", "original", "bb", 7, None),
        ]
    after.close()
