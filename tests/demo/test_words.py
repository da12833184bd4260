"""The story can be told in both languages: every sentence is there twice, and asks for the same values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from clients.demo import district, morning
from clients.demo.words import LANGUAGES, WORDS, Words, placeholders
from server.desk.guides import read_guide
from tests.server.desk.evaluate import evaluate

STORY = Path(district.__file__).parent
SOURCES = [path for path in STORY.glob("*.py") if path.name != "words.py"]
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("key", WORDS)
def test_a_sentence_exists_in_both_languages_with_the_same_values(key: str) -> None:
    sentence = WORDS[key]
    assert set(sentence) == set(LANGUAGES) and all(sentence.values())
    assert placeholders(sentence["zh"]) == placeholders(sentence["en"])


@pytest.mark.parametrize("key", WORDS)
def test_an_english_sentence_holds_no_chinese(key: str) -> None:
    assert not HAN.search(WORDS[key]["en"])


def test_no_sentence_stands_outside_the_table() -> None:
    found = [
        f"{path.name}:{at}"
        for path in SOURCES
        for at, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if HAN.search(line.partition("#")[0]) and '"""' not in line
    ]
    assert not found


def test_every_sentence_is_said_somewhere() -> None:
    source = "\n".join(path.read_text("utf-8") for path in SOURCES)
    chapters = re.findall(r'_chapter\("(\w+)"\)', source)
    made = ("_line", "column_", "reason_", "rule_", "verdict_", "entry_", "field_")
    unsaid = [
        key for key in WORDS if f'"{key}"' not in source and f"'{key}'" not in source and not any(part in key for part in made)
    ]
    assert not unsaid and chapters and all(f"{chapter}_line" in WORDS for chapter in chapters)


def test_a_language_is_chosen_by_its_tag() -> None:
    assert Words("zh-CN")("points") == WORDS["points"]["zh"] and Words("en")("points") == WORDS["points"]["en"]


@pytest.mark.parametrize("person", morning.PEOPLE, ids=lambda person: person.member)
def test_every_job_answers_all_its_guide_asks_and_nothing_else(person: morning.Person) -> None:
    guides = {guide["guide"]: guide for guide, _ in map(read_guide, district.guides().values())}
    for job in person.jobs:
        guide, seen = guides[job.guide], {name: seen_as(value) for name, value in job.answers.items()}
        steps = {step["id"]: step for step in guide["steps"]}
        asked = [name for name, step in steps.items() if "relevant" not in step or evaluate(step["relevant"], seen)]
        assert set(job.answers) <= set(asked)
        assert {name for name in asked if steps[name].get("required")} <= set(job.answers)
        for name, value in job.answers.items():
            step = steps[name]
            assert "constraint" not in step or evaluate(step["constraint"], seen, seen[name])
            assert "list" not in step or value in [row["name"] for row in guide["choices"][step["list"]]]
            assert step["type"] != "text" or value in WORDS
            assert step["type"] != "photo" or district.picture(value, "here")


def seen_as(value: Any) -> Any:
    """An answer as an expression sees it."""
    return "OK" if value is True else value
