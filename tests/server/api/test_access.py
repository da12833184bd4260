"""Who may do what: every route × every role, every scope × every stranger, and the score nobody of a crew may read.

The table of rights below is written by hand from domain §2, on purpose a second time: it must agree with the server's own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import httpx
import jwt
import pytest
from starlette.routing import Route

from server import commands
from server.app import create_app
from server.auth import TOKEN_TYP, Role
from server.keys import Use
from server.service import Service
from server.settings import load_settings
from tests.server.api.world import Phone, World, feed_rows, good, slug

ENGINES = ("sqlite",)

PHONES = {Role.MEMBER, Role.LEAD, Role.GRID_WORKER}
OFFICE = {Role.AGENT, Role.DISPATCHER, Role.STATION_HEAD, Role.SUPERVISOR, Role.HQ, Role.ADMIN}
INTAKE = {Role.AGENT, Role.DISPATCHER, Role.ADMIN}
COMMAND = {Role.DISPATCHER, Role.ADMIN}
READ_OUT = {Role.HQ, Role.INTEGRATOR, Role.SUPERVISOR, Role.ADMIN}
ADMIN = {Role.ADMIN}
ANYBODY = None
SIGNED = "by a device's key, not by a role"

RIGHTS: dict[tuple[str, str], Any] = {
    ("POST", "/v1/sync"): SIGNED,
    ("POST", "/v1/time"): SIGNED,
    ("POST", "/v1/enrol"): ANYBODY,
    ("POST", "/v1/token"): ANYBODY,
    ("POST", "/v1/login"): ANYBODY,
    ("GET", "/v1/keys"): ANYBODY,
    ("GET", "/livez"): ANYBODY,
    ("GET", "/readyz"): ANYBODY,
    ("GET", "/metrics"): {Role.INTEGRATOR, Role.ADMIN},
    ("GET", "/openapi.json"): ANYBODY,
    ("GET", "/"): ANYBODY,
    ("GET", "/crew"): ANYBODY,
    ("GET", "/crew/{file}"): ANYBODY,
    ("GET", "/r/{token}"): ANYBODY,
    ("POST", "/r/{token}"): ANYBODY,
    ("POST", "/v1/enrol-codes"): ADMIN,
    ("POST", "/v1/tokens"): ADMIN,
    ("POST", "/v1/devices/{device}/revoke"): ADMIN,
    ("POST", "/v1/backups"): ADMIN,
    ("POST", "/v1/tickets/{ticket}/erase"): ADMIN,
    ("POST", "/v1/members/{member}/erase"): ADMIN,
    ("POST", "/v1/retention"): ADMIN,
    ("GET", "/v1/tickets"): OFFICE,
    ("POST", "/v1/tickets"): INTAKE,
    ("GET", "/v1/tickets/{ticket}"): OFFICE,
    ("POST", "/v1/tickets/{ticket}/{command}"): COMMAND,
    ("GET", "/v1/explain/{kind}/{id}"): OFFICE,
    ("GET", "/v1/unplaced"): INTAKE,
    ("POST", "/v1/dispatch"): COMMAND,
    ("POST", "/v1/import/areas"): ADMIN,
    ("POST", "/v1/import/org"): ADMIN,
    ("POST", "/v1/import/tickets"): ADMIN,
    ("POST", "/v1/import/guide"): ADMIN,
    ("GET", "/v1/guides"): OFFICE,
    ("GET", "/v1/hq/feed"): READ_OUT,
    ("GET", "/v1/hq/export/{kind}"): READ_OUT,
    ("GET", "/v1/hq/devices"): READ_OUT,
    ("OPTIONS", "/v1/photos"): ANYBODY,
    ("POST", "/v1/photos"): PHONES,
    ("OPTIONS", "/v1/photos/{upload}"): ANYBODY,
    ("HEAD", "/v1/photos/{upload}"): PHONES,
    ("PATCH", "/v1/photos/{upload}"): PHONES,
    ("DELETE", "/v1/photos/{upload}"): PHONES,
    ("POST", "/v1/photos/{upload}"): PHONES,
    ("GET", "/v1/photos/by-hash/{sha256}/{variant}"): set(Role),  # what a role may not see is absent, below
}
DENIED = {"sign-in", "forbidden"}
NO_UPLOAD = "0" * 64 + "-" + "0" * 32


def routes(world: World) -> set[tuple[str, str]]:
    """Every (method, path) the application serves; HEAD of a GET counts with it."""
    found = set()
    for route in create_app(world.service).routes:
        assert isinstance(route, Route)
        methods = set(route.methods or ())
        path = route.path.replace(":path}", "}")
        found |= {(method, path) for method in methods - ({"HEAD"} if "GET" in methods else set())}
    return found


def test_the_table_of_rights_names_every_route_and_no_other(world: World) -> None:
    assert routes(world) == set(RIGHTS)


@pytest.fixture(scope="module")
def places(world: World) -> dict[str, str]:
    """Real things for the parameters of a path, so that only the role can be what refuses."""
    phone = world.phone()
    return {
        "device": phone.enrolled.device,
        "ticket": world.ticket(),
        "member": phone.enrolled.member,
        "command": "nothing-known",
        "kind": "ticket",
        "id": world.ticket(),
        "upload": NO_UPLOAD,
        "sha256": "0" * 64,
        "variant": "preview",
        "file": "nothing-known",
        "token": "nothing-known",
    }


def call(world: World, method: str, template: str, places: dict[str, str], **how: Any) -> httpx.Response:
    """Ask for a route with a body that is never good enough to change anything."""
    headers = {"tus-resumable": "1.0.0"}
    if (method, template) == ("POST", "/v1/photos/{upload}"):
        headers["x-http-method-override"] = "HEAD"
    return world.ask(method, template.format(**places), content=b"", headers=headers, **how)


@pytest.mark.parametrize("method, path", sorted(RIGHTS))
def test_a_route_answers_exactly_the_roles_it_is_for(world: World, places: dict[str, str], method: str, path: str) -> None:
    allowed = RIGHTS[(method, path)]
    everybody = allowed in (ANYBODY, SIGNED)
    for role in (None, *Role):
        if path == "/v1/devices/{device}/revoke" and role is Role.ADMIN:
            continue  # it would succeed; test_sync_rules revokes
        response = call(world, method, path, places, role=role)
        denied = response.status_code in (401, 403) and (method == "HEAD" or slug(response) in DENIED)
        if not everybody and role not in allowed:
            assert denied, f"{role} may {method} {path}: {response.status_code} {response.text[:200]}"
            assert response.status_code == (401 if role is None else 403)
        elif path != "/v1/token":
            assert not denied, f"{role} may not {method} {path}: {response.text[:200]}"
        assert response.status_code < 500


def test_a_role_tells_before_a_path_does_whether_something_exists(world: World) -> None:
    member = world.token(Role.MEMBER)
    known, unknown = world.ticket(), "WO-none"
    answers = [world.ask("GET", f"/v1/tickets/{name}", token=member) for name in (known, unknown)]
    assert [slug(answer) for answer in answers] == ["forbidden", "forbidden"]


# ------------------------------------------------------------------------------------------------------------ forged tokens


def forged(world: World) -> dict[str, str]:
    """Tokens that say admin and were not given out, or not for this."""
    service = world.service
    kid, key = service.keys.current(Use.TOKEN)
    now = world.now // 1000
    us = service.tokens.audience
    claims = {"iss": us, "aud": us, "sub": "user:x", "role": "admin", "iat": now, "exp": now + 3600, "jti": "12345678"}
    head = {"typ": TOKEN_TYP, "kid": kid}
    public = json.dumps(service.keys.public_keys()[0]).encode()
    right = jwt.encode(claims, key, "ES256", head)
    statement_kid, statement_key = service.keys.current(Use.STATEMENT)

    def signed(headers: dict[str, Any] = head, **other: Any) -> str:
        body = {name: value for name, value in {**claims, **other}.items() if value is not None}
        return jwt.encode(body, key, "ES256", headers)

    none = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none", **head}, claims)
    )
    return {
        "alg none": none + ".",
        "HMAC with the public key": jwt.encode(claims, hashlib.sha256(public).digest(), "HS256", head),
        "the key of statements": jwt.encode(claims, statement_key, "ES256", {**head, "kid": statement_kid}),
        "the key of statements under the token's name": jwt.encode(claims, statement_key, "ES256", head),
        "a kid of nobody": signed({**head, "kid": "nobody"}),
        "a kid that is a path": signed({**head, "kid": "../../../dev/null"}),
        "a kid with SQL": signed({**head, "kid": "' UNION SELECT 1 --"}),
        "no kid": signed({"typ": TOKEN_TYP}),
        "another typ": signed({**head, "typ": "JWT"}),
        "a key it brings along": signed({**head, "jku": "https://evil.example/keys"}),
        "no expiry": signed(exp=None),
        "no audience": signed(aud=None),
        "no issuer": signed(iss=None),
        "no subject": signed(sub=None),
        "no role": signed(role=None),
        "no jti": signed(jti=None),
        "no time": signed(iat=None),
        "another audience": signed(aud="another"),
        "another issuer": signed(iss="another"),
        "a role nobody has": signed(role="god"),
        "an expiry in the past": signed(iat=now - 7200, exp=now - 3600),
        "a time in the future": signed(iat=now + 3600, exp=now + 7200),
        "a claim too many": signed(scope="*"),
        "its payload exchanged": right.split(".")[0] + "." + signed(sub="user:y").split(".")[1] + "." + right.split(".")[2],
        "its signature cut": right[:-5],
        "no signature": right.rpartition(".")[0] + ".",
        "nothing but a dot": ".",
        "an endless text": "a" * 5000,
    }


def test_no_forged_foreign_or_ended_token_opens_anything(world: World) -> None:
    with world.untouched():
        for what, token in forged(world).items():
            response = world.ask("GET", "/v1/hq/feed", token=token)
            assert response.status_code == 401 and slug(response) == "sign-in", what


def test_another_servers_token_is_a_strangers(world: World, tmp_path: Any) -> None:
    settings = load_settings(data=tmp_path / "other")
    commands.init(settings)
    other = Service(settings)
    try:
        token = other.tokens.issue("user:admin", Role.ADMIN, minutes=10)
    finally:
        other.close()
    assert slug(world.ask("GET", "/v1/tickets", token=token)) == "sign-in"


def test_a_token_ends_when_its_minutes_are_over(world: World) -> None:
    token = world.post("/v1/tokens", {"role": "hq", "minutes": 5})["token"]
    assert world.ask("GET", "/v1/hq/devices", token=token).status_code == 200
    world.wait(minutes=6)
    assert slug(world.ask("GET", "/v1/hq/devices", token=token)) == "sign-in"


# ----------------------------------------------------------------------------------------------------- scopes and strangers


@pytest.fixture(scope="module")
def worked(world: World) -> tuple[str, str, Phone]:
    """A ticket of crew B, arrived at, photographed, finished and rated; the photo's hash; the phone that did it."""
    ticket, phone = world.ticket(crew="B", address="暗号街7号"), world.phone("B")
    phone.sync()
    sha256 = hashlib.sha256(b"picture of B").hexdigest()
    for kind in ("acceptance", "departure", "arrival", "start"):
        phone.record(kind, ticket)
    phone.record("photo", ticket, sha256=sha256, size_bytes=12)
    phone.record("finish", ticket, result="done")
    opened = phone.record("rating_opened", ticket)
    kid, sealed = phone.enrolled.keys.seal_rating(
        {"overall": 2, "comment": "暗号差评"}, ticket=ticket, visit="v1", opened=opened
    )
    phone.record("rating", ticket, opened=opened, result="answered", sealed=sealed, kid=kid)
    phone.sync()
    assert world.hq("rating", ticket=ticket)[0]["answer"]["overall"] == 2
    return ticket, sha256, phone


