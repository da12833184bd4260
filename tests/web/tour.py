"""A tour of every screen of the crew's app, of the customer's too; how they look is judged by whoever takes it.

`tour` walks one phone through a day and stops at every screen with its name; between two stops the guest may change language
and colours, but must leave the phone where it stands. Refuses to know what is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page, expect

from tests.server.desk.workbooks import csv_form
from tests.web import journey
from tests.web.phone import PIN, SLOW_MS, Phone
from tests.web.scene import MEMBER, OTHER_CREW, District

LANG = {"zh": "zh-CN", "en": "en"}
Whose = Literal["crew", "customer", "own-phone"]
FAR = {"lat": 27.9900, "lon": 116.4100, "source": "agent"}
COLUMNS = ("required", "safety", "unit", "shows", "appearance")


def asked(kind: str, name: str, zh: str, en: str, **more: str) -> tuple[str, ...]:
    """One row of a guide."""
    return (kind, name, zh, en, *(more.get(column, "") for column in COLUMNS))


EVERY_STEP = csv_form(
    survey=[
        ("type", "name", "label::中文 (zh)", "label::English (en)", *COLUMNS),
        asked("note", "read", "先核对户号，再开箱", "Check the account before opening the box"),
        asked("acknowledge", "proved", "已验电", "Proved dead", required="yes", safety="yes"),
        asked("select_one seals", "seal", "封印状况", "The seal", required="yes"),
        asked("select_multiple seals", "seals", "换下的封印", "Seals replaced"),
        asked("text", "words", "处理情况", "What was done", required="yes"),
        asked("barcode", "meter_no", "扫描表号", "Scan the meter", required="yes"),
        asked("integer", "reading", "现场示数", "Reading on site", required="yes", unit="kWh"),
        asked("image", "sign", "客户签名", "Customer's signature", required="yes", appearance="signature"),
        asked("image", "seal_photo", "封印照片", "Photo of the seal", required="yes", shows="meter"),
    ],
    choices=[
        ("list_name", "name", "label::中文 (zh)", "label::English (en)"),
        ("seals", "whole", "完好", "Whole"),
        ("seals", "broken", "破损", "Broken"),
        ("seals", "missing", "缺失", "Missing"),
    ],
    settings=[
        ("form_id", "form_title", "title_en", "version", "kinds"),
        ("seals", "封印检查作业卡", "Check of seals", 1, "consultation"),
    ],
)
"""A guide with a step of every type."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A screen: its name, in whose hands the phone is, and the languages it can be shown in."""

    name: str
    whose: Whose = "crew"
    languages: Sequence[str] = ("zh", "en")


def speak(page: Page, stop: Stop, lang: str) -> None:
    """Show the same screen in a language, by its own switch, which may lie behind an open question."""
    if page.evaluate("document.documentElement.lang") == LANG[lang]:
        return
    if stop.whose == "own-phone":
        page.goto(f"{page.url.partition('?')[0]}?lang={lang}")
    else:
        page.evaluate("document.querySelector('[data-testid=language]').click()")
    page.locator(f"html[lang='{LANG[lang]}']").wait_for(state="attached")


def tour(phone: Phone, server: District, folder: Path) -> Iterator[Stop]:
    """Every screen; `folder` takes small files on the way. Ends with the store gone."""
    server.said(server.office.post("/v1/import/guide", content=b"{}\n" + EVERY_STEP))
    day = Day(phone, server, folder)
    for part in (
        day.arrival_of_the_phone,
        day.jobs_come,
        day.on_site,
        day.through_the_guide,
        day.hand_over,
        day.customer,
        day.lock,
        day.aside,
        day.every_step,
        day.words_from_hq,
        day.camera_refused,
        day.own_phone,
        day.broken,
    ):
        yield from part()


