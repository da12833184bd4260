"""What headquarters takes away: the feed with its cursor, tables, phones as they last spoke, ratings, the API's description."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

from server.auth import Role
from server.endpoints.exports import TABLES
from sync.problems import PROBLEMS
from tests.server.api.test_access import routes
from tests.server.api.world import World, feed_rows, geojson, good, slug


def page(world: World, cursor: str = "", **query: Any) -> tuple[list[dict[str, Any]], str, bool]:
    """One page of the feed: rows, the cursor to use next, whether there is more."""
    response = good(world.ask("GET", "/v1/hq/feed", role=Role.HQ, params={"cursor": cursor, **query}))
    *rows, end = feed_rows(response.content)
    [(history, scopes)] = end["cursor"].items()
    return rows, f"{history}:{scopes['hq']}", end["more"]


def drained(world: World, cursor: str = "", **query: Any) -> tuple[list[dict[str, Any]], str, int]:
    """Every page from a cursor on: rows, the last cursor, how many pages it took."""
    rows, pages, more = [], 0, True
    while more:
        new, cursor, more = page(world, cursor, **query)
        rows += new
        pages += 1
    return rows, cursor, pages


@pytest.fixture(scope="module")
def busy(world: World) -> World:
    """A server with a few tickets, facts and points."""
    for _ in range(12):
        ticket, phone = world.ticket(), world.phone()
        phone.sync()
        for kind in ("arrival", "finish"):
            phone.record(kind, ticket)
        phone.sync()
    return world


# ----------------------------------------------------------------------------------------------------------------- feed


def test_the_feed_page_by_page_is_the_feed_at_once_without_gap_or_repeat(busy: World) -> None:
    at_once, end, pages = drained(busy)
    assert pages == 1
    paged, paged_end, many = drained(busy, limit_bytes=2048)
    assert many > 5 and paged == at_once and paged_end == end
    positions = [row["at"] for row in paged]
    assert positions == sorted(set(positions))
    assert len({(row["kind"], row["id"]) for row in paged}) == len(paged), "the newest state of each record, once"


def test_a_cursor_resumes_after_any_page_and_meets_what_changed_meanwhile(busy: World) -> None:
    rows, cursor, more = page(busy, limit_bytes=2048)
    assert more
    changed = next(row["id"] for row in rows if row["kind"] == "ticket")
    busy.say(changed, "correct", set={"priority": 3})
    rest, end, _ = drained(busy, cursor)
    assert [row["put"]["priority"] for row in rest if row["id"] == changed] == [3], "what moved is met again in its new place"
    assert drained(busy, end) == ([], end, 1)


def test_the_feed_is_the_tickets_as_a_plain_query_sees_them(busy: World) -> None:
    rows, _, _ = drained(busy)
    fed = {row["id"]: row["put"]["state"] for row in rows if row["kind"] == "ticket"}
    assert fed == dict(busy.rows("SELECT id, state FROM record WHERE kind = 'ticket'"))


@pytest.mark.parametrize("cursor", ["k-foreign:5", "{here}:999999999", "x:0"])
def test_a_cursor_of_another_history_or_of_the_future_starts_again_and_says_so(busy: World, cursor: str) -> None:
    cursor = cursor.format(here=busy.service.incarnation)
    with busy.untouched():
        rows, _, _ = drained(busy, cursor)
    assert [row for row in rows if "from" in row] == ([{"scope": "hq", "from": 0}] if not cursor.endswith(":0") else [])
    assert [row for row in rows if "from" not in row] == drained(busy)[0]


# --------------------------------------------------------------------------------------------------------------- tables


def table(world: World, kind: str) -> list[dict[str, str]]:
    response = good(world.ask("GET", f"/v1/hq/export/{kind}", role=Role.HQ))
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"].startswith("attachment")
    return list(csv.DictReader(io.StringIO(response.content.decode(), newline="")))


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_every_table_has_a_header_and_a_row_for_each_record(busy: World, kind: str) -> None:
    rows = table(busy, kind)
    assert len(rows) == len(busy.hq(kind))
    assert all(set(row) == set(TABLES[kind]) and None not in row.values() for row in rows)


FORMULAS = [
    "=1+1",
    "+1",
    "-2",
    "@SUM(A1)",
    "\tx",
    "\r=1",
    '=HYPERLINK("http://evil.example","x")',
    " =1",
    "\n=1",
    "＝1",
    "　＋1",
    'a,b"c\nd',
]


def test_no_cell_of_a_table_is_run_as_a_formula(world: World) -> None:
    tickets = {world.ticket(address=text): text for text in FORMULAS}
    cells = {row["id"]: row["address"] for row in table(world, "ticket") if row["id"] in tickets}
    assert len(cells) == len(FORMULAS)
    for ticket, text in tickets.items():
        assert cells[ticket].lstrip()[:1] not in tuple("=+-@＝"), f"{text!r} came out as {cells[ticket]!r}"
        assert cells[ticket].lstrip("'") == text, "nothing but the quote is added"


def test_a_ticket_row_says_when_its_crew_arrived_and_what_is_said_of_it(world: World) -> None:
    ticket, phone = world.ticket(), world.phone()
    phone.sync()
    phone.record("arrival", ticket)
    phone.sync()
    row = next(row for row in table(world, "ticket") if row["id"] == ticket)
    assert (row["arrival_verdict"], row["arrived_at"], row["state"]) == ("met_proven", str(world.now), "on_site")


# --------------------------------------------------------------------------------------------------------------- phones


def test_the_overview_of_phones_counts_what_was_only_on_them_at_their_last_contact(world: World) -> None:
    ticket, phone = world.ticket(), world.hand_phone()
    waiting = [phone.line("note", n=2 + i, ticket=ticket, text=f"{i}") for i in range(3)]
    before = world.get("/v1/hq/devices", role=Role.HQ)["only_on_phones"]
    told = phone.body(lines=[*phone.lines, *waiting], waiting=3, oldest_s=600)
    assert phone.send(told, path="/v1/time", token=None).stated == 1
    overview = world.get("/v1/hq/devices", role=Role.HQ)
    line = next(row for row in overview["devices"] if row["device"] == phone.enrolled.device)
    assert (line["stored_n"], line["known_n"], line["waiting"], line["oldest_s"]) == (1, 4, 3, 600)
    assert line["heard_at"] == world.now and overview["only_on_phones"] == before + 3
    phone.push(*waiting)
    overview = world.get("/v1/hq/devices", role=Role.HQ)
    line = next(row for row in overview["devices"] if row["device"] == phone.enrolled.device)
    assert (line["stored_n"], line["known_n"], line["waiting"]) == (4, 4, 0) and overview["only_on_phones"] == before


def test_a_phone_that_never_spoke_and_a_revoked_one_are_listed_too(world: World) -> None:
    silent, revoked = world.enrol(), world.enrol()
    world.post(f"/v1/devices/{revoked.device}/revoke", {})
    lines = {row["device"]: row for row in world.get("/v1/hq/devices")["devices"]}
    assert lines[silent.device]["stored_n"] == 0 and lines[silent.device]["revoked"] is False
    assert lines[revoked.device]["revoked"] is True


# -------------------------------------------------------------------------------------------------------------- ratings


def rated(world: World, **change: Any) -> dict[str, Any]:
    """What headquarters hears of one rating answered on the crew's phone; `change` spoils the line."""
    ticket, phone = world.ticket(), world.phone()
    phone.sync()
    opened = phone.record("rating_opened", ticket)
    answer = {"overall": 4, "comment": "来得很快"}
    kid, sealed = phone.enrolled.keys.seal_rating(answer, ticket=ticket, visit="v1", opened=opened)
    phone.record("rating", ticket, **{"opened": opened, "result": "answered", "sealed": sealed, "kid": kid, **change})
    phone.sync()
    [row] = world.hq("rating", ticket=ticket)
    return row