def test_a_phone_receives_nothing_of_another_crew(world: World, worked: tuple[str, str, Phone]) -> None:
    ticket, _, theirs = worked
    stranger = world.phone("A")
    body, _ = stranger.send()
    stranger.sync()
    kinds = {kind for kind, _ in stranger.held()}
    assert kinds <= {"ticket"}, "no outcome, no points and no rating of anybody"
    assert ticket not in body.decode() and "暗号" not in body.decode()
    page = body.decode().partition("\n")[2]  # a signature may spell anybody's name by chance
    assert theirs.enrolled.member not in page and theirs.enrolled.device not in body.decode()
    assert all(world.view(name)["assigned_crew"] == "A" for kind, name in stranger.held())


def test_a_phone_that_asks_for_foreign_scopes_is_told_they_are_gone_and_gets_no_row(
    world: World, worked: tuple[str, str, Phone]
) -> None:
    ticket, _, theirs = worked
    foreign = ["crew:B", "hq", f"member:{theirs.enrolled.member}", f"device:{theirs.enrolled.device}", "station:s2", "*", ""]
    phone = world.hand_phone("A")
    reply = phone.send(phone.body(checkpoint=None, cursor={world.service.incarnation: dict.fromkeys(foreign, 0)}))
    assert ticket not in reply.response.text
    assert {row["scope"] for row in reply.rows if row.get("gone") == "scope"} == set(foreign)
    assert not {row["scope"] for row in reply.rows if "put" in row} & set(foreign)


