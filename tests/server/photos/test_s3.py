"""The whole server over an S3 bucket: a phone's photo on its way in by tus and out again, while S3 has good and bad moments."""

from __future__ import annotations

import base64
import hashlib
import io
import random
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image

from server.auth import Role
from tests.server.api.world import Phone, World, good, running_world, slug
from tests.services.proxy import Fault, FaultProxy
from tests.services.swift import Swift

TUS = {"tus-resumable": "1.0.0"}
BODY = {**TUS, "content-type": "application/offset+octet-stream"}


@pytest.fixture(scope="module")
def network(s3_server: Swift) -> Iterator[FaultProxy]:
    with FaultProxy(("127.0.0.1", s3_server.port)) as between:
        yield between


@pytest.fixture(scope="module", params=["through the server", "redirected"])
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, s3_server: Swift, network: FaultProxy
) -> Iterator[World]:
    limits = {
        "objects_url": f"s3://{s3_server.new_bucket()}/north",
        "objects_redirect": request.param == "redirected",
        "s3_endpoint": network.url,
        "s3_addressing": "path",
        "s3_attempts_max": 2,
    }
    with running_world(tmp_path_factory.mktemp("s3"), **limits) as world:
        yield world


def picture(colour: str) -> bytes:
    """A JPEG with a long comment behind it, so that it takes some time to send."""
    buffer = io.BytesIO()
    Image.new("RGB", (600, 400), colour).save(buffer, "JPEG")
    return buffer.getvalue() + random.Random(colour).randbytes(400_000)


def photographed(world: World, data: bytes) -> tuple[str, Phone]:
    """A ticket whose stored fact names this photo."""
    ticket, phone = world.ticket(crew="A"), world.phone("A")
    phone.sync()
    phone.record("photo", ticket, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    phone.sync()
    return ticket, phone


def begun(world: World, phone: Phone, data: bytes) -> str:
    name = base64.b64encode(hashlib.sha256(data).hexdigest().encode()).decode()
    headers = {**TUS, "upload-length": str(len(data)), "upload-metadata": f"sha256 {name}"}
    return str(good(world.ask("POST", "/v1/photos", token=phone.enrolled.token, headers=headers)).headers["location"])


def patch(world: World, phone: Phone, upload: str, offset: int, block: bytes) -> httpx.Response:
    headers = {**BODY, "upload-offset": str(offset)}
    return world.ask("PATCH", upload, token=phone.enrolled.token, headers=headers, content=block)


def offset_of(world: World, phone: Phone, upload: str) -> int:
    return int(good(world.ask("HEAD", upload, token=phone.enrolled.token, headers=TUS)).headers["upload-offset"])


def read(world: World, data: bytes, variant: str = "original", **who: object) -> httpx.Response:
    path = f"/v1/photos/by-hash/{hashlib.sha256(data).hexdigest()}/{variant}"
    answer = world.ask("GET", path, **who)  # type: ignore[arg-type]  # role or token
    if answer.status_code == 307:
        assert answer.headers["cache-control"] == "no-store"
        return httpx.get(answer.headers["location"], trust_env=False)
    return answer


def test_a_photo_arrives_and_is_read_back_with_its_pictures(world: World) -> None:
    data = picture("#301010")
    ticket, phone = photographed(world, data)
    upload = begun(world, phone, data)
    assert patch(world, phone, upload, 0, data[:300_000]).status_code == 204
    assert patch(world, phone, upload, 300_000, data[300_000:]).status_code == 204
    assert list(world.view(ticket)["photos_received"]) == [hashlib.sha256(data).hexdigest()]
    whole = read(world, data, token=phone.enrolled.token)
    assert whole.content == data
    assert whole.headers["content-disposition"].startswith("attachment;")
    world.service.derivation.drain()
    preview = read(world, data, "preview", role=Role.DISPATCHER)
    assert preview.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(preview.content)).size[0] == 320


def test_who_may_not_read_a_photo_gets_no_address_either(world: World) -> None:
    data = picture("#302010")
    _, phone = photographed(world, data)
    assert patch(world, phone, begun(world, phone, data), 0, data).status_code == 204
    assert slug(read(world, data, token=world.phone("B").enrolled.token)) == "not-found"


def test_while_s3_is_away_a_phone_keeps_its_photo_and_its_facts_go_through(world: World, network: FaultProxy) -> None:
    data = picture("#303010")
    ticket, phone = photographed(world, data)
    upload = begun(world, phone, data)
    assert patch(world, phone, upload, 0, data[:100_000]).status_code == 204
    with network.outage():
        refused = patch(world, phone, upload, 100_000, data[100_000:])
        assert (refused.status_code, slug(refused)) == (503, "busy")
        phone.record("acceptance", ticket)
        phone.sync()
    assert world.view(ticket)["state"] == "accepted"
    assert offset_of(world, phone, upload) == 100_000
    assert patch(world, phone, upload, 100_000, data[100_000:]).status_code == 204
    assert read(world, data, token=phone.enrolled.token).content == data


def test_a_photo_that_could_not_get_its_name_gets_it_at_the_next_question(world: World, network: FaultProxy) -> None:
    data = picture("#304010")
    ticket, phone = photographed(world, data)
    upload = begun(world, phone, data)
    network.fault(Fault.DROP, when=rb"PUT /[^ ]*/photos/../[0-9a-f]{64} HTTP", times=2)
    assert slug(patch(world, phone, upload, 0, data)) == "busy"
    assert "photos_received" not in world.view(ticket)
    assert offset_of(world, phone, upload) == len(data)
    assert list(world.view(ticket)["photos_received"]) == [hashlib.sha256(data).hexdigest()]
