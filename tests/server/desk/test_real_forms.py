"""Real XLSForms made by others: each becomes a guide, or is refused with a list of what phones cannot do."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from server.desk.guides import Guide, read_guide
from sync.problems import Refused
from tests.server.desk.evaluate import evaluate
from tests.server.desk.workbooks import faults_of

TAKEN = {"cascading_select.xls": 7, "choice_filter_test.xlsx": 3}
"""Forms that become guides, and how many steps they have."""

REFUSED = {
    "gps.xls": {("no-form-id", None), ("no-steps", None)},
    "tutorial.xls": {("no-form-id", None), ("unsupported-type", 2)},
    "widgets.xls": {
        ("no-form-id", None),
        *(("unsupported-type", row) for row in (5, 6, 14, 15, 18)),
        ("unsupported-function", 5),
        ("label-with-answer", 10),
    },
}
"""Forms that do not, with every fault and its row."""


@pytest.fixture
def forms(shared_data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((shared_data / "forms").iterdir())}


def test_every_real_form_is_known_here(forms: dict[str, bytes]) -> None:
    assert set(forms) == {*TAKEN, *REFUSED}


@pytest.mark.parametrize("name", TAKEN)
def test_a_real_form_becomes_a_guide(forms: dict[str, bytes], name: str) -> None:
    guide = read_guide(forms[name])[0]
    assert len(guide["steps"]) == TAKEN[name]


@pytest.mark.parametrize("name", REFUSED)
def test_a_real_form_is_refused_with_every_fault(forms: dict[str, bytes], name: str) -> None:
    assert {(slug, row) for slug, _, row in faults_of(forms[name])} == REFUSED[name]


def offered(guide: Guide, step: str, **answers: str) -> list[str]:
    """The choices a step offers after these answers."""
    [found] = [one for one in guide["steps"] if one["id"] == step]
    rows = guide["choices"][found["list"]]
    return [row["name"] for row in rows if "filter" not in found or evaluate(found["filter"], answers, row=row)]


def test_a_choice_filter_offers_what_belongs_to_the_answer_before(forms: dict[str, bytes]) -> None:
    guide = read_guide(forms["choice_filter_test.xlsx"])[0]
    assert offered(guide, "county", state="texas") == ["king", "cameron"]
    assert offered(guide, "county", state="washington") == ["king", "pierce"]
    assert offered(guide, "city", county="pierce") == ["tacoma", "puyallup"] and offered(guide, "city") == []


def test_a_cascade_by_calculation_asks_for_the_places_of_the_state_chosen(forms: dict[str, bytes]) -> None:
    steps = {step["id"]: step for step in read_guide(forms["cascading_select.xls"])[0]["steps"]}
    answers = {"mylga_zone": "zone_2", "mylga_state_in_zone_2": "state_3"}
    asked = [name for name, step in steps.items() if "relevant" not in step or evaluate(step["relevant"], answers)]
    assert asked == ["mylga_zone", "mylga_state_in_zone_2", "mylga_lga_in_state_3"]


@pytest.mark.parametrize("name", [*TAKEN, *REFUSED])
def test_a_damaged_copy_of_a_real_form_is_a_guide_or_refused(forms: dict[str, bytes], name: str) -> None:
    chance = random.Random(name)
    for _ in range(60):
        data = bytearray(forms[name])
        for _ in range(chance.randrange(1, 30)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        del data[chance.choice([len(data), chance.randrange(1, len(data))]) :]
        try:
            read_guide(bytes(data))
        except Refused as refused:
            assert refused.problem.slug == "bad-form" and refused.extra["faults"]
