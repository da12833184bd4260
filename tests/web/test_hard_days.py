"""Hard days: full and wiped storage, foreign and failing servers, wrong clocks, refused cameras, broken photos, plain HTTP."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect

from server.endpoints.pages import BUILT
from tests.web import browser as browsers
from tests.web import journey
from tests.web.conftest import NewPhone
from tests.web.impostor import instead_of
from tests.web.phone import SLOW_MS, Phone
from tests.web.scene import MEMBER, District

HOUR_MS = 3_600_000
UNPROTECTED = ("videoCapture", "geolocation")


def trouble(phone: Phone, slug: str) -> None:
    """The queue names why the last try failed."""
    expect(phone.see("standing")).to_contain_text(slug, timeout=SLOW_MS)


def test_with_full_storage_facts_are_saved_and_photos_refused_with_advice(
    driver: Playwright, server: District, phones: list[Phone], tmp_path: Path
) -> None:
    ticket = server.outage()
    phone = Phone(browsers.own_browser(driver, tmp_path / "profile"), server.address)
    phones.append(phone)
    phone.allow(*browsers.PERMISSIONS)
    phone.limit_storage(sum(path.stat().st_size for path in BUILT.rglob("*.*")) + BALLAST_BYTES + ROOM_BYTES)
    phone.enrol(server.code(MEMBER))
    phone.start_shift()
    phone.see("next")
    phone.ready_for_flight_mode()
    server.stop()
    journey.on_the_way(phone)
    phone.expect_fault("storage-full|QuotaExceeded")
    for room in ("what was left", "what facts were given when nothing was left"):
        phone.go(f"#/ticket/{ticket}/camera", "camera")
        take_photos_until_refused(phone)
        before = phone.saved_facts()
        for at in range(NOTES):
            journey.note(phone, ticket, f"{room}: {at}")
        assert len(phone.saved_facts()) == len(before) + NOTES
    server.start()
    phone.send()
    assert phone.promised <= set(server.stored_facts())


NOTES = 6
BALLAST_BYTES, ROOM_BYTES = 1_048_576, 300_000
"""What the app keeps in store for facts (clients/web/core/pocket.ts), and what is left beside it for a day's work."""


def take_photos_until_refused(phone: Phone) -> None:
    """Press the shutter until the app says that there is no room."""
    full, kept = phone.page.get_by_test_id("storage-full"), phone.page.get_by_test_id("thumb")
    while not full.is_visible():
        phone.page.locator(".finder[data-state=running]").wait_for()
        before = kept.count()
        phone.tap("shutter")
        phone.wait_for(lambda before=before: full.is_visible() or kept.count() > before, "a photo kept or refused")  # type: ignore[misc]


def test_a_wiped_store_is_noticed_and_what_is_lost_is_said(server: District, phone: Phone) -> None:
    server.stop()
    journey.on_the_way(phone)
    lost = len(phone.saved_facts())
    phone.wipe_storage()
    phone.open(screen="wiped")
    expect(phone.page.locator(".danger[data-testid=wiped]")).to_contain_text(re.compile(rf"\b[1-{lost}]\b"))
    phone.tap("wiped-go-on")
    phone.at("enrol")


def test_a_store_wiped_after_hq_had_everything_lost_nothing_and_says_so(server: District, phone: Phone) -> None:
    journey.on_the_way(phone)
    phone.send()
    phone.wipe_storage()
    phone.open(f"#enrol={server.code(MEMBER)}", screen="wiped")
    expect(phone.page.locator(".ok[data-testid=wiped]")).to_be_visible()
    phone.tap("wiped-go-on")
    phone.fill_in_enrolment()
    phone.start_shift()
    phone.see("do-start")
    phone.send()
    assert phone.promised <= set(server.stored_facts())


def test_a_log_in_page_instead_of_the_server_states_nothing_and_deletes_nothing(server: District, phone: Phone) -> None:
    server.stop()
    journey.on_the_way(phone)
    written = phone.saved_facts()
    phone.go("#/queue", "queue")
    with instead_of(server) as asked:
        phone.tap("send-now")
        phone.wait_for(lambda: any("/v1/sync" in one for one in asked))
        trouble(phone, "foreign")
        assert "hq_has_it" not in {truth for kind, truth in phone.queue() if kind == "arrival"}
    phone.send()
    assert set(written) <= set(phone.saved_facts()) == set(server.stored_facts())


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_that_fails_costs_nothing_but_time(server: District, phone: Phone, status: int) -> None:
    server.stop()
    journey.on_the_way(phone)
    written = phone.saved_facts()
    phone.go("#/queue", "queue")
    with instead_of(server, status=status, body=b"<h1>Bad gateway</h1>") as asked:
        phone.tap("send-now")
        phone.wait_for(lambda: any("/v1/sync" in one for one in asked))
        assert "hq_has_it" not in {truth for kind, truth in phone.queue() if kind == "arrival"}
    phone.send()
    assert set(written) <= set(phone.saved_facts()) == set(server.stored_facts())


