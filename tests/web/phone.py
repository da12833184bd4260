"""A crew member's phone as seen through its screens: what is tapped, what is shown, what it called saved.

Screens are found by `data-screen`, buttons by `data-testid`; an element with `data-fact` is a promise that this fact is on the
disk. Refuses to know how the app is built.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, CDPSession, ConsoleMessage, Locator, Page, Worker, expect

from tests.web.browser import allow

PIN = "2580"
SLOW_MS = 30_000
"""How long anything may take on a busy machine before it counts as not happening; nothing is measured by it."""

DOUBLE_TAP_S = 0.5
"""Two taps on one place that are closer are a double tap, which the app takes for one; nobody decides as fast."""

TAP_SLOP_PX = 60
"""Two taps further apart than this are never one double tap."""

UNANSWERED = re.compile(r"Failed to load resource|net::ERR_|FetchEvent for .* resulted in a network error")
"""What the browser itself writes to the console when nobody answers; the app has no say in it."""

WATCH_PROMISES = """
{
  const told = new Set();
  const look = (root) => {
    for (const one of root.querySelectorAll ? [root, ...root.querySelectorAll('[data-fact]')] : []) {
      const fact = one.getAttribute?.('data-fact');
      if (fact && !told.has(fact)) { told.add(fact); window.promised?.(fact); }
    }
  };
  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === 'attributes') look(change.target);
      change.addedNodes.forEach(look);
    }
  }).observe(document, { subtree: true, childList: true, attributeFilter: ['data-fact'] });
}
"""


class Phone:
    """One phone; `page` is the tab that is looked at. `taps` counts the crew's taps, `promised` the facts it called saved."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context = context
        self.address = address
        self.taps = 0
        self._pressed = 0
        self._touched = 0.0
        self.promised: set[str] = set()
        self.faults: list[str] = []
        self._expected: list[re.Pattern[str]] = [UNANSWERED]
        context.set_default_timeout(SLOW_MS)
        context.expose_function("promised", lambda fact: self.promised.add(fact))
        context.add_init_script(WATCH_PROMISES)
        context.on("console", self._heard)
        context.on("weberror", lambda error: self._fault(f"uncaught: {error.error}"))
        self.page = context.pages[0] if context.pages else context.new_page()
        self._sessions: list[CDPSession] = []

    def allow(self, *permissions: str) -> None:
        """Say yes to these, by DevTools' names, and no to everything else."""
        self._sessions.append(allow(self.context, self.address, *permissions))

    # ------------------------------------------------------------------------------------------------ what goes wrong

    def expect_fault(self, pattern: str) -> None:
        """This fault belongs to the test."""
        self._expected.append(re.compile(pattern))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._fault(message.text)

    def _fault(self, text: str) -> None:
        self.faults.append(text)

    def unexpected(self) -> list[str]:
        """Errors of the console and of the page's policy that no test asked for."""
        return [text for text in self.faults if not any(pattern.search(text) for pattern in self._expected)]

    # ------------------------------------------------------------------------------------------------ where one is

    def open(self, place: str = "#/today", *, screen: str | None = "today") -> None:
        """Open the app at an address behind the #, in a fresh tab as a tap on its icon does."""
        if not self.page.is_closed() and self.page.url.startswith(self.address):
            fresh = self.context.new_page()
            self.page.close()
            self.page = fresh
        self.page.goto(f"{self.address}/crew/{place}")
        if screen is not None:
            self.at(screen)

    def at(self, screen: str) -> Locator:
        """Wait for a screen; its main part."""
        main = self.page.locator(f"main[data-screen='{screen}']")
        main.wait_for()
        return main

    def screen(self) -> str:
        """The screen shown now."""
        return self.page.locator("main[data-screen]").last.get_attribute("data-screen") or ""

    def see(self, testid: str) -> Locator:
        """Wait until it is there."""
        found = self.page.get_by_test_id(testid).first
        found.wait_for()
        return found

    def shows(self, text: str | re.Pattern[str]) -> None:
        """The page says so, sooner or later."""
        expect(self.page.locator("body")).to_contain_text(text, timeout=SLOW_MS)

    def until(self, truth: str) -> None:
        """Wait until this expression (or promise) is true on the page. Playwright's own way needs `eval`."""
        self.wait_for(lambda: bool(self.page.evaluate(truth)), truth)

    def wait_for(self, truth: Callable[[], bool], what: str = "what was waited for") -> None:
        """Wait until this is true outside the page; meanwhile the page goes on."""
        end = time.monotonic() + SLOW_MS / 1000
        while not truth():
            assert time.monotonic() < end, f"never came true: {what}"
            self.page.wait_for_timeout(50)

    def text(self) -> str:
        return self.page.locator("body").inner_text()

    def go(self, place: str, screen: str) -> None:
        """Follow an address inside the app, as the phone's own back key would; no tap."""
        self.page.evaluate("place => { location.hash = place; }", place)
        self.at(screen)

    # ------------------------------------------------------------------------------------------------ what is done

    def tap(self, testid: str, *, within: str = "body") -> None:
        """One tap of the crew."""
        self.press(self.page.locator(within).get_by_test_id(testid).first)

    def press(self, place: Locator) -> None:
        self.touch(place)
        self._pressed += 1
        self.taps += 1

    def touch(self, place: Locator) -> None:
        """A tap that is not counted, and not the second one of a double tap."""
        pause_s = self._touched + DOUBLE_TAP_S - time.monotonic()
        if pause_s > 0:
            self.page.wait_for_timeout(pause_s * 1000)
        place.tap()
        self._touched = time.monotonic()

    def keys(self, digits: str) -> None:
        """Press the app's own number keys."""
        for digit in digits:
            self.page.locator(f".keypad [data-key='{digit}']").first.tap()
            self._pressed += 1
        self.taps += 1

    def enrol(self, code: str, *, pin: str = PIN) -> None:
        """From the link of the code to the end of the start check."""
        self.page.goto(f"{self.address}/crew/#enrol={code}")
        self.at("enrol")
        self.fill_in_enrolment(pin)

    def fill_in_enrolment(self, pin: str = PIN) -> None:
        """The form, up to the end of the start check; the code stands in it already."""
        self.page.get_by_test_id("enrol-pin").fill(pin)
        self.page.get_by_test_id("enrol-pin-again").fill(pin)
        self.page.get_by_test_id("enrol-notice").tap()
        self.touch(self.page.get_by_test_id("enrol"))
        self.at("start")

    def start_shift(self) -> None:
        """Check the phone, and on to the day's work."""
        self.touch(self.page.get_by_test_id("start-shift"))
        self.at("today")

    def ready_for_flight_mode(self) -> None:
        """Wait until the app's files and the worker that hands them out are on the phone."""
        self.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        self.until("navigator.serviceWorker.controller !== null")

    def send(self) -> None:
        """Send now, and wait until HQ has everything that can be sent."""
        self.go("#/queue", "queue")
        self.tap("send-now")
        expect(self.page.locator("[data-testid=pill]")).to_have_attribute("data-truth", "hq_has_it", timeout=SLOW_MS)

    def queue(self) -> list[tuple[str, str]]:
        """Kind and truth of every row of the queue."""
        self.go("#/queue", "queue")
        self.see("standing")
        rows = self.page.locator(".queue-row").evaluate_all("rows => rows.map(row => [row.dataset.kind, row.dataset.truth])")
        return [(kind, truth) for kind, truth in rows]

    def saved_facts(self) -> list[str]:
        """The ids of the facts in this phone's journal, read from its store and not from a screen."""
        found: list[str] = self.page.evaluate(READ_JOURNAL)
        return found

    def devtools(self, method: str, **arguments: object) -> dict[str, Any]:
        """Say something to the page through DevTools."""
        session = self.context.new_cdp_session(self.page)
        self._sessions.append(session)  # what it overrides lasts as long as it does
        answer: dict[str, Any] = session.send(method, dict(arguments))
        return answer

    def limit_storage(self, quota_bytes: int) -> None:
        """The disk has no more room than this. Only before the app is opened: Chromium believes an older answer for a while."""
        self.devtools("Storage.overrideQuotaForOrigin", origin=self.address, quotaSize=quota_bytes)

    def wipe_storage(self) -> None:
        """The system made room: the databases are gone, small notes outside them are not."""
        self.page.goto("about:blank")
        self.devtools("Storage.clearDataForOrigin", origin=self.address, storageTypes="indexeddb")

    def set_clock_wrong(self, by_ms: int) -> None:
        """From the next page on this phone's clock is wrong by so much."""
        self.context.add_init_script(WRONG_CLOCK % by_ms)

    @contextmanager
    def another_tab(self) -> Iterator[Phone]:
        """The same phone, looked at in a second tab."""
        first, self.page = self.page, self.context.new_page()
        second = self.page
        self.page.goto(f"{self.address}/crew/#/today")
        self.at("today")
        self.page = first
        try:
            yield _Tab(self, second)
        finally:
            second.close()

    # ------------------------------------------------------------------------------------------------ when a test fails

    def leave_picture(self, folder: Path, name: str) -> str:
        """What every tab shows, as a picture and as text; where it lies."""
        folder.mkdir(parents=True, exist_ok=True)
        for at, page in enumerate(self.context.pages):
            stem = folder / f"{name}-{at}"
            page.screenshot(path=stem.with_suffix(".png"))
            said = [page.url, page.locator("body").inner_text(), "", *self.faults]
            stem.with_suffix(".txt").write_text("\n".join(said), "utf-8")
        return str(folder / f"{name}-0.png")


