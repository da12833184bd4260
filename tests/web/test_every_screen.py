"""Every screen of the crew's app and of the customer, in both languages, by day and by night: axe finds nothing, nothing
scrolls sideways, and every target is large enough for a gloved thumb.

One phone walks through one day (tour.py); at every stop it is looked at four times. No rule of axe is switched off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, Playwright

from tests.web import browser as browsers
from tests.web.browser import Scheme
from tests.web.build import WEB
from tests.web.phone import Phone
from tests.web.scene import District, settled_district
from tests.web.tour import LANG, Stop, speak, tour

AXE = (WEB / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ENHANCED = ["color-contrast-enhanced"]
"""The one rule of level AAA that the colours were made for; the others of that level are not promised."""
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SIZES_PX = ((360, 740), (320, 480), (180, 370))
"""A small phone; what WCAG 2.2 asks of reflow; a small phone whose owner reads at 200 %."""
CREW_TARGET_PX, CUSTOMER_TARGET_PX = 48, 72
INSIDE = {"scan": "free-scan", "signature": "free-signature", "guide": "guide-tick"}
"""Screens that the tour calls by another name than their file."""


@dataclass
class Seen:
    """What was found, each with where: `dark zh guide-tick`."""

    stops: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    sideways: list[str] = field(default_factory=list)
    small: list[str] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def names_browser(driver: Playwright) -> Iterator[Browser]:
    """A browser for which `lamplighter.test`, where nothing is secure, is this machine."""
    with browsers.shared_browser(driver, "--host-resolver-rules=MAP lamplighter.test 127.0.0.1") as opened:
        yield opened


@pytest.fixture(scope="module")
def seen(names_browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One day, looked at."""
    folder = tmp_path_factory.mktemp("tour")
    found = Seen()
    with settled_district(folder / "data") as server:
        phone = Phone(names_browser.new_context(**browsers.shape(reduced_motion="reduce")), server.address)
        phone.allow(*browsers.PERMISSIONS)
        for stop in tour(phone, server, folder):
            look(found, phone.page, stop)
        look_at_floor(found, names_browser, server)
        assert phone.unexpected() == []
    return found


def look_at_floor(found: Seen, browser: Browser, server: District) -> None:
    """What an address without HTTPS says; both languages stand there at once."""
    page = browser.new_context(**browsers.shape(reduced_motion="reduce")).new_page()
    page.goto(f"http://lamplighter.test:{server.port}/crew/")
    page.locator("main[data-screen=floor]").wait_for()
    look(found, page, Stop("floor", languages=("zh",)))


def look(found: Seen, page: Page, stop: Stop) -> None:
    """Four times: two languages in two colours. Leaves the page as it was."""
    found.stops.append(stop.name)
    for lang in stop.languages:
        speak(page, stop, lang)
        look_at_sizes(found, page, stop, lang)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            found.violations += [f"{scheme} {lang} {stop.name}: {each}" for each in violations(page)]
        page.emulate_media(color_scheme="light")
    speak(page, stop, stop.languages[0])


