"""A crew's whole day in a real browser: without signal, in two tabs, and while the office changes its mind."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.web import journey
from tests.web.conftest import NewPhone
from tests.web.phone import SLOW_MS, Phone
from tests.web.scene import CREW, OTHER_CREW, District

CREW_TAPS_MAX = 20


def test_a_whole_job_is_done_in_flight_mode_from_a_cold_start_and_then_hq_has_all_of_it(server: District, phone: Phone) -> None:
    ticket = phone.see("next").get_attribute("data-ticket") or ""
    server.stop()
    phone.open()
    phone.see("next")
    phone.taps = 0
    journey.whole_job(phone)
    assert phone.taps <= CREW_TAPS_MAX
    assert phone.page.locator("[data-truth-row='hq_has_it']").count() == 0, "nothing was sent, and nothing says it was"
    server.start()
    phone.send()
    view = server.view(ticket)
    (visit,) = view["visits"].values()
    assert view["state"] == "completed"
    assert {"accepted", "departed", "arrived", "started", "finished", "rating"} <= set(visit)
    assert visit["answers"]["isolated"]["value"] is True and visit["answers"]["voltage"]["value"] == 230
    assert sorted(photo["step"] for photo in visit["photos"]) == ["after", "before", "fault", "meter"]
    assert {photo["sha256"] for photo in visit["photos"]} <= set(server.whole_photos())
    assert [rating["answer"] for rating in server.feed_contents("rating")] == [{"overall": 5}]
    stored = server.stored_facts()
    assert sorted(stored) == sorted(set(stored)) and phone.promised <= set(stored) == set(phone.saved_facts())


def test_two_tabs_that_record_at_once_make_one_journal_without_a_gap(server: District, phone: Phone) -> None:
    server.stop()
    ticket = phone.see("next").get_attribute("data-ticket") or ""
    with phone.another_tab() as second:
        for tab, text in ((phone, "first"), (second, "second")):
            tab.go(f"#/ticket/{ticket}/note", "note")
            tab.page.get_by_test_id("note-text").fill(text)
        for tab in (phone, second):
            tab.page.evaluate("document.querySelector('[data-testid=note-save]').click()")
        for tab in (phone, second):
            tab.see("saved")
        server.start()
        phone.send()
        expect(second.page.get_by_test_id("pill")).to_have_attribute("data-truth", "hq_has_it", timeout=SLOW_MS)
    assert sorted(server.stored_facts()) == sorted(phone.saved_facts())
    (visit,) = server.view(ticket)["visits"].values()
    assert sorted(note["text"] for note in visit["notes"]) == ["first", "second"]


def test_a_job_that_hq_gave_to_another_crew_meanwhile_says_so_and_that_the_work_is_safe(server: District, phone: Phone) -> None:
    ticket = phone.see("next").get_attribute("data-ticket") or ""
    with server.unreachable_for_phones():
        journey.on_the_way(phone)
        server.command(ticket, "assign", crew=OTHER_CREW)
    phone.send()
    phone.go("#/changed", "changed")
    phone.see("told-notice")
    phone.shows("青溪高压班")
    phone.shows("安全")
    (visit,) = [visit for visit in server.view(ticket)["visits"].values() if visit.get("crew") == CREW]
    assert "arrived" in visit


def test_the_same_job_done_by_a_colleagues_phone_is_shown_as_done(server: District, phone: Phone, new_phone: NewPhone) -> None:
    colleague = new_phone("zhou")
    colleague.see("next")
    journey.on_the_way(colleague)
    colleague.send()
    phone.send()
    phone.go("#/today", "today")
    phone.see("do-start")
