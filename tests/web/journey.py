"""A crew's way through a whole job (接单 → 出发 → 到达 → 作业指导卡 → 完成 → 客户评价), as functions on a phone.

Every `phone.tap` here is a tap the crew makes; what the customer taps is not counted.
"""

from __future__ import annotations

from playwright.sync_api import expect

from tests.web.phone import PIN, SLOW_MS, Phone


def on_the_way(phone: Phone) -> None:
    """From the first card of Today to the place."""
    phone.tap("do-accept")
    phone.tap("do-depart")
    phone.tap("do-arrive")
    phone.at("arrive")
    phone.see("arrived")


def begin_work(phone: Phone) -> None:
    phone.tap("do-start")
    phone.at("guide")


def guide(phone: Phone) -> None:
    """The six steps of the household outage: isolated, two photos, the voltage, two photos."""
    tick(phone, "isolated")
    photo(phone, "before")
    photo(phone, "fault")
    number(phone, "voltage", "230")
    photo(phone, "after")
    photo(phone, "meter")
    step(phone, "~finish")


def step(phone: Phone, name: str) -> None:
    """Wait until this step is asked."""
    phone.page.locator(f"[data-step='{name}']").first.wait_for()


def tick(phone: Phone, name: str) -> None:
    step(phone, name)
    phone.tap("tick")


def photo(phone: Phone, name: str) -> None:
    """One tap on the shutter; a picture the app doubts (the fake camera's always is the same) is kept."""
    step(phone, name)
    phone.page.locator(".finder[data-state=running]").wait_for()
    phone.tap("shutter")
    moved_on = phone.page.locator(f".step:not([data-step='{name}'])")
    doubt = phone.page.get_by_test_id("second-look")
    expect(moved_on.or_(doubt).first).to_be_visible(timeout=SLOW_MS)
    if doubt.is_visible():
        phone.tap("camera-keep")


def number(phone: Phone, name: str, digits: str) -> None:
    step(phone, name)
    phone.keys(digits)
    phone.tap("save")


def ticket_here(phone: Phone) -> str:
    """The ticket the address is about."""
    return str(phone.page.evaluate("location.hash")).split("/")[2]


def note(phone: Phone, ticket: str, text: str) -> None:
    """A word on a ticket, until the app calls it saved."""
    phone.go(f"#/ticket/{ticket}/note", "note")
    phone.page.get_by_test_id("note-text").fill(text)
    before = len(phone.promised)
    phone.tap("note-save")
    phone.wait_for(lambda: len(phone.promised) > before, "a note saved")
    phone.at("ticket")


def finish(phone: Phone) -> None:
    phone.tap("finish")
    phone.at("hand-over")


def rated_here(phone: Phone, level: int = 5) -> None:
    """The customer answers on the crew's phone; the crew unlocks it again."""
    phone.tap("on-this-phone")
    phone.at("customer")
    phone.page.locator(f"[data-level='{level}']").tap()
    phone.touch(phone.page.get_by_test_id("send"))
    phone.see("over")
    phone.tap("hand-back")
    phone.see("pin-lock")
    phone.keys(PIN)
    phone.at("done")


def customers_tap(phone: Phone, testid: str) -> None:
    """A tap that is not the crew's."""
    phone.tap(testid)
    phone.taps -= 1


def whole_job(phone: Phone) -> None:
    """From Today to Done."""
    on_the_way(phone)
    begin_work(phone)
    guide(phone)
    finish(phone)
    rated_here(phone)
