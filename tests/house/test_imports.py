"""Who may import whom: the layers, the engine's purity, and one door for each third party."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

import pytest

from tests.house.tree import PACKAGES, parsed, python_files

LAYERS: dict[str, tuple[str, ...]] = {
    "sync/": ("sync",),
    "server/": ("sync", "server"),
    "server/desk/": ("sync", "server.desk", "server.settings"),
    "server/__main__.py": ("sync", "server", "clients"),
    "server/demo": ("sync", "server", "clients"),
    "clients/": ("sync", "clients"),
    "migrations/": (),
}
"""What of ours each part may import; the longest prefix that fits a file decides.

The command line and the demo put server and handset side by side, so they alone see both. Migrations see nothing of
ours: they must still run when the code has moved on."""

DOORS: dict[str, tuple[str, ...]] = {
    "jwt": ("server/auth.py", "server/keys.py", "clients/handset/"),
    "PIL": ("server/storage/images.py",),
    "boto3": ("server/storage/bucket.py",),
    "botocore": ("server/storage/bucket.py",),
    "sqlalchemy": ("server/storage/", "migrations/"),
    "sqlmodel": ("server/storage/", "migrations/"),
    "alembic": ("server/storage/", "migrations/"),
    "sqlite3": ("server/storage/", "clients/handset/"),
    "psycopg": ("server/storage/",),
    "shapely": ("server/desk/geo.py",),
    "pyxform": ("server/desk/spreadsheet.py",),
    "openpyxl": ("server/desk/spreadsheet.py",),
    "xlrd": ("server/desk/spreadsheet.py",),
}
"""Third parties (and SQL) that stand behind one door: the module, and the only files that may import it."""

SYNC_DECODER = ("msgspec", "sync/wire.py")
"""The engine's one third party, and the one file it may be in."""

WORLD = frozenset(
    [
        *("os", "io", "pathlib", "shutil", "tempfile", "glob", "fcntl", "mmap", "sqlite3", "dbm", "logging"),
        *("socket", "ssl", "select", "selectors", "http", "urllib", "smtplib", "ftplib", "getpass", "platform"),
        *("asyncio", "threading", "multiprocessing", "concurrent", "subprocess", "signal"),
        *("time", "sched", "random", "secrets"),
    ]
)
"""Standard library the engine does without: files, sockets, threads, clocks, chance. They are passed in."""

WORLD_CALLS = frozenset({"open", "print", "input", "now", "utcnow", "today", "uuid1", "uuid4", "uuid7", "urandom"})


def imports(path: str, tree: ast.Module) -> Iterator[str]:
    """The dotted name of everything a file imports, wherever the import stands; relative ones made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = path.split("/")[: -node.level] if node.level else []
            base = ".".join([*above, *(node.module.split(".") if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def within(module: str, prefixes: tuple[str, ...]) -> bool:
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes)


def breaches(path: str, tree: ast.Module) -> list[str]:
    """Every rule that one file breaks, in words."""
    allowed = LAYERS[max((prefix for prefix in LAYERS if path.startswith(prefix)), key=len)]
    found = []
    for module in imports(path, tree):
        top = module.split(".")[0]
        if top == "tests" or (top in PACKAGES and not within(module, allowed)):
            found.append(f"{path} imports {module}; of ours it may import only {', '.join(allowed) or 'nothing'}")
        if not path.startswith(DOORS.get(top, ("",))):
            found.append(f"{path} imports {module}; its door is {', '.join(DOORS[top])}")
        if path.startswith("sync/"):
            found.extend(_impurity(path, top))
    if path.startswith("sync/"):
        found.extend(f"{path}:{line} calls {name}()" for name, line in _calls(tree) if name in WORLD_CALLS)
    return found


def _impurity(path: str, top: str) -> Iterator[str]:
    if top in WORLD:
        yield f"{path} imports {top}; the engine is given the world, it does not reach for it"
    elif top not in sys.stdlib_module_names and top not in PACKAGES and (top, path) != SYNC_DECODER:
        yield f"{path} imports {top}; the engine uses the standard library, and {SYNC_DECODER[0]} in {SYNC_DECODER[1]}"


def _calls(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id, node.lineno
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr, node.lineno


def test_every_file_imports_only_what_its_layer_may() -> None:
    found = [breach for path in python_files(*PACKAGES) for breach in breaches(path, parsed(path))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("sync/merge.py", "import server.app"),
        ("sync/merge.py", "from server import settings"),
        ("sync/merge.py", "import msgspec"),
        ("sync/merge.py", "import starlette"),
        ("sync/clock.py", "import time"),
        ("sync/clock.py", "def f():\n    from random import random"),
        ("sync/clock.py", "from datetime import datetime\nx = datetime.now()"),
        ("sync/hub.py", "x = open('file')"),
        ("server/desk/points.py", "from server.storage import store"),
        ("server/desk/points.py", "from ..storage.store import Store"),
        ("server/desk/points.py", "from server import storage"),
        ("server/endpoints/sync.py", "from clients.handset import link"),
        ("server/endpoints/photos.py", "from PIL import Image"),
        ("server/endpoints/desk.py", "from sqlalchemy.orm import Session"),
        ("server/desk/guides.py", "from pyxform.xls2json import workbook_to_json"),
        ("clients/demo/district.py", "import openpyxl"),
        ("server/web.py", "import jwt"),
        ("clients/handset/link.py", "import server.settings"),
        ("clients/handset/link.py", "from sqlmodel import select"),
        ("migrations/versions/0001_begin.py", "from server.storage.tables import Ticket"),
        ("server/app.py", "from tests.house import tree"),
    ],
)
def test_a_forbidden_import_is_seen(path: str, source: str) -> None:
    assert breaches(path, ast.parse(source))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("sync/wire.py", "import msgspec"),
        ("sync/merge.py", "from . import policy\nfrom .facts import Fact\nimport hashlib"),
        ("server/desk/points.py", "from sync.facts import Fact\nfrom .rules import table"),
        ("server/storage/images.py", "from PIL import Image"),
        ("server/storage/store.py", "from sqlmodel import Session\nfrom ..settings import Settings"),
        ("server/__main__.py", "from clients.handset.link import Link"),
        ("migrations/env.py", "from alembic import context\nimport sqlmodel"),
    ],
)
def test_an_allowed_import_is_let_through(path: str, source: str) -> None:
    assert not breaches(path, ast.parse(source))
