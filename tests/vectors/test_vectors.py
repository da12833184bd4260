"""The golden vectors say what the engine does today, and explain themselves in both languages."""

from __future__ import annotations

import json
from base64 import b64decode
from hashlib import sha256

import pytest

from tests.vectors import kinds
from tests.vectors.make import FOLDER, NOTES, build

RENEW = "the engine and the golden vectors disagree; if the change is meant, run `python -m tests.vectors.make` and say so"


def test_there_is_one_file_for_each_subject_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(NOTES)


@pytest.mark.parametrize("name", NOTES)
def test_a_vector_file_is_current(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == build(name), RENEW


@pytest.mark.parametrize("name", NOTES)
def test_a_vector_file_explains_itself_in_both_languages_and_holds_cases(name: str) -> None:
    document = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert set(document) == {"note", "cases"} and document["cases"]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in document["note"]["zh"]) and document["note"]["en"].isascii()


def test_the_web_client_has_the_present_table_of_kinds() -> None:
    assert kinds.TABLE.read_text(encoding="utf-8") == kinds.table(), RENEW


def test_the_chain_can_be_computed_from_the_file_alone() -> None:
    """Another language has only the words of the note; so has this test."""
    for case in json.loads((FOLDER / "chain.json").read_text(encoding="utf-8"))["cases"]:
        head = sha256(b"lamplighter/journal/1\n" + case["journal"].encode()).digest()
        assert b64decode(case["h0"] + "=", altchars=b"-_") == head
        for raw, fact in zip(case["lines_base64"], case["facts"], strict=True):
            head = sha256(head + sha256(b64decode(raw)).digest()).digest()
            assert b64decode(fact + "=", altchars=b"-_") == head
