"""A crew's phone against a real server: whole jobs offline, and what the field does to syncing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.handset.link import Declined, Unreachable
from clients.handset.phone import Fix, Handset
from clients.handset.syncer import BACK_OFF_MAX_S
from clients.handset.words import HandsetFault
from sync import wire
from sync.problems import Refused
from tests.handset.scene import JPEG, Clocks, Field, Road, server_lines, words_of_truth, work
from tests.running import RunningServer

HOUR_MS = 3_600_000

# ------------------------------------------------------------------------------------------------------- a job, offline


def test_a_whole_job_offline_is_on_the_phone_at_once_and_at_the_server_after_one_sync(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    phone.accept(ticket, eta_min=20)
    phone.depart(ticket)
    phone.arrive(ticket, fix=Fix(27.94921, 116.35812, acc_m=9, age_ms=1200))
    phone.start(ticket)
    phone.answer(ticket, "g", 1, "voltage", 231.5, unit="V")
    photo = phone.photo(ticket, JPEG, shows="before")
    phone.amend(ticket, {"contact_phone": "13900000000"})
    phone.suspend(ticket, "等配件")
    phone.resume(ticket)
    phone.finish(ticket, result="done", cause="fuse")
    phone.rate(ticket, {"overall": 5})

    shown = phone.show(ticket)
    assert shown["state"] == "completed" and shown["contact_phone"] == "13900000000"
    assert len(shown["visits"]) == 1, "all of it is one visit"
    assert field.server.view(ticket)["state"] == "dispatched", "the server has heard nothing yet"

    told = phone.sync()
    assert told.done and told.stated == 12 and told.photos == 1
    view = field.server.view(ticket)
    visit = view["visits"][photo.visit]
    assert view["state"] == "completed" and view["contact_phone"] == "13900000000"
    assert visit["arrived"]["fix"]["lat"] == 27.94921 and visit["answers"]["voltage"]["value"] == 231.5
    assert list(view["photos_received"]) == [visit["photos"][0]["sha256"]]
    assert phone.show(ticket)["visits"] == view["visits"]
    assert phone.differences() == []


def test_the_words_of_truth_follow_the_journal(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    assert words_of_truth(phone) == {"saved"}, "nobody was reached yet"
    phone.sync()
    assert words_of_truth(phone) == {"hq_has_it"}
    phone.accept(ticket)
    assert words_of_truth(phone) == {"hq_has_it", "waiting"}
    phone.sync()
    assert words_of_truth(phone) == {"hq_has_it"}


def test_a_photo_says_how_far_it_is_until_its_bytes_are_with_hq(field: Field, road: Road) -> None:
    ticket, phone = field.server.ticket(), field.phone(address=road.address)
    phone.sync()
    phone.photo(ticket, JPEG + bytes(700_000))
    road.up_bytes_max = 400_000
    assert not phone.sync(attempts=1).done
    item = phone.queue()[-1]
    assert (item["kind"], item["truth"]) == ("photo_bytes", "sending") and 30 < item["percent"] < 50
    road.heal()
    assert phone.sync().done and phone.queue()[-1]["truth"] == "hq_has_it"


def test_every_word_that_comes_after_a_step_belongs_to_the_same_visit(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    visits = {phone.accept(ticket).visit, phone.arrive(ticket).visit, phone.note(ticket, "x").visit}
    visits |= {phone.finish(ticket).visit, phone.rate(ticket, result="away", reason="out").visit}
    assert len(visits) == 1


def test_a_second_round_of_work_after_a_rework_is_a_new_visit(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    work(phone, ticket)
    phone.sync()
    field.server.command(ticket, "reopen", reason="still dark")
    phone.sync()
    assert phone.show(ticket)["state"] == "reopened"
    first, second = phone.show(ticket)["visits"], phone.accept(ticket).visit
    assert second not in first
    assert phone.finish(ticket).visit == second


def test_crew_mates_who_see_each_other_work_in_one_visit(field: Field) -> None:
    ticket, one, two = field.server.ticket(), field.phone("m1"), field.phone("m2")
    one.sync()
    begun = one.arrive(ticket)
    one.sync(), two.sync()
    assert two.note(ticket, "holding the ladder").visit == begun.visit


def test_a_ticket_raised_in_the_field_is_worked_on_before_anybody_else_knows_it(field: Field) -> None:
    phone = field.phone()
    phone.sync()
    raised = phone.raise_ticket({"kind": "hazard", "address": "桥头", "description": "断线"})
    work(phone, raised.ticket)
    assert phone.show(raised.ticket)["state"] == "completed"
    assert raised.ticket in [view["id"] for view in phone.tickets()]
    assert phone.sync().done
    view = field.server.view(raised.ticket)
    assert view["state"] == "completed" and view["address"] == "桥头"


def test_a_raised_ticket_stays_in_sight_while_it_is_stored_but_its_row_has_not_come_down(field: Field, tmp_path: Path) -> None:
    phone, carrier = field.phone("m1"), field.phone("m3")
    phone.sync()
    raised = phone.raise_ticket({"kind": "hazard", "address": "桥头"})
    phone.arrive(raised.ticket)
    phone.bundle_out(tmp_path / "bundle")
    carrier.bundle_in(tmp_path / "bundle", reply=tmp_path / "reply")
    phone.bundle_in(tmp_path / "reply")
    assert phone.replica.waiting == 0
    assert [view["state"] for view in phone.tickets() if view["id"] == raised.ticket] == ["on_site"]
    phone = field.again(phone)
    phone.finish(raised.ticket)
    assert phone.sync().done and phone.show(raised.ticket)["state"] == "completed"
    assert [view["id"] for view in phone.tickets()].count(raised.ticket) == 1


def test_a_ticket_told_by_phone_becomes_the_offices_ticket(field: Field) -> None:
    ticket = field.server.ticket(number="WO-TOLD-1")
    phone = field.phone()
    raised = phone.raise_ticket({"kind": "fault_repair", "address": "听说在桥头"}, told_number="WO-TOLD-1")
    phone.arrive(raised.ticket)
    phone.sync()
    assert field.server.view(ticket)["state"] == "on_site"


def test_a_ticket_is_found_by_number_and_by_the_end_of_it(field: Field) -> None:
    ticket, phone = field.server.ticket(number="WO-FIND-20431"), field.phone()
    field.server.ticket(number="WO-FIND-99431")
    phone.sync()
    assert phone.find("WO-FIND-20431") == phone.find("20431") == phone.find(ticket) == ticket
    with pytest.raises(HandsetFault, match="several"):
        phone.find("431")
    with pytest.raises(HandsetFault, match="knows no ticket"):
        phone.accept("WO-0")


def test_what_does_not_fit_its_kind_is_refused_and_the_next_fact_is_saved(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    before = phone.replica.journal.n
    with pytest.raises(Refused, match="bad-value"):
        phone.give_back(ticket, "no-such-reason")
    with pytest.raises(Refused, match="bad-value"):
        phone.note(ticket, "x" * 17_000)
    assert phone.replica.journal.n == before
    phone.note(ticket, "after")
    assert phone.replica.journal.n == before + 1 and phone.sync().done


def test_a_reassigned_job_says_so_and_what_was_recorded_is_kept(field: Field) -> None:
    ticket, phone, other = field.server.ticket(), field.phone("m1"), field.phone("m3")
    phone.sync()
    phone.arrive(ticket)
    field.server.command(ticket, "transfer", crew="B")
    phone.sync(), other.sync()
    visits = field.server.view(ticket)["visits"]
    assert [visit["crew"] for visit in visits.values()] == ["A"]
    assert ticket in [view["id"] for view in other.tickets()] and ticket not in [view["id"] for view in phone.tickets()]


# --------------------------------------------------------------------------------------------------------------- rating


def files_of(home: Path) -> Iterator[bytes]:
    yield from (path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_a_rating_is_sealed_and_unreadable_in_the_handsets_own_files(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    phone.finish(ticket)
    rated = phone.rate(ticket, {"overall": 2, "text": "SECRET-WORDS-OF-A-CUSTOMER"})
    assert "SECRET" not in json.dumps(phone.queue()) + json.dumps(phone.show(ticket))
    assert phone.sync().done
    assert "SECRET" not in json.dumps(phone.show(ticket))
    home = field.home(phone)
    phone.close()
    field.phones.remove(phone)
    assert not any(b"SECRET" in data or b'"overall"' in data for data in files_of(home))
    answers = {row["id"]: row["put"]["answer"] for row in field.server.feed("rating")}
    assert answers[rated.fact]["text"] == "SECRET-WORDS-OF-A-CUSTOMER", "headquarters can read it"


def test_every_score_leaves_lines_of_the_same_length(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    for score in (1, 5):
        phone.rate(ticket, {"overall": score, "text": "x" * score})
    sealed = [item["line"]["sealed"] for item in phone.queue() if item["kind"] == "rating"]
    assert len({len(text) for text in sealed}) == 1 and len(set(sealed)) == 2


@pytest.mark.parametrize("result", ["declined", "away", "abandoned"])
def test_a_rating_without_an_answer_is_visible(field: Field, result: str) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    phone.finish(ticket)
    opened = phone.open_rating(ticket)
    phone.sync()
    visit = field.server.view(ticket)["visits"][opened.visit]
    assert visit["rating_opened"] and "rating" not in visit, "opened, and nobody answered yet"
    phone.close_rating(opened, result=result, reason="门口无人")
    phone.sync()
    assert field.server.view(ticket)["visits"][opened.visit]["rating"]["result"] == result


# ------------------------------------------------------------------------------------------------------------ hard days


def test_a_server_that_is_down_is_asked_again_later_each_time_after_a_longer_pause(own_field: Field) -> None:
    ticket, clocks = own_field.server.ticket(), Clocks()
    phone = own_field.phone(clocks=clocks)
    phone.sync()
    phone.arrive(ticket)
    own_field.server.stop()
    told = phone.sync(attempts=5)
    assert not told.done and told.fault and phone.replica.waiting == 1
    assert clocks.slept_s == [2, 4, 8, 16], "drawn here at the upper edge of the jitter"
    assert not phone.sync(attempts=2).done
    assert clocks.slept_s[-1] == 64, "the pause is not forgotten between calls"
    phone._pocket.set_settings({"failures": "40"})
    phone.sync(attempts=2)
    assert clocks.slept_s[-1] == BACK_OFF_MAX_S
    own_field.server.start()
    assert phone.sync().done and phone.replica.waiting == 0
    assert phone._pocket.setting("failures") == "0"
    assert own_field.server.view(ticket)["state"] == "on_site"


def test_a_phone_whose_first_push_was_lost_before_it_arrived_gets_through(own_field: Field) -> None:
    phone = own_field.phone()
    own_field.server.stop()
    phone.sync(attempts=1)
    own_field.server.start()
    assert phone.sync().done and server_lines(own_field, phone) == 1


def test_a_push_whose_reply_was_lost_is_not_stored_twice(field: Field, road: Road) -> None:
    ticket, phone = field.server.ticket(), field.phone(address=road.address)
    phone.sync()
    phone.arrive(ticket)
    road.down_bytes_max = 0
    assert not phone.sync(attempts=1).done and phone.replica.waiting == 1
    road.heal()
    assert server_lines(field, phone) == 2, "it had arrived"
    told = phone.sync()
    assert told.done and told.stated == 1 and server_lines(field, phone) == 2


def test_a_reply_that_is_cut_states_what_its_statement_says_and_changes_nothing_else(field: Field, road: Road) -> None:
    ticket, phone = field.server.ticket(description="x" * 1500), field.phone(address=road.address)
    phone.sync()
    phone.arrive(ticket)
    cursor = dict(phone.replica.state.cursor)
    road.down_bytes_max = 1300
    assert not phone.sync(attempts=1).done
    assert phone.replica.state.cursor == cursor
    road.heal()
    assert phone.sync().done and phone.differences() == []


@pytest.mark.parametrize(
    "page", [b"<html>Welcome to Free WiFi</html>", b"{}\n", b'{"statement":"a.b.c"}\n{"end":true,"cursor":{}}\n']
)
def test_a_captive_portals_page_states_nothing_and_loses_nothing(field: Field, road: Road, page: bytes) -> None:
    ticket, phone = field.server.ticket(), field.phone(address=road.address)
    phone.sync()
    phone.arrive(ticket)
    rows = len(list(phone._pocket.rows()))
    road.become_portal(page)
    told = phone.sync(attempts=2)
    assert not told.done and phone.replica.waiting == 1 and len(list(phone._pocket.rows())) == rows
    with pytest.raises(Unreachable):
        phone.time_only()
    road.heal()
    assert phone.sync().done and phone.replica.waiting == 0


def test_a_photo_goes_on_where_the_link_broke(field: Field, road: Road) -> None:
    ticket, phone = field.server.ticket(), field.phone(address=road.address)
    phone.sync()
    data = JPEG + bytes(range(256)) * 8000  # 2 MB: eight chunks
    phone.photo(ticket, data)
    road.up_bytes_max = 900_000
    assert not phone.sync(attempts=1).done
    reached = phone._pocket.photos()[0].sent_bytes
    assert 500_000 <= reached < 900_000
    phone = field.again(phone)
    carried = 0

    def remember(sha256: str, place: str | None, sent: int) -> None:
        nonlocal carried
        carried = carried or sent
        real(sha256, place, sent)

    real, phone._pocket.set_upload = phone._pocket.set_upload, remember  # type: ignore[assignment,method-assign]
    road.heal()
    assert phone.sync().photos == 1
    assert carried >= reached, "the second upload began where the first had ended"
    assert len(field.server.view(ticket)["photos_received"]) == 1


def test_an_upload_the_server_forgot_is_created_again(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    saved = phone.photo(ticket, JPEG + b"sent again")
    photo = phone._pocket.photos()[0]
    phone._pocket.set_upload(photo.sha256, f"/v1/photos/{photo.sha256}-gone", 100)
    assert phone.sync().photos == 1
    assert field.server.view(saved.ticket)["photos_received"]


def test_one_photo_the_server_does_not_take_holds_up_no_other(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    phone.photo(ticket, JPEG + b"one")
    phone.photo(ticket, JPEG + b"two")
    first = phone._pocket.photos()[0]
    phone._pocket.photo_path(first.sha256).write_bytes(bytes(first.size_bytes))
    told = phone.sync()
    assert told.done and told.photos == 1
    assert [(item["truth"], item["why"]) for item in phone.queue() if item["kind"] == "photo_bytes"] == [
        ("needs_you", "bad-hash"),
        ("hq_has_it", None),
    ]


def test_an_expired_token_is_renewed_by_the_devices_key(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    expired = field.server.service.tokens.issue("device:x", "member", minutes=-1)  # type: ignore[arg-type]
    phone._pocket.set_settings({"token": expired})
    phone.arrive(ticket)
    told = phone.sync()
    assert told.done and told.stated == 1 and phone._pocket.setting("token") != expired


@pytest.mark.parametrize("off_ms", [-400 * 24 * HOUR_MS, -3 * HOUR_MS, 26 * HOUR_MS, -60 * 365 * 24 * HOUR_MS])
def test_a_wrong_clock_keeps_nobody_from_working_and_signing_in(field: Field, off_ms: int) -> None:
    ticket, phone = field.server.ticket(), field.phone(clocks=Clocks(off_ms))
    phone._pocket.set_settings({"token": "lost"})
    assert phone.sync().done
    work(phone, ticket)
    phone.photo(ticket, JPEG)
    phone._pocket.set_settings({"token": "lost"})
    told = phone.sync()
    assert told.done and told.photos == 1
    arrived = next(iter(field.server.view(ticket)["visits"].values()))["arrived"]
    assert arrived["lower"] is not None and arrived["lower"] <= arrived["at"] <= arrived["upper"]


def test_somebody_elses_token_pulls_nothing_and_what_was_pushed_is_stored(field: Field) -> None:
    ticket, mine, theirs = field.server.ticket(), field.phone("m1"), field.phone("m3")
    mine.sync(), theirs.sync()
    mine.arrive(ticket)
    outgoing = mine.replica.request()
    answer = mine._link.exchange("/v1/sync", outgoing.body, theirs._pocket.setting("token"))
    reply = wire.parse_reply(answer.body)
    assert reply.statement and not reply.rows and reply.end is None
    assert reply.problem is not None and reply.problem["slug"] == "sign-in"
    assert server_lines(field, mine) == 2
    mine.replica.lost(outgoing)
    assert mine.sync().done


def test_a_revoked_phone_still_hands_over_what_it_recorded(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    phone.arrive(ticket)
    field.server.said(field.server.office.post(f"/v1/devices/{phone.device}/revoke", json={}))
    told = phone.sync()
    assert not told.done and told.problem is not None and told.problem["slug"] == "forbidden"
    assert phone.replica.waiting == 0 and server_lines(field, phone) == 2


def test_a_quarantined_fact_needs_somebody(field: Field) -> None:
    ticket, phone = field.server.ticket(crew="B"), field.phone("m1")
    phone.sync()
    with pytest.raises(HandsetFault):
        phone.arrive(ticket)
    phone._record("arrival", ticket, "v-1", {})
    assert phone.sync().done
    item = phone.queue()[-1]
    assert (item["truth"], item["why"]) == ("needs_you", "foreign-ticket")


# ---------------------------------------------------------------------------------------------------------- old copies


def copy_of(field: Field, phone: Handset, name: str) -> Path:
    home = field.home(phone)
    phone.close()
    return Path(shutil.copytree(home, field.folder / name))


def test_a_database_restored_from_an_old_copy_begins_a_new_journal_and_both_are_kept(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    phone.accept(ticket)
    home = field.home(phone)
    copy = copy_of(field, phone, "copy")
    phone = Handset.open(home)
    phone.arrive(ticket)
    phone.sync()
    phone.close()
    shutil.copy(copy / "phone.db", home / "phone.db")

    phone = Handset.open(home)
    field.phones.append(phone)
    assert len(phone.replica.state.journals) == 2 and phone.replica.journal.n == 1
    assert [notice["slug"] for notice in phone.replica.state.notices] == ["restored"]
    phone.note(ticket, "after the restore")
    assert phone.sync().done
    visit = next(iter(field.server.view(ticket)["visits"].values()))
    assert visit["accepted"] and visit["arrived"] and visit["notes"][0]["text"] == "after the restore"
    assert phone.differences() == []
    assert len(field.again(phone).replica.state.journals) == 2, "noticed once"


def test_a_whole_folder_put_back_is_found_out_by_the_server_and_both_branches_are_kept(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    phone.accept(ticket)
    home = field.home(phone)
    copy = copy_of(field, phone, "copy")
    phone = Handset.open(home)
    phone.arrive(ticket)
    phone.sync()
    phone.close()
    shutil.rmtree(home)
    shutil.move(copy, home)

    phone = Handset.open(home)
    field.phones.append(phone)
    phone.note(ticket, "another way on")
    assert phone.sync().done
    assert [notice["slug"] for notice in phone.replica.state.notices] == ["fork"]
    phone.note(ticket, "in the new journal")
    assert phone.sync().done
    visit = next(iter(field.server.view(ticket)["visits"].values()))
    assert visit["arrived"] and [note["text"] for note in visit["notes"]] == ["another way on", "in the new journal"]
    assert phone.differences() == []


def test_bytes_of_a_photo_the_restored_database_forgot_still_reach_the_server(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    home = field.home(phone)
    copy = copy_of(field, phone, "copy")
    phone = Handset.open(home)
    phone.photo(ticket, JPEG + b"forgotten")
    outgoing = phone.replica.request()
    phone._link.exchange("/v1/sync", outgoing.body)
    phone.close()
    shutil.copy(copy / "phone.db", home / "phone.db")
    phone = Handset.open(home)
    field.phones.append(phone)
    assert phone.sync().photos == 1
    assert field.server.view(ticket)["photos_received"]


def test_a_phone_whose_records_were_wiped_says_so_and_does_not_pretend_to_be_new(field: Field) -> None:
    phone = field.phone()
    home = field.home(phone)
    phone.close()
    field.phones.remove(phone)
    (home / "phone.db").unlink()
    with pytest.raises(HandsetFault, match="are gone"):
        Handset.open(home)
    with pytest.raises(HandsetFault, match="are gone"):
        Handset.enrol(home, field.server.address, field.server.code(), "again")


# ---------------------------------------------------------------------------------------------------------- other roads


def test_a_bundle_goes_by_another_phone_as_often_as_one_likes_and_its_reply_comes_back(field: Field, tmp_path: Path) -> None:
    ticket, lost, carrier = field.server.ticket(), field.phone("m1"), field.phone("m3")
    lost.sync(), carrier.sync()
    work(lost, ticket)
    bundle = lost.bundle_out(tmp_path / "bundle")
    assert (bundle.lines, bundle.rest) == (7, 0) and lost.replica.waiting == 7
    for _ in range(2):
        carried = carrier.bundle_in(tmp_path / "bundle", reply=tmp_path / "reply")
        assert carried.statement is not None and carried.statement.n == 8
    assert field.server.view(ticket)["state"] == "completed" and server_lines(field, lost) == 8
    taken = lost.bundle_in(tmp_path / "reply").applied
    assert taken is not None and taken.stated == 7 and lost.replica.waiting == 0
    assert carrier.bundle_in(tmp_path / "reply").applied is None, "a reply to somebody else says nothing to this phone"
    assert lost.sync().stated == 0 and lost.differences() == []


def test_a_bundle_and_the_phone_itself_may_both_arrive(field: Field, tmp_path: Path) -> None:
    ticket, phone, carrier = field.server.ticket(), field.phone("m1"), field.phone("m2")
    phone.sync()
    phone.arrive(ticket)
    phone.bundle_out(tmp_path / "bundle")
    phone.note(ticket, "later")
    phone.sync()
    carrier.bundle_in(tmp_path / "bundle")
    visit = next(iter(field.server.view(ticket)["visits"].values()))
    assert visit["arrived"] and len(visit["notes"]) == 1 and server_lines(field, phone) == 3


def test_a_file_that_is_no_bundle_is_refused(field: Field, tmp_path: Path) -> None:
    phone = field.phone()
    for data in (b"hello", b"{}", b"[1]\n", b"\xff\xd8"):
        (tmp_path / "file").write_bytes(data)
        with pytest.raises(HandsetFault, match="neither"):
            phone.bundle_in(tmp_path / "file")


def test_the_time_request_bounds_what_is_only_on_the_phone(field: Field) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    arrived = phone.arrive(ticket)
    statement = phone.time_only()
    assert statement is not None and statement.n == 1 and phone.replica.waiting == 1
    rows = field.server.said(field.server.office.get("/v1/hq/devices"))["devices"]
    row = next(row for row in rows if row["device"] == phone.device)
    assert (row["stored_n"], row["known_n"]) == (1, 2), "headquarters knows to the fact what is only on the phone"
    phone.sync()
    moment = field.server.view(ticket)["visits"][arrived.visit]["arrived"]
    assert moment["upper"] <= statement.time + 2 * statement.radius


# ------------------------------------------------------------------------------------------------------------ enrolling


def test_a_code_works_once(field: Field, tmp_path: Path) -> None:
    code = field.server.code()
    Handset.enrol(tmp_path / "one", field.server.address, code, "one").close()
    with pytest.raises(Declined, match="bad-code"):
        Handset.enrol(tmp_path / "two", field.server.address, code, "two")
    with Handset.enrol(tmp_path / "two", field.server.address, field.server.code(), "two") as phone:
        assert phone.sync().done, "the folder of the failed attempt is used again"


def test_an_enrolled_phone_is_not_enrolled_again_and_belongs_to_one_window(field: Field) -> None:
    phone = field.phone()
    with pytest.raises(HandsetFault, match="Another window"):
        Handset.open(field.home(phone))
    phone.close()
    field.phones.remove(phone)
    with pytest.raises(HandsetFault, match="enrolled already"):
        Handset.enrol(field.folder / "phone-0", field.server.address, field.server.code(), "x")
    with pytest.raises(HandsetFault, match="no phone"):
        Handset.open(field.folder / "nowhere")


def test_a_statement_key_newer_than_the_phones_list_is_fetched_under_the_pinned_root(field: Field) -> None:
    phone = field.phone()
    phone.sync()
    newer = phone._pocket.setting("keys")
    phone._signer.trust(type(phone._signer.keys)([]))
    phone._pocket.set_settings({"keys": "an older list"})
    told = phone.sync()
    assert told.done and phone._pocket.setting("keys") == newer


def test_a_key_list_the_pinned_root_did_not_sign_is_not_believed(field: Field, tmp_path: Path) -> None:
    ticket, phone = field.server.ticket(), field.phone()
    phone.sync()
    with RunningServer(tmp_path / "impostor") as impostor:
        phone._link.address = impostor.address
        phone.arrive(ticket)
        assert not phone.sync(attempts=2).done and phone.replica.waiting >= 1
        phone._link.address = field.server.address
    assert phone.sync().done and field.server.view(ticket)["state"] == "on_site" and server_lines(field, phone) == 2


# ---------------------------------------------------------------------------------------------------------------- space


def test_only_what_lies_in_the_servers_backup_for_a_week_is_dropped(field: Field) -> None:
    clocks: Any = Clocks()
    ticket, phone = field.server.ticket(), field.phone(clocks=clocks)
    phone.sync()
    phone.photo(ticket, JPEG)
    phone.sync()
    own = phone.replica.journal
    clocks.off_ms = 8 * 24 * HOUR_MS
    assert phone.prune() == 0 and phone._pocket.photos(), "stated, but in no backup"
    own.durable = own.n
    clocks.off_ms = 6 * 24 * HOUR_MS
    assert phone.prune() == 0 and phone._pocket.photos(), "not a week yet"
    clocks.off_ms = 8 * 24 * HOUR_MS
    assert phone.prune() == own.n - 1 and not phone._pocket.photos()
    assert not list((field.home(phone) / "photos").iterdir())
