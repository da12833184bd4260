"""The crew's app names the office's codes in its own word lists: every code has its name there, the same in both languages."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from sync.kinds.base import State
from sync.kinds.ticket import TICKET_KINDS
from tests.house.tree import text

CODES = json.loads(text("server/desk/codes.json"))
LIMITS = {row["name"] for row in tomllib.loads(text("server/desk/limits.toml"))["limit"]}


def names(language: str) -> dict[str, str]:
    """Every message of one language that stands on one line."""
    files = [f"clients/web/crew/words/{language}/{name}.ftl" for name in ("common", "day", "job")]
    return {name: said for file in files for name, said in re.findall(r"^([a-z][\w-]*) = (.*)$", text(file), re.M)}


CODED = {
    "kind": TICKET_KINDS,
    "state": {str(state) for state in State},
    "limit": LIMITS,
    "fault-class": set(CODES["fault_class"]),
    "cause": set(CODES["cause"]),
}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("list_", CODED)
def test_every_code_of_the_office_has_a_name_on_the_phone(language: str, list_: str) -> None:
    missing = [code for code in sorted(CODED[list_]) if f"{list_}-{code.replace('_', '-')}" not in names(language)]
    assert not missing


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("list_", ["fault_class", "cause"])
def test_a_fault_or_cause_is_called_on_the_phone_what_the_office_calls_it(language: str, list_: str) -> None:
    said = names(language)
    prefix = list_.replace("_", "-")
    differing = {
        code: (said.get(f"{prefix}-{code.replace('_', '-')}"), label[language])
        for code, label in CODES[list_].items()
        if said.get(f"{prefix}-{code.replace('_', '-')}") != label[language]
    }
    assert not differing
