"""One arrival's road through the six files of the README: from one phone, over HTTP, to another phone and the dispatcher."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients.handset.keys import KeyList, Signer, new_device_key, public_jwk
from server import commands
from server.auth import Role
from server.service import Service
from server.settings import load_settings
from server.storage import tables as t
from server.storage.queries import Queries
from server.storage.store import StoreTransaction
from sync.facts import Reading
from sync.memory import MemoryPocket
from sync.replica import Replica


@pytest.fixture
def office(tmp_path: Path) -> Iterator[tuple[Service, httpx.Client]]:
    settings = load_settings(data=tmp_path / "data")
    commands.init(settings)
    service = Service(settings)
    service.writer.work(_people)
    with commands.running(service) as address, httpx.Client(base_url=address, trust_env=False) as client:
        client.headers["authorization"] = f"Bearer {service.tokens.issue('user:d', Role.ADMIN, minutes=10)}"
        yield service, client


def _people(tx: StoreTransaction) -> None:
    queries = Queries(tx)
    queries.put(t.Station, [{"id": "s1", "name": "一所", "name_en": "Station 1"}], "id")
    queries.put(t.Crew, [{"id": "A", "station": "s1", "name": "甲班", "name_en": "Crew A", "vehicle": "", "skills": ""}], "id")
    for member in ("m1", "m2"):
        row = {"id": member, "name": "李", "name_en": "Li", "phone": "", "role": "member", "skills": ""}
        queries.put(t.Member, [row], "id")
        queries.join_crew(member, "A", 1)


def _reading() -> Reading:
    return Reading(time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000, "boot-1")


def _enrolled(service: Service, client: httpx.Client, member: str) -> tuple[Replica, str]:
    code = client.post("/v1/enrol-codes", json={"member": member}).json()["code"]
    key = new_device_key()
    said = client.post("/v1/enrol", json={"code": code, "key": public_jwk(key), "name": "phone"}).json()
    keys = KeyList.verify(said["keys"], said["root"])
    assert keys is not None
    signer = Signer(key, keys)
    replica = Replica.enrol(
        MemoryPocket(), signer, service.new_id, device=said["device"], member=member, app="test", reading=_reading()
    )
    return replica, said["token"]


def _synced(client: httpx.Client, replica: Replica, token: str) -> None:
    request = replica.request()
    headers = {"authorization": f"Bearer {token}", "content-encoding": "gzip", "content-type": "application/x-ndjson"}
    reply = client.post("/v1/sync", content=gzip.compress(request.body), headers=headers)
    assert reply.status_code == 200, reply.text
    assert replica.apply(reply.content, _reading()).complete


def test_an_arrival_recorded_offline_reaches_the_server_the_crew_mate_and_the_dispatcher(
    office: tuple[Service, httpx.Client],
) -> None:
    service, client = office
    made: dict[str, Any] = client.post(
        "/v1/tickets", json={"kind": "fault_repair", "address": "柳巷18号", "area_class": "urban"}
    ).json()
    assert client.post(f"/v1/tickets/{made['id']}/assign", json={"crew": "A"}).status_code == 200
    (phone, token), (mate, mate_token) = _enrolled(service, client, "m1"), _enrolled(service, client, "m2")
    _synced(client, phone, token)

    fact = phone.record("arrival", _reading(), ticket=made["id"], visit="visit-1", body={"fix": {"lat": 27.9, "lon": 116.3}})
    shown = phone.show(made["id"])
    assert shown is not None and shown["state"] == "on_site", "the phone shows it before the server knows"
    assert {item["truth"] for item in phone.queue()} == {"hq_has_it", "waiting"}

    _synced(client, phone, token)
    assert {item["truth"] for item in phone.queue()} == {"hq_has_it"}
    _synced(client, mate, mate_token)
    theirs = mate.show(made["id"])
    assert theirs is not None and theirs["visits"]["visit-1"]["arrived"]["fact"] == fact

    ticket = client.get(f"/v1/tickets/{made['number']}").json()["ticket"]
    assert ticket["state"] == "on_site"
    arrive = next(limit for limit in ticket["limits"] if limit["name"] == "arrive")
    assert arrive["verdict"] == "met_proven" and arrive["fact"] == fact
    why = client.get(f"/v1/explain/ticket/{made['id']}", params={"field": "visits/visit-1/arrived"}).json()
    assert why["rule"] == "earliest" and why["by"]["by"] == "member:m1"
