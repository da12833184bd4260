"""XPath of forms compiles to what docs/guides.md says, and whatever is no part of it is named."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.desk import xpath
from server.desk.xpath import FUNCTIONS, NODES_MAX, parse
from tests.server.desk.evaluate import OPERATORS, evaluate

CASES = json.loads((Path(__file__).parent / "expressions.json").read_text("utf-8"))["cases"]
GUIDE = (Path(__file__).parents[3] / "docs" / "guides.md").read_text("utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["xpath"])
def test_an_expression_compiles_and_evaluates_as_the_examples_say(case: dict[str, Any]) -> None:
    compiled, faults = parse(case["xpath"], own="the step itself", columns="row" in case)
    assert not faults and json.dumps(compiled) == json.dumps(case["compiled"])
    value = evaluate(compiled, case.get("answers"), case.get("self", ""), case.get("row"))
    assert value == case["value"] and isinstance(value, bool) == isinstance(case["value"], bool)


def test_every_operator_has_an_example_and_stands_in_the_page() -> None:
    def used(expression: Any) -> set[str]:
        if not isinstance(expression, list):
            return set()
        return {expression[0]}.union(*(used(operand) for operand in expression[1:]))

    table = GUIDE.split("| operator | operands | result |")[1].split("\n\n")[0]
    named = {word for row in table.splitlines() for word in re.findall(r"`([^`]+)`", row.split("|")[1] if "|" in row else "")}
    assert set().union(*(used(case["compiled"]) for case in CASES)) == OPERATORS == named
    assert set(FUNCTIONS) <= OPERATORS


@pytest.mark.parametrize(
    ("written", "slug"),
    [
        ("", "expression-incomplete"),
        ("1 +", "expression-incomplete"),
        ("(1", "expression-incomplete"),
        ("1)", "expression-unexpected"),
        ("${a} ${b}", "expression-unexpected"),
        ("1 2", "expression-unexpected"),
        ("if(1,2)", "wrong-operands"),
        ("concat()", "wrong-operands"),
        ("'unfinished", "expression-unreadable"),
        ("$ {a}", "expression-unreadable"),
        ("1 & 2", "expression-unreadable"),
        ("9" * 400, "expression-unreadable"),
        ("‘x’ = 1", "curly-quotes"),
        ("../a = 1", "unsupported-path"),
        ("/data/a = 1", "unsupported-path"),
        ("${a}[1]", "unsupported-path"),
        ("instance('x')/root", "unsupported-path"),
        ("a = 1", "bare-word"),
        (". = 1", "self-outside-constraint"),
        ("${last-saved#a} = 1", "last-saved"),
        ("regex('a', ${b})", "regex-not-plain"),
        ("regex('a', '[')", "regex-foreign"),
        ("regex('a', '(?i)a')", "regex-foreign"),
        (r"regex('a', 'a++')", "regex-foreign"),
        (r"regex('a', '\p{Han}')", "regex-foreign"),
        ("(" * 60 + "1" + ")" * 60, "expression-too-deep"),
        ("-" * 60 + "1", "expression-too-deep"),
        ("+".join("1" * 400), "expression-too-large"),
        ("1" + " " * 4000, "expression-too-long"),
    ],
)
def test_what_cannot_be_compiled_is_named(written: str, slug: str) -> None:
    assert slug in [fault.slug for fault in parse(written)[1]]


@pytest.mark.parametrize(
    "call",
    [
        *("today()", "now()", "once(1)", "pulldata('a', 'b', 'c', 'd')", "position(1)", "random()", "uuid()", "count(1)"),
        *("indexed-repeat(1, 2, 3)", "jr:choice-name(1, '2')", "date('2026-01-01')", "format-date(1, '%Y')", "sum(1)"),
        *("selected-at(1, 1)", "area(1)", "distance(1)", "digest('a', 'MD5')", "substr('a', 1)", "made-up()"),
    ],
)
def test_a_function_there_is_not_is_named(call: str) -> None:
    [fault] = parse(f"{call} = 1")[1]
    assert fault.slug == "unsupported-function" and fault.values["function"] == call.split("(")[0]


def test_every_unsupported_function_of_one_expression_is_named() -> None:
    faults = parse("once(today()) > now() and pulldata('a') = 1")[1]
    assert {fault.values["function"] for fault in faults} == {"once", "today", "now", "pulldata"}


def test_a_step_that_names_itself_in_its_constraint_means_the_answer_being_checked() -> None:
    assert parse("${voltage} > 0 and . < 500", own="voltage")[0] == ["and", [">", ["self"], 0], ["<", ["self"], 500]]


WORDS = ["${a}", ".", "(", ")", ",", "'x'", "1", "+", "-", "*", "mod", "=", "and", "or", "not(", "if(", "round(", "a", "‘"]


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_compiles_to_something_small_or_is_refused_and_never_breaks(written: str) -> None:
    compiled, faults = parse(written, own="a")
    assert faults or xpath.size(compiled) <= NODES_MAX
    if not faults:
        evaluate(compiled, {"a": "1"})


def test_references_columns_and_size_see_the_whole_expression() -> None:
    expression = parse("if(${a} = cf, ${b} + 1, not(${a}))", columns=True)[0]
    assert set(xpath.references(expression)) == {"a", "b"} and list(xpath.columns_of(expression)) == ["cf"]
    assert xpath.size(expression) == 13
    assert xpath.replaced(expression, {"a": 7}) == ["if", ["=", 7, ["column", "cf"]], ["+", ["ref", "b"], 1], ["not", 7]]
