"""Other people's bugs, made again against us: each animal was seen in field-data and sync software that people relied on.

Every test says what a system with that bug does; a system that has it fails here. A real server, real handsets, a real road.
"""

from __future__ import annotations

import threading

import pytest

from clients.handset.words import HandsetFault
from server import commands
from tests.handset.scene import JPEG, Clocks, Field, Road, server_lines, words_of_truth, work

DAY_MS = 24 * 3_600_000


def notes(field: Field, ticket: str) -> list[str]:
    """What the office reads in a ticket's notes, in order of text."""
    return sorted(note["text"] for visit in field.server.view(ticket)["visits"].values() for note in visit.get("notes", []))


def authors(field: Field, ticket: str) -> set[str]:
    """Who the office believes did the work."""
    visits = field.server.view(ticket)["visits"].values()
    return {note["by"] for visit in visits for note in visit.get("notes", [])}


def test_rows_that_commit_late_are_not_skipped_by_a_cursor(field: Field) -> None:
    """A system that numbers rows before they commit (a sequence, a timestamp) hands out cursors past rows nobody can see yet.

    Many writers at once, a phone that pulls all the while, and a cursor that never starts again: the phone has them all.
    """
    phone, made = field.phone(), []

    def write() -> None:
        for _ in range(12):
            made.append(field.server.ticket())

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        phone.sync()
    phone.sync()
    assert len(made) == 48 and set(made) <= {str(view["id"]) for view in phone.tickets()}
    assert phone.differences() == []


def test_a_lost_reply_does_not_double_what_was_sent(field: Field, road: Road) -> None:
    """A system without names for its facts takes a second attempt for a second fact: two notes, two photos, double points."""
    ticket, phone = field.server.ticket(), field.phone(address=road.address)
    phone.sync()
    phone.note(ticket, "fuse replaced")
    road.down_bytes_max = 0
    for _ in range(3):
        assert not phone.sync(attempts=1).done
    road.heal()
    assert phone.sync().done
    assert notes(field, ticket) == ["fuse replaced"] and server_lines(field, phone) == 2


def test_a_pull_that_was_cut_and_a_push_behind_it_do_not_empty_the_server(field: Field, road: Road) -> None:
    """A system that pushes its whole copy as the truth deletes at the server whatever the cut pull had not brought yet."""
    tickets = [field.server.ticket(description="x" * 1500) for _ in range(8)]
    phone = field.phone(address=road.address)
    road.down_bytes_max = 1300
    assert not phone.sync(attempts=1).done
    raised = phone.raise_ticket({"kind": "hazard", "remarks": "a pole leans"}).ticket
    road.heal()
    assert phone.sync().done
    assert {field.server.view(ticket)["state"] for ticket in tickets} == {"dispatched"}
    assert field.server.view(raised)["remarks"] == "a pole leans"
    assert set(tickets) <= {str(view["id"]) for view in phone.tickets()} and phone.differences() == []


def test_a_poison_item_blocks_nothing_behind_it(field: Field) -> None:
    """A system that sends its queue item by item, and stops at the first the server refuses, never sends anything again."""
    foreign, ticket, phone = field.server.ticket(crew="B"), field.server.ticket(), field.phone("m1")
    phone.sync()
    phone._record("arrival", foreign, "v-1", {})  # no screen of ours writes this
    work(phone, ticket)
    assert phone.sync().done
    assert field.server.view(ticket)["state"] == "completed" and phone.replica.waiting == 0
    assert words_of_truth(phone) == {"hq_has_it", "needs_you"}, "the poison is shown to somebody, not hidden"


@pytest.mark.parametrize("off_ms", [-20 * 365 * DAY_MS, -2 * DAY_MS, 2 * DAY_MS, 20 * 365 * DAY_MS])
def test_a_wrong_clock_stops_nothing(field: Field, off_ms: int) -> None:
    """A system that orders by the phone's clock, or checks signatures against it, shows nothing, or refuses to sync at all."""
    ticket, phone = field.server.ticket(), field.phone(clocks=Clocks(off_ms))
    phone.sync()
    phone.note(ticket, "from another year")
    assert phone.sync().done and notes(field, ticket) == ["from another year"]
    field.server.command(ticket, "correct", set={"remarks": "later than the phone's clock"})
    assert phone.sync().done
    assert phone.show(ticket)["remarks"] == "later than the phone's clock"


