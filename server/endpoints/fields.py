"""Reads single fields of an API request, with one clear sentence for each mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sync.problems import Refused

_NEEDED = object()


def text(body: Mapping[str, Any], name: str, characters_max: int, *, default: Any = _NEEDED) -> Any:
    """A string of at most so many characters, not blank unless there is a default. Raises: bad-value."""
    value = body.get(name, default)
    if value is default and default is not _NEEDED:
        return default
    if not isinstance(value, str) or not value.strip() or len(value) > characters_max:
        raise Refused("bad-value", f"{name} must be text of 1 to {characters_max} characters.", field=name)
    return value


def integer(body: Mapping[str, Any], name: str, low: int, high: int, *, default: Any = _NEEDED) -> Any:
    """A whole number within bounds; decimal text counts, so that queries can use it. Raises: bad-value."""
    value = body.get(name, default)
    if value is default and default is not _NEEDED:
        return default
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 18:
        value = int(value)
    if type(value) is not int or not low <= value <= high:
        raise Refused("bad-value", f"{name} must be a whole number within {low}…{high}.", field=name)
    return value


def choice(body: Mapping[str, Any], name: str, values: Sequence[str], *, default: Any = _NEEDED) -> Any:
    """One of these words. Raises: bad-value."""
    value = body.get(name, default)
    if value is default and default is not _NEEDED:
        return default
    if value not in values:
        raise Refused("bad-value", f"{name} must be one of {', '.join(values)}.", field=name)
    return value


def flag(body: Mapping[str, Any], name: str) -> bool:
    """True or false, absent is false; "1" and "0" count. Raises: bad-value."""
    value = body.get(name, False)
    if value in ("1", "true", True):
        return True
    if value in ("0", "false", False):
        return False
    raise Refused("bad-value", f"{name} must be true or false.", field=name)
