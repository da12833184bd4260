"""Garbage at every address: whatever it is, the server answers with a problem, changes nothing, and never breaks."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.auth import Role
from server.endpoints.desk import COMMANDS
from server.visit_links import Assignment
from sync.kinds import KINDS
from sync.kinds.ticket import TICKET
from sync.problems import PROBLEMS
from tests.server.api.test_access import NO_UPLOAD, RIGHTS, routes
from tests.server.api.world import World, geojson

ENGINES = ("sqlite",)

EXAMPLES = 25
SLOW = {"/v1/login": 3}  # a password is slow to check on purpose

NASTY = st.sampled_from(
    [
        *("", "\0", "..", "../../etc/passwd", "%00", "' OR 1=1 --", "\ud7ff", "＝1", "a" * 300, "𝕏", "\r\nx: y", "-1", "1e999"),
        *("9" * 40, "null", "true", "k1:5", "NaN", "ticket", "state", "WO-1", "x" * 64, NO_UPLOAD),
    ]
)
TEXTS = NASTY | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBERS = st.sampled_from([0, -1, 1, 2**31, 2**53, 2**63, 2**64, 1.5, -0.0, 1e308]) | st.integers(-(10**6), 10**6)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted({field.name for kind in KINDS.values() for field in kind.fields} | {field.name for field in TICKET})
MEMBERS = (
    *(
        "lat",
        "lon",
        "dispatch",
        "seen",
        "code",
        "key",
        "name",
        "kty",
        "crv",
        "x",
        "y",
        "assertion",
        "login",
        "password",
        "member",
    ),
    *(
        "member",
        "role",
        "minutes",
        "subject",
        "v",
        "journal",
        "n",
        "head",
        "from",
        "after",
        "checkpoint",
        "cursor",
        "limit_bytes",
        "id",
    ),
    *("class", "default_class", "datum", "tz", "dry_run", "shift_to_now", "mapping", "mapping_text", "fields", "stations"),
    *("crews", "members", "memberships", "shifts", "limit", "state", "type", "features"),
)
NAMES = TEXTS | st.sampled_from([*FIELDS, *MEMBERS])
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=5)
BODIES = (
    st.binary(max_size=60)
    | VALUES.map(lambda value: json.dumps(value).encode())
    | DOCUMENTS.map(lambda d: json.dumps(d).encode())
)
OPTIONS = st.tuples(DOCUMENTS, st.sampled_from([b"", b"x", b"{}", b"a,b\n1,2\n", geojson()]) | BODIES).map(
    lambda pair: json.dumps(pair[0]).encode() + b"\n" + pair[1]
)


@st.composite
def requests(draw: st.DrawFn, method: str, template: str, ticket: str, token: str) -> dict[str, Any]:
    """A request for a route: its path filled with garbage or with something that exists, any query, any body."""
    path = template
    for name, real in {"ticket": ticket, "id": ticket, "command": "", "kind": "ticket", "token": token}.items():
        known = st.sampled_from(sorted(COMMANDS)) if name == "command" else st.just(real)
        path = path.replace("{" + name + "}", quote(draw(known | TEXTS), safe=""))
    while "{" in path:
        start, end = path.index("{"), path.index("}")
        path = path[:start] + quote(draw(TEXTS | st.just("0" * 64)), safe="") + path[end + 1 :]
    query = "&".join(f"{quote(name)}={quote(draw(TEXTS))}" for name in draw(st.lists(NAMES, max_size=2)))
    body = draw(OPTIONS if "/import/" in template else BODIES)
    headers = draw(
        st.sampled_from(
            [
                {},
                {"content-encoding": "gzip"},
                {"tus-resumable": "1.0.0"},
                {"upload-length": "9" * 30},
                {"accept-encoding": "x"},
            ]
        )
    )
    packed = gzip.compress(body) if headers.get("content-encoding") and draw(st.booleans()) else body
    return {"method": method, "path": path + ("?" + query if query else ""), "content": packed, "headers": headers}


@pytest.fixture(scope="module")
def ticket(world: World) -> str:
    return world.ticket()


@pytest.mark.parametrize("method, path", sorted(RIGHTS))
def test_garbage_is_refused_or_answered_and_never_breaks(world: World, ticket: str, method: str, path: str) -> None:
    token = world.service.links.path(Assignment(ticket, 1)).removeprefix("/r/")

    @settings(
        max_examples=SLOW.get(path, EXAMPLES),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    @given(request=requests(method, path, ticket, token))
    def try_one(request: dict[str, Any]) -> None:
        before = world.dump()
        response = world.ask(**request, role=Role.ADMIN)
        assert response.status_code < 500 or path == "/readyz", response.text
        if response.status_code >= 400:
            assert world.dump() == before, "a refused request changed something"
            if path == "/r/{token}" and response.headers["content-type"].startswith("text/html"):
                return  # a customer is told in words
            if method != "HEAD":
                assert response.headers["content-type"] == "application/problem+json", response.text
                assert response.json()["slug"] in PROBLEMS

    try_one()


def test_every_route_is_fuzzed(world: World) -> None:
    assert routes(world) == set(RIGHTS)
    assert world.ask("GET", "/livez", role=None).status_code == 200, "and the server still lives"
