"""`python -m tests.web.kills`: kill −9 of the browser at random moments, again and again over the same profile on disk.

Each round lets a crew member who never rests work through jobs in a real Chromium (walker.js), ends the whole process group
with SIGKILL, starts it again and compares (ledger.py): what the page had called saved before the kill against what lies in its
store. The server is off for most of it; at the end of every enrolment it gets everything, and what headquarters holds must be
what the phone holds. A seed fixes the plan of every kill; what the machine was doing at that millisecond is chance.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.sync_api import BrowserContext, Error, Playwright
from rich.console import Console
from rich.table import Table

from tests.web import browser as browsers
from tests.web import ledger
from tests.web.ledger import Store
from tests.web.phone import PIN, Phone
from tests.web.scene import MEMBER, District, settled_district

WALKER = (Path(__file__).parent / "walker.js").read_text("utf-8")
KILLS_PER_ENROLMENT = 25
JOBS = 12
TICK_MS = 25
PATIENCE_S = 10
BOOKED_S = 90
PLACES_KEPT = 4
"""The address is remembered a moment after it changed: so many of the last ones are right."""

Moment = Literal["opening", "tapped", "shutter", "later"]
AFTER_MS: dict[Moment, int] = {"opening": 1500, "tapped": 400, "shutter": 2500, "later": 6000}
"""At most so long after the moment; a photo takes longest to become durable."""


@dataclass(frozen=True, slots=True)
class Plan:
    """When a kill comes: so many ms after the app was asked for, after a tap, after the shutter, or after the work began; and
    whether HQ is there."""

    moment: Moment
    after_ms: int
    taps: int
    online: bool
    walk: int

    def __str__(self) -> str:
        when = {"opening": "opening", "tapped": f"tap {self.taps}", "shutter": "the shutter", "later": "work"}[self.moment]
        return f"{self.after_ms} ms after {when}{', HQ reachable' if self.online else ''}"


def plan(seed: int, kill: int) -> Plan:
    """The same plan for the same seed and number."""
    chance = random.Random(f"{seed}/{kill}")
    moment = chance.choices(list(AFTER_MS), (15, 45, 20, 20))[0]
    after_ms, taps = chance.randint(0, AFTER_MS[moment]), chance.randint(1, 12)
    return Plan(moment, after_ms, taps, chance.random() < 0.15, chance.getrandbits(32))


@dataclass
class Count:
    """What the table says."""

    kills: int = 0
    acknowledged: int = 0
    found: int = 0
    photos: int = 0
    taps: int = 0
    seconds: float = 0
    broken: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return sum("lost:" in each for each in self.broken)

    def add(self, other: Count) -> None:
        for name in ("kills", "acknowledged", "found", "photos", "taps", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.broken += other.broken


class Handset:
    """One profile on disk and its browser, on and off; `promised` and `places` are kept outside the browser."""

    def __init__(self, driver: Playwright, profile: Path, address: str) -> None:
        self._driver = driver
        self._profile = profile
        self._address = address
        self.promised: set[str] = set()
        self.places: list[str] = []
        self.taps: Counter[str] = Counter()
        self._group = 0

    def start(self, *scripts: str) -> Phone:
        """A browser process of its own over the same profile. `scripts` run before the app does."""
        context = browsers.own_browser(self._driver, self._profile)
        self._group = main_process(context)
        assert os.getpgid(self._group) == self._group, "the browser leads no process group of its own"
        context.expose_function("tapped", self._tapped)
        context.expose_function("moved", lambda place: self.places.append(place))
        for script in (WALKER, *scripts):
            context.add_init_script(script)
        phone = Phone(context, self._address)
        phone.promised = self.promised
        phone.allow(*browsers.PERMISSIONS)
        return phone

    def enrol(self, server: District) -> Phone:
        """A phone with work on it that needs the server no more."""
        phone = self.start()
        phone.enrol(server.code(MEMBER))
        phone.start_shift()
        phone.see("next")
        phone.ready_for_flight_mode()
        return phone

    def await_booked(self, phone: Phone) -> None:
        """Until the browser's own list of sites is on the disk, which takes it half a minute.

        Killed before, Chromium may find no site there at its next start and begin the site's storage anew: no page can change
        that, and the app says that its store was cleared. docs/crew.md tells whoever puts the app on phones.
        """
        book = self._profile / "Default" / "WebStorage" / "QuotaManager"
        for _ in range(BOOKED_S):
            with closing(sqlite3.connect(f"file:{book}?immutable=1", uri=True)) as sites:
                if sites.execute("SELECT count(*) FROM buckets").fetchone()[0]:
                    return
            wait(phone, 1000)
        raise AssertionError(f"the browser did not write down which sites it knows within {BOOKED_S} s")

    def _tapped(self, what: str) -> None:
        self.taps[what] += 1

    def kill(self, phone: Phone) -> None:
        """SIGKILL to every process of the browser at once; what they had already told us is still heard."""
        gone: list[BrowserContext] = []
        phone.context.on("close", lambda context: gone.append(context))
        os.killpg(self._group, signal.SIGKILL)
        while not gone:
            wait(phone, 20)
        await_end(self._group)


def main_process(context: BrowserContext) -> int:
    """The browser's own pid, which is its process group: Playwright starts it detached."""
    assert context.browser is not None
    session = context.browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return next(int(each["id"]) for each in found if each["type"] == "browser")


