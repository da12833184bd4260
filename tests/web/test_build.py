"""The build keeps its promises before any browser sees it: small, whole, and within the page's policy."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from base64 import b64decode
from html.parser import HTMLParser

from server.endpoints.pages import BUILT
from tests.web.build import first_scripts, gzipped_bytes, kept_files, page

FIRST_SCRIPT_BYTES_MAX = 110 * 1024


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and the text inside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style") and data.strip():
            self.inline.append(data)


def test_the_script_before_the_first_screen_is_small() -> None:
    assert gzipped_bytes(first_scripts()) <= FIRST_SCRIPT_BYTES_MAX, first_scripts()


def test_the_page_obeys_its_own_policy_and_asks_nobody_else() -> None:
    found = Tags(page())
    addresses = [value for _, attributes in found.tags for name, value in attributes.items() if name in ("src", "href")]
    assert not found.inline
    assert not [name for _, attributes in found.tags for name in attributes if name == "style" or name.startswith("on")]
    assert addresses and all(address and address.startswith("/crew/") for address in addresses)


def test_the_page_says_something_before_any_script_and_without_one() -> None:
    body = page().split("<body>")[1]
    without = body.split("<noscript>")[1]
    assert "Lamplighter" in body.split("<noscript>")[0]
    assert re.search(r"[\u4e00-\u9fff]", without) and "JavaScript" in without and "allow it" in without


def test_the_worker_keeps_every_file_of_the_build_and_knows_its_bytes() -> None:
    built = {path.relative_to(BUILT).as_posix() for path in BUILT.rglob("*") if path.is_file()}
    kept = {entry["url"]: entry for entry in kept_files()}
    assert set(kept) == built - {"sw.js"}
    for name, entry in kept.items():
        algorithm, _, digest = entry["integrity"].partition("-")
        assert (algorithm, b64decode(digest)) == ("sha256", hashlib.sha256((BUILT / name).read_bytes()).digest()), name
        assert (entry["revision"] is None) == bool(re.match(r"assets/.+-[\w-]{8,}\.", name)), name


def test_the_worker_is_one_script_of_its_own() -> None:
    code = (BUILT / "sw.js").read_text("utf-8")
    assert not re.search(r"\bimport\s*[({\"'`]|\bimport\b.*\bfrom\b|__PRECACHE__", code)
    assert "indexedDB" not in code and "importScripts" not in code


def test_the_manifest_makes_an_app_of_it() -> None:
    manifest = json.loads((BUILT / "manifest.webmanifest").read_text("utf-8"))
    assert (manifest["start_url"], manifest["scope"], manifest["display"]) == ("/crew/#/today", "/crew/", "standalone")
    assert "点灯人" in manifest["name"] and "Lamplighter" in manifest["name"]
    sizes = {}
    for icon in manifest["icons"]:
        data = (BUILT / icon["src"]).read_bytes()
        if icon["type"] == "image/png":
            width, height = struct.unpack(">II", data[16:24])
            assert icon["sizes"] == f"{width}x{height}"
            sizes[icon["purpose"], width] = icon["src"]
    assert {("any", 192), ("any", 512), ("maskable", 512)} <= set(sizes)
