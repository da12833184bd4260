"""The edge through a real application: bodies bounded, compression checked, refusals as problems, no 500 by garbage."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.auth import Role
from server.web import NDJSON, decompressed, read_body
from sync.problems import PROBLEMS, Refused
from sync.wire import strict_json

GZIP = {"content-encoding": "gzip"}


def slug(response: Any) -> str:
    """The problem a response carries; checks on the way that it is a whole problem document."""
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == response.status_code == PROBLEMS[document["slug"]].status
    assert document["type"] == Refused(document["slug"]).document()["type"]
    assert document["title"] and document["title_zh"] and document["action"] and document["detail"]
    assert document["request_id"] == response.headers["x-request-id"]
    return str(document["slug"])


# --- bodies ---


def test_a_body_arrives_as_it_was_sent_plain_and_compressed(scene: Any) -> None:
    body = b'{"v":1}\n\x00\xff{"n":2}\n'
    assert scene.client.post("/echo", content=body).content == body
    assert scene.client.post("/echo", content=gzip.compress(body), headers=GZIP).content == body
    two = gzip.compress(body[:5]) + gzip.compress(body[5:])
    assert scene.client.post("/echo", content=two, headers=GZIP).content == body
    assert scene.client.post("/echo", content=body, headers={"content-encoding": "identity"}).content == body


def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(scene: Any) -> None:
    assert scene.client.post("/echo", content=b"x" * 1024).status_code == 200
    assert slug(scene.client.post("/echo", content=b"x" * 1025)) == "too-large"
    at, over = gzip.compress(b"x" * 4096), gzip.compress(b"x" * 4097)
    assert scene.client.post("/echo", content=at, headers=GZIP).status_code == 200
    assert slug(scene.client.post("/echo", content=over, headers=GZIP)) == "too-large"
    assert len(scene.calls) == 2, "nothing refused reached a function"


def test_a_body_that_does_not_declare_its_length_is_bounded_while_it_arrives(scene: Any) -> None:
    sent = []

    def endless() -> Any:
        for _ in range(10_000):
            sent.append(1)
            yield b"x" * 100

    assert slug(scene.client.post("/echo", content=endless())) == "too-large"


@pytest.mark.parametrize(
    "bomb",
    [
        gzip.compress(bytes(10_000_000), 9, mtime=0)[:1024],
        zlib.compress(b"x" * 900_000, 9, 31),
        gzip.compress(b"x" * 4000, mtime=0) + gzip.compress(b"x" * 4000, mtime=0),
    ],
    ids=["cut", "whole", "in two members"],
)
def test_a_bomb_is_refused_before_it_has_unfolded(scene: Any, bomb: bytes) -> None:
    assert len(bomb) <= 1024
    assert slug(scene.client.post("/echo", content=bomb, headers=GZIP)) == "too-large"
    assert scene.calls == []


def test_a_bomb_never_takes_more_memory_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = []
    real = zlib.decompressobj

    class Watched:
        def __init__(self, wbits: int) -> None:
            self._real = real(wbits)

        def decompress(self, data: bytes, length: int) -> bytes:
            part = self._real.decompress(data, length)
            largest.append(len(part))
            return part

    monkeypatch.setattr("server.web.zlib.decompressobj", Watched)
    with pytest.raises(Refused, match="too-large"):
        decompressed(gzip.compress(bytes(50_000_000)), b"gzip", 1000)
    assert max(largest) == 1001


# Without a time in it: a test is named by its bytes, and two processes must give it one name.
whole = gzip.compress(b"hello", mtime=0)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"", "gzip"),
        (b"plain text", "gzip"),
        (whole[:-1], "gzip"),
        (whole[:12], "gzip"),
        (whole + b"garbage", "gzip"),
        (whole + b"\x00", "gzip"),
        (whole + whole[:5], "gzip"),
        (whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:], "gzip"),
        (whole[:-1] + bytes([whole[-1] ^ 1]), "gzip"),
        (zlib.compress(b"hello"), "gzip"),
        (zlib.compress(b"hello"), "deflate"),
        (b"hello", "br"),
        (gzip.compress(whole, mtime=0), "gzip, gzip"),
        (gzip.compress(b"", mtime=0) * 17, "gzip"),
        (b"hello", "\x01"),
    ],
)
def test_what_is_not_whole_gzip_is_bad_compression(scene: Any, body: bytes, encoding: str) -> None:
    assert slug(scene.client.post("/echo", content=body, headers={"content-encoding": encoding})) == "bad-compression"
    assert scene.calls == []


def scope_with(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "method": "POST", "path": "/echo", "headers": list(headers)}


def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    async def never() -> Any:
        pytest.fail("the body was read")

    for declared in (b"1025", b"9" * 5000):
        with pytest.raises(Refused, match="too-large"):
            asyncio.run(read_body(scope_with((b"content-length", declared)), never, 1024))


@pytest.mark.parametrize("declared", [b"5", b"-1", b"x", b"", b"1e9", b"\xb2"])
def test_a_declared_length_that_lies_does_not_open_the_bound(declared: bytes) -> None:
    async def more() -> Any:
        return {"type": "http.request", "body": b"x" * 600, "more_body": True}

    with pytest.raises(Refused, match="too-large"):
        asyncio.run(read_body(scope_with((b"content-length", declared)), more, 1024))


def test_half_a_body_never_becomes_a_request(scene: Any) -> None:
    messages = [
        {"type": "http.request", "body": b'{"v":1}\n{"n"', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {**scope_with(), "query_string": b"", "root_path": "", "raw_path": b"/echo"}
    asyncio.run(scene.app(scope, receive, send))
    assert scene.calls == [] and sent == []


# --- who may call ---


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_an_endpoint_with_roles_is_closed_to_others(scene: Any) -> None:
    dispatcher = scene.tokens.issue("office", Role.DISPATCHER, minutes=5)
    member = scene.tokens.issue("device", Role.MEMBER, minutes=5)
    assert scene.client.get("/office", headers=bearer(dispatcher)).status_code == 200
    assert slug(scene.client.get("/office", headers=bearer(member))) == "forbidden"
    missing = scene.client.get("/office")
    assert slug(missing) == "sign-in" and missing.headers["www-authenticate"] == "Bearer"
    for header in ("", "Bearer", "Bearer ", "Basic YTpi", f"Bearer {dispatcher}x", f"bearer  {dispatcher}", dispatcher):
        assert slug(scene.client.get("/office", headers={"authorization": header})) == "sign-in"


def test_an_open_endpoint_learns_who_calls_and_does_not_mind_a_dead_token(scene: Any, clock: Any) -> None:
    token = scene.tokens.issue("office", Role.HQ, minutes=5)
    assert scene.client.get("/anyone", headers=bearer(token)).json() == {"role": "hq"}
    clock.now_s += 301
    assert scene.client.get("/anyone", headers=bearer(token)).json() == {"role": None}
    assert scene.client.get("/anyone").json() == {"role": None}


def test_a_token_is_asked_for_before_anything_is_decompressed(scene: Any) -> None:
    response = scene.client.request("GET", "/office", content=b"not gzip", headers=GZIP)
    assert slug(response) == "sign-in"


# --- problems ---


def test_a_refusal_becomes_a_problem_with_its_extras(scene: Any) -> None:
    response = scene.client.get("/refused")
    assert slug(response) == "quota"
    assert response.headers["retry-after"] == "2"
    assert response.json()["retry_after_s"] == 1.2
    assert response.json()["detail"] == "Half a ? character, quoted."


@pytest.mark.parametrize("path", ["/broken", "/elsewhere"])
def test_a_fault_of_ours_is_a_problem_that_tells_nothing_but_its_id(scene: Any, path: str) -> None:
    response = scene.client.get(path)
    assert slug(response) == "internal"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "Error" not in response.text and "division" not in response.text


def test_the_traceback_of_a_fault_is_in_the_log_under_the_requests_id(scene: Any) -> None:
    response = scene.client.get("/broken")
    logged = [json.loads(line) for line in scene.log.getvalue().splitlines()]
    fault = next(line for line in logged if line["event"] == "internal")
    assert fault["request_id"] == response.json()["request_id"]
    assert "ZeroDivisionError" in fault["exception"]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nowhere", "not-found"),
        ("GET", "/things/", "not-found"),
        ("GET", "/things/a%00b", "not-found"),
        ("GET", "/things/../../etc/passwd", "not-found"),
        ("GET", "/echo", "method-not-allowed"),
        ("DELETE", "/query", "method-not-allowed"),
        ("BREW", "/query", "method-not-allowed"),
        ("GET", "/query?a=1&a=2", "bad-request"),
        ("GET", "/query?a=%ff", "bad-request"),
        ("GET", "/query?a=%00", "bad-request"),
    ],
)
def test_wrong_addresses_methods_and_queries_are_problems(scene: Any, method: str, path: str, expected: str) -> None:
    response = scene.client.request(method, path)
    assert slug(response) == expected
    if expected == "method-not-allowed":
        assert response.headers["allow"]


def test_head_is_get_without_the_body_also_for_problems(scene: Any) -> None:
    for path in ("/large", "/stream", "/nowhere", "/echo", "/refused"):
        head, get = scene.client.head(path), scene.client.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-type"] == get.headers["content-type"]


# --- replies ---


def test_a_reply_is_compressed_when_that_is_wanted_and_worth_it(scene: Any) -> None:
    plain = scene.client.get("/large", headers={"accept-encoding": "identity"})
    packed = scene.client.get("/large", headers={"accept-encoding": "br, gzip;q=0.5"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip" and packed.headers["vary"] == "accept-encoding"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 10
    assert packed.json() == plain.json()
    for header in ("gzip;q=0", "br", "", "x-gzipp"):
        assert "content-encoding" not in scene.client.get("/large", headers={"accept-encoding": header}).headers
    assert "content-encoding" not in scene.client.get("/anyone").headers, "too small to be worth it"


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_stream_arrives_whole(scene: Any, encoding: str) -> None:
    response = scene.client.get("/stream", headers={"accept-encoding": encoding})
    assert response.headers["content-type"] == NDJSON
    assert [json.loads(line)["row"] for line in response.text.splitlines()] == list(range(500))


def run_stream(scene: Any, path: str, leave_after: int) -> tuple[list[Any], BaseException | None]:
    """The messages sent for a GET whose client leaves after so many, and what the application raised."""
    sent: list[Any] = []

    async def exchange() -> None:
        left = asyncio.Event()

        async def receive() -> Any:
            if not begun:
                begun.append(1)
                return {"type": "http.request", "body": b"", "more_body": False}
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if len(sent) >= leave_after:
                left.set()
                await asyncio.sleep(0)

        begun: list[int] = []
        scope = {**scope_with(), "method": "GET", "path": path, "query_string": b"", "root_path": ""}
        await scene.app(scope, receive, send)

    try:
        asyncio.run(exchange())
    except OSError as error:
        return sent, error
    return sent, None


def test_a_stream_that_breaks_is_cut_and_never_ended_as_if_whole(scene: Any) -> None:
    sent, error = run_stream(scene, "/stream-breaks", leave_after=1000)
    assert isinstance(error, OSError), "the server sees the fault and cuts the connection"
    assert [message.get("body") for message in sent] == [None, b"one\n"]
    assert sent[-1]["more_body"] is True


def test_a_stream_stops_when_nobody_listens_any_more(scene: Any) -> None:
    sent, error = run_stream(scene, "/stream", leave_after=20)
    assert error is None
    assert 20 <= len(sent) < 100


def test_every_reply_tells_browsers_to_do_nothing_with_it(scene: Any) -> None:
    for path in ("/anyone", "/nowhere", "/refused", "/broken", "/stream"):
        headers = scene.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
        if path != "/nowhere":
            assert headers["cache-control"] == "no-store"


def test_functions_run_beside_the_loop_so_that_a_waiting_one_stops_nobody(scene: Any) -> None:
    waiting = threading.Thread(target=scene.client.get, args=("/waits",))
    waiting.start()
    assert scene.entered.wait(30), "the first call waits inside its function"
    assert scene.client.get("/anyone").status_code == 200
    scene.leave.set()
    waiting.join()


def test_a_quick_answer_is_tried_first_for_short_bodies_and_may_decline(scene: Any) -> None:
    def by(body: bytes) -> Any:
        return scene.client.post("/quick", content=body).json()["by"]

    assert by(b"short") == "loop"
    assert by(b"decline") == "thread"
    assert by(b"x" * 1024) == "loop"
    assert by(b"x" * 4097) == "thread"
    assert slug(scene.client.post("/quick", content=b"refuse")) == "bad-request"
    assert slug(scene.client.post("/quick", content=b"x", headers=GZIP)) == "bad-compression"


# --- strict JSON ---


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b'{"a":[1,-2.5,1e3,true,null,"\xe7\x82\xb9"]}',
        b" [ ] ",
        b"9007199254740992",
        b"-9007199254740992",
        b'"\\ud83d\\ude00"',
        b"[" * 16 + b"]" * 16,
        b"[" + b"{}," * 100 + b"0]",
    ],
)
def test_good_json_is_read_as_json(text: bytes) -> None:
    assert strict_json(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{}{}",
        b"{} x",
        b"\xff",
        b'"\xed\xa0\x80"',
        "{}".encode("utf-16"),
        "{}".encode("utf-32"),
        "{}".encode("utf-8-sig"),
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e999",
        b"-1e999",
        b"1e16",
        b"9007199254740993",
        b"-9007199254740993",
        b"1" * 100_000,
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"\\u0062":2}}',
        b'"\\ud800"',
        b'{"\\udfff":1}',
        b'["\\ude00\\ud83d"]',
        b'"\\u0000"',
        b'{"a\\u0000":1}',
        b'"\x00"',
        b'"\n"',
        b"'a'",
        b"[1,]",
        b"01",
        b"+1",
        b".5",
        b"0x10",
        b"[" * 17 + b"]" * 17,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 100_000,
    ],
    ids=lambda text: text[:12].hex(),
)
def test_anything_but_strict_json_is_refused(text: bytes) -> None:
    with pytest.raises(Refused, match="bad-request"):
        strict_json(text)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"a"', b"7", b""])
def test_an_api_body_is_an_object(scene: Any, body: bytes) -> None:
    assert slug(scene.client.post("/json", content=body)) == "bad-request"


# --- garbage ---

nearly_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\ud800", "\0"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
).map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
bodies = (
    st.binary(max_size=1500) | nearly_json | st.binary(max_size=300).map(gzip.compress) | nearly_json.map(gzip.compress)
)
header_values = st.sampled_from(["gzip", "GZIP", "identity", "br", "gzip;q=1", "", "chunked, gzip"]) | st.text(
    st.characters(min_codepoint=33, max_codepoint=126), max_size=20
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=bodies,
    encoding=st.none() | header_values,
    authorization=st.none() | header_values.map("Bearer {}".format),
    path=st.sampled_from(["/echo", "/json"]),
)
def test_garbage_is_answered_or_refused_and_never_breaks_the_server(
    scene: Any, body: bytes, encoding: str | None, authorization: str | None, path: str
) -> None:
    headers = {"content-encoding": encoding, "authorization": authorization}
    given_headers = {name: value for name, value in headers.items() if value is not None}
    response = scene.client.post(path, content=body, headers=given_headers)
    if response.status_code == 200:
        assert path == "/echo" or isinstance(response.json()["got"], dict)
    else:
        assert slug(response) in {"bad-request", "bad-compression", "too-large"}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.binary(max_size=40), query=st.binary(max_size=40))
def test_no_path_and_no_query_breaks_the_server(scene: Any, path: bytes, query: bytes) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    for prefix in ("/things/", "/query", "/"):
        scope = {**scope_with(), "method": "GET", "path": prefix + path.decode("utf-8", "replace"), "root_path": ""}
        asyncio.run(scene.app({**scope, "query_string": query}, receive, send))
    assert {message["status"] for message in sent if "status" in message} <= {200, 307, 400, 404}
