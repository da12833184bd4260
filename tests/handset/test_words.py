"""Every word the handset says exists in both languages, with the same values in it."""

from __future__ import annotations

from string import Formatter

import pytest

from clients.handset.words import (
    CONTESTED_FOR,
    STATES,
    TICKET_KINDS,
    TRUTH,
    WORDS,
    Lang,
    kind_title,
    language_of,
    problem_text,
    say,
    truth_word,
)
from sync.facts import Truth
from sync.kinds import KINDS
from sync.kinds import ticket as ticket_kinds
from sync.kinds.base import State
from sync.problems import Refused


def values(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


@pytest.mark.parametrize("key", WORDS)
def test_a_sentence_tells_the_same_in_both_languages(key: str) -> None:
    english, chinese = WORDS[key]
    assert values(english) == values(chinese)
    assert english != chinese


def test_every_state_kind_and_truth_has_a_word() -> None:
    assert set(STATES) == {str(state) for state in State}
    assert set(TICKET_KINDS) == ticket_kinds.TICKET_KINDS
    assert set(TRUTH) == set(Truth)
    for table in (STATES, TICKET_KINDS, TRUTH, CONTESTED_FOR):
        assert all(english and chinese for english, chinese in table.values())


def test_the_five_words_of_truth_are_the_ones_everybody_uses() -> None:
    assert [truth_word(truth, Lang.ZH) for truth in Truth] == ["已存本机", "排队", "上传中", "总部已收", "需处理"]
    assert [truth_word(truth, Lang.EN) for truth in Truth] == ["Saved on phone", "Waiting", "Sending", "HQ has it", "Needs you"]
    assert truth_word(Truth.SENDING, Lang.EN, 62) == "Sending 62 %"


def test_kinds_and_problems_come_in_the_readers_language() -> None:
    assert kind_title("arrival", Lang.ZH) == KINDS["arrival"].title_zh
    document = Refused("bad-code").document()
    assert problem_text(document, Lang.EN) == document["title"]
    assert problem_text(document, Lang.ZH).startswith(document["title_zh"])


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, Lang.EN),
        ({"LANG": "zh_CN.UTF-8"}, Lang.ZH),
        ({"LANG": "zh_CN.UTF-8", "LAMPLIGHTER_LANG": "en"}, Lang.EN),
        ({"LANG": "en_US.UTF-8", "LAMPLIGHTER_LANG": "zh-CN"}, Lang.ZH),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_CN"}, Lang.ZH),
        ({"LAMPLIGHTER_LANG": "", "LANG": "C"}, Lang.EN),
    ],
)
def test_the_language_is_the_asked_one_then_the_shells(environment: dict[str, str], language: Lang) -> None:
    assert language_of(environment) is language


def test_values_find_their_place() -> None:
    assert "3" in say("still-waiting", Lang.ZH, waiting=3, photos=0)