class _Tab(Phone):
    """A second tab of a phone: counts and promises are the phone's."""

    def __init__(self, phone: Phone, page: Page) -> None:
        self.__dict__ = {**phone.__dict__, "page": page}


WRONG_CLOCK = """
{
  const by = %d;
  const Right = Date;
  window.Date = class extends Right {
    constructor(...given) { given.length ? super(...given) : super(Right.now() + by); }
    static now() { return Right.now() + by; }
  };
}
"""

READ_JOURNAL = """
async () => {
  const names = (await indexedDB.databases()).map((one) => one.name);
  const facts = [];
  for (const name of names) {
    const db = await new Promise((done, failed) => {
      const asked = indexedDB.open(name);
      asked.onsuccess = () => done(asked.result);
      asked.onerror = () => failed(asked.error);
    });
    if (db.objectStoreNames.contains('lines')) {
      const lines = await new Promise((done) => {
        const asked = db.transaction('lines').objectStore('lines').getAll();
        asked.onsuccess = () => done(asked.result);
      });
      facts.push(...lines.map((line) => line.fact));
    }
    db.close();
  }
  return facts;
}
"""


def worker_of(context: BrowserContext) -> Worker:
    """The service worker of a phone."""
    return context.service_workers[0] if context.service_workers else context.wait_for_event("serviceworker")