def await_end(group: int) -> None:
    """Until nobody is left of a process group, so that the profile is nobody's."""
    while any(state not in "ZX" for state in states_of(group)):
        time.sleep(0.01)


def states_of(group: int) -> Iterator[str]:
    """The state letter of every process of a group; Z is dead and only not yet buried."""
    for found in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, own, *_ = found.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(own) == group:
            yield state


def wait(phone: Phone, ms: float) -> None:
    """Let time pass and hear what the browser says meanwhile, also when it is not there any more."""
    try:
        phone.page.wait_for_timeout(ms)
    except Error:
        time.sleep(ms / 1000)


def await_(phone: Phone, reached: Callable[[], bool]) -> None:
    """Until the page told enough; where there is nothing to tap the clock decides."""
    end = time.monotonic() + PATIENCE_S
    while not reached() and time.monotonic() < end:
        wait(phone, 2)


def back(phone: Phone) -> str:
    """Open the app as a tap on its icon does; the address it came back to."""
    phone.page.goto(f"{phone.address}/crew/")
    phone.page.locator("main[data-screen]:not([data-screen=loading])").first.wait_for()
    return str(phone.page.evaluate("location.hash"))


class Enrolment:
    """One phone from its code to the day HQ has everything, with kills in between."""

    def __init__(self, driver: Playwright, server: District, profile: Path, seed: int) -> None:
        self._server = server
        self._seed = seed
        self._handset = Handset(driver, profile, server.address)
        self._before = Store()
        self.count = Count()

    def run(self, kills: Sequence[int]) -> Count:
        """Kill as often as there are numbers; every number has its plan."""
        began = time.monotonic()
        for _ in range(JOBS):
            self._server.outage()
        phone = self._handset.enrol(self._server)
        self._handset.await_booked(phone)
        self._server.stop()
        for kill in kills:
            phone = self._round(phone, kill)
        self._settle(phone)
        self.count.seconds += time.monotonic() - began
        return self.count

    # ------------------------------------------------------------------------------------------------------- one round

    def _round(self, phone: Phone, kill: int) -> Phone:
        """Work on, die at the planned moment, come back, compare."""
        planned = plan(self._seed, kill)
        if planned.online:
            self._server.start()
        self._work_until(phone, planned)
        self._handset.kill(phone)
        self._server.stop()
        phone = self._handset.start()
        where = back(phone)
        now = ledger.stored(phone.page)
        found = [*ledger.broken(self._handset.promised, now, self._before), *self._elsewhere(where, now)]
        self._before = now
        self.count.kills += 1
        self.count.broken += [f"kill {kill} ({planned}): {each}" for each in found]
        return phone

    def _work_until(self, phone: Phone, planned: Plan) -> None:
        if planned.moment == "opening":
            phone.page.evaluate("setTimeout(() => location.reload(), 0)")
        else:
            self._walk(phone, planned.walk)
        taps, before = self._handset.taps, self._handset.taps.copy()
        if planned.moment == "tapped":
            await_(phone, lambda: taps.total() >= before.total() + planned.taps)
        if planned.moment == "shutter":
            await_(phone, lambda: taps["shutter"] > before["shutter"])
        wait(phone, planned.after_ms)

    def _walk(self, phone: Phone, seed: int) -> None:
        phone.page.evaluate("([seed, how]) => walk(seed, how)", [seed, {"pin": PIN, "everyMs": TICK_MS}])

    def _elsewhere(self, where: str, now: Store) -> Iterator[str]:
        """The app comes back to where it was; one move beyond what it could still tell us is right, an old place is not."""
        if where != (now.where or "#/today"):
            yield f"elsewhere: it meant to come back to {now.where} and came to {where}"
        *older, last = ["#/today", *self._handset.places]
        recent = [*older[1 - PLACES_KEPT :], last]
        if where in older and where not in recent:
            yield f"elsewhere: it was at {recent} and came back to {where}"

    # --------------------------------------------------------------------------------------------------------- the end

    def _settle(self, phone: Phone) -> None:
        """Signal again: HQ's facts are the phone's, none lost and none doubled, and so are the photos."""
        self._server.start()
        self._walk(phone, self._seed)
        phone.page.locator("main[data-screen]:not([data-screen=customer])").wait_for()  # only a PIN leads out of there
        phone.open()
        phone.send()
        now = ledger.stored(phone.page)
        self.count.broken += [*ledger.broken(self._handset.promised, now, self._before), *self._against_hq(now)]
        self.count.acknowledged += len(self._handset.promised)
        self.count.found += len(self._handset.promised & now.facts)
        self.count.photos += len(ledger.photos_of(now))
        self.count.taps += self._handset.taps.total()
        phone.context.close()

    def _against_hq(self, now: Store) -> list[str]:
        at_hq, whole = Counter(self._server.stored_facts()), set(self._server.whole_photos())
        return [
            *(f"unsent: HQ lacks {fact}" for fact in sorted(now.facts - at_hq.keys())),
            *(f"invented: HQ has {fact}" for fact in sorted(at_hq.keys() - now.facts)),
            *(f"doubled: HQ has {fact} {times} times" for fact, times in at_hq.items() if times > 1),
            *(f"unsent: photo {name}" for name in sorted(ledger.photos_of(now) - whole)),
        ]