def violations(page: Page) -> list[str]:
    """What axe holds against the page as it stands. Put into the page through DevTools, so that its policy has no say."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE)
    found: list[str] = page.evaluate(RUN_AXE, {"tags": TAGS, "enhanced": ENHANCED})
    return found


def look_at_sizes(found: Seen, page: Page, stop: Stop, lang: str) -> None:
    """Widths, targets, the heading and the language do not depend on colours."""
    where = f"{lang} {stop.name}"
    for width, height in reversed(SIZES_PX):
        page.set_viewport_size({"width": width, "height": height})
        found.sideways += [f"{where} at {width} px: {each}" for each in page.evaluate(SIDEWAYS)]
    least = CREW_TARGET_PX if stop.whose == "crew" else CUSTOMER_TARGET_PX
    found.small += [f"{where}: {each}" for each in page.evaluate(SMALL_TARGETS, {"least": least, "crew": CREW_TARGET_PX})]
    headings = page.evaluate("[...document.querySelectorAll('h1')].filter((one) => one.getClientRects().length).length")
    if headings != 1:
        found.headings.append(f"{where}: {headings}")
    said = page.evaluate("document.documentElement.lang")
    if said != LANG[lang]:
        found.languages.append(f"{where}: {said}")


def test_axe_finds_no_violation_on_any_screen(seen: Seen) -> None:
    assert seen.violations == []


def test_nothing_scrolls_sideways_on_a_small_phone_nor_at_twice_the_size(seen: Seen) -> None:
    assert seen.sideways == []


def test_every_target_is_large_enough(seen: Seen) -> None:
    assert seen.small == []


def test_every_screen_has_one_heading_of_the_first_level(seen: Seen) -> None:
    assert seen.headings == []


def test_every_screen_says_which_language_it_speaks(seen: Seen) -> None:
    assert seen.languages == []


def test_no_screen_of_the_app_is_left_out(seen: Seen) -> None:
    screens = {path.stem for path in (WEB / "crew" / "screens").glob("*.tsx")}
    assert {INSIDE.get(name, name) for name in screens} - set(seen.stops) == set()


def test_a_fault_would_be_found(names_browser: Browser) -> None:
    page = names_browser.new_context(**browsers.shape()).new_page()
    page.set_content(FAULTY)
    assert {each.split()[0] for each in violations(page)} >= {"button-name", "color-contrast-enhanced", "landmark-one-main"}
    found = Seen()
    look_at_sizes(found, page, Stop("faulty"), "zh")
    assert found.sideways and found.small and found.headings and found.languages


RUN_AXE = """
async ({ tags, enhanced }) => {
  const ran = await axe.run(document, {
    runOnly: { type: "tag", values: tags }, rules: Object.fromEntries(enhanced.map((rule) => [rule, { enabled: true }])),
    resultTypes: ["violations"],
  });
  const why = (node) => [...node.any, ...node.all, ...node.none][0]?.message ?? "";
  return ran.violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id} ${node.target.join(" ")} ${why(node)} ${node.html.slice(0, 160)}`));
}
"""

# What a crew member presses on a customer's screen stays as large as everything else that is the crew's.
SMALL_TARGETS = """
({ least, crew }) => {
  const top = document.querySelector("dialog[open]") ?? document;
  const found = [];
  for (const one of top.querySelectorAll("a[href], button, input, select, textarea, summary, [role=button]")) {
    const target = one.closest("label") ?? one;
    const { width, height } = target.getBoundingClientRect();
    const high = target.matches(".to-lock, .pin *") ? crew : least;
    if (target.checkVisibility({ visibilityProperty: true }) && (height < high - 0.5 || width < crew - 0.5)) {
      found.push(`${Math.round(width)}×${Math.round(height)} ${target.cloneNode().outerHTML} ${target.textContent.trim()}`);
    }
  }
  return found;
}
"""

SIDEWAYS = """
() => {
  const found = [];
  for (const one of document.querySelectorAll("html, body *")) {
    const { overflowX } = getComputedStyle(one);
    const scrolls = one === document.documentElement || overflowX === "auto" || overflowX === "scroll";
    if (!scrolls || one.scrollWidth <= one.clientWidth + 1) continue;
    const edge = one.getBoundingClientRect().left + one.clientWidth + 1;
    const beyond = [...one.querySelectorAll("*")].filter((inner) => inner.getBoundingClientRect().right > edge).at(-1);
    found.push(`${one.tagName} ${one.scrollWidth} > ${one.clientWidth} by ${beyond?.cloneNode().outerHTML}`);
  }
  return found;
}
"""

FAULTY = """
<!doctype html><html lang="de"><title>faulty</title><meta name="viewport" content="width=device-width,initial-scale=1">
<h1>one</h1><h1>two</h1><button style="width:20px;height:20px"></button><p style="color:#666">grey</p>
<div style="width:400px">wide</div>
"""
