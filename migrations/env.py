"""What Alembic runs around the steps. Connection and metadata come from the caller, through `config.attributes`.

The caller also owns the transaction: all steps of one upgrade become durable together or not at all.
"""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes["metadata"],
    render_as_batch=True,  # SQLite can hardly alter a table: Alembic copies it into a new one instead
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
