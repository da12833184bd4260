"""Photos read back: derivatives to look at, originals to keep, and nothing a browser would run."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.server.photos.scene import Scene, hash_of


def jpeg(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (800, 600), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def delivered(scene: Scene, data: bytes) -> str:
    scene.deliver(data)
    return hash_of(data)


def test_pictures_appear_beside_the_original_without_being_asked_for(scene: Scene) -> None:
    sha256 = delivered(scene, jpeg("red"))
    assert scene.derivation(sha256) == "derived"
    for variant, edge in (("preview", 320), ("copy", 800)):
        answer = scene.read(sha256, variant)
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert Image.open(io.BytesIO(answer.content)).size[0] == edge


POLYGLOTS = {
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "jpeg with html behind": jpeg("green") + b"<!doctype html><script>alert(1)</script>",
    "gif that is javascript": b"GIF89a/*" + b"\0" * 40 + b"*/=1;alert(1)",
    "nothing at all": b"",
}


@pytest.mark.parametrize("data", POLYGLOTS.values(), ids=POLYGLOTS)
def test_an_original_is_kept_byte_exact_and_only_ever_downloaded(scene: Scene, data: bytes) -> None:
    sha256 = delivered(scene, data)
    answer = scene.read(sha256)
    assert answer.content == data
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_derived_picture_carries_nothing_that_was_hidden_in_the_original(scene: Scene) -> None:
    sha256 = delivered(scene, POLYGLOTS["jpeg with html behind"] + b"once more")
    assert scene.derivation(sha256) == "derived"
    for variant in ("preview", "copy"):
        answer = scene.read(sha256, variant)
        assert b"script" not in answer.content
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_original_that_cannot_be_decoded_is_kept_without_pictures(scene: Scene) -> None:
    data = jpeg("blue")[:-2000]
    sha256 = delivered(scene, data)
    assert scene.derivation(sha256) == "undecodable"
    assert scene.read(sha256).content == data
    assert scene.read(sha256, "preview").status_code == 404


def test_who_may_not_see_a_photo_is_told_there_is_none(scene: Scene) -> None:
    sha256 = delivered(scene, jpeg("yellow"))
    foreign, absent = scene.read(sha256, Crew="18"), scene.read("0" * 64)
    assert foreign.status_code == absent.status_code == 404
    assert foreign.json()["slug"] == absent.json()["slug"] == "not-found"


@pytest.mark.parametrize(
    "path", ["x/original", "%2e%2e/original", "{sha256}/thumbnail", "{sha256}/..%2foriginal", "{upper}/copy"]
)
def test_no_other_address_reads_anything(scene: Scene, path: str) -> None:
    sha256 = delivered(scene, jpeg("white"))
    url = f"{scene.url}/by-hash/" + path.format(sha256=sha256, upper=sha256.upper())
    assert scene.http.get(url, headers={"Crew": "17"}).status_code == 404


def test_a_picture_that_is_known_is_not_sent_again_but_asked_for_each_time(scene: Scene) -> None:
    sha256 = delivered(scene, jpeg("black"))
    first = scene.read(sha256)
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = scene.read(sha256, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert scene.read(sha256, **{"If-None-Match": first.headers["ETag"], "Crew": "18"}).status_code == 404


def test_head_tells_the_size_without_the_bytes(scene: Scene) -> None:
    data = jpeg("orange")
    answer = scene.http.head(f"{scene.url}/by-hash/{delivered(scene, data)}/original", headers={"Crew": "17"})
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, str(len(data)))