def test_a_rating_sealed_on_the_crews_phone_is_opened_for_headquarters_and_stands_unverified(world: World) -> None:
    row = rated(world)
    assert row["answer"] == {"overall": 4, "comment": "来得很快"}
    assert (row["standing"], row["channel"], row["crew"]) == ("unverified", "handed_over_device", "A")


def test_the_admin_reads_the_feed_without_what_customers_wrote(world: World) -> None:
    written = rated(world)
    feed = world.ask("GET", "/v1/hq/feed", role=Role.ADMIN).text
    assert (
        written["answer"]["comment"] not in feed
        and written["answer"]["comment"] in world.ask("GET", "/v1/hq/feed", role=Role.HQ).text
    )
    rows = [json.loads(line) for line in feed.splitlines()]
    assert {"overall": 4} in [row["put"]["answer"] for row in rows if row.get("kind") == "rating" and "put" in row]


def test_a_code_the_crew_made_up_verifies_nothing(world: World) -> None:
    ticket, phone = world.ticket(), world.phone()
    phone.sync()
    opened = phone.record("rating_opened", ticket)
    answer = {"overall": 5, "code": "123456", "code_valid": True, "standing": "verified"}
    kid, sealed = phone.enrolled.keys.seal_rating(answer, ticket=ticket, visit="v1", opened=opened)
    phone.record("rating", ticket, opened=opened, result="answered", sealed=sealed, kid=kid)
    phone.sync()
    [row] = world.hq("rating", ticket=ticket)
    assert row["standing"] == "unverified"