def test_points_go_to_their_own_member_and_to_headquarters_alone(world: World, worked: tuple[str, str, Phone]) -> None:
    ticket, _, phone = worked
    mate = world.phone("B")
    mate.sync()
    own = {name for kind, name in phone.held() if kind == "points"}
    assert own and own == {row["id"] for row in world.hq("points") if row["content"]["ticket"] == ticket}
    assert ("ticket", ticket) in mate.held(), "a crew mate sees the work"
    assert not [name for kind, name in mate.held() if kind == "points"], "and not what it paid"


def test_no_bytes_a_crew_can_ask_for_hold_a_rating(world: World, worked: tuple[str, str, Phone]) -> None:
    ticket, sha256, phone = worked
    sealed = next(item["line"]["sealed"] for item in phone.replica.queue() if item["kind"] == "rating")
    replies = []
    for who in (phone, world.phone("B"), world.phone("A")):
        token = who.enrolled.token
        for method, path in sorted(RIGHTS):
            places = {"device": phone.enrolled.device, "ticket": ticket, "command": "x", "kind": "ticket", "id": ticket}
            places |= {"upload": NO_UPLOAD, "sha256": sha256, "variant": "preview", "file": "x", "token": "x"}
            places |= {"member": phone.enrolled.member}
            replies.append(call(world, method, path, places, token=token).content)
        who.replica.state.cursor = {}
        replies.append(who.send()[0])
    assert any(ticket.encode() in reply for reply in replies), "the work itself is there to be searched"
    for secret in ("暗号差评", sealed, '"overall"', '"sealed"', '"answer"', '"unverified"'):
        assert not any(secret.encode() in reply for reply in replies), secret


