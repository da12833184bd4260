"""The whole story against a real server, once in each language: what came of it, and that its accounts would notice a loss."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from clients.demo.counts import Count, csv_rows, matched
from clients.demo.morning import PEOPLE
from clients.demo.story import StoryResult, run
from server import commands
from server.auth import Role
from server.service import Service
from server.settings import load_settings


@dataclass(frozen=True, slots=True)
class Told:
    """One telling: what `run` said came of it, where it wrote, and what a person read."""

    result: StoryResult
    folder: Path
    text: str


@pytest.fixture(scope="module", params=["zh-CN", "en"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("demo")
    settings = load_settings(data=folder / "data")
    commands.init(settings)
    service = Service(settings)
    token = service.tokens.issue("user:admin", Role.ADMIN, minutes=60)
    paper = io.StringIO()
    with commands.running(service) as address:
        result = run(address, token, folder, request.param, Console(file=paper, width=120))
        yield Told(result, folder, paper.getvalue())


def test_every_account_agrees(told: Told) -> None:
    assert [count for count in told.result.counts if not count.agrees] == []
    assert told.result.holds and told.result.exit_status == 0
    facts = {count.name: count.left for count in told.result.counts}
    assert facts["count_facts"] > 90 and facts["count_photos"] == 26 and facts["count_projection"] > 10


def test_the_reassigned_ticket_is_completed_by_one_decision_and_the_others_stay_open(told: Told) -> None:
    assert told.result.contests == {"GD-1003 state": False, "GD-1004 state": True, "GD-1005 address": True}
    assert told.result.states["GD-1003"] == "completed"


def test_the_cancelled_ticket_stays_cancelled_and_its_points_are_held(told: Told) -> None:
    assert told.result.states["GD-1004"] == "cancelled"
    entries = [entry["content"] for entry in told.result.entries if entry["number"] == "GD-1004"]
    assert [(entry["kind"], entry["milli"]) for entry in entries] == [("held", 0)]


def test_arrivals_are_proven_in_time_proven_late_or_only_claimed(told: Told) -> None:
    verdicts = dict(told.result.verdicts)
    # Whether the late call's arrival was claimed in time or late hangs on the machine's speed; proven it can never be.
    assert verdicts.pop("GD-1016") in ("met_claimed", "missed_claimed")
    assert verdicts.pop("GD-1002") == "missed_proven"
    assert set(verdicts) == {"GD-1001", "GD-1003", "GD-1004", "GD-1006"} and set(verdicts.values()) == {"met_proven"}


def test_a_late_arrival_costs_quality_and_every_entry_explains_itself_in_both_languages(told: Told) -> None:
    factors = {e["number"]: e["content"]["factors"] for e in told.result.entries if e["content"]["kind"] == "provisional"}
    assert factors["GD-1002"]["quality"] == 800 and factors["GD-1001"]["quality"] == 1000
    assert set(factors) == {f"GD-100{n}" for n in (1, 2, 3, 5, 6, 7)} | {"GD-1016"}
    assert all(entry["explained"][language] for entry in told.result.entries for language in ("zh", "en"))


def test_headquarters_reads_the_ratings_and_no_phone_holds_a_score(told: Told) -> None:
    given = sorted((job.score for person in PEOPLE for job in person.jobs if job.score), reverse=True)
    assert list(told.result.scores) == given
    for person in PEOPLE:
        held = (told.folder / "phones" / person.member / "phone.db").read_bytes()
        assert b'"overall"' not in held and b'"sealed"' in held


def test_the_feed_and_the_tables_are_files_that_agree(told: Told) -> None:
    files = {path.name: path.read_bytes() for path in told.result.files}
    assert set(files) == {"feed.ndjson", "ticket.csv", "points.csv", "verdict.csv", "rating.csv"}
    rows = [json.loads(line) for line in files["feed.ndjson"].splitlines()]
    for kind in ("ticket", "points", "verdict", "rating"):
        fed = {row["id"] for row in rows if row["kind"] == kind and "put" in row}
        assert len(fed) == len(csv_rows(files[f"{kind}.csv"])) > 0


def test_a_person_can_read_it(told: Told) -> None:
    assert told.text.count(" · ") >= 11, "every chapter has a heading"
    assert "GD-1003" in told.text and "{" not in told.text
    # Rich cuts what does not fit with "…"; nothing of the story may be cut.
    assert "…" not in told.text


def test_an_account_that_does_not_agree_fails_the_story(told: Told) -> None:
    result = told.result
    wrong = StoryResult(
        (Count("count_facts", 3, 2),), result.verdicts, result.states, result.contests, (), (), result.files, result.seconds
    )
    assert not wrong.holds and wrong.exit_status == 1


@pytest.mark.parametrize(("shown", "right"), [("abc", 3), ("ab", 2), ("abcc", 2), ("abcd", 2)])
def test_a_fact_lost_doubled_or_made_up_is_counted(shown: str, right: int) -> None:
    assert matched(list("abc"), list(shown)) == right
