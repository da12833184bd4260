"""SQL text from the tables' own columns, compiled once at import: the sync path runs below the ORM, yet names nothing twice."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.dialects import sqlite
from sqlmodel import SQLModel

_DIALECT = sqlite.dialect(paramstyle="qmark")


def table_of(model: type[SQLModel]) -> Table:
    """The SQLAlchemy table behind a model."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


def compiled(statement: Any) -> str:
    """A statement as SQLite text: every `bindparam` a `?`, in the order they appear; plain values are written out."""
    made = statement.compile(dialect=_DIALECT)
    parts = str(made).split("?")
    binds = [made.binds[name] for name in made.positiontup or ()]
    written = ["?" if bind.required else _literal(bind.value) for bind in binds]
    return "".join(part + value for part, value in zip(parts, [*written, ""], strict=True))


def _literal(value: Any) -> str:
    assert isinstance(value, (int, str)), f"{value!r} does not belong into the text of a statement"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def insert_all(model: type[SQLModel], *, or_ignore: bool = False) -> str:
    """INSERT of every column in the table's order."""
    text = compiled(insert(table_of(model)))
    return f"{text} ON CONFLICT DO NOTHING" if or_ignore else text


def columns(model: type[SQLModel]) -> list[str]:
    """The table's column names in order."""
    return [column.name for column in table_of(model).columns]


def upsert(model: type[SQLModel], *keys: str, fixed: Collection[str] = ()) -> str:
    """INSERT that updates every other column when a row with these keys exists.

    `fixed` names columns that never change once written: left alone, their indexes are not written again either.
    """
    others = [name for name in columns(model) if name not in keys and name not in fixed]
    changes = ", ".join(f"{name} = excluded.{name}" for name in others)
    return f"{insert_all(model)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"
