"""Code lists: complete in both languages, and the same kinds and sources as the wire's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.desk.codes import LISTS, codes, identifier, name_of
from server.desk.data import read_json
from sync.kinds.base import Identifier
from sync.kinds.ticket import SOURCES, TICKET_KINDS


def test_every_code_has_a_chinese_and_an_english_name() -> None:
    assert set(read_json("codes.json")) == set(LISTS)
    for which in LISTS:
        for code, names in codes(which).items():
            assert set(names) == {"zh", "en"} and all(names.values()), (which, code)
            assert not names["zh"].isascii() and names["en"].isascii(), (which, code)


def test_kinds_and_sources_are_those_of_the_wire() -> None:
    assert set(codes("kind")) == TICKET_KINDS
    assert set(codes("source")) == SOURCES


def test_an_unknown_code_is_its_own_name() -> None:
    assert name_of("cause", "gremlins", "zh") == "gremlins"
    assert name_of("cause", "overload", "zh") == "过负荷"


@given(st.text(min_size=1))
def test_anything_gets_a_valid_identifier_and_always_the_same(own: str) -> None:
    assert Identifier().fault(identifier(own)) is None
    assert identifier(own) == identifier(own)
