"""Pictures for docs/crew.md: `python -m tests.web.pictures` walks the tour and keeps each screen in both languages and colours.

One file a screen, four phones side by side: Chinese by day and by night, English by day and by night.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from tests.web import browser as browsers
from tests.web.browser import Scheme
from tests.web.phone import Phone
from tests.web.scene import settled_district
from tests.web.tour import Stop, speak, tour

FOLDER = Path(__file__).parents[2] / "docs" / "pictures" / "crew"
KEPT = frozenset(
    [
        *("enrol", "start", "today", "ticket", "arrive", "arrive-far", "guide-tick", "steps-sheet", "cannot-sheet", "camera"),
        *("guide-number", "guide-number-really", "guide-finish", "hand-over", "customer", "customer-reasons", "customer-over"),
        *("pin", "done", "queue", "queue-heard", "changed", "score", "learn", "settings", "sign-out-sheet", "raise", "amend"),
        *("note", "material", "suspend", "return", "free-scan", "free-signature", "camera-refused", "own-phone"),
        *("rating-page", "wiped", "floor"),
    ]
)
"""The stops of the tour that are kept; the others are states of these."""
HOST = "lamplighter.test"
WIDTH, HEIGHT, GAP = 270, 555, 10
COLOURS = 96
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


def four_ways(page: Page, stop: Stop) -> Image.Image:
    """The screen in each language and colour, side by side."""
    shots = list(_shots(page, stop))
    sheet = Image.new("RGB", (len(shots) * (WIDTH + GAP) - GAP, HEIGHT), "#808890")
    for at, shot in enumerate(shots):
        sheet.paste(shot.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS), (at * (WIDTH + GAP), 0))
    return sheet


def _shots(page: Page, stop: Stop) -> Iterator[Image.Image]:
    for lang in stop.languages:
        speak(page, stop, lang)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            yield Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.emulate_media(color_scheme="light", reduced_motion="reduce")


def keep(page: Page, stop: Stop) -> None:
    """Write the picture, in few colours: these are flat drawings."""
    palette = four_ways(page, stop).quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    path = FOLDER / f"{stop.name}.png"
    palette.save(path, optimize=True)
    print(f"  {stop.name:<20} {path.stat().st_size / 1024:5.0f} KB", flush=True)


def main() -> None:
    """Walk and keep."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    shape = browsers.shape(reduced_motion="reduce", scale=1.5)
    with (
        tempfile.TemporaryDirectory() as folder,
        settled_district(Path(folder) / "data") as server,
        browsers.playwright() as driver,
        browsers.shared_browser(driver, f"--host-resolver-rules=MAP {HOST} 127.0.0.1") as browser,
    ):
        phone = Phone(browser.new_context(**shape), server.address)
        phone.allow(*browsers.PERMISSIONS)
        for stop in tour(phone, server, Path(folder)):
            if stop.name in KEPT:
                keep(phone.page, stop)
        page = browser.new_context(**shape).new_page()
        page.goto(f"http://{HOST}:{server.port}/crew/")
        page.locator("main[data-screen=floor]").wait_for()
        keep(page, Stop("floor", languages=("zh",)))


if __name__ == "__main__":
    main()
