"""What browser tests share: one browser a file, phones that fail their test over any unexpected error, pictures of failures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Playwright

from tests.web import browser as browsers
from tests.web.phone import Phone
from tests.web.scene import CREW, MEMBER, District, settled_district

NewPhone = Callable[..., Phone]
_outcome = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Notes whether the test's own part failed, for the fixtures that clean up after it."""
    report = yield
    if report.when == "call":
        item.stash[_outcome] = report.failed
    return report


@pytest.fixture(scope="module")
def driver() -> Iterator[Playwright]:
    with browsers.playwright() as opened:
        yield opened


@pytest.fixture(scope="module")
def browser(driver: Playwright) -> Iterator[Browser]:
    with browsers.shared_browser(driver) as opened:
        yield opened


@pytest.fixture
def server(tmp_path: Path) -> Iterator[District]:
    with settled_district(tmp_path / "data") as running:
        yield running


@pytest.fixture
def phones(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Phone]]:
    """Phones of this test: when it fails each leaves a picture and its text; when it does not, an unexpected error fails it."""
    made: list[Phone] = []
    yield made
    failed = request.node.stash.get(_outcome, True)
    unexpected = [text for phone in made for text in phone.unexpected()]
    name = re.sub(r"\W+", "-", request.node.name)[:80]
    for at, phone in enumerate(made):
        if failed or unexpected:
            print(f"» what phone {at} showed: {phone.leave_picture(tmp_path / 'failed', f'{name}-{at}')}")
        phone.context.close()
    assert failed or not unexpected, "errors on the console:\n" + "\n".join(unexpected)


@pytest.fixture
def new_phone(browser: Browser, server: District, phones: list[Phone]) -> NewPhone:
    """Makes phones of the shared browser, enrolled for `member` unless that is None."""

    def make(
        member: str | None = MEMBER, address: str | None = None, allowed: Sequence[str] = browsers.PERMISSIONS, **wished: Any
    ) -> Phone:
        phone = Phone(browser.new_context(**browsers.shape(**wished)), address or server.address)
        phones.append(phone)
        phone.allow(*allowed)
        if member is not None:
            phone.enrol(server.code(member))
            phone.start_shift()
        return phone

    return make


@pytest.fixture
def phone(server: District, new_phone: NewPhone) -> Phone:
    """A phone on the first screen of the day, with one job of its crew, ready for flight mode."""
    server.outage(CREW)
    ready = new_phone()
    ready.see("next")
    ready.ready_for_flight_mode()
    return ready
