"""The service worker: the app opens without signal, an update is offered and never forced, no log-in page becomes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, expect

from server.endpoints.pages import BUILT
from tests.web import journey
from tests.web.browser import own_browser
from tests.web.build import build_as
from tests.web.impostor import LOG_IN_PAGE, instead_of
from tests.web.phone import SLOW_MS, Phone
from tests.web.scene import MEMBER, District

LATER = "9.9.9"


@pytest.fixture(scope="module")
def later_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same app as a later version."""
    return build_as(LATER, tmp_path_factory.mktemp("later") / "crew")


def serve(server: District, build: Path) -> None:
    """The server is upgraded: it hands out another build."""
    server.stop()
    server.web_app = build
    server.start()


def ask_for_update(phone: Phone) -> None:
    """What the app does by itself hourly and whenever it is looked at."""
    phone.page.evaluate("navigator.serviceWorker.getRegistration().then((found) => found.update()).catch(() => null)")


def version(phone: Phone) -> str:
    """The version of the code that runs in this tab."""
    phone.go("#/settings", "settings")
    phone.shows(" MB")  # how much room there is is asked after everything else; what stands below moves then
    return phone.page.locator("dd.code").last.inner_text()


def kept(phone: Phone) -> set[str]:
    """Paths of everything the worker keeps."""
    paths: list[str] = phone.page.evaluate(
        "async () => (await Promise.all((await caches.keys()).map(async (name) => (await (await caches.open(name)).keys())"
        ".map((one) => new URL(one.url).pathname)))).flat()"
    )
    return set(paths)


def test_the_app_opens_without_a_server_after_the_browser_was_closed(
    driver: Playwright, server: District, phones: list[Phone], tmp_path: Path
) -> None:
    server.outage()
    first = Phone(own_browser(driver, tmp_path / "profile"), server.address)
    first.enrol(server.code(MEMBER))
    first.start_shift()
    first.ready_for_flight_mode()
    first.context.close()
    server.stop()
    phone = Phone(own_browser(driver, tmp_path / "profile"), server.address)
    phones.append(phone)
    phone.open()
    phone.see("next")
    for place, screen in (("#/queue", "queue"), ("#/score", "score"), ("#/learn", "learn"), ("#/settings", "settings")):
        phone.open(place, screen=screen)
    assert not first.unexpected()


def test_every_screen_and_both_languages_are_there_without_ever_having_been_opened(server: District, phone: Phone) -> None:
    ticket = phone.see("next").get_attribute("data-ticket")
    server.stop()
    phone.open()
    for screen in ("guide", "note", "material", "amend", "return"):
        phone.go(f"#/ticket/{ticket}/{screen}", screen)
    phone.tap("language")
    phone.go("#/today", "today")
    phone.shows("Accept")


def test_the_worker_leaves_the_api_and_the_customers_page_to_the_network(server: District, phone: Phone) -> None:
    server.stop()
    asked = "path => fetch(path).then((answer) => answer.status, () => 'nobody')"
    assert phone.page.evaluate(asked, "/v1/time") == "nobody"
    assert phone.page.evaluate(asked, "/r/token") == "nobody"
    assert phone.page.evaluate(asked, "/crew/manifest.webmanifest") == 200


def test_an_update_is_offered_and_the_old_app_goes_on_until_the_user_wants_it(
    server: District, phone: Phone, later_build: Path
) -> None:
    before = version(phone)
    phone.go("#/today", "today")
    with server.unreachable_for_phones():
        journey.on_the_way(phone)
        queued = phone.saved_facts()
    serve(server, later_build)
    ask_for_update(phone)
    phone.go("#/today", "today")
    phone.see("update")
    assert version(phone) == before
    server.stop()
    journey_goes_on(phone)
    assert version(phone) == before
    phone.see("apply-update")
    written = phone.saved_facts()
    assert set(queued) < set(written)
    with phone.page.expect_navigation():
        phone.page.get_by_test_id("apply-update").tap()
    phone.at("settings")
    assert version(phone) == LATER
    assert phone.saved_facts() == written
    server.start()
    phone.send()
    assert set(written) <= set(server.stored_facts())


def journey_goes_on(phone: Phone) -> None:
    """Open parts of the old build that this tab never had before."""
    phone.go("#/today", "today")
    journey.begin_work(phone)
    journey.tick(phone, "isolated")
    journey.step(phone, "before")


def test_a_second_tab_on_the_old_build_finds_its_parts_after_the_first_was_updated(
    server: District, phone: Phone, later_build: Path
) -> None:
    ticket = phone.see("next").get_attribute("data-ticket")
    with phone.another_tab() as second:
        serve(server, later_build)
        ask_for_update(phone)
        phone.see("update")
        with phone.page.expect_navigation():
            phone.page.locator("[data-testid=update] button").tap()
        phone.see("next")
        server.stop()
        for sub, screen in (("/guide", "guide"), ("/note", "note"), ("/suspend", "suspend"), ("", "ticket")):
            second.go(f"#/ticket/{ticket}{sub}", screen)
        assert version(second) != LATER == version(phone)


def test_a_log_in_page_that_answers_everything_never_becomes_part_of_the_app(server: District, phone: Phone) -> None:
    before = kept(phone)
    with instead_of(server) as asked:
        ask_for_update(phone)
        phone.open()
        phone.see("next")
        assert any("/crew/sw.js" in one for one in asked)
        assert not [one for one in asked if "/crew/" in one and "sw.js" not in one], "the app came from the phone alone"
        assert kept(phone) == before


def test_an_update_that_breaks_off_half_way_is_not_offered_and_not_kept(
    server: District, phone: Phone, later_build: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(later_build, broken)
    new = next(path for path in sorted((broken / "assets").glob("*.js")) if not (BUILT / "assets" / path.name).exists())
    new.write_bytes(LOG_IN_PAGE)
    phone.expect_fault("integrity|Failed to find a valid digest|bad-precaching-response")
    serve(server, broken)
    ask_for_update(phone)
    phone.until("navigator.serviceWorker.getRegistration().then((found) => !found.installing && !found.waiting)")
    phone.go("#/today", "today")
    expect(phone.page.get_by_test_id("update")).to_have_count(0, timeout=SLOW_MS)
    server.stop()
    phone.open()
    phone.see("next")
