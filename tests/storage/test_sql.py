"""The statements of the sync path: written once from the tables' columns, and none of them walks a table that grows."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import bindparam, select

from server.storage import tables
from server.storage.sql import compiled, insert_all, table_of, upsert
from tests.storage.world import Depot, opening

COUNTER = table_of(tables.Counter)
SMALL = ("history", "ledgernode", "counter")
"""Tables of a few rows for ever: walking them is no harm."""


def flat(text: str) -> str:
    return " ".join(text.split())


def test_what_is_bound_by_name_is_a_question_mark_and_plain_values_are_written_out() -> None:
    statement = select(COUNTER.c.value).where(COUNTER.c.name == "it's", COUNTER.c.value > bindparam("a")).limit(3)
    assert flat(compiled(statement)) == (
        "SELECT counter.value FROM counter WHERE counter.name = 'it''s' AND counter.value > ? LIMIT 3 OFFSET 0"
    )


def test_a_value_that_has_no_safe_spelling_is_not_written_out() -> None:
    with pytest.raises(AssertionError, match="does not belong"):
        compiled(select(COUNTER.c.value).where(COUNTER.c.value > 1.5))


def test_an_insert_names_every_column_in_the_tables_order() -> None:
    assert flat(insert_all(tables.Counter)) == "INSERT INTO counter (name, value) VALUES (?, ?)"
    assert insert_all(tables.Counter, or_ignore=True).endswith("ON CONFLICT DO NOTHING")


def test_an_upsert_changes_all_but_keys_and_what_never_changes() -> None:
    text = flat(upsert(tables.ScopeName, "id"))
    assert text.endswith("ON CONFLICT (id) DO UPDATE SET name = excluded.name")
    text = upsert(tables.StoredRecord, "key", fixed=("kind", "id"))
    assert "tail = excluded.tail" in text and "kind = excluded.kind" not in text and " id = excluded.id" not in text


def test_no_statement_of_the_sync_path_walks_a_table_that_grows(tmp_path: Path) -> None:
    depot = Depot(tmp_path / "district.db")
    phone, ran = depot.phone("a"), set[str]()
    depot.connection.set_trace_callback(ran.add)
    for turn in range(2):
        phone.note("t1")
        with depot.tx.group() as tx:
            push = depot.hub.prepare(tx, phone.body(), phone.now)
            (receipt,), _ = depot.hub.commit(tx, [push], [opening(f"t{turn + 1}")])
            list(depot.hub.pull(tx, phone.device, push.envelope))
            tx.fork_position("k0")
            chain = tx.chains(receipt.journal)[0]
            assert tx.head_at(chain, 1) and tx.line(chain.name, receipt.head)
        phone.heard(receipt)
    depot.connection.set_trace_callback(None)
    read = [text for text in ran if text.lstrip().startswith(("SELECT", "DELETE", "UPDATE"))]
    assert len(read) > 15
    steps = [(step[3], text) for text in read for step in depot.connection.execute(f"EXPLAIN QUERY PLAN {text}")]
    walks = [(step, text) for step, text in steps if step.startswith("SCAN") and step.split()[1] not in SMALL]
    walks += [(step, text) for step, text in steps if "TEMP B-TREE" in step and "membership" not in text]  # a member's are few
    depot.close()
    assert walks == []