def test_a_rating_that_cannot_be_opened_is_kept_and_says_why(world: World) -> None:
    assert rated(world, sealed="A" * 450)["answer"] == {"fault": "bad-seal"}
    assert rated(world, sealed="short")["answer"]["fault"] == "bad-encoding"
    assert rated(world, kid="nobody")["answer"] == {"fault": "unknown-key"}
    assert rated(world, opened="another")["answer"] == {"fault": "bad-seal"}


def test_a_declined_rating_is_told_as_declined(world: World) -> None:
    ticket, phone = world.ticket(), world.phone()
    phone.sync()
    opened = phone.record("rating_opened", ticket)
    phone.record("rating", ticket, opened=opened, result="declined")
    phone.sync()
    [row] = world.hq("rating", ticket=ticket)
    assert row["result"] == "declined" and row["answer"] == {}


# -------------------------------------------------------------------------------------------------------------- imports

MAPPING = (
    '{"tz":"Asia/Shanghai","latitude":"lat","longitude":"lon","area_name":"area",'
    '"fields":{"number":"number","kind":"kind","received_at":"received","address":"address"}}'
)
FILE = (
    "number,kind,received,address,lat,lon,area\n"
    "IMP-1,fault_repair,2026-11-22 10:00,柳巷18号,27.95,116.35,East\n"
    "IMP-2,fault_repair,2026-11-22 10:05,=cmd,,,\n"
    "IMP-3,hazard,2026-11-22 10:10,桥头街7号,27.95,116.15,West\n"
    "IMP-1,hazard,2026-11-22 10:11,twice,27.95,116.35,East\n"
    "IMP-4,alchemy,2026-11-22 10:12,unknown kind,27.95,116.35,East\n"
).encode()


def imported(world: World, **options: Any) -> dict[str, Any]:
    document: dict[str, Any] = good(world.upload("/v1/import/tickets", {"mapping_text": MAPPING, **options}, FILE)).json()
    return document


def test_a_dry_run_says_what_an_import_would_do_and_changes_nothing(world: World) -> None:
    with world.untouched():
        dry = imported(world, dry_run=True)
    assert dry["dry_run"] is True and dry["result"]["created"] == 3


def test_an_import_counts_add_up_and_the_same_file_again_is_all_known(world: World) -> None:
    first = imported(world)
    file, result = first["file"], first["result"]
    assert (file["read"], file["accepted"], file["duplicate_in_file"], file["rejected"]) == (5, 3, 1, 1)
    assert (result["created"], result["known"], result["dispatched"]) == (3, 0, 2)
    assert result["reasons"] == {"chosen": 2, "no_position": 1} and (result["compared"], result["agreed"]) == (2, 2)
    assert world.get("/v1/tickets/IMP-3")["ticket"]["assigned_crew"] == "C"
    assert world.get("/v1/tickets/IMP-2")["id"] in [row["id"] for row in world.get("/v1/unplaced")["tickets"]]
    with world.untouched():
        again = imported(world)["result"]
    assert (again["created"], again["known"], again["dispatched"]) == (0, 3, 0)


