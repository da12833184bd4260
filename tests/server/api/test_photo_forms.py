"""Smaller forms of a photo: uploaded like it, told to nobody, and shown in its place as pictures the server made of them."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from server.auth import Role
from server.endpoints.photos import SOURCE_HEADER
from sync.kinds.work import COPY_BYTES_MAX, PREVIEW_BYTES_MAX
from tests.server.api.world import Phone, World, good, slug


def picture(colour: str, edge: int, *, like: str = "JPEG") -> bytes:
    """A picture nobody else has: the tests share one server."""
    buffer = io.BytesIO()
    Image.new("RGB", (edge, edge * 3 // 4), colour).save(buffer, like)
    return buffer.getvalue()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def form(data: bytes) -> dict[str, Any]:
    return {"sha256": sha(data), "size_bytes": len(data)}


def upload(world: World, phone: Phone, data: bytes) -> httpx.Response:
    """Bring these bytes; the last answer."""
    name = base64.b64encode(sha(data).encode()).decode()
    headers = {"tus-resumable": "1.0.0", "upload-length": str(len(data)), "upload-metadata": f"sha256 {name}"}
    headers |= {"content-type": "application/offset+octet-stream"}
    return world.ask("POST", "/v1/photos", token=phone.enrolled.token, headers=headers, content=data)


def show(world: World, data: bytes, variant: str = "preview", **who: Any) -> httpx.Response:
    world.service.derivation.drain()
    return world.ask("GET", f"/v1/photos/by-hash/{sha(data)}/{variant}", **who)


def photographed(world: World, original: bytes, crew: str = "A", **forms: Any) -> tuple[str, Phone]:
    """A ticket with one photo fact, stored; nothing uploaded yet."""
    ticket, phone = world.ticket(crew=crew), world.phone(crew)
    phone.sync()
    phone.record("photo", ticket, **form(original), **forms)
    phone.sync()
    return ticket, phone


def edge_of(response: httpx.Response) -> int:
    width: int = Image.open(io.BytesIO(good(response).content)).size[0]
    return width


def test_a_form_is_taken_before_the_original_and_the_ticket_hears_of_the_original_alone(world: World) -> None:
    original, preview, copy = picture("#100001", 900), picture("#100002", 300), picture("#100003", 700)
    ticket, phone = photographed(world, original, preview=form(preview), copy=form(copy))
    for small in (preview, copy):
        assert upload(world, phone, small).status_code == 201
        assert "photos_received" not in world.view(ticket)
    assert upload(world, phone, original).status_code == 201
    assert list(world.view(ticket)["photos_received"]) == [sha(original)]
    [photo] = world.view(ticket)["visits"]["v1"]["photos"]
    assert (photo["preview"], photo["copy"]) == (form(preview), form(copy))


def test_the_best_form_there_is_stands_in_until_the_photo_itself_is_there(world: World) -> None:
    original, preview, copy = picture("#200001", 1000), picture("#200002", 200), picture("#200003", 600)
    _, phone = photographed(world, original, preview=form(preview), copy=form(copy))
    assert slug(show(world, original)) == "not-found"
    upload(world, phone, preview)
    first = show(world, original)
    assert edge_of(first) == 200 and first.headers[SOURCE_HEADER] == sha(preview)
    assert slug(show(world, original, "copy")) == "not-found", "a small picture is no working copy"
    upload(world, phone, copy)
    assert edge_of(show(world, original, "copy")) == 600
    upload(world, phone, original)
    own = show(world, original)
    assert edge_of(own) == 320 and own.headers[SOURCE_HEADER] == sha(original)
    assert edge_of(show(world, original, "copy")) == 1000
    assert own.headers["etag"] != first.headers["etag"]
    again = show(world, original, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 200, "what was kept of the stand-in is not the photo's own"


def test_a_copy_alone_gives_a_preview_too(world: World) -> None:
    original, copy = picture("#210001", 1000), picture("#210002", 640)
    _, phone = photographed(world, original, copy=form(copy))
    upload(world, phone, copy)
    assert edge_of(show(world, original)) == 320


def test_what_is_shown_in_its_place_was_made_by_the_server_and_carries_nothing_of_the_forms_bytes(world: World) -> None:
    hidden = picture("#300001", 100, like="PNG") + b"<script>alert(1)</script>"
    original = picture("#300002", 400)
    _, phone = photographed(world, original, preview=form(hidden))
    upload(world, phone, hidden)
    shown = good(show(world, original))
    assert shown.headers["content-type"] == "image/jpeg" and b"script" not in shown.content and shown.content != hidden


NO_PICTURES = {
    "markup": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "half a picture": picture("#310001", 300)[:-900],
    "a gif": b"GIF89a" + b"\1" * 60,
    "noise": bytes(range(256)),
}


@pytest.mark.parametrize("data", NO_PICTURES.values(), ids=NO_PICTURES)
def test_a_form_that_is_no_picture_is_kept_and_never_shown(world: World, data: bytes) -> None:
    original = picture("#320001", 300) + data
    _, phone = photographed(world, original, preview=form(data), copy=form(data))
    assert upload(world, phone, data).status_code == 201
    for variant in ("preview", "copy"):
        assert slug(show(world, original, variant)) == "not-found"


def test_a_preview_that_is_its_own_original_is_one_upload_told_once(world: World) -> None:
    data = picture("#400001", 250)
    ticket, phone = photographed(world, data, preview=form(data), copy=form(data))
    upload(world, phone, data)
    upload(world, phone, data)
    assert list(world.view(ticket)["photos_received"]) == [sha(data)]
    assert edge_of(show(world, data)) == 250


def test_bytes_that_are_a_preview_here_and_a_photo_there_are_told_where_they_are_the_photo(world: World) -> None:
    shared, original = picture("#410001", 260), picture("#410002", 500)
    here, phone = photographed(world, original, preview=form(shared))
    upload(world, phone, shared)
    assert "photos_received" not in world.view(here)
    there = world.ticket(crew="A")
    phone.sync()
    phone.record("photo", there, **form(shared))
    phone.sync()
    upload(world, phone, shared)
    assert list(world.view(there)["photos_received"]) == [sha(shared)]
    assert "photos_received" not in world.view(here)
    upload(world, phone, original)
    assert list(world.view(here)["photos_received"]) == [sha(original)]


def test_a_wrong_size_somebody_named_first_does_not_keep_the_true_bytes_out(world: World) -> None:
    original, lied_about = picture("#420001", 310), picture("#420002", 410)
    photographed(world, original, preview={"sha256": sha(lied_about), "size_bytes": 1})
    ticket, phone = photographed(world, lied_about)
    assert upload(world, phone, lied_about).status_code == 201
    assert list(world.view(ticket)["photos_received"]) == [sha(lied_about)]
    [(size,)] = world.rows("SELECT size_bytes FROM photo WHERE sha256 = ?", sha(lied_about))
    assert size == len(lied_about)


@pytest.mark.parametrize(
    "forms",
    [
        {"preview": {"sha256": "0" * 64, "size_bytes": PREVIEW_BYTES_MAX + 1}},
        {"copy": {"sha256": "0" * 64, "size_bytes": COPY_BYTES_MAX + 1}},
        {"preview": {"sha256": "0" * 64, "size_bytes": 0}},
        {"preview": {"sha256": "../../etc/passwd", "size_bytes": 5}},
        {"preview": {"sha256": "0" * 64}},
        {"copy": {"sha256": "0" * 64, "size_bytes": 5, "type": "image/svg+xml"}},
        {"copy": "0" * 64},
    ],
    ids=str,
)
def test_a_form_that_does_not_fit_is_quarantined_and_names_nothing(world: World, forms: dict[str, Any]) -> None:
    ticket, phone = world.ticket(), world.hand_phone()
    phone.push(phone.line("photo", ticket=ticket, sha256="e" * 64, size_bytes=9, **forms))
    [outcome] = world.hq("outcome", device=phone.enrolled.device)
    assert (outcome["outcome"], outcome["slug"]) == ("quarantined", "bad-field")
    assert not world.rows("SELECT 1 FROM photo_use WHERE ticket = ?", ticket)


def test_no_crew_sees_a_form_another_crew_named_for_its_photo(world: World) -> None:
    original, theirs = picture("#500001", 420), picture("#500002", 222)
    _, phone = photographed(world, original, crew="A")
    _, other = photographed(world, original, crew="C", preview=form(theirs))
    upload(world, other, theirs)
    assert slug(show(world, original, token=phone.enrolled.token)) == "not-found"
    assert edge_of(show(world, original, token=other.enrolled.token)) == 222
    assert slug(show(world, theirs, "original", token=phone.enrolled.token)) == "not-found"
    assert edge_of(show(world, original, role=Role.HQ)) == 222


def test_of_two_forms_named_for_one_photo_the_first_named_is_shown(world: World) -> None:
    original, first, second = picture("#510001", 430), picture("#510002", 111), picture("#510003", 112)
    _, one = photographed(world, original, preview=form(first))
    _, two = photographed(world, original, preview=form(second))
    upload(world, two, second)
    upload(world, one, first)
    assert edge_of(show(world, original)) == 111


def test_a_stranger_learns_nothing_of_a_photo_by_its_forms(world: World) -> None:
    original, preview = picture("#520001", 440), picture("#520002", 120)
    _, phone = photographed(world, original, crew="C", preview=form(preview))
    upload(world, phone, preview)
    stranger = world.phone("A").enrolled.token
    for data, variant in ((original, "preview"), (preview, "preview"), (preview, "original")):
        assert slug(show(world, data, variant, token=stranger)) == "not-found"
    assert slug(show(world, original, role=None)) == "sign-in"