def test_what_was_answered_looks_the_same_to_the_crew_whatever_the_score(world: World) -> None:
    shown = []
    for score in (1, 5):
        ticket, phone = world.ticket(), world.phone("A")
        phone.sync()
        opened = phone.record("rating_opened", ticket)
        kid, sealed = phone.enrolled.keys.seal_rating({"overall": score}, ticket=ticket, visit="v1", opened=opened)
        phone.record("rating", ticket, opened=opened, result="answered", sealed=sealed, kid=kid)
        phone.sync()
        rating = phone.view(ticket)["visits"]["v1"]["rating"]
        shown.append(
            {name: value for name, value in rating.items() if name not in ("fact", "by", "opened", "at", "lower", "upper")}
        )
        assert len(sealed) == 450
    assert shown == [{"result": "answered"}] * 2


def test_nobody_of_the_office_decides_about_a_rating(world: World) -> None:
    ticket, phone = world.ticket(), world.phone("A")
    phone.sync()
    opened = phone.record("rating_opened", ticket)
    facts = []
    for score in (5, 1):
        kid, sealed = phone.enrolled.keys.seal_rating({"overall": score}, ticket=ticket, visit="v1", opened=opened)
        facts.append(phone.record("rating", ticket, opened=opened, result="answered", sealed=sealed, kid=kid))
    phone.sync()
    assert len(world.hq("rating", ticket=ticket)) == 2, "headquarters sees both"
    for role in (Role.DISPATCHER, Role.ADMIN):
        body = {"field": "visits/v1/rating", "choose": facts[1], "reason": "kinder"}
        with world.untouched():
            assert slug(world.ask("POST", f"/v1/tickets/{ticket}/decide", role=role, json=body)) == "forbidden"