def test_a_ticket_the_office_changed_is_left_alone_by_the_next_import(world: World) -> None:
    imported(world)
    ticket = world.get("/v1/tickets/IMP-1")["id"]
    world.say(ticket, "correct", set={"address": "柳巷81号"})
    imported(world)
    assert world.view(ticket)["address"] == "柳巷81号"


def test_times_move_to_now_when_asked(world: World) -> None:
    data = FILE.replace(b"IMP-", b"NOW-")
    good(world.upload("/v1/import/tickets", {"mapping_text": MAPPING, "shift_to_now": True}, data))
    times = [world.get(f"/v1/tickets/NOW-{i}")["ticket"]["received_at"] for i in (1, 2, 3)]
    assert times == [world.now - 10 * 60_000, world.now - 5 * 60_000, world.now]


ORGANISATION = {
    "stations": [{"id": "s7", "name_zh": "七所", "name_en": "Seven", "position": {"lat": 30.05, "lon": 110.05}}],
    "crews": [{"id": "S7", "station": "s7", "name_zh": "七班", "name_en": "Crew Seven", "skills": ["low_voltage"]}],
    "members": [{"id": "m-seven", "name_zh": "七", "name_en": "Seven", "role": "member"}],
    "memberships": [{"crew": "S7", "member": "m-seven"}],
    "shifts": [{"crew": "S7", "from": "2026-11-01T00:00", "to": "2026-12-31T00:00"}],
}


def test_areas_and_an_organisation_make_new_ground_to_dispatch_on_and_come_in_twice_without_change(world: World) -> None:
    area, org = geojson({"north": ("s7", 110.0, 30.0)}), json.dumps(ORGANISATION).encode()
    options = {"id": "id", "name": "name", "station": "station", "class": "class"}
    with world.untouched():
        assert good(world.upload("/v1/import/areas", {**options, "dry_run": True}, area)).json()["areas"] == 1
        assert good(world.upload("/v1/import/org", {"dry_run": True}, org)).json()["crews"] == 1
    good(world.upload("/v1/import/areas", options, area))
    good(world.upload("/v1/import/org", {}, org))
    assert world.post("/v1/tickets", {"kind": "fault_repair", "position": {"lat": 30.05, "lon": 110.05}})["crew"] == "S7"
    good(world.upload("/v1/import/areas", options, area))
    with world.untouched():
        good(world.upload("/v1/import/areas", options, area))
        good(world.upload("/v1/import/org", {}, org))


# -------------------------------------------------------------------------------------------------------- the API itself


def test_the_openapi_document_names_every_route_and_nothing_else(world: World) -> None:
    document = world.get("/openapi.json", role=None)
    named = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert named == routes(world)


def test_the_openapi_document_has_the_shape_of_openapi_3_1(world: World) -> None:
    document = world.get("/openapi.json", role=None)
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"]) and {"title", "version"} <= set(document["info"])
    assert document["servers"][0]["url"].startswith("http")
    ids = []
    for path, item in document["paths"].items():
        assert path.startswith("/")
        for operation in item.values():
            ids.append(operation["operationId"])
            assert operation["summary"] and operation["responses"]
            assert {p["name"] for p in operation["parameters"] if p["in"] == "path"} == set(re.findall(r"{(\w+)}", path))
            assert all(p["required"] and p["schema"] for p in operation["parameters"])
            assert set(operation.get("x-roles", [])) <= set(Role)
            assert all(
                name in document["components"]["securitySchemes"] for rule in operation.get("security", []) for name in rule
            )
    assert len(ids) == len(set(ids)), "operation ids are unique"
    for pointer in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        place = document
        for part in pointer.split("/"):
            place = place[part]
    slugs = document["components"]["schemas"]["Problem"]["properties"]["slug"]["enum"]
    assert slugs == sorted(PROBLEMS)


def test_an_unknown_export_names_the_known_ones(world: World) -> None:
    answer = world.ask("GET", "/v1/hq/export/none")
    assert slug(answer) == "bad-value" and all(kind in answer.json()["detail"] for kind in TABLES)
