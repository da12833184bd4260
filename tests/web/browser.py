"""Chromium for tests: where it is, how it is started, and how much of a phone it pretends to be.

Refuses to know the app. Whoever needs a browser and has none gets an error, never a skipped test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, CDPSession, Playwright, sync_playwright

CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""The same names in the same order as .ci/setup."""

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream"),
]
PERMISSIONS = ("videoCapture", "geolocation", "durableStorage")
"""What a crew member says yes to; the last is storage that is not cleared, as an installed app has it."""
MILL = {"latitude": 27.9633, "longitude": 116.3622, "accuracy": 9.0}
"""Where the crew stands unless a test says otherwise: at the address of the first job."""

ICONS = Path(__file__).parents[2] / "clients" / "web" / "crew" / "public"
"""Pictures to hand in as photos."""

Scheme = Literal["light", "dark"]


@cache
def chromium() -> str:
    """The path of a Chromium that starts. Raises RuntimeError naming what to do."""
    for candidate in (os.environ.get("LAMPLIGHTER_CHROMIUM", ""), *CANDIDATES):
        path = shutil.which(candidate) if candidate else None
        if path and subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            return path
    raise RuntimeError("the browser tests need Chromium: run `.ci/setup browser`, or name one in LAMPLIGHTER_CHROMIUM")


def shape(*, lang: str = "zh-CN", scheme: Scheme = "light", scale: float = 1, **more: Any) -> dict[str, Any]:
    """A small Android phone in a crew member's hand, as arguments of a browser context."""
    return {
        "viewport": {"width": 360, "height": 740},
        "device_scale_factor": scale,
        "is_mobile": True,
        "has_touch": True,
        "locale": lang,
        "timezone_id": "Asia/Shanghai",
        "color_scheme": scheme,
        "geolocation": MILL,
        **more,
    }


@contextmanager
def playwright() -> Iterator[Playwright]:
    """The driver. It occupies this thread's event loop while it is open."""
    with sync_playwright() as driver:
        yield driver


@contextmanager
def shared_browser(driver: Playwright, *flags: str) -> Iterator[Browser]:
    """One browser process for many phones; their stores live as long as their contexts."""
    browser = driver.chromium.launch(executable_path=chromium(), args=[*FLAGS, *flags])
    try:
        yield browser
    finally:
        browser.close()


def own_browser(driver: Playwright, profile: Path, *flags: str, **wished: Any) -> BrowserContext:
    """A browser process of its own over a profile on disk: what survives a kill is there at the next start."""
    return driver.chromium.launch_persistent_context(
        profile, executable_path=chromium(), args=[*FLAGS, *flags], **shape(**wished)
    )


def allow(context: BrowserContext, origin: str, *permissions: str) -> CDPSession:
    """Say yes to these (by DevTools' names) and no to everything else, for as long as the returned session lives."""
    page = context.pages[0] if context.pages else context.new_page()
    asking = context.new_cdp_session(page)
    identity = asking.send("Target.getTargetInfo")["targetInfo"].get("browserContextId")
    asking.detach()
    assert context.browser is not None
    session = context.browser.new_browser_cdp_session()
    within = {"browserContextId": identity} if identity else {}
    session.send("Browser.grantPermissions", {"origin": origin, "permissions": list(permissions), **within})
    return session