def test_what_one_member_wrote_is_never_anothers_whoever_is_signed_in(field: Field) -> None:
    """A system that takes the author from the token writes A's work into B's pay when they share a phone or a session."""
    ticket, mine, theirs = field.server.ticket(), field.phone("m1"), field.phone("m2")
    mine.sync(), theirs.sync()
    mine.note(ticket, "by m1")
    mine._pocket.set_settings({"token": str(theirs._pocket.setting("token"))})
    mine.sync(attempts=1)
    assert mine.sync().done
    assert authors(field, ticket) == {"member:m1"}


def test_signing_in_again_keeps_the_queue(own_field: Field) -> None:
    """A system whose sign-out clears its storage deletes what was still to be sent; many asked people to do it as a repair."""
    ticket, phone = own_field.server.ticket(), own_field.phone()
    phone.sync()
    own_field.server.stop()
    phone.note(ticket, "before the session ended")
    phone._pocket.set_settings({"token": "ended"})
    assert not phone.sync(attempts=1).done
    with pytest.raises(HandsetFault):
        type(phone).enrol(own_field.home(phone), own_field.server.address, "another", "phone")
    phone = own_field.again(phone)
    assert phone.replica.waiting == 1
    own_field.server.start()
    assert phone.sync().done and notes(own_field, ticket) == ["before the session ended"]


def test_repair_never_wipes(own_field: Field) -> None:
    """A system that repairs by "clear and fetch again" loses its queue, and shows an empty screen until the fetch is over."""
    server = own_field.server
    tickets, phone = [server.ticket() for _ in range(5)], own_field.phone()
    phone.sync()
    server.stop()
    phone.note(tickets[0], "while headquarters was being restored")
    commands.begin_new_history(server.settings)
    assert not phone.sync(attempts=1).done
    assert len(phone.tickets()) == 5, "nobody is there, and nothing is gone"
    server.start()
    assert phone.sync().done
    assert len(phone.tickets()) == 5 and phone.differences() == []
    assert notes(own_field, tickets[0]) == ["while headquarters was being restored"]


def test_losing_a_permission_destroys_no_unsent_record(field: Field, road: Road) -> None:
    """A system that purges what a person may no longer see purges what that person recorded and has not sent."""
    ticket, phone = field.server.ticket(), field.phone(address=road.address)
    phone.sync()
    phone.arrive(ticket, no_fix_reason="indoors")
    phone.note(ticket, "recorded before anybody told me")
    photo = phone.photo(ticket, JPEG)
    field.server.command(ticket, "transfer", crew="B")
    road.up_bytes_max = 700  # some signal, not enough for the push
    phone.sync(attempts=1)
    assert phone.replica.waiting == 3
    field.server.said(field.server.office.post(f"/v1/devices/{phone.device}/revoke", json={}))
    road.heal()
    phone.sync()
    assert phone.replica.waiting == 0 and notes(field, ticket) == [] and server_lines(field, phone) == 4
    assert photo.fact in str(field.server.feed("outcome")), "a revoked author's facts are kept for a person to judge"


def test_the_label_says_synced_only_when_it_is(field: Field, road: Road) -> None:
    """A system that counts a finished request as a success says "synced" behind a captive portal, or after a cut reply."""
    ticket, phone = field.server.ticket(), field.phone(address=road.address)
    phone.sync()
    phone.arrive(ticket, no_fix_reason="indoors")
    road.become_portal(b'<html>Free WiFi</html>\n{"end":true,"cursor":{},"more":false}\n')
    assert not phone.sync(attempts=1).done
    assert phone.queue()[-1]["truth"] == "waiting"
    road.heal()
    road.down_bytes_max = 60
    assert not phone.sync(attempts=1).done
    assert phone.queue()[-1]["truth"] == "waiting", "it is stored, and this phone cannot know it yet"
    road.heal()
    assert phone.sync().done
    assert words_of_truth(phone) == {"hq_has_it"} and server_lines(field, phone) == 2
