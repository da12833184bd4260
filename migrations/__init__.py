"""The database's history, one numbered file a step, run by `server/storage/migrate.py` through Alembic.

A step imports nothing of ours, so that it still does tomorrow what it did today. Steps only go forward: expand first (add what
the new code needs and the old code ignores), contract a release later. A new step is `versions/NNNN_what.py`;
`tests/migrations` prints what it must still do until the tables of `server/storage/tables.py` come out exactly.
"""