# ------------------------------------------------------------------------------------------------------------------- photos


def tus(sha256: str, size: int) -> dict[str, str]:
    name = base64.b64encode(sha256.encode()).decode()
    return {"tus-resumable": "1.0.0", "upload-length": str(size), "upload-metadata": f"sha256 {name}"}


@pytest.fixture(scope="module")
def sent(world: World, worked: tuple[str, str, Phone]) -> str:
    """The photo of crew B with its bytes on the server."""
    _, sha256, phone = worked
    made = good(world.ask("POST", "/v1/photos", token=phone.enrolled.token, headers=tus(sha256, 12)))
    headers = {"tus-resumable": "1.0.0", "upload-offset": "0", "content-type": "application/offset+octet-stream"}
    good(world.ask("PATCH", made.headers["location"], token=phone.enrolled.token, headers=headers, content=b"picture of B"))
    return sha256


def test_the_bytes_of_a_foreign_photo_look_absent(world: World, sent: str, worked: tuple[str, str, Phone]) -> None:
    _, _, phone = worked
    address = f"/v1/photos/by-hash/{sent}/original"
    assert good(world.ask("GET", address, token=phone.enrolled.token)).content == b"picture of B"
    stranger = world.phone("A").enrolled.token
    foreign, unknown = (world.ask("GET", path, token=stranger) for path in (address, f"/v1/photos/by-hash/{'0' * 64}/original"))
    assert slug(foreign) == slug(unknown) == "not-found"
    assert {n: v for n, v in foreign.json().items() if n != "request_id"} == {
        n: v for n, v in unknown.json().items() if n != "request_id"
    }


def test_a_photo_is_absent_for_programs_that_only_read_the_feed(world: World, sent: str) -> None:
    address = f"/v1/photos/by-hash/{sent}/original"
    assert slug(world.ask("GET", address, role=Role.INTEGRATOR)) == "not-found"
    for role in OFFICE:
        assert world.ask("GET", address, role=role).status_code == 200


def test_a_revoked_phone_reads_no_photo(world: World, sent: str) -> None:
    phone = world.phone("B")
    address = f"/v1/photos/by-hash/{sent}/original"
    assert world.ask("GET", address, token=phone.enrolled.token).status_code == 200
    world.post(f"/v1/devices/{phone.enrolled.device}/revoke", {})
    assert slug(world.ask("GET", address, token=phone.enrolled.token)) == "not-found"


def test_a_photo_that_went_to_another_crew_goes_out_of_sight(world: World) -> None:
    ticket, phone = world.ticket(), world.phone("A")
    phone.sync()
    data = b"picture of A"
    sha256 = hashlib.sha256(data).hexdigest()
    phone.record("photo", ticket, sha256=sha256, size_bytes=len(data))
    phone.sync()
    made = good(world.ask("POST", "/v1/photos", token=phone.enrolled.token, headers=tus(sha256, len(data))))
    headers = {"tus-resumable": "1.0.0", "upload-offset": "0", "content-type": "application/offset+octet-stream"}
    good(world.ask("PATCH", made.headers["location"], token=phone.enrolled.token, headers=headers, content=data))
    address = f"/v1/photos/by-hash/{sha256}/original"
    assert world.ask("GET", address, token=phone.enrolled.token).status_code == 200
    world.say(ticket, "transfer", crew="B")
    assert slug(world.ask("GET", address, token=phone.enrolled.token)) == "not-found"
    assert world.ask("GET", address, token=world.phone("B").enrolled.token).status_code == 200