class Day:
    """The stops of one day, in the order of the day; every part begins where the one before ended."""

    def __init__(self, phone: Phone, server: District, folder: Path) -> None:
        self.phone = phone
        self.server = server
        self.folder = folder
        self.first = self.seals = self.plain = self.far = self.lent = self.off = self.argued = ""

    @property
    def page(self) -> Page:
        return self.phone.page

    def at(self, ticket: str, sub: str, screen: str | None = None) -> None:
        """One screen of a ticket."""
        self.phone.go("/".join(part for part in ("#/ticket", ticket, sub) if part), screen or sub)

    def leave_sheet(self) -> None:
        """As the phone's own back key does."""
        sheet = self.page.locator("dialog[open]")
        sheet.wait_for()
        self.page.keyboard.press("Escape")
        sheet.wait_for(state="detached")

    def steps_done(self, ticket: str, *steps: str) -> None:
        """What comes next on a ticket, by its own button."""
        for step in steps:
            self.at(ticket, "", "ticket")
            self.phone.tap(f"do-{step}")
            if step == "arrive":
                self.phone.at("arrive")
            elif step == "start":
                self.phone.at("guide")
            else:
                self.page.locator(f"[data-testid=do-{step}]").wait_for(state="detached")

    # ----------------------------------------------------------------------------------------------------- the morning

    def arrival_of_the_phone(self) -> Iterator[Stop]:
        phone = self.phone
        self.page.goto(f"{phone.address}/crew/#enrol={self.server.code(MEMBER)}")
        phone.at("enrol")
        yield Stop("enrol")
        phone.touch(self.page.get_by_test_id("enrol"))
        yield Stop("enrol-pin-missing")
        phone.fill_in_enrolment()
        phone.see("start-result")
        yield Stop("start")
        phone.start_shift()
        phone.see("nothing")
        yield Stop("today-empty")

    def jobs_come(self) -> Iterator[Stop]:
        phone, server = self.phone, self.server
        self.first = server.outage(ago_min=9, meter_asset_no="3640028817", vulnerable_customer=True)
        calm: dict[str, Any] = {"priority": 3, "fault_class": "equipment_hazard"}
        self.seals = server.outage(kind="consultation", address="青溪镇石桥村12号", meter_asset_no="3640011266", **calm)
        self.plain = server.outage(kind="hazard", address="青溪镇东街路口", description="电杆倾斜。", **calm)
        self.far = server.outage(address="龙口村水库泵站", position=FAR, ago_min=3, priority=2)
        self.lent, self.off, self.argued = (server.outage(address=each) for each in ("柳巷5号", "柳巷7号", "柳巷9号"))
        phone.send()
        phone.go("#/today", "today")
        phone.see("later")
        yield Stop("today")
        self.at(self.first, "", "ticket")
        yield Stop("ticket")
        phone.tap("navigate")
        yield Stop("navigate-sheet")
        self.leave_sheet()
        phone.ready_for_flight_mode()
        self.server.stop()

    # -------------------------------------------------------------------------------------------------------- the work

    def on_site(self) -> Iterator[Stop]:
        phone = self.phone
        self.steps_done(self.far, "accept", "depart", "arrive")
        phone.see("far")
        yield Stop("arrive-far")
        phone.tap("far-why")
        phone.see("far-sheet")
        yield Stop("far-sheet")
        self.leave_sheet()
        self.steps_done(self.first, "accept", "depart")
        phone.go("#/today", "today")
        yield Stop("today-driving")
        self.steps_done(self.first, "arrive")
        phone.see("distance")
        yield Stop("arrive")
        for ticket in (self.lent, self.off):
            self.steps_done(ticket, "accept", "depart", "arrive")

    def through_the_guide(self) -> Iterator[Stop]:
        phone = self.phone
        self.steps_done(self.first, "start")
        journey.step(phone, "isolated")
        yield Stop("guide-tick")
        phone.tap("steps")
        yield Stop("steps-sheet")
        self.leave_sheet()
        phone.tap("cannot")
        phone.tap("cannot-save")
        yield Stop("cannot-sheet")
        self.leave_sheet()
        journey.tick(phone, "isolated")
        journey.step(phone, "before")
        self.page.locator(".finder[data-state=running]").wait_for()
        yield Stop("camera")
        journey.photo(phone, "before")
        journey.photo(phone, "fault")
        journey.step(phone, "voltage")
        yield Stop("guide-number")
        phone.keys("24")
        phone.tap("save")
        phone.see("really")
        yield Stop("guide-number-really")
        phone.keys("4")
        phone.tap("save")
        yield Stop("guide-number-twice")
        for _ in range(3):
            self.page.locator(".keypad [data-key=back]").tap()
        journey.number(phone, "voltage", "231")
        journey.step(phone, "after")
        self.at(self.first, "guide/~finish", "guide")
        phone.see("missing")
        yield Stop("guide-finish-open")
        phone.tap("finish")
        phone.see("finish-anyway")
        yield Stop("finish-anyway")
        self.leave_sheet()
        self.at(self.first, "guide/after", "guide")
        journey.photo(phone, "after")
        journey.photo(phone, "meter")
        journey.step(phone, "~finish")
        yield Stop("guide-finish")
        self.at(self.first, "guide/voltage", "guide")
        phone.see("given")
        yield Stop("guide-number-given")
        self.at(self.first, "guide/after", "guide")
        self.page.locator("[data-testid=given] img").first.wait_for()
        yield Stop("guide-photo-given")
        self.at(self.first, "guide/~finish", "guide")

    # ------------------------------------------------------------------------------------------------------ the rating

    def hand_over(self) -> Iterator[Stop]:
        phone = self.phone
        journey.finish(phone)
        yield Stop("hand-over")
        phone.tap("why-not")
        self.page.get_by_test_id("why-not-result").locator("label").first.tap()
        phone.tap("why-not-save")
        yield Stop("why-not-sheet")
        self.leave_sheet()
        self.at(self.first, "own-phone")
        yield Stop("own-phone")
        self.at(self.first, "rate", "hand-over")
        phone.tap("on-this-phone")
        phone.at("customer")

    def customer(self) -> Iterator[Stop]:
        phone = self.phone
        phone.see("levels")
        yield Stop("customer", "customer")
        phone.touch(self.page.get_by_test_id("send"))
        phone.see("wrong")
        yield Stop("customer-choose-first", "customer")
        self.page.locator("[data-level='2']").tap()
        phone.see("reasons")
        self.page.locator("[data-testid=reasons] label").first.tap()
        self.page.locator("details summary").tap()
        yield Stop("customer-reasons", "customer")
        self.page.evaluate(A_MINUTE_LATER)
        phone.see("still-there")
        yield Stop("customer-still-there", "customer")
        self.page.get_by_test_id("still-here").tap()

    def lock(self) -> Iterator[Stop]:
        phone = self.phone
        self.page.get_by_test_id("lock").tap()
        phone.see("pin-lock")
        yield Stop("pin")
        phone.keys("0000")
        expect(phone.see("pin-word")).not_to_be_empty(timeout=SLOW_MS)
        self.page.get_by_test_id("forgot").tap()
        yield Stop("pin-wrong")
        self.page.get_by_test_id("lock-back").tap()
        self.page.evaluate(FULL_DISK)
        phone.expect_fault("storage-full|QuotaExceeded")
        self.page.locator("[data-level='5']").tap()
        phone.touch(self.page.get_by_test_id("send"))
        self.page.locator("main[data-screen=customer] .banner.danger").wait_for()
        yield Stop("customer-unsaved", "customer")
        self.page.evaluate("window.roomAgain()")
        phone.touch(self.page.locator("[data-primary]"))
        phone.see("over")
        yield Stop("customer-over", "customer")
        phone.touch(self.page.get_by_test_id("hand-back"))
        phone.see("pin-lock")
        phone.keys(PIN)
        phone.at("done")
        yield Stop("done")

    # ---------------------------------------------------------------------------------------------- beside the critical path

    def aside(self) -> Iterator[Stop]:
        phone = self.phone
        self.at(self.first, "", "ticket")
        yield Stop("ticket-finished")
        for tab in ("queue", "score", "learn"):
            phone.go(f"#/{tab}", tab)
            self.page.wait_for_timeout(100)
            yield Stop({"score": "score-empty"}.get(tab, tab))
        self.page.get_by_test_id("guide").first.tap()
        phone.see("lesson")
        yield Stop("learn-guide")
        phone.go("#/settings", "settings")
        self.page.locator("dl.facts").wait_for()
        yield Stop("settings")
        phone.tap("sign-out")
        phone.see("sign-out-unsent")
        yield Stop("sign-out-sheet")
        self.leave_sheet()
        phone.go("#/raise", "raise")
        phone.tap("raise-save")
        phone.see("raise-fault")
        self.page.get_by_test_id("raise-told").tap()
        yield Stop("raise")
        self.at(self.argued, "amend")
        phone.see("amend-contact_phone").fill("135-0000-2999")
        yield Stop("amend")
        phone.tap("amend-save")
        phone.at("ticket")
        self.steps_done(self.seals, "accept", "depart", "arrive")
        for sub, save in (
            ("note", "note-save"),
            ("material", "material-save"),
            ("return", "return-save"),
            ("suspend", "suspend-save"),
        ):
            self.at(self.seals, sub)
            phone.tap(save)
            yield Stop(sub)
        for sub, ready in (("camera", ".finder[data-state=running]"), ("scan", ".finder"), ("signature", "canvas")):
            self.at(self.seals, sub)
            self.page.locator(ready).wait_for()
            yield Stop(f"free-{sub}")
        self.at("unknown", "", "ticket")
        phone.see("no-ticket")
        yield Stop("ticket-unknown")
        self.at("unknown", "guide")
        yield Stop("guide-unknown")

    def every_step(self) -> Iterator[Stop]:
        phone = self.phone
        self.at(self.seals, "arrive")
        phone.tap("do-start")
        for step in ("read", "seal", "seals", "words", "meter_no", "reading", "sign"):
            self.at(self.seals, f"guide/{step}", "guide")
            journey.step(phone, step)
            if self.page.get_by_test_id("save").count():
                phone.tap("save")  # with nothing in it: it says what is missing
            yield Stop(f"guide-{self.page.locator('.step').get_attribute('data-type')}-{step}")
        self.at(self.seals, "suspend")
        self.page.get_by_test_id("suspend-reason").locator("label").first.tap()
        phone.tap("suspend-save")
        phone.at("ticket")
        self.at(self.seals, "guide/seal", "guide")
        phone.see("suspended")
        yield Stop("guide-suspended")
        phone.tap("resume")
        self.steps_done(self.plain, "accept", "depart", "arrive", "start")
        phone.page.locator("[data-step='~finish']").wait_for()
        yield Stop("guide-plain")
        phone.tap("finish")
        phone.at("hand-over")
        phone.tap("on-this-phone")
        phone.see("levels")
        self.page.get_by_test_id("lock").tap()
        phone.see("pin-lock")
        phone.keys(PIN)
        phone.see("taking-back-on")
        yield Stop("taking-back")
        self.page.get_by_test_id("why-not-result").locator("label").first.tap()
        self.page.get_by_test_id("why-not-reason").locator("label").first.tap()
        phone.tap("why-not-save")
        phone.at("done")

    # ---------------------------------------------------------------------------------------------------- signal again

    def words_from_hq(self) -> Iterator[Stop]:
        phone, server = self.phone, self.server
        with server.unreachable_for_phones():
            server.command(self.lent, "transfer", crew=OTHER_CREW)
            server.command(self.off, "cancel", reason="客户来电撤销")
            server.command(self.argued, "correct", set={"contact_phone": "135-0000-2777"})
        phone.go("#/queue", "queue")
        phone.tap("send-now")
        self.page.locator("[data-testid=pill]:not([data-truth=sending]):not([data-truth=waiting])").wait_for()
        yield Stop("queue-heard")
        phone.go("#/today", "today")
        phone.see("changes")
        yield Stop("today-changes")
        phone.go("#/changed", "changed")
        self.page.locator(".banner").first.wait_for()
        yield Stop("changed")
        self.at(self.argued, "", "ticket")
        phone.see("told-contest")
        yield Stop("ticket-contested")
        self.at(self.first, "rate", "hand-over")
        phone.see("rated")
        yield Stop("hand-over-rated")
        phone.go("#/score", "score")
        phone.see("points")
        yield Stop("score")

    def camera_refused(self) -> Iterator[Stop]:
        phone = self.phone
        phone.allow("geolocation", "durableStorage")
        self.at(self.seals, "guide/seal_photo", "guide")
        phone.see("camera-trouble")
        yield Stop("camera-refused")
        picture = self.folder / "unreadable.jpg"
        picture.write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40)
        self.page.get_by_test_id("camera-file").set_input_files(picture)
        phone.see("second-look")
        yield Stop("second-look")
        phone.tap("camera-keep")

    def own_phone(self) -> Iterator[Stop]:
        found = self.server.service.queries().record("ticket", self.seals)
        assert found is not None
        self.page.goto(f"{self.phone.address}{found[1]['rating_path']}")
        yield Stop("rating-page", "own-phone")
        self.page.locator("button.send").tap()
        self.page.locator(".say").wait_for()
        yield Stop("rating-page-missing", "own-phone")
        self.page.locator("label.row").last.tap()
        self.page.locator("details summary").tap()
        yield Stop("rating-page-reasons", "own-phone", ("zh",))  # another language is another page, and begins anew
        self.page.locator("button.send").tap()
        self.page.locator("h1 + p").wait_for()
        yield Stop("rating-page-thanks", "own-phone")
        self.page.goto(f"{self.phone.address}/r/nobody")
        yield Stop("rating-page-absent", "own-phone", ("zh",))

    # ------------------------------------------------------------------------------------------------------- bad days

    def broken(self) -> Iterator[Stop]:
        phone = self.phone
        phone.open()
        self.server.stop()
        self.page.evaluate("caches.keys().then((names) => Promise.all(names.map((name) => caches.delete(name))))")
        phone.devtools("Network.clearBrowserCache")
        phone.expect_fault("dynamically imported module|Failed to fetch")
        self.page.evaluate("location.hash = '#/learn'")
        phone.at("part-missing")
        yield Stop("part-missing")
        self.server.start()
        self.page.goto("about:blank")
        self.page.goto(f"{phone.address}/r/nobody")
        self.page.evaluate(NEWER_STORE)
        phone.expect_fault("store-too-new")
        phone.open(screen="unopened")
        yield Stop("unopened")
        phone.wipe_storage()
        phone.open(screen="wiped")
        yield Stop("wiped")


A_MINUTE_LATER = """
() => {
  const now = performance.now.bind(performance);
  performance.now = () => now() + 61000;
}
"""

FULL_DISK = """
() => {
  const add = IDBObjectStore.prototype.add;
  window.roomAgain = () => { IDBObjectStore.prototype.add = add; };
  IDBObjectStore.prototype.add = () => { throw new DOMException("full", "QuotaExceededError"); };
}
"""

NEWER_STORE = """
() => new Promise((done, failed) => {
  const asked = indexedDB.open("lamplighter", 990);
  asked.onsuccess = () => { asked.result.close(); done(); };
  asked.onerror = () => failed(asked.error);
})
"""