def test_a_token_that_expired_in_flight_mode_costs_nothing(server: District, phone: Phone) -> None:
    server.stop()
    journey.on_the_way(phone)
    server.pass_time(2 * HOUR_MS)  # a token lives one hour
    server.start()
    phone.send()
    assert phone.promised <= set(server.stored_facts())
    ticket = server.outage(description="came after the token had expired")
    phone.send()
    phone.go("#/today", "today")
    phone.page.locator(f"[data-ticket='{ticket}']").wait_for()


@pytest.mark.parametrize("wrong_ms", [3 * HOUR_MS, -30 * 24 * HOUR_MS], ids=["three-hours-ahead", "a-month-behind"])
def test_a_wrong_clock_moves_no_arrival(server: District, new_phone: NewPhone, wrong_ms: int) -> None:
    ticket = server.outage()
    phone = new_phone(None)
    phone.set_clock_wrong(wrong_ms)
    phone.enrol(server.code(MEMBER))
    phone.start_shift()
    phone.see("next")
    phone.ready_for_flight_mode()
    server.stop()
    before = server.now_ms()
    journey.on_the_way(phone)
    after = server.now_ms()
    server.start()
    phone.send()
    earliest, latest = server.known_time("arrival")
    (visit,) = server.view(ticket)["visits"].values()
    assert earliest <= after and before <= latest, "the time the server proves contains the true one"
    assert earliest <= visit["arrived"]["at"] <= latest


def test_a_refused_camera_leaves_two_ways_on(server: District, new_phone: NewPhone, tmp_path: Path) -> None:
    server.outage()
    phone = new_phone(allowed=("geolocation", "durableStorage"))
    journey.on_the_way(phone)
    journey.begin_work(phone)
    journey.tick(phone, "isolated")
    journey.step(phone, "before")
    expect(phone.see("camera-trouble")).to_have_attribute("data-trouble", "refused")
    picture = tmp_path / "from-the-system-camera.png"
    picture.write_bytes((browsers.ICONS / "icon-512.png").read_bytes())
    phone.page.get_by_test_id("camera-file").set_input_files(picture)
    keep_if_doubted(phone, "before")
    journey.step(phone, "fault")
    phone.tap("cannot")
    phone.page.locator("[data-testid=cannot-sheet] label.option").first.tap()
    phone.tap("cannot-save")
    journey.step(phone, "voltage")
    phone.send()
    assert hashlib.sha256(picture.read_bytes()).hexdigest() in server.whole_photos()


def keep_if_doubted(phone: Phone, name: str) -> None:
    moved_on = phone.page.locator(f".step:not([data-step='{name}'])")
    doubt = phone.page.get_by_test_id("camera-keep")
    expect(moved_on.or_(doubt).first).to_be_visible(timeout=SLOW_MS)
    if doubt.is_visible():
        phone.tap("camera-keep")


def test_a_refused_position_is_recorded_as_refused_and_stops_nobody(server: District, new_phone: NewPhone) -> None:
    ticket = server.outage()
    phone = new_phone(allowed=("videoCapture", "durableStorage"))
    journey.on_the_way(phone)
    phone.see("position")
    journey.begin_work(phone)
    phone.send()
    (visit,) = server.view(ticket)["visits"].values()
    assert visit["arrived"]["no_fix_reason"] == "refused" and "fix" not in visit["arrived"]


def test_a_photo_that_cannot_be_decoded_is_kept_and_marked_and_the_others_go_on(
    server: District, new_phone: NewPhone, tmp_path: Path
) -> None:
    ticket = server.outage()
    phone = new_phone(allowed=("geolocation", "durableStorage"))
    journey.on_the_way(phone)
    journey.begin_work(phone)
    journey.tick(phone, "isolated")
    broken, whole = tmp_path / "broken.jpg", tmp_path / "whole.png"
    broken.write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40)
    whole.write_bytes((browsers.ICONS / "icon-512.png").read_bytes())
    for name, picture in (("before", broken), ("fault", whole)):
        journey.step(phone, name)
        phone.page.get_by_test_id("camera-file").set_input_files(picture)
        keep_if_doubted(phone, name)
    journey.step(phone, "voltage")
    phone.send()
    (visit,) = server.view(ticket)["visits"].values()
    sent = {photo["step"]: photo["sha256"] for photo in visit["photos"]}
    assert sent == {name: hashlib.sha256(one.read_bytes()).hexdigest() for name, one in (("before", broken), ("fault", whole))}
    assert set(sent.values()) <= set(server.whole_photos())


