"""Backup, restore and moving between engines: one portable form of everything a server keeps.

A folder holds any number of backups. Each is a folder of its own under `snapshots`, complete once it has its `manifest.json`:
one compressed stream of rows for every table. Photos lie beside them all under `objects`, named by their hash and never
written twice.

    backup.py    takes one while the server writes
    verify.py    reads it all again, without any database
    evidence.py  checks the chains of every journal and the ledger, over a backup or over a live database
    restore.py   fills an empty database and object store from a backup
    move.py      fills them from another database and object store
    tape.py      a table as a stream; manifest.py: what a backup says of itself; photos.py: bytes by their hash
"""
