"""The code lists a ticket's fields are chosen from, with their Chinese and English names (`codes.json`)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from server.desk.data import read_json
from sync.kinds.base import Identifier

LISTS = ("kind", "fault_class", "cause", "source", "area_class", "skill", "role", "customer_type")


def codes(which: str) -> Mapping[str, Mapping[str, str]]:
    """code → {"zh", "en"} of one list (a name in `LISTS`), in the order people should see them."""
    table: Mapping[str, Mapping[str, str]] = read_json("codes.json")[which]
    return table


def name_of(which: str, code: str, language: str) -> str:
    """The name of a code in `zh` or `en`; an unknown code is its own name, so old data stays readable."""
    entry = codes(which).get(code)
    return entry[language] if entry else code


def identifier(own: str) -> str:
    """The identifier for something another system calls `own`: the same word where it is one, else made from it.

    Spaces become hyphens; what still is none (Chinese, over 64 characters) becomes `x-` and 12 hex of its hash.
    """
    word = "-".join(own.split())
    if Identifier().fault(word) is None:
        return word
    return "x-" + hashlib.sha256(own.encode("utf-8", "surrogatepass")).hexdigest()[:12]