def soak(driver: Playwright, kills: int, seed: int, folder: Path, tell: Callable[[Count], None] = lambda count: None) -> Count:
    """So many kills, enrolment after enrolment; the sum of what was counted."""
    total = Count()
    for first in range(0, kills, KILLS_PER_ENROLMENT):
        home = folder / f"from-{first}"
        with settled_district(home / "data") as server:
            enrolment = Enrolment(driver, server, home / "profile", seed)
            total.add(enrolment.run(range(first, min(first + KILLS_PER_ENROLMENT, kills))))
        shutil.rmtree(home)
        tell(total)
    return total


def table(count: Count, seed: int) -> Table:
    """One row of figures."""
    drawn = Table(title=f"kill −9 of the whole browser, seed {seed}")
    figures = {
        "kills": f"{count.kills:,}",
        "taps": f"{count.taps:,}",
        "facts acknowledged": f"{count.acknowledged:,}",
        "found": f"{count.found:,}",
        "lost": f"{count.lost:,}",
        "photos whole": f"{count.photos:,}",
        "broken promises": f"{len(count.broken):,}",
        "time": f"{count.seconds:.0f} s",
    }
    for name in figures:
        drawn.add_column(name, justify="right")
    drawn.add_row(*figures.values())
    return drawn


def main(arguments: Sequence[str]) -> int:
    """Exit 1 when any promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.web.kills", description="Kill the browser, count what was lost.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None, help="replays the plan of a run")
    given = parser.parse_args(arguments)
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    console = Console()
    console.print(f"seed {seed}: replay with --kills {given.kills} --seed {seed}")
    with tempfile.TemporaryDirectory() as folder, browsers.playwright() as driver:
        count = soak(driver, given.kills, seed, Path(folder), lambda total: console.print(table(total, seed)))
    for each in count.broken:
        console.print(each, style="red")
    return 1 if count.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