@pytest.fixture(scope="module")
def browser_with_names(driver: Playwright) -> Iterator[Browser]:
    """A browser for which `lamplighter.test` is this machine."""
    with browsers.shared_browser(driver, "--host-resolver-rules=MAP lamplighter.test 127.0.0.1") as opened:
        yield opened


def test_an_insecure_address_says_in_both_languages_what_is_missing_and_how_to_get_it(
    browser_with_names: Browser, server: District, phones: list[Phone]
) -> None:
    phone = Phone(browser_with_names.new_context(**browsers.shape()), f"http://lamplighter.test:{server.port}")
    phones.append(phone)
    phone.expect_fault("origin was untrustworthy")
    phone.open(screen="floor")
    for lang in ("zh", "en"):
        lacking = phone.page.locator(f"[data-testid=floor-{lang}] [data-lack]").evaluate_all(
            "all => all.map(one => one.dataset.lack)"
        )
        assert "secure" in lacking and "service-worker" in lacking
    for hint in ("HTTPS", "--tls-cert", f"adb reverse tcp:{server.port}"):
        phone.shows(hint)


def test_signing_out_is_refused_while_something_is_only_here_and_the_rescue_file_is_the_way_out(
    server: District, phone: Phone, tmp_path: Path
) -> None:
    server.stop()
    journey.on_the_way(phone)
    written = phone.saved_facts()
    phone.go("#/settings", "settings")
    phone.tap("sign-out")
    phone.see("sign-out-unsent")
    expect(phone.page.get_by_test_id("sign-out-now")).to_have_count(0)
    with phone.page.expect_download() as download:
        phone.tap("rescue-export", within="[data-testid=sign-out-sheet]")
    rescued = tmp_path / download.value.suggested_filename
    download.value.save_as(rescued)
    phone.tap("sign-out-now")
    phone.at("enrol")
    assert phone.saved_facts() == []
    server.start()
    assert len(rescued.read_bytes()) > 100 * len(written)


def test_signing_out_with_everything_at_hq_forgets_the_phone(server: District, phone: Phone) -> None:
    phone.send()
    phone.go("#/settings", "settings")
    phone.tap("sign-out")
    phone.tap("sign-out-now")
    phone.at("enrol")
    assert phone.saved_facts() == []
    phone.open(screen="enrol")


def test_a_rescue_file_brought_in_by_a_colleagues_phone_reaches_hq(
    server: District, phone: Phone, new_phone: NewPhone, tmp_path: Path
) -> None:
    server.stop()
    journey.on_the_way(phone)
    written = phone.saved_facts()
    phone.go("#/queue", "queue")
    with phone.page.expect_download() as download:
        phone.tap("rescue-export")
    rescued = tmp_path / download.value.suggested_filename
    download.value.save_as(rescued)
    phone.context.set_offline(True)
    server.start()
    colleague = new_phone("zhou")
    colleague.go("#/queue", "queue")
    colleague.page.get_by_test_id("rescue-file").set_input_files(rescued)
    colleague.see("rescue-told")
    assert set(written) <= set(server.stored_facts())


def test_a_phone_in_the_customers_hands_shows_nothing_else_not_even_after_a_restart(server: District, phone: Phone) -> None:
    ticket = phone.see("next").get_attribute("data-ticket")
    journey.on_the_way(phone)
    journey.begin_work(phone)
    phone.go(f"#/ticket/{ticket}/guide/~finish", "guide")
    phone.tap("finish")
    phone.tap("finish-confirm")
    phone.at("hand-over")
    phone.tap("on-this-phone")
    phone.at("customer")
    for place in ("#/today", "#/queue", f"#/ticket/{ticket}"):
        phone.open(place, screen="customer")
    phone.page.get_by_test_id("lock").tap()
    phone.keys("0000")
    expect(phone.page.get_by_test_id("pin-word")).not_to_be_empty()
    assert phone.screen() == "customer"
    stored = json.dumps(phone.page.evaluate(ALL_STORED))
    assert '"overall"' not in stored


ALL_STORED = """
async () => {
  const found = [];
  for (const { name } of await indexedDB.databases()) {
    const db = await new Promise((done) => { const asked = indexedDB.open(name); asked.onsuccess = () => done(asked.result); });
    const settings = await new Promise((done) => {
      const asked = db.transaction('settings').objectStore('settings').getAll();
      asked.onsuccess = () => done(asked.result);
    });
    found.push(...settings);
    db.close();
  }
  return found.map((one) => JSON.parse(JSON.stringify(one)));
}
"""
