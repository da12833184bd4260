"""Opens the data files shipped in this folder. Refuses to know what they mean."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


def read_bytes(name: str) -> bytes:
    """The bytes of one shipped file, named relative to this folder."""
    return files(__package__).joinpath(name).read_bytes()


@cache
def read_toml(name: str) -> dict[str, Any]:
    """One shipped TOML file. The same object every time: callers only read it."""
    return tomllib.loads(read_bytes(name).decode())


@cache
def read_json(name: str) -> dict[str, Any]:
    """One shipped JSON file. The same object every time: callers only read it."""
    document: dict[str, Any] = json.loads(read_bytes(name))
    return document
