"""What the house tests look at: the files that belong to the checkout, and Python files parsed once."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("server", "sync", "migrations", "clients")
"""The top-level packages of the one distribution; `clients/web` is not Python and not in the wheel."""

MADE_BY_TOOLS = {"node_modules", "__pycache__", "var", "dist", "build"}


@cache
def files() -> tuple[str, ...]:
    """Paths, relative to the root, of every file that is or would be committed; sorted."""
    try:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        listed = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if not _is_made(path)]
    return tuple(sorted(path for path in listed if path and (ROOT / path).is_file()))


def _is_made(path: Path) -> bool:
    folders = path.relative_to(ROOT).parts[:-1]
    return any(part in MADE_BY_TOOLS or (part.startswith(".") and part != ".ci") for part in folders)


def python_files(*folders: str) -> list[str]:
    """Every Python file below the given top-level folders."""
    return [path for path in files() if path.endswith(".py") and path.startswith(tuple(f"{f}/" for f in folders))]


@cache
def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def parsed(path: str) -> ast.Module:
    return ast.parse(text(path), filename=path)
