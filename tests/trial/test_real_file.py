"""The real file imports, and a shift of fifty phones on it loses and doubles nothing."""

from __future__ import annotations

from pathlib import Path

from tests.trial.trial import HANDSETS, TICKETS, run


def test_the_real_file_imports_and_fifty_phones_work_five_hundred_tickets_offline(shared_data: Path, tmp_path: Path) -> None:
    trial = run(shared_data, tmp_path, print)
    file, result, counts = trial.report, trial.result, trial.counts
    assert file["read"] == 9_999 == file["accepted"] + file["duplicate_in_file"] + file["rejected"]
    assert file["without_position"] == 1_753 and file["with_position"] + file["without_position"] == file["accepted"]
    assert result["created"] == file["accepted"] == sum(result["reasons"].values())
    assert result["reasons"]["no_position"] == 1_753, "rows without a position wait for the dispatcher"
    assert trial.agreement >= 0.985
    assert (counts.phones, counts.tickets) == (HANDSETS, TICKETS)
    assert counts.mismatches() == [], "no fact lost or doubled, every phone equal to what the server serves"
    assert sum(trial.states.values()) >= file["accepted"]
