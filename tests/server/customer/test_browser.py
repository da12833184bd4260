"""The rating page in a real Chromium: a customer without scripts gets through, every target is a thumb wide, axe finds nothing.

axe-core comes with the web client's own packages (`clients/web`), as the crew app's tests use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.server.customer.scene import Customers
from tests.web import browser as browsers

AXE = Path(__file__).parents[3] / "clients" / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag2aaa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
TARGETS = ".row, .why label, summary, select, textarea, .send, header a"
TARGET_MIN_PX = 72


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.playwright() as driver, browsers.shared_browser(driver) as opened:
        yield opened


def visit(browser: Browser, address: str, **wished: Any) -> Page:
    page = browser.new_context(**browsers.shape(**wished)).new_page()
    page.goto(address)
    return page


def test_a_customer_gets_through_without_any_script(browser: Browser, customers: Customers) -> None:
    ticket, _, path = customers.job()
    page = visit(browser, customers.world.address + path, java_script_enabled=False)
    page.click(".send")
    assert page.inner_text("[role=alert]") == "请先选择总体评价。"
    assert not page.is_visible(".why"), "reasons are asked for the bad levels alone"
    page.check("#o1")
    assert page.is_visible(".why")
    page.check("text=态度不好")
    page.click("summary")
    page.select_option("select[name=fixed]", label="没有解决")
    page.fill("textarea", '没修好\n<b>&"')
    page.click(".send")
    assert "谢谢您" in page.inner_text("main")
    expected = {"overall": 1, "reasons": ["manner"], "fixed": False, "comment": '没修好\n<b>&"'}
    assert customers.answers(ticket) == [expected]
    page.context.close()


def test_the_page_can_be_filled_in_by_keyboard_alone(browser: Browser, customers: Customers) -> None:
    ticket, _, path = customers.job()
    page = visit(browser, customers.world.address + path, java_script_enabled=False)
    for key in ("Tab", "Tab", "Space", "ArrowDown", "Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector("text=谢谢您")
    assert customers.answers(ticket) == [{"overall": 4}]
    page.context.close()


@pytest.mark.parametrize("width", [320, 360, 1440])
def test_every_target_is_a_thumb_wide_and_nothing_is_cut_off(browser: Browser, customers: Customers, width: int) -> None:
    page = visit(browser, customers.world.address + customers.job()[2], viewport={"width": width, "height": 740})
    page.check("#o1")
    page.click("summary")
    boxes = [place.bounding_box() for place in page.locator(TARGETS).all()]
    assert len(boxes) == 5 + 5 + 1 + 6 + 1 + 1 + 1
    assert all(box and box["width"] >= TARGET_MIN_PX and box["height"] >= TARGET_MIN_PX for box in boxes)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_nothing_of_the_page_is_refused_by_its_own_policy(browser: Browser, customers: Customers) -> None:
    page = browser.new_context(**browsers.shape()).new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    address = customers.world.address + customers.job()[2]
    page.goto(address)
    assert said == [] and [url for url in asked if not url.startswith("data:")] == [address]
    assert page.evaluate("getComputedStyle(document.querySelector('.row')).minHeight") == "72px", "the style is in force"
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("state", ["form", "missing", "thanks", "already", "absent"])
def test_axe_finds_nothing(browser: Browser, customers: Customers, state: str, lang: str, scheme: str) -> None:
    path = "/r/nothing" if state == "absent" else customers.job()[2]
    address = f"{customers.world.address}{path}?lang={lang}"
    # The page's policy lets no script in, not even axe.
    page = visit(browser, address, scheme=scheme, bypass_csp=True)
    if state == "missing":
        page.click(".send")
        page.click("summary")
        page.check("#o2")
    if state in ("thanks", "already"):
        page.check("#o5")
        page.click(".send")
    if state == "already":
        page.goto(address)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("rules => axe.run({runOnly: {type: 'tag', values: rules}})", RULES)
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == []
    page.context.close()
