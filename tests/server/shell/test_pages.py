"""The web app's files: known ones alone, each with type, policy, lifetime and ETag; a clear word while there are none."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from server.endpoints.pages import page_routes
from server.web import SecurityHeaders, exception_handlers

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
FILES: dict[str, tuple[bytes, str]] = {
    "index.html": (b"<!doctype html><title>app</title>" * 40, "text/html; charset=utf-8"),
    "sw.js": (b"self.addEventListener('install', () => {});" * 40, "text/javascript; charset=utf-8"),
    "manifest.webmanifest": (b'{"name":"Lamplighter"}' * 40, "application/manifest+json"),
    "icon.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 40, "image/svg+xml"),
    "icon-192.png": (b"\x89PNG\r\n\x1a\n" + b"\0" * 900, "image/png"),
    "words/zh.ftl": ("hello = 你好\n".encode() * 40, "text/plain; charset=utf-8"),
    "assets/index-1b2c3d4e.js": (b"export const a = 1;" * 80, "text/javascript; charset=utf-8"),
    "assets/index-5f6a7b8c.css": (b"body{margin:0}" * 80, "text/css; charset=utf-8"),
    "assets/decoder-9d0e1f2a.wasm": (b"\0asm\1\0\0\0" + b"\0" * 900, "application/wasm"),
    "assets/photo-worker-aa.js": (b"onmessage = () => {};" * 40, "text/javascript; charset=utf-8"),
    "LICENSES": (b"MIT", "application/octet-stream"),
    "empty.txt": (b"", "text/plain; charset=utf-8"),
}


def client_of(folder: Path) -> TestClient:
    app = Starlette(
        routes=list(page_routes(folder)), middleware=[Middleware(SecurityHeaders)], exception_handlers=exception_handlers()
    )
    app.router.redirect_slashes = False
    return TestClient(app, follow_redirects=False, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("web") / "crew"
    for name, (data, _) in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root.parent / "secret.txt").write_text("beside the build")
    (root / "link.txt").symlink_to(root.parent / "secret.txt")
    return root


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[TestClient]:
    with client_of(folder) as client:
        yield client


def get(browser: TestClient, name: str, **headers: str) -> httpx.Response:
    headers.setdefault("accept-encoding", "identity")
    return browser.get(f"/crew/{name}", headers=headers)  # type: ignore[return-value]


@pytest.mark.parametrize("name", FILES)
def test_every_file_comes_whole_with_its_type(browser: TestClient, name: str) -> None:
    answer, (data, media_type) = get(browser, name), FILES[name]
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, data, media_type)
    assert answer.headers["content-length"] == str(len(data)) and answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", FILES)
def test_every_file_carries_the_pages_policy_because_workers_obey_the_one_they_came_with(
    browser: TestClient, name: str
) -> None:
    for answer in (get(browser, name), get(browser, name, **{"if-none-match": "*"})):
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["permissions-policy"] == "camera=(self), geolocation=(self), microphone=()"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_the_folder_itself_is_the_page(browser: TestClient) -> None:
    assert get(browser, "").content == get(browser, "index.html").content == FILES["index.html"][0]


@pytest.mark.parametrize("path", ["/", "/crew"])
def test_the_short_addresses_lead_to_the_app(browser: TestClient, path: str) -> None:
    answer = browser.get(path)
    assert (answer.status_code, answer.headers["location"]) == (307, "/crew/")
    assert browser.head(path).status_code == 307


@pytest.mark.parametrize("name", FILES)
def test_names_with_a_hash_are_kept_for_ever_and_all_others_asked_for(browser: TestClient, name: str) -> None:
    expected = "public, max-age=31536000, immutable" if name.startswith("assets/") else "no-cache"
    assert get(browser, name).headers["cache-control"] == expected


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("name", FILES)
def test_what_a_browser_has_is_not_sent_again(browser: TestClient, name: str, encoding: str) -> None:
    tag = get(browser, name, **{"accept-encoding": encoding}).headers["etag"]
    assert tag.startswith('"') and tag.endswith('"')
    for asked in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = get(browser, name, **{"accept-encoding": encoding, "if-none-match": asked})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
        assert "content-length" not in answer.headers and "content-type" not in answer.headers
    for asked in ('"other"', tag.strip('"'), tag[:-2] + '"', ""):
        assert get(browser, name, **{"accept-encoding": encoding, "if-none-match": asked}).status_code == 200


def test_text_is_packed_for_whoever_takes_it_under_a_tag_of_its_own(browser: TestClient) -> None:
    plain, packed = get(browser, "sw.js"), get(browser, "sw.js", **{"accept-encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip" and packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    assert packed.content == plain.content and int(packed.headers["content-length"]) < len(plain.content)
    assert plain.headers["etag"] != packed.headers["etag"]
    assert "content-encoding" not in get(browser, "sw.js", **{"accept-encoding": "gzip;q=0"}).headers
    for name in ("icon-192.png", "empty.txt", "LICENSES"):
        assert "content-encoding" not in get(browser, name, **{"accept-encoding": "gzip"}).headers


def test_a_packed_file_unpacks_to_itself(folder: Path) -> None:
    from server.endpoints.pages import read_files

    for name, file in read_files(folder).items():
        assert file.packed is None or gzip.decompress(file.packed) == file.plain == FILES[name][0]


@pytest.mark.parametrize("name", ["index.html", "assets/index-1b2c3d4e.js"])
def test_head_is_the_same_without_the_bytes(browser: TestClient, name: str) -> None:
    full = get(browser, name)
    head = browser.head(f"/crew/{name}", headers={"accept-encoding": "identity"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == full.headers["etag"] and head.headers["content-type"] == full.headers["content-type"]


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "assets",
        "assets/",
        "index.html/",
        "INDEX.HTML",
        "../secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "assets/../../secret.txt",
        "assets/..%2f..%2fsecret.txt",
        "link.txt",
        "/index.html",
        "%00",
        "index.html%00.png",
        "~",
        "today/ticket-1",
        "%ff",
    ],
)
def test_whatever_is_no_file_of_the_build_is_a_problem_and_never_a_path(browser: TestClient, name: str) -> None:
    answer = get(browser, name)
    assert answer.status_code == 404 and b"beside the build" not in answer.content
    assert answer.headers["content-type"] == "application/problem+json" and answer.json()["slug"] == "not-found"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_files_are_read_and_nothing_else(browser: TestClient, method: str) -> None:
    answer = browser.request(method, "/crew/index.html")
    assert answer.status_code == 405 and answer.json()["slug"] == "method-not-allowed"


def test_files_are_read_once_at_the_start(tmp_path: Path) -> None:
    root = tmp_path / "crew"
    root.mkdir()
    (root / "index.html").write_text("first")
    with client_of(root) as browser:
        (root / "index.html").write_text("second")
        (root / "later.js").write_text("1")
        assert get(browser, "").text == "first" and get(browser, "later.js").status_code == 404


def test_a_server_without_the_build_says_so_in_both_languages_and_how_to_make_it(tmp_path: Path) -> None:
    with client_of(tmp_path / "nowhere") as browser:
        for name in ("", "index.html"):
            answer = get(browser, name)
            assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
            assert answer.headers["cache-control"] == "no-store" and "make web" in answer.text
            assert "还没有构建" in answer.text and "is not built" in answer.text and "<script" not in answer.text
        assert get(browser, "sw.js").status_code == 404, "a worker that was installed keeps its cache"
        assert browser.get("/").status_code == 307
