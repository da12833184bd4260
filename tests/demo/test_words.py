"""The story can be told in both languages: every sentence is there twice, and asks for the same values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clients.demo import district, morning
from clients.demo.words import LANGUAGES, WORDS, Words, placeholders

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
def test_every_job_answers_steps_its_guide_has(person: morning.Person) -> None:
    guides = district.guides()
    for job in person.jobs:
        steps = {step.id: step for step in guides[job.guide].steps}
        assert set(job.answers) <= set(steps)
        for step in steps.values():
            assert not step.safety or job.answers[step.id] is True, "the safety step is never left out"
        for name, value in job.answers.items():
            choices = steps[name].choices
            assert choices is None or value in choices
            assert steps[name].type != "text" or value in WORDS
            assert steps[name].type != "photo" or district.picture(value, "here")
