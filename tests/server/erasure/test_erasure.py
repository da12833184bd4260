"""What is erased is found nowhere any more; what is kept still proves that nothing else was changed."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from clients.handset.phone import Handset
from server.archive import commands as archives
from server.auth import Role
from server.storage.cluster import grant
from server.storage.session import libpq_address
from tests.running import RunningServer
from tests.server.archive.scene import silent
from tests.server.erasure.scene import ADDRESS, PICTURE, PICTURE_NAME, TRACES, Erased, House


@dataclass
class Recorded:
    """What a phone sent to the server, to be sent again."""

    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @classmethod
    def of(cls, phone: Handset) -> Recorded:
        recorded, client = cls(), phone._link._client
        through = client.stream

        def stream(method: str, url: str, **options: Any) -> Any:
            recorded.sent.append((url, options))
            return through(method, url, **options)

        setattr(client, "stream", stream)  # noqa: B010
        return recorded

    def again(self) -> None:
        for url, options in self.sent:
            answer = httpx.post(url, trust_env=False, **options)
            assert answer.status_code == 200, answer.text


def test_nothing_the_server_holds_or_says_contains_the_customer_any_more(house: House) -> None:
    phone = house.field.phone()
    ticket = house.job(phone)
    assert {place.split(":")[0] for place in house.found(ticket)} >= {"table body", "table record", "/v1/hq/feed"}
    said = house.field.server.said(house.erase(ticket))
    assert said["lines"] > 5 and said["photos"] == 1
    assert house.found(ticket) == []
    house.assert_all_verifies()


def test_what_the_crew_did_when_and_what_came_of_it_stays(erased: Erased) -> None:
    before, after = erased.before, erased.house.field.server.view(erased.ticket)
    assert after["state"] == before["state"] == "completed" and after["limits"] == before["limits"]
    [was], [stays] = before["visits"].values(), after["visits"].values()
    proof = ("at", "lower", "upper", "fact")
    assert [stays["arrived"][part] for part in proof] == [was["arrived"][part] for part in proof]
    assert stays["answers"]["voltage"] == was["answers"]["voltage"] and stays["photos"] == was["photos"]
    assert erased.house.field.server.feed("points") == erased.points
    [rating] = [row["put"] for row in erased.house.field.server.feed("rating")]
    assert (rating["answer"], rating["result"]) == ({"overall": 5}, "answered")
    assert after["erased"]["customer"]["reason"] == "asked" and after["erased"]["customer"]["by"] == "user:admin"


def test_a_rating_that_loses_its_rank_after_the_erasure_keeps_its_score(house: House) -> None:
    phone = house.field.phone()
    ticket = house.job(phone, archived=False)
    shown = phone.replica.show(ticket)
    path = str((shown or {})["rating_path"])
    house.erase(ticket)
    house.erase(ticket)
    given = house.office.post(path, data={"overall": "2"}, headers={"authorization": ""})
    assert given.status_code < 400, given.text
    rows = {row["put"]["channel"]: row["put"] for row in house.field.server.feed("rating")}
    crews, own = rows["handed_over_device"], rows["own_phone_qr"]
    assert (crews["standing"], crews["answer"]) == ("outranked", {"overall": 5})
    assert (own["standing"], own["answer"]) == ("counts", {"overall": 2})
    assert house.found(ticket) == []
    house.assert_all_verifies()


def test_the_act_stands_in_the_offices_journal_and_in_headquarters_feed(erased: Erased) -> None:
    told = [row["put"] for row in erased.house.field.server.feed("command") if row["put"]["kind"] == "erased"]
    assert sorted(row["said"]["what"] for row in told) == ["customer", "photos"]
    assert {(row["by"], row["ticket"], row["said"]["reason"]) for row in told} == {("user:admin", erased.ticket, "asked")}


def test_phones_hear_of_it_and_agree_with_the_server(erased: Erased) -> None:
    assert erased.position > erased.position_before
    for each in (erased.other, erased.phone):
        assert each.sync().done and not each.differences()
    shown = json.dumps(erased.other.show(erased.ticket), ensure_ascii=False)
    assert "completed" in shown and not any(trace in shown for trace in TRACES)


def test_a_phone_that_sends_erased_lines_again_is_recognised_and_brings_nothing_back(house: House) -> None:
    phone = house.field.phone()
    recorded = Recorded.of(phone)
    ticket = house.job(phone)
    house.erase(ticket)
    before = stored_lines(house)
    recorded.again()
    assert len(recorded.sent) >= 3 and stored_lines(house) == before
    assert house.found(ticket) == []
    assert phone.sync().done and not phone.differences()


def stored_lines(house: House) -> int:
    return int(house.field.server.service.reader().run("SELECT count(*) FROM fact").fetchone()[0])


def test_an_erased_photo_sent_again_is_not_taken_and_the_phone_is_told_that_none_is_wanted(house: House) -> None:
    phone = house.field.phone()
    ticket = house.job(phone)
    house.erase(ticket, what="photos")
    promise = base64.b64encode(PICTURE_NAME.encode()).decode()
    token = house.field.server.service.tokens.issue(
        f"device:{phone.device}", Role.MEMBER, minutes=5, device=phone.device, member="m1"
    )
    tus = {"Tus-Resumable": "1.0.0", "authorization": f"Bearer {token}"}
    begun = house.office.post(
        "/v1/photos",
        headers={**tus, "Upload-Length": str(len(PICTURE)), "Upload-Metadata": f"sha256 {promise}"},
    )
    assert (begun.status_code, begun.headers["Upload-Offset"]) == (201, str(len(PICTURE)))
    place = begun.headers["Location"]
    assert house.office.head(place, headers=tus).headers["Upload-Offset"] == str(len(PICTURE))
    late = {**tus, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert house.office.patch(place, headers=late, content=PICTURE).headers["Upload-Offset"] == str(len(PICTURE))
    assert house.found(ticket, ()) == []


def test_photos_alone_go_and_the_customer_stays(one_house: House) -> None:
    ticket = one_house.job(one_house.field.phone())
    one_house.erase(ticket, what="photos")
    assert one_house.field.server.view(ticket)["address"] == ADDRESS
    assert one_house.found(ticket, ()) == []
    one_house.assert_all_verifies()


def test_bytes_that_another_ticket_uses_stay_for_it(one_house: House) -> None:
    phone = one_house.field.phone()
    ticket, other = one_house.job(phone), one_house.job(phone)
    one_house.erase(ticket, what="photos")
    assert one_house.field.server.service.objects.size(PICTURE_NAME) == len(PICTURE)  # type: ignore[arg-type]
    one_house.erase(other, what="photos")
    assert one_house.field.server.service.objects.size(PICTURE_NAME) is None  # type: ignore[arg-type]


def test_a_merged_duplicate_loses_the_same_facts_as_its_parent(house: House) -> None:
    phone, server = house.field.phone(), house.field.server
    parent = server.ticket(address="主单")
    ticket = house.job(phone)
    server.command(ticket, "reopen", reason="twice")
    server.command(ticket, "merge", parent=parent, reason="same fault")
    house.erase(ticket)
    assert house.found(ticket) == []
    house.assert_all_verifies()


def test_a_backup_taken_afterwards_is_whole_and_phones_may_let_go(erased: Erased, tmp_path: Path) -> None:
    house = erased.house
    taken = archives.take_backup(house.settings, tmp_path / "backups", silent, with_keys=True, release=False)
    assert taken.faults == [] and taken.found.evidence.erased > 0
    reader = house.field.server.service.reader()
    stored = reader.run("SELECT n FROM journal WHERE device = ?", (erased.phone.device,)).fetchone()[0]
    assert stored in {mark.n for mark in taken.found.evidence.marks}


def test_erasing_twice_does_no_harm(erased: Erased) -> None:
    house, ticket = erased.house, erased.ticket
    assert house.field.server.said(house.erase(ticket))["lines"] == 0
    assert house.found(ticket) == []
    house.assert_all_verifies()


def test_a_member_becomes_an_id(house: House) -> None:
    phone = house.field.phone()
    ticket = house.job(phone)
    server = house.field.server
    server.said(house.office.post("/v1/members/m1/erase", json={"reason": "left"}))
    assert house.found(ticket, ("李明", "Li Ming")) == house.found(ticket, ())
    assert archives.examine_live(house.settings).faults == []
    assert phone.sync().done and not phone.differences()
    assert archives.compare_live(house.settings).differences == []


def test_what_cannot_be_erased_is_said_plainly(one_house: House) -> None:
    server = one_house.field.server
    unknown = one_house.erase("no-such-ticket")
    assert (unknown.status_code, unknown.json()["slug"]) == (404, "not-found")
    assert one_house.office.post("/v1/members/nobody/erase", json={"reason": "x"}).status_code == 404
    under_way = server.ticket()
    refused = one_house.erase(under_way)
    assert refused.json()["slug"] == "state-conflict" and server.view(under_way)["address"]
    silent_order = one_house.office.post(f"/v1/tickets/{under_way}/erase", json={"what": "all"})
    assert silent_order.json()["slug"] == "bad-value"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_nobody_but_an_admin_may_erase(erased: Erased, role: Role) -> None:
    headers = {"authorization": f"Bearer {erased.house.field.server.token(role)}"}
    for path in ("/v1/tickets/x/erase", "/v1/members/m1/erase", "/v1/retention"):
        assert erased.house.office.post(path, json={"what": "all", "reason": "x"}, headers=headers).status_code == 403, path


def test_the_servers_own_database_role_is_told_who_may_erase(new_postgres: str, tmp_path: Path) -> None:
    name = f"clerk_{tmp_path.name[-8:].replace('-', '_')}".lower()
    with psycopg.connect(libpq_address(new_postgres), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN".encode())
    grant(new_postgres, name)
    as_clerk = new_postgres.replace("postgres@", f"{name}@")
    with RunningServer(tmp_path / "server", database_url=as_clerk) as server:
        server.organise()
        ticket = server.ticket()
        server.command(ticket, "cancel", reason="x")
        refused = server.office.post(f"/v1/tickets/{ticket}/erase", json={"what": "all", "reason": "x"})
        assert refused.json()["slug"] == "forbidden" and "as the owner" in refused.json()["detail"]
        assert server.view(ticket)["address"]
    with RunningServer(tmp_path / "server", database_url=new_postgres) as server:  # as the command line does
        server.said(server.office.post(f"/v1/tickets/{ticket}/erase", json={"what": "all", "reason": "x"}))
        assert "address" not in server.view(ticket)