def test_one_picture_in_two_tickets_is_received_for_both_whichever_comes_first(world: World) -> None:
    phone = world.phone("A")
    data = b"taken once, filed twice"
    sha256 = hashlib.sha256(data).hexdigest()
    before, beside, after = (world.ticket() for _ in range(3))
    phone.sync()
    for ticket in (before, beside):
        phone.record("photo", ticket, sha256=sha256, size_bytes=len(data))
    phone.sync()
    made = good(world.ask("POST", "/v1/photos", token=phone.enrolled.token, headers=tus(sha256, len(data))))
    headers = {"tus-resumable": "1.0.0", "upload-offset": "0", "content-type": "application/offset+octet-stream"}
    good(world.ask("PATCH", made.headers["location"], token=phone.enrolled.token, headers=headers, content=data))
    phone.record("photo", after, sha256=sha256, size_bytes=len(data))
    phone.sync()
    again = good(world.ask("POST", "/v1/photos", token=phone.enrolled.token, headers=tus(sha256, len(data))))
    assert again.headers["upload-offset"] == str(len(data)), "no byte is sent twice"
    for ticket in (before, beside, after):
        assert sha256 in world.view(ticket).get("photos_received", {})


def test_a_picture_filed_by_two_crews_is_seen_by_both(world: World, sent: str) -> None:
    ticket, phone = world.ticket(crew="C"), world.phone("C")
    phone.sync()
    address = f"/v1/photos/by-hash/{sent}/original"
    assert slug(world.ask("GET", address, token=phone.enrolled.token)) == "not-found"
    phone.record("photo", ticket, sha256=sent, size_bytes=12)
    phone.sync()
    assert world.ask("GET", address, token=phone.enrolled.token).status_code == 200


@pytest.mark.parametrize("merged", ["before", "after"])
def test_a_picture_of_a_merged_ticket_is_received_for_its_parent_too(world: World, merged: str) -> None:
    parent, child, phone = world.ticket(), world.ticket(), world.phone("A")
    data = f"merged {merged}".encode()
    sha256 = hashlib.sha256(data).hexdigest()
    phone.sync()
    phone.record("photo", child, sha256=sha256, size_bytes=len(data))
    phone.sync()
    if merged == "before":
        world.say(child, "merge", parent=parent)
    made = good(world.ask("POST", "/v1/photos", token=phone.enrolled.token, headers=tus(sha256, len(data))))
    headers = {"tus-resumable": "1.0.0", "upload-offset": "0", "content-type": "application/offset+octet-stream"}
    good(world.ask("PATCH", made.headers["location"], token=phone.enrolled.token, headers=headers, content=data))
    if merged == "after":
        world.say(child, "merge", parent=parent)
    for ticket in (child, parent):
        view = world.view(ticket)
        assert sha256 in view["photos_received"] and view["visits"]["v1"]["photos"]


def test_bytes_no_stored_fact_names_are_not_taken(world: World) -> None:
    phone = world.phone("A")
    with world.untouched():
        asked = world.ask("POST", "/v1/photos", token=phone.enrolled.token, headers=tus("1" * 64, 5))
        assert slug(asked) == "unknown-photo"


def test_bytes_a_stored_fact_names_are_taken_by_device_key_alone(world: World) -> None:
    ticket, phone = world.ticket(), world.phone("A")
    phone.sync()
    sha256 = hashlib.sha256(b"by key").hexdigest()
    phone.record("photo", ticket, sha256=sha256, size_bytes=6)
    phone.sync()
    headers = {**tus(sha256, 6), "lamplighter-assertion": phone.enrolled.assertion(world)}
    assert world.ask("POST", "/v1/photos", role=None, headers=headers).status_code == 201
    stranger = world.enrol("A").assertion(world, device=phone.enrolled.device)
    headers = {**tus(sha256, 6), "lamplighter-assertion": stranger}
    assert slug(world.ask("POST", "/v1/photos", role=None, headers=headers)) == "sign-in"


def test_headquarters_sees_what_crews_do_not(world: World, worked: tuple[str, str, Phone]) -> None:
    assert world.view(worked[0])
    for role in READ_OUT:
        rows = feed_rows(good(world.ask("GET", "/v1/hq/feed", role=role)).content)
        assert {"ticket", "points", "rating", "verdict"} <= {row.get("kind") for row in rows}
