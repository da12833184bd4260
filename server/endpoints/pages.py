"""The web app's files (网页应用) under `/crew/`, from memory: read once at the start, so that no request can name a path.

Refuses to know what the files do. Each file has its own strong ETag; names with a hash in them (`assets/…`) are kept for ever,
the page, its worker and its manifest are asked for each time. The answers are made on the event loop: they cost a look-up.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from server.web import Headers, Rendered, accepts_gzip, header_of, send_whole
from sync.problems import Refused

BUILT = Path(__file__).parents[2] / "clients" / "web" / "dist" / "crew"
"""Beside the packages: in a checkout after `make web`, and in an installed wheel, which carries it at the same place."""

PREFIX = "/crew/"
INDEX = "index.html"
KEPT = "assets/"

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
# On every file, not on pages alone: a worker obeys the policy its own script came with.
_POLICY: Headers = [
    (b"content-security-policy", CSP.encode()),
    (b"permissions-policy", b"camera=(self), geolocation=(self), microphone=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
]
_FOR_EVER, _ASK = b"public, max-age=31536000, immutable", b"no-cache"

MEDIA_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".ftl": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
}
"""By the name's end. Anything else is bytes that a browser only saves."""
_OTHER = "application/octet-stream"
_PACKED_ALREADY = frozenset((".png", ".jpg", ".webp", ".woff2"))

NOT_BUILT = """<!doctype html>
<html lang="zh-CN">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Lamplighter</title>
<h1>网页应用还没有构建</h1>
<p>服务器在运行，但没有找到班组手机的网页应用。请运行 <code>make web</code>（需要 Node 20.19 或更新版本），
再重新启动服务器。</p>
<div lang="en">
<h1>The web app is not built</h1>
<p>The server runs, but it did not find the crew's web app. Run <code>make web</code> (it needs Node 20.19 or newer) and start
the server again.</p>
</div>
</html>
"""


@dataclass(frozen=True, slots=True)
class File:
    """One file as it goes out, plain and packed; each form has an ETag of its own (RFC 9110 §8.8.3.3)."""

    plain: bytes
    packed: bytes | None
    tag: str
    media_type: str
    cache: bytes

    def rendered(self, scope: Scope) -> Rendered:
        """The answer to this request: the file, or 304 when the client has it."""
        packed = self.packed if accepts_gzip(header_of(scope, b"accept-encoding")) else None
        tag = f'"{self.tag}"' if packed is None else f'"{self.tag}-gz"'
        # The policy goes with a 304 too: a cache takes a stored page's headers from the newest answer.
        headers = [*_POLICY, (b"cache-control", self.cache), (b"etag", tag.encode())]
        if self.packed is not None:
            headers.append((b"vary", b"accept-encoding"))
        if _has(scope, tag):
            return Rendered(304, headers, b"")
        headers.append((b"content-type", self.media_type.encode()))
        if packed is not None:
            headers.append((b"content-encoding", b"gzip"))
        return Rendered(200, headers, self.plain if packed is None else packed)


def read_files(folder: Path) -> dict[str, File]:
    """Every file below a folder by its path inside; none when the folder is not there. Links are not followed."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): _read(path, path.relative_to(folder).as_posix()) for path in paths}


def _read(path: Path, name: str) -> File:
    data = path.read_bytes()
    packed = None if path.suffix in _PACKED_ALREADY else gzip.compress(data, 9, mtime=0)
    return File(
        data,
        packed if packed is not None and len(packed) < len(data) else None,
        hashlib.sha256(data).hexdigest()[:32],
        MEDIA_TYPES.get(path.suffix, _OTHER),
        _FOR_EVER if name.startswith(KEPT) else _ASK,
    )


class Pages:
    """`/crew/…`: a file of the build, or the problem `not-found`; without a build one page that says how to make it."""

    summary = "The crew's web app: its page and files, with ETags; while it is not built, 503 and a page that says so."
    media_type = "text/html"

    def __init__(self, files: Mapping[str, File]) -> None:
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path_params"]["file"] or INDEX
        file = self._files.get(name)
        if file is not None:
            await send_whole(scope, send, file.rendered(scope))
        elif name == INDEX and INDEX not in self._files:
            await send_whole(scope, send, _not_built())
        else:
            raise Refused("not-found", "The web app has no such file.")


class Redirect:
    """Leads to the web app."""

    summary = "Leads to the crew's web app, /crew/."
    media_type = "text/html"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = [(b"location", PREFIX.encode()), (b"cache-control", b"no-cache")]
        await send_whole(scope, send, Rendered(307, headers, b""))


def page_routes(folder: Path) -> list[Route]:
    """`/`, `/crew` and everything below it, from the build in `folder`."""
    redirect, pages = Redirect(), Pages(read_files(folder))
    return [
        Route("/", redirect, methods=["GET"]),
        Route(PREFIX.rstrip("/"), redirect, methods=["GET"]),
        Route(PREFIX + "{file:path}", pages, methods=["GET"]),
    ]


def _not_built() -> Rendered:
    headers: Headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
    return Rendered(503, headers, NOT_BUILT.encode())


def _has(scope: Scope, tag: str) -> bool:
    """Whether If-None-Match names the form that would be sent; weakly compared, as RFC 9110 §13.1.2 asks."""
    asked = (header_of(scope, b"if-none-match") or b"").decode("latin-1")
    tags = [one.strip().removeprefix("W/") for one in asked.split(",")]
    return asked.strip() == "*" or tag in tags
