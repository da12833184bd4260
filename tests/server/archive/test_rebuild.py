"""What is shown follows from what is kept; where it does not, `rebuild` says so, mends it, and phones receive it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from clients.handset.phone import Handset
from server.archive import commands as archives
from server.commands import Missing
from server.settings import Settings, load_settings
from tests.handset.scene import Field, work
from tests.running import running_server
from tests.server.archive.scene import Shell, Yard


def busy(yard: Yard) -> Handset:
    """A phone in a district where much has happened: a contest, a transfer, a merger, points and verdicts."""
    server, phone, other = yard.field.server, yard.morning(), yard.field.phone("m3")
    taken, doubled, parent, late = (server.ticket() for _ in range(4))
    phone.sync()
    for ticket in (taken, doubled):
        phone.accept(ticket)
        phone.depart(ticket)
    server.command(taken, "transfer", crew="B", reason="nearer")
    server.command(doubled, "merge", parent=parent, reason="same fault")
    work(phone, late)
    server.command(late, "cancel", reason="customer called")
    other.sync()
    work(other, taken)
    for each in (phone, other, phone):
        assert each.sync().done
    kinds = {row[0] for row in server.service.reader().run("SELECT kind FROM record").fetchall()}
    assert kinds >= {"ticket", "verdict", "points", "contest", "outcome", "command"}, kinds
    return phone


@pytest.fixture(scope="module")
def _past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of such a district, to be copied."""
    folder = tmp_path_factory.mktemp("past")
    with running_server(folder / "server") as running:
        field = Field(running, folder)
        busy(Yard(field, folder))
        field.close()
    return folder / "server"


@pytest.fixture
def past(_past: Path, tmp_path: Path) -> Settings:
    return load_settings(data=Path(shutil.copytree(_past, tmp_path / "server")))


def spoil(settings: Settings, statement: str) -> None:
    """Change rows as a bug or a broken disk would."""
    connection = sqlite3.connect(settings.data / "lamplighter.db")
    assert connection.execute(statement).rowcount > 0
    connection.commit()
    connection.close()


def found(settings: Settings) -> set[str]:
    return {difference.slug for difference in archives.compare_live(settings).differences}


def test_everything_shown_follows_from_what_is_kept(past: Settings) -> None:
    comparison = archives.compare_live(past)
    assert comparison.differences == [] and comparison.records > 10 and comparison.facts > 20
    assert archives.rebuild(past)[1] == 0


@pytest.mark.parametrize(
    ("statement", "slug"),
    [
        (
            "UPDATE record SET tail = replace(tail, 'completed', 'cancelled') WHERE kind = 'ticket' AND state = 'completed'",
            "shown",
        ),
        ("UPDATE record SET tail = replace(tail, '\"verdict\"', '\"Verdict\"') WHERE kind = 'verdict'", "shown"),
        ("UPDATE record SET state = 'new' WHERE state = 'completed'", "columns"),
        ("UPDATE record SET crew = NULL WHERE crew = 'A'", "columns"),
        ("DELETE FROM feed WHERE position = (SELECT max(position) FROM feed WHERE gone IS NULL)", "feed"),
        ("DELETE FROM feed WHERE gone IS NOT NULL", "feed"),
        ("UPDATE feed SET gone = 'reassigned' WHERE gone IS NULL AND record = 1", "feed"),
        ("INSERT INTO feed SELECT scope, 999999, record, NULL FROM feed LIMIT 1", "feed"),
        ("INSERT INTO feed SELECT scope, 999998, 999999, NULL FROM feed LIMIT 1", "feed"),
    ],
)
def test_what_does_not_follow_is_named_and_mended(past: Settings, statement: str, slug: str) -> None:
    spoil(past, statement)
    assert slug in found(past)
    archives.rebuild(past)
    assert found(past) == set()


def test_what_was_mended_reaches_the_phones(yard: Yard) -> None:
    phone = busy(yard)
    yard.field.server.stop()
    spoil(yard.settings, "DELETE FROM feed WHERE scope IN (SELECT id FROM scope WHERE name = 'crew:A')")
    spoil(yard.settings, "UPDATE record SET tail = replace(tail, 'completed', 'cancelled') WHERE state = 'completed'")
    assert archives.rebuild(yard.settings)[1] > 0
    yard.field.server.start()
    assert phone.sync().done and not phone.differences()
    assert {ticket["state"] for ticket in phone.tickets()} >= {"completed"}


def test_nothing_is_mended_under_a_running_server(yard: Yard) -> None:
    yard.morning()
    yard.field.server.service.writer.work(lambda tx: tx.run("UPDATE record SET state = 'new' WHERE state = 'completed'"))
    assert found(yard.settings) == {"columns"}
    with pytest.raises(Missing, match="Stop it first"):
        archives.rebuild(yard.settings)


@pytest.mark.parametrize("kind", ["points", "verdict"])
def test_an_entry_or_a_verdict_that_disappeared_from_what_was_said_is_named(past: Settings, kind: str) -> None:
    spoil(past, f"DELETE FROM record WHERE kind = '{kind}'")
    assert "feed" in found(past)


def test_a_fact_its_ticket_knows_otherwise_is_named_and_not_judged_again(past: Settings) -> None:
    rewritten = "UPDATE body SET line = CAST(replace(line, 'voltage', 'wattage') AS BLOB)"
    spoil(past, f"{rewritten} WHERE instr(line, 'voltage')")
    assert found(past) == {"fact"}
    comparison, mended = archives.rebuild(past)
    assert mended == 0 and not any(difference.mendable for difference in comparison.differences)
    assert found(past) == {"fact"}


def test_the_command_says_what_differs_and_fails_only_when_nothing_mended_it(past: Settings, lamplighter: Shell) -> None:
    assert lamplighter(past, "rebuild", "--check")[0] == 0
    spoil(past, "UPDATE record SET state = 'new' WHERE state = 'completed'")
    status, _, complaint = lamplighter(past, "rebuild", "--check")
    assert status == 1 and "filed wrongly" in complaint
    status, said, complaint = lamplighter(past, "rebuild")
    assert status == 0 and "derived anew" in said and "filed wrongly" in complaint
    status, said, _ = lamplighter(past, "rebuild", "--check", lang="zh-CN")
    assert status == 0 and "推导的结果相同" in said
