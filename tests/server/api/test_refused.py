"""Transport, API and import input that is wrong is refused with its slug, and nothing on the server changes."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clients.handset.keys import new_device_key, public_jwk, sign_checkpoint
from server.auth import Role
from tests.server.api.world import HandPhone, World, geojson, slug

ENGINES = ("sqlite",)


@pytest.fixture(scope="module")
def shared_phone(world: World) -> HandPhone:
    """A phone with an opening and a first fact stored, on a ticket of its crew."""
    phone = world.hand_phone()
    phone.push(phone.line("acceptance", ticket=world.ticket()), phone.line("rain"))
    return phone


@pytest.fixture
def phone(world: World, shared_phone: HandPhone) -> Iterator[HandPhone]:
    """Every test that takes it ends with every table as it was."""
    with world.untouched():
        yield shared_phone


def refusal(phone: HandPhone, body: bytes, **how: Any) -> str:
    """The slug of a request the server refuses as a whole."""
    return slug(phone.send(body, **how).response)


def note(phone: HandPhone) -> bytes:
    return phone.line("note", ticket="t", text="x")


# ------------------------------------------------------------------------------------------------------------ compression

COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda body: gzip.compress(body)[:-9],
    "cut in the trailer": lambda body: gzip.compress(body)[:-1],
    "with garbage after it": lambda body: gzip.compress(body) + b"garbage",
    "damaged inside": lambda body: gzip.compress(body)[:40] + b"\xff\x00\xff" + gzip.compress(body)[43:],
    "with a wrong checksum": lambda body: gzip.compress(body)[:-8] + b"\0\0\0\0" + gzip.compress(body)[-4:],
    "not compressed at all": lambda body: body,
    "of seventeen members": lambda body: gzip.compress(body) + gzip.compress(b"") * 16,
    "empty": lambda body: b"",
}


@pytest.mark.parametrize("how", COMPRESSED)
def test_a_gzip_body_that_is_not_whole_is_refused(phone: HandPhone, how: str) -> None:
    assert refusal(phone, COMPRESSED[how](phone.body(note(phone))), encoding="gzip") == "bad-compression"


@pytest.mark.parametrize("encoding", ["deflate", "br", "zstd", "gzip, gzip", "gzipp", "x"])
def test_another_content_encoding_is_refused(phone: HandPhone, encoding: str) -> None:
    assert refusal(phone, phone.body(note(phone)), encoding=encoding) == "bad-compression"


def test_a_bomb_is_refused_before_it_is_unpacked(phone: HandPhone) -> None:
    assert refusal(phone, gzip.compress(b"\n" * 20_000_000), encoding="gzip") == "too-large"


# ---------------------------------------------------------------------------------------------------------------- envelope


def test_an_empty_request_is_refused(phone: HandPhone) -> None:
    assert refusal(phone, b"") == "bad-envelope"


ENVELOPES: dict[str, dict[str, Any]] = {
    "another wire version": {"v": 2},
    "no version": {"v": None},
    "no journal": {"journal": None},
    "a journal that is no identifier": {"journal": "../../etc/passwd"},
    "a journal that is a list": {"journal": ["a"]},
    "a head that is no hash": {"head": "abc"},
    "a head in another spelling": {"head": "A" * 42 + "B"},
    "a negative n": {"n": -1},
    "n as text": {"n": "2"},
    "n as a fraction": {"n": 2.5},
    "an endless n": {"n": 2**50},
    "lines without a place": {"from": None},
    "lines from nowhere": {"from": 0},
    "lines beyond n": {"from": 400},
    "lines without the head before": {"after": None},
    "a head before that is no hash": {"after": "x"},
    "a checkpoint that is a number": {"checkpoint": 7},
    "an endless checkpoint": {"checkpoint": "x" * 2001},
    "a page of nothing": {"limit_bytes": 0},
    "a page of everything": {"limit_bytes": 2**30},
    "waiting below nothing": {"waiting": -1},
    "waiting true": {"waiting": True},
    "an age as text": {"oldest_s": "old"},
    "a ledger beyond numbers": {"ledger": 2**60},
}


@pytest.mark.parametrize("what", ENVELOPES)
def test_an_envelope_with_a_wrong_member_is_refused(phone: HandPhone, what: str) -> None:
    assert refusal(phone, phone.body(note(phone), **ENVELOPES[what])) == "bad-envelope"


CURSORS: dict[str, Any] = {
    "a list": [],
    "a text": "k1:5",
    "a history without scopes": {"k1": 5},
    "a negative position": {"k1": {"crew:A": -1}},
    "a position as text": {"k1": {"crew:A": "5"}},
    "a position true": {"k1": {"crew:A": True}},
    "a fraction": {"k1": {"crew:A": 1.5}},
    "too many histories": {f"k{i}": {} for i in range(9)},
    "too many scopes": {"k1": {f"crew:{i}": 0 for i in range(65)}},
    "a position beyond numbers": {"k1": {"crew:A": 2**60}},
}


@pytest.mark.parametrize("what", CURSORS)
def test_a_cursor_of_another_shape_is_refused(phone: HandPhone, what: str) -> None:
    assert refusal(phone, phone.body(note(phone), cursor=CURSORS[what])) == "bad-envelope"


RAW_ENVELOPES = {
    "not JSON": b"hello",
    "a list": b"[1]",
    "nothing": b"",
    "NaN": b'{"v":1,"n":NaN}',
    "a key twice": b'{"v":1,"v":1}',
    "depth 100000": b"[" * 100_000,
    "UTF-16": '{"v":1}'.encode("utf-16"),
    "bad UTF-8": b'{"v":1,"app":"\xff"}',
    "half a character": b'{"v":1,"app":"\\ud800"}',
    "NUL": b'{"v":1,"app":"\\u0000"}',
}


@pytest.mark.parametrize("what", RAW_ENVELOPES)
def test_a_first_line_that_is_no_strict_json_object_is_refused(phone: HandPhone, what: str) -> None:
    assert refusal(phone, RAW_ENVELOPES[what] + b"\n" + note(phone) + b"\n") == "bad-envelope"


# ----------------------------------------------------------------------------------------------------- signature and chain


def unsigned(journal: str, n: int, head: str) -> str:
    def part(document: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()

    header = {"alg": "none", "typ": "lamplighter-checkpoint"}
    return f"{part(header)}.{part({'journal': journal, 'n': n, 'head': head})}."


def checkpoints(phone: HandPhone) -> dict[str, str]:
    """Checkpoints that say the right place, or a right signature of another, but never both."""
    n, head = len(phone.lines) + 1, phone.heads([*phone.lines, note(phone)])[-1]
    own = phone.enrolled.key
    stranger = sign_checkpoint(new_device_key(), phone.journal, n, head)
    right = sign_checkpoint(own, phone.journal, n, head)
    return {
        "of a stranger's key": stranger,
        "of another n": sign_checkpoint(own, phone.journal, n + 1, head),
        "of another head": sign_checkpoint(own, phone.journal, n, phone.head),
        "of another journal": sign_checkpoint(own, "another", n, head),
        "unsigned": unsigned(phone.journal, n, head),
        "with its signature cut": right[:-2],
        "with another's signature": right.rpartition(".")[0] + "." + stranger.rpartition(".")[2],
        "without its signature": right.rpartition(".")[0],
        "that is a statement": phone.send(phone.body(checkpoint=None)).rows[0]["statement"],
        "that is an access token": phone.enrolled.token,
        "that is an assertion": phone.enrolled.assertion(phone.world),
        "empty": "",
    }


CHECKPOINTS = (
    *("of a stranger's key", "of another n", "of another head", "of another journal", "unsigned", "empty"),
    *("with its signature cut", "with another's signature", "without its signature"),
    *("that is a statement", "that is an access token", "that is an assertion"),
)


@pytest.mark.parametrize("what", CHECKPOINTS)
def test_lines_under_a_checkpoint_are_refused_when_it_is(phone: HandPhone, what: str) -> None:
    assert refusal(phone, phone.body(note(phone), checkpoint=checkpoints(phone)[what])) == "bad-checkpoint"


def test_lines_without_a_checkpoint_are_refused(phone: HandPhone) -> None:
    assert refusal(phone, phone.body(note(phone), checkpoint=None)) == "bad-checkpoint"


def test_lines_that_do_not_hash_to_the_signed_head_are_refused(phone: HandPhone) -> None:
    body = phone.body(note(phone))
    assert refusal(phone, body.replace(b'"text":"x"', b'"text":"y"')) == "bad-chain"


def test_lines_that_do_not_end_at_n_are_refused(phone: HandPhone) -> None:
    last = note(phone)
    assert refusal(phone, phone.body(last).replace(last, last + b"\n" + last)) in ("bad-chain", "bad-envelope")
    whole = phone.body(lines=[]).replace(b'"n": 0', b'"n": 5')
    assert refusal(phone, whole) == "bad-checkpoint"


def test_a_first_line_that_follows_something_else_than_the_beginning_is_refused(phone: HandPhone) -> None:
    body = phone.body(phone.opening(), lines=[], after=phone.head)
    assert refusal(phone, body) == "bad-chain"


def test_a_journal_of_a_device_nobody_enrolled_is_refused(world: World, phone: HandPhone) -> None:
    stranger = HandPhone(world, phone.enrolled, "j-stranger")
    assert refusal(phone, stranger.body(stranger.opening(device="nobody"))) == "unknown-device"
    assert refusal(phone, stranger.body(b"not even JSON")) == "unknown-device"


def test_a_new_journal_in_another_devices_name_is_refused(world: World, shared_phone: HandPhone) -> None:
    usurper = HandPhone(world, world.enrol("B"), "j-usurper")
    with world.untouched():
        assert refusal(usurper, usurper.body(usurper.opening(device=shared_phone.enrolled.device))) == "bad-checkpoint"


def test_lines_for_another_devices_journal_are_refused(world: World, shared_phone: HandPhone) -> None:
    usurper = HandPhone(world, world.enrol("A"), shared_phone.journal, list(shared_phone.lines))
    with world.untouched():
        assert refusal(usurper, usurper.body(note(usurper))) == "bad-checkpoint"


def test_nobody_writes_the_offices_journal(world: World, phone: HandPhone) -> None:
    office = HandPhone(world, phone.enrolled, "office")
    assert refusal(phone, office.body(office.opening())) == "unknown-device"
    assert refusal(phone, office.body(office.line("assigned", ticket="t", crew="A"))) == "unknown-device"


# -------------------------------------------------------------------------------------------------------------------- size


def test_more_than_a_mebibyte_is_refused(phone: HandPhone) -> None:
    assert refusal(phone, b"x" * (2**20 + 1)) == "too-large"


def test_more_lines_than_the_limit_are_refused(phone: HandPhone) -> None:
    assert refusal(phone, phone.body(*[b"{}"] * 2001)) == "too-large"


def test_time_takes_no_more_than_its_kibibyte(phone: HandPhone) -> None:
    assert refusal(phone, phone.body(note(phone), app="x" * 1000), path="/v1/time") == "too-large"


# ------------------------------------------------------------------------------------------------------------- API input

HOSTILE_JSON = {
    "nothing": b"",
    "a list": b"[]",
    "a text": b'"x"',
    "NaN": b'{"kind":NaN}',
    "Infinity": b'{"priority":Infinity}',
    "a number without end": b'{"priority":1e999}',
    "an integer beyond 2^53": b'{"priority":9007199254740994}',
    "a key twice": b'{"kind":"hazard","kind":"hazard"}',
    "half a character": b'{"kind":"hazard","address":"\\ud800"}',
    "NUL": b'{"kind":"hazard","address":"a\\u0000b"}',
    "bad UTF-8": b'{"kind":"hazard","address":"\xff"}',
    "UTF-16": '{"kind":"hazard"}'.encode("utf-16"),
    "depth 100000": b'{"kind":' + b"[" * 100_000,
    "trailing text": b'{"kind":"hazard"} x',
    "cut": b'{"kind":"haz',
}


@pytest.mark.parametrize("path", ["/v1/tickets", "/v1/enrol", "/v1/token", "/v1/login", "/v1/enrol-codes", "/v1/tokens"])
@pytest.mark.parametrize("what", HOSTILE_JSON)
def test_a_body_that_is_no_strict_json_object_is_refused(world: World, phone: HandPhone, path: str, what: str) -> None:
    assert slug(world.ask("POST", path, content=HOSTILE_JSON[what])) == "bad-request"


WRONG_TICKETS: dict[str, dict[str, Any]] = {
    "without a kind": {"address": "x"},
    "of a kind nobody knows": {"kind": "alchemy"},
    "of a kind that is a list": {"kind": ["hazard"]},
    "with a field nobody knows": {"kind": "hazard", "colour": "red"},
    "with a state of its own": {"kind": "hazard", "state": "archived"},
    "at latitude 91": {"kind": "hazard", "position": {"lat": 91, "lon": 0}},
    "at a position in words": {"kind": "hazard", "position": "by the river"},
    "at half a position": {"kind": "hazard", "position": {"lat": 27.9}},
    "at a position in a list": {"kind": "hazard", "position": [27.9, 116.3]},
    "at a position of texts": {"kind": "hazard", "position": {"lat": "27.9", "lon": "116.3"}},
    "at a position of nothing": {"kind": "hazard", "position": None},
    "received in the year 9999": {"kind": "hazard", "received_at": 253_370_764_800_000},
    "received in words": {"kind": "hazard", "received_at": "now"},
    "with a number that is a number": {"kind": "hazard", "number": 7},
    "with an endless address": {"kind": "hazard", "address": "x" * 301},
    "with a priority true": {"kind": "hazard", "priority": True},
}


@pytest.mark.parametrize("what", WRONG_TICKETS)
def test_a_ticket_is_refused(world: World, phone: HandPhone, what: str) -> None:
    assert slug(world.ask("POST", "/v1/tickets", json=WRONG_TICKETS[what])) == "bad-value"


WRONG_COMMANDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a command nobody knows": ("explode", {}, "not-found"),
    "a crew nobody knows": ("assign", {"crew": "Z"}, "not-found"),
    "no crew": ("assign", {}, "bad-value"),
    "a crew in a list": ("assign", {"crew": ["A"]}, "bad-value"),
    "a crew that is a number": ("transfer", {"crew": 1}, "bad-value"),
    "a field nobody knows": ("cancel", {"why": "x"}, "bad-value"),
    "a reason that is an object": ("cancel", {"reason": {}}, "bad-value"),
    "an endless reason": ("cancel", {"reason": "x" * 501}, "bad-value"),
    "a place on screen in words": ("cancel", {"seen": "now"}, "bad-value"),
    "a place on screen below nothing": ("cancel", {"seen": -1}, "bad-value"),
    "a parent nobody knows": ("merge", {"parent": "WO-none"}, "not-found"),
    "a correction of nothing known": ("correct", {"set": {"colour": "red"}}, "bad-value"),
    "a correction that is a list": ("correct", {"set": []}, "bad-value"),
    "a correction to latitude 91": ("correct", {"set": {"position": {"lat": 91, "lon": 0}}}, "bad-value"),
    "a decision about a field nobody wrote": ("decide", {"field": "remarks", "choose": "x", "reason": "r"}, "not-found"),
    "a decision for a fact nobody knows": ("decide", {"field": "kind", "choose": "x", "reason": "r"}, "not-found"),
    "a word on a suspension nobody knows": ("judge-suspension", {"suspension": "x", "approved": True}, "not-found"),
    "a word on a suspension that is no word": ("judge-suspension", {"suspension": "x", "approved": "yes"}, "bad-value"),
    "a word on a fact nobody held": ("judge-quarantine", {"fact": "x", "do": "release", "reason": "r"}, "not-found"),
    "a word on a fact that is no word": ("judge-quarantine", {"fact": "x", "do": "burn", "reason": "r"}, "bad-value"),
}


@pytest.mark.parametrize("what", WRONG_COMMANDS)
def test_a_command_is_refused_for(world: World, phone: HandPhone, what: str) -> None:
    command, body, expected = WRONG_COMMANDS[what]
    ticket = world.get("/v1/tickets", params={"limit": 1})["tickets"][0]["id"]
    assert slug(world.ask("POST", f"/v1/tickets/{ticket}/{command}", json=body)) == expected


def test_a_ticket_nobody_knows_is_absent_whatever_is_said_of_it(world: World, phone: HandPhone) -> None:
    for ticket in ("WO-none", "%00", "%ff%fe", "..", "a" * 4000, "ticket' OR 1=1 --"):
        for method, path in (("GET", f"/v1/tickets/{ticket}"), ("POST", f"/v1/tickets/{ticket}/cancel")):
            assert slug(world.ask(method, path, json={})) == "not-found"


WRONG_QUERIES = {
    "/v1/tickets?limit=0": "bad-value",
    "/v1/tickets?limit=1001": "bad-value",
    "/v1/tickets?limit=x": "bad-value",
    "/v1/tickets?after=-1": "bad-value",
    "/v1/tickets?limit=1&limit=2": "bad-request",
    "/v1/tickets?state=%ff": "bad-request",
    "/v1/tickets?state=%00": "bad-request",
    "/v1/hq/feed?cursor=5": "bad-cursor",
    "/v1/hq/feed?cursor=:5": "bad-cursor",
    "/v1/hq/feed?cursor=k1:": "bad-cursor",
    "/v1/hq/feed?cursor=k1:-5": "bad-cursor",
    "/v1/hq/feed?cursor=k1:5x": "bad-cursor",
    "/v1/hq/feed?cursor=k1:99999999999999999999": "bad-cursor",
    "/v1/hq/feed?cursor=k1:٣": "bad-cursor",
    "/v1/hq/feed?limit_bytes=1": "bad-value",
    "/v1/hq/export/secrets": "bad-value",
    "/v1/hq/export/..%2F..%2Fetc%2Fpasswd": "not-found",
    "/v1/explain/member/x?field=y": "not-found",
    "/v1/explain/ticket/x": "bad-value",
    "/v1/nowhere": "not-found",
}


@pytest.mark.parametrize("address", WRONG_QUERIES)
def test_an_address_is_refused(world: World, phone: HandPhone, address: str) -> None:
    assert slug(world.ask("GET", address)) == WRONG_QUERIES[address]


def test_a_method_an_address_does_not_take_is_refused(world: World, phone: HandPhone) -> None:
    for method, path in (("GET", "/v1/sync"), ("DELETE", "/v1/tickets"), ("PUT", "/v1/tickets/x"), ("POST", "/v1/hq/feed")):
        assert slug(world.ask(method, path)) == "method-not-allowed"


# ---------------------------------------------------------------------------------------------------- enrolment and tokens


def test_a_code_enrols_once_and_no_other_text_is_a_code(world: World, phone: HandPhone) -> None:
    jwk = public_jwk(new_device_key())
    for code in ("7K3QM-D09XT", "x", "0" * 10, "' OR 1=1 --"):
        assert slug(world.ask("POST", "/v1/enrol", role=None, json={"code": code, "key": jwk})) == "bad-code"


WRONG_KEYS: dict[str, Any] = {
    "none": None,
    "a text": "key",
    "of RSA": {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    "of another curve": {"kty": "EC", "crv": "P-384", "x": "A" * 43, "y": "A" * 43},
    "off the curve": {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43},
    "with its private half": {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43, "d": "A" * 43},
    "of numbers": {"kty": "EC", "crv": "P-256", "x": 1, "y": 2},
}


@pytest.mark.parametrize("what", WRONG_KEYS)
def test_a_device_key_is_refused(world: World, phone: HandPhone, what: str) -> None:
    body = {"code": "7K3QM-D09XT", "key": WRONG_KEYS[what], "name": "x"}
    assert slug(world.ask("POST", "/v1/enrol", role=None, json=body)) in ("bad-request", "bad-value")


def test_a_code_for_nobody_a_token_of_no_role_and_a_revocation_of_nothing_are_refused(world: World, phone: HandPhone) -> None:
    assert slug(world.ask("POST", "/v1/enrol-codes", json={"member": "nobody"})) == "not-found"
    assert slug(world.ask("POST", "/v1/enrol-codes", json={"member": ["m1"]})) == "bad-value"
    assert slug(world.ask("POST", "/v1/tokens", json={"role": "god"})) == "bad-value"
    assert slug(world.ask("POST", "/v1/tokens", json={"role": "hq", "minutes": 0})) == "bad-value"
    assert slug(world.ask("POST", "/v1/devices/nothing/revoke")) == "not-found"


def test_assertions_that_are_forged_old_or_meant_for_others_get_no_token(world: World, phone: HandPhone) -> None:
    own = phone.enrolled
    stranger = world.service.new_id()
    forged = [
        own.assertion(world, audience="another server"),
        own.assertion(world, iat_s=world.now // 1000 - 3600),
        own.assertion(world, iat_s=world.now // 1000 + 3600),
        own.token,
        sign_checkpoint(own.key, phone.journal, 2, phone.head),
        own.assertion(world)[:-4] + "AAAA",
        "a.b.c",
        "..",
    ]
    for assertion in forged:
        assert slug(world.ask("POST", "/v1/token", role=None, json={"assertion": assertion})) == "sign-in"
    asked = world.ask("POST", "/v1/token", role=None, json={"assertion": own.assertion(world, device=stranger)})
    assert slug(asked) == "unknown-device"


def test_nobody_signs_in_with_a_wrong_password_or_as_nobody(world: World, phone: HandPhone) -> None:
    for login in ("admin", "nobody"):
        assert slug(world.ask("POST", "/v1/login", role=None, json={"login": login, "password": "guess"})) == "sign-in"


# ----------------------------------------------------------------------------------------------------------------- imports

AREAS = {"id": "id", "name": "name", "station": "station"}
HEADER = b"number,kind,received\n"
MAPPING = '{"tz":"Asia/Shanghai","fields":{"number":"number","kind":"kind","received_at":"received"}}'
ROW = b"N-1,hazard,2026-11-22 10:00\n"


def areas_text(**feature: Any) -> bytes:
    document = json.loads(geojson())
    document["features"][1] |= feature
    return json.dumps(document).encode()


WRONG_AREAS = {
    "no JSON": b"areas",
    "a list": b"[]",
    "NaN": b'{"type":"FeatureCollection","features":[NaN]}',
    "no feature": b'{"type":"FeatureCollection","features":[]}',
    "a point": areas_text(geometry={"type": "Point", "coordinates": [1, 2]}),
    "a ring of two": areas_text(geometry={"type": "Polygon", "coordinates": [[[1, 2], [1, 2]]]}),
    "a ring of words": areas_text(geometry={"type": "Polygon", "coordinates": [[["a", "b"]] * 4]}),
    "no geometry": areas_text(geometry=None),
    "metres": areas_text(geometry={"type": "Polygon", "coordinates": [[[0, 0], [5e6, 0], [5e6, 5e6], [0, 0]]]}),
    "no id": areas_text(properties={"name": "x"}),
    "a class nobody knows": areas_text(properties={"id": "x", "class": "lunar"}),
}


@pytest.mark.parametrize("what", WRONG_AREAS)
def test_areas_are_refused_as_a_whole_for(world: World, phone: HandPhone, what: str) -> None:
    assert slug(world.upload("/v1/import/areas", {**AREAS, "class": "class"}, WRONG_AREAS[what])) == "bad-import"


WRONG_OPTIONS: dict[str, tuple[str, Any]] = {
    "a datum nobody knows": ("/v1/import/areas", {**AREAS, "datum": "mars"}),
    "a class nobody knows": ("/v1/import/areas", {"default_class": "lunar"}),
    "a flag that is a word": ("/v1/import/areas", {**AREAS, "dry_run": "perhaps"}),
    "an id that is true": ("/v1/import/areas", {"id": True}),
    "a nested option": ("/v1/import/areas", {"id": ["id"]}),
    "a time zone of no place": ("/v1/import/org", {"tz": "Mars/Olympus"}),
    "a time zone that is a path": ("/v1/import/org", {"tz": "../../../etc/passwd"}),
    "a time zone that is a number": ("/v1/import/org", {"tz": 8}),
    "a time zone in the tickets that is a number": ("/v1/import/tickets", {"mapping_text": MAPPING, "tz": 8}),
    "a time zone with half a character": ("/v1/import/org", {"tz": "\ud800"}),
    "a mapping nobody ships": ("/v1/import/tickets", {"mapping": "none"}),
    "a mapping that is a path": ("/v1/import/tickets", {"mapping": "../codes"}),
    "a mapping that is true": ("/v1/import/tickets", {"mapping_text": True}),
    "a mapping with half a character": ("/v1/import/tickets", {"mapping_text": "\ud800"}),
    "no mapping": ("/v1/import/tickets", {}),
    "a datum that is a number": ("/v1/import/tickets", {"mapping_text": MAPPING, "datum": 5}),
}


@pytest.mark.parametrize("what", WRONG_OPTIONS)
def test_an_import_is_refused_for_an_option_of(world: World, phone: HandPhone, what: str) -> None:
    path, options = WRONG_OPTIONS[what]
    data = {"areas": geojson(), "org": b"{}", "tickets": HEADER + ROW}[path.rpartition("/")[2]]
    assert slug(world.upload(path, options, data)) in ("bad-value", "bad-import", "not-found", "bad-request")


WRONG_TICKET_FILES = {
    "without a mapped column": b"number,kind\nN-1,hazard\n",
    "with a mapped column twice": b"number,kind,received,kind\nN-1,hazard,2026-11-22 10:00,hazard\n",
    "that is no text": b"\xff\xfa\x00\x81" * 9,
    "with a quote never closed": HEADER + b'N-1,"hazard,2026-11-22 10:00\n',
    "that is empty but for a line": b"\n",
}


@pytest.mark.parametrize("what", WRONG_TICKET_FILES)
def test_a_ticket_file_is_refused_as_a_whole(world: World, phone: HandPhone, what: str) -> None:
    asked = world.upload("/v1/import/tickets", {"mapping_text": MAPPING}, WRONG_TICKET_FILES[what])
    assert slug(asked) == "bad-import"


def test_a_mapping_of_nothing_known_is_refused(world: World, phone: HandPhone) -> None:
    for mapping in ("[", "{}", '{"fields":[]}', '{"fields":{"colour":"c"}}', '{"fields":{"number":7}}'):
        asked = world.upload("/v1/import/tickets", {"mapping_text": mapping}, HEADER + ROW)
        assert slug(asked) == "bad-import"


WRONG_ORGANISATIONS: dict[str, Any] = {
    "a list nobody knows": {"ships": []},
    "a crew of no station": {"crews": [{"id": "x", "station": "none", "name_zh": "x", "name_en": "x"}]},
    "a member without a name": {"members": [{"id": "x"}]},
    "an id twice": {"stations": [{"id": "x", "name_zh": "x", "name_en": "x"}] * 2},
    "an id that is a path": {"stations": [{"id": "../x", "name_zh": "x", "name_en": "x"}]},
    "a station beyond the poles": {
        "stations": [{"id": "x", "name_zh": "x", "name_en": "x", "position": {"lat": 91, "lon": 0}}]
    },
    "a role nobody has": {"members": [{"id": "x", "name_zh": "x", "name_en": "x", "role": "god"}]},
    "rows that are no list": {"stations": {}},
    "a row that is a text": {"stations": ["x"]},
}


@pytest.mark.parametrize("what", WRONG_ORGANISATIONS)
def test_an_organisation_is_refused_as_a_whole_for(world: World, phone: HandPhone, what: str) -> None:
    good = [{"id": "s9", "name_zh": "九所", "name_en": "Nine"}]
    document = {"stations": good, **WRONG_ORGANISATIONS[what]}
    assert slug(world.upload("/v1/import/org", {}, json.dumps(document).encode())) == "bad-import"


@pytest.mark.parametrize("path", ["areas", "org", "tickets"])
def test_an_import_without_options_or_without_a_file_is_refused(world: World, phone: HandPhone, path: str) -> None:
    for body in (b"", b"{}", b"{}\n", b"[]\nx", b"not json\nx", b'{"a":NaN}\n', b"[" * 99_999 + b"\nx", b"\xff\n\xff"):
        asked = world.ask("POST", f"/v1/import/{path}", content=body)
        assert slug(asked) in ("bad-request", "bad-value", "bad-import")


def test_what_a_member_asks_of_the_office_is_refused_and_changes_nothing(world: World, phone: HandPhone) -> None:
    ticket = world.get("/v1/tickets", params={"limit": 1})["tickets"][0]["id"]
    for method, path in (
        ("GET", f"/v1/tickets/{ticket}"),
        ("POST", f"/v1/tickets/{ticket}/cancel"),
        ("POST", "/v1/tickets"),
        ("POST", "/v1/tokens"),
        ("GET", "/v1/hq/feed"),
    ):
        assert slug(world.ask(method, path, token=phone.enrolled.token, json={})) == "forbidden"
    assert world.ask("GET", "/v1/tickets", role=Role.DISPATCHER).status_code == 200
