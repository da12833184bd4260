"""The tus server spoken to directly: what it offers, what it refuses, and that a refusal changes nothing."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.server.photos.scene import CHUNK, START_MS, TUS, Scene, checksum, hash_of, metadata

WEEK_MS = 7 * 24 * 3600 * 1000


def photo(seed: str, size: int = 50_000) -> bytes:
    return random.Random(seed).randbytes(size)


def assert_problem(answer: httpx.Response, status: int, slug: str) -> None:
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["slug"], answer.json()["status"]) == (status, slug, status)
    assert answer.headers["Tus-Resumable"] == "1.0.0"


def test_options_tells_what_the_server_can_do(scene: Scene) -> None:
    answer = scene.http.request("OPTIONS", scene.url)
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Max-Size"] == str(64 * 1024 * 1024)
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256"
    offered = set(answer.headers["Tus-Extension"].split(","))
    assert offered == {"creation", "creation-with-upload", "checksum", "expiration", "termination"}


def test_a_photo_arrives_in_pieces_and_is_read_back_whole(scene: Scene) -> None:
    data = photo("pieces")
    upload = scene.begin(data)
    for start in range(0, len(data), 20_000):
        answer = scene.patch(upload, start, data[start : start + 20_000])
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(min(start + 20_000, len(data))))
    assert scene.read(hash_of(data)).content == data
    assert scene.completions(hash_of(data)) == 1


def test_head_tells_length_offset_metadata_and_expiry_and_is_not_cached(scene: Scene) -> None:
    data = photo("head")
    upload = scene.begin(data)
    scene.patch(upload, 0, data[:100])
    answer = scene.http.head(upload, headers=TUS)
    told = {name: answer.headers[name] for name in ("Upload-Length", "Upload-Offset", "Upload-Metadata", "Cache-Control")}
    assert told == {
        "Upload-Length": str(len(data)),
        "Upload-Offset": "100",
        "Upload-Metadata": metadata(hash_of(data)),
        "Cache-Control": "no-store",
    }
    assert answer.headers["Upload-Expires"] == "Mon, 28 Sep 2026 14:13:20 GMT"


def test_creation_may_carry_the_first_bytes(scene: Scene) -> None:
    data = photo("with upload")
    sha256 = scene.promise(data)
    headers = {**CHUNK, "Upload-Length": str(len(data)), "Upload-Metadata": metadata(sha256)}
    answer = scene.http.post(scene.url, headers=headers, content=data[:1000])
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "1000")
    whole = scene.http.post(scene.url, headers=headers, content=data)
    assert (whole.status_code, whole.headers["Upload-Offset"]) == (201, str(len(data)))
    assert scene.read(sha256).content == data


def test_a_photo_already_here_is_complete_when_created_again(scene: Scene) -> None:
    data = photo("again")
    scene.deliver(data)
    answer = scene.create(data)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(len(data)))
    assert scene.offset(scene.located(answer)) == len(data)
    assert_problem(scene.patch(scene.located(answer), 0, data), 409, "bad-offset")


def test_after_a_lost_reply_the_upload_says_it_is_complete(scene: Scene) -> None:
    data = photo("lost reply")
    upload = scene.deliver(data)
    assert scene.offset(upload) == len(data)
    assert scene.patch(upload, len(data), b"").status_code == 204


def test_an_empty_photo_needs_no_patch(scene: Scene) -> None:
    sha256 = scene.promise(b"")
    assert scene.create(b"").status_code == 201
    assert scene.read(sha256).content == b""


def test_a_proxy_that_knows_no_patch_is_gone_around(scene: Scene) -> None:
    data = photo("override")
    upload = scene.begin(data)
    headers = {**CHUNK, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert scene.http.post(upload, headers=headers, content=data).status_code == 204
    assert scene.read(hash_of(data)).content == data


def test_a_terminated_upload_is_gone(scene: Scene) -> None:
    upload = scene.begin(photo("terminated"))
    assert scene.http.delete(upload, headers=TUS).status_code == 204
    assert scene.http.head(upload, headers=TUS).status_code == 410
    assert_problem(scene.patch(upload, 0, b"x"), 410, "upload-gone")


def test_bytes_that_no_fact_names_are_refused(scene: Scene) -> None:
    assert_problem(scene.create(photo("unknown")), 404, "unknown-photo")


@pytest.mark.parametrize("difference", [-1, 1])
def test_another_size_than_the_fact_names_is_refused(scene: Scene, difference: int) -> None:
    data = photo("sizes")
    scene.promise(data)
    assert_problem(scene.create(data, **{"Upload-Length": str(len(data) + difference)}), 404, "unknown-photo")


def test_a_photo_larger_than_the_limit_is_refused(scene: Scene) -> None:
    data = b"small"
    size = 64 * 1024 * 1024 + 1
    scene.promise(data, size)
    assert_problem(scene.create(data, **{"Upload-Length": str(size)}), 413, "too-large")


@pytest.mark.parametrize("offset", ["1", "99", "101", "50000", "999999999999999"])
def test_an_offset_that_lies_is_refused_with_the_true_one(scene: Scene, offset: str) -> None:
    data = photo(f"lies {offset}")
    upload = scene.begin(data)
    scene.patch(upload, 0, data[:100])
    answer = scene.patch(upload, int(offset), data[:10])
    assert_problem(answer, 409, "bad-offset")
    assert answer.headers["Upload-Offset"] == "100"
    assert scene.offset(upload) == 100


@pytest.mark.parametrize("offset", ["", "-1", "1.0", "0x1", "²", "1e3", "9" * 16, "0,0"])
def test_an_offset_that_is_no_number_is_refused(scene: Scene, offset: str) -> None:
    upload = scene.begin(photo("no number"))
    headers = [(key.encode(), value.encode()) for key, value in {**CHUNK, "Upload-Offset": offset}.items()]
    answer = scene.http.patch(upload, content=b"x", headers=headers)
    assert_problem(answer, 400, "bad-request")
    assert scene.offset(upload) == 0


def test_a_body_longer_than_the_upload_is_refused(scene: Scene) -> None:
    data = photo("too much")
    upload = scene.begin(data)
    assert_problem(scene.patch(upload, 0, data + b"x"), 413, "too-large")
    assert scene.offset(upload) == 0


def test_a_body_of_unknown_length_cannot_outgrow_the_upload(scene: Scene) -> None:
    data = photo("chunked")
    upload = scene.begin(data)
    content = iter([data[:40_000], b"x" * 40_000])
    answer = scene.http.patch(upload, content=content, headers={**CHUNK, "Upload-Offset": "0"})
    assert_problem(answer, 413, "too-large")
    assert scene.offset(upload) < len(data)
    assert scene.read(hash_of(data)).status_code == 404


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_right_checksum_is_accepted_and_a_wrong_one_stores_nothing(scene: Scene, algorithm: str) -> None:
    data = photo(f"checksum {algorithm}")
    upload = scene.begin(data)
    assert scene.patch(upload, 0, data[:20_000], **checksum(data[:20_000], algorithm)).status_code == 204
    answer = scene.patch(upload, 20_000, data[20_000:], **checksum(data[20_001:], algorithm))
    assert_problem(answer, 460, "bad-hash")
    assert scene.offset(upload) == 20_000
    assert scene.patch(upload, 20_000, data[20_000:], **checksum(data[20_000:], algorithm)).status_code == 204
    assert scene.read(hash_of(data)).content == data


@pytest.mark.parametrize("header", ["md5 AAAA", "sha256", "sha256 !!!!", "", "SHA256 AAAA", "sha256 AAAA AAAA"])
def test_an_unusable_checksum_is_refused(scene: Scene, header: str) -> None:
    upload = scene.begin(photo("unusable"))
    assert_problem(scene.patch(upload, 0, b"x", **{"Upload-Checksum": header}), 400, "bad-request")
    assert scene.offset(upload) == 0


def test_bytes_that_are_not_the_promised_photo_are_thrown_away(scene: Scene) -> None:
    data = photo("promised")
    upload = scene.begin(data)
    assert_problem(scene.patch(upload, 0, data[:-1] + b"?"), 460, "bad-hash")
    assert scene.read(hash_of(data)).status_code == 404
    assert scene.http.head(upload, headers=TUS).status_code == 410
    assert scene.completions(hash_of(data)) == 0
    scene.deliver(data)
    assert scene.read(hash_of(data)).content == data


def test_an_expired_upload_is_gone_and_can_be_made_again(scene: Scene) -> None:
    data = photo("expired")
    upload = scene.begin(data)
    scene.set_clock(START_MS + WEEK_MS)
    assert scene.patch(upload, 0, data[:100]).status_code == 204
    scene.set_clock(START_MS + 2 * WEEK_MS)
    assert scene.offset(upload) == 100
    scene.set_clock(START_MS + 2 * WEEK_MS + 1)
    assert_problem(scene.patch(upload, 100, data[100:]), 410, "upload-gone")
    scene.deliver(data)


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0", "2.0.0"])
def test_another_protocol_version_is_refused_with_ours(scene: Scene, version: str | None) -> None:
    data = photo("version")
    scene.promise(data)
    headers = {"Crew": "17", "Upload-Length": str(len(data)), "Upload-Metadata": metadata(hash_of(data))}
    answer = scene.http.post(scene.url, headers={**headers, **({"Tus-Resumable": version} if version else {})})
    assert_problem(answer, 412, "tus-version")
    assert answer.headers["Tus-Version"] == "1.0.0"


@pytest.mark.parametrize(
    "header",
    {
        "nothing": "",
        "no hash": metadata("x").replace("sha256", "filename"),
        "short hash": metadata("ab" * 31),
        "upper case": metadata("AB" * 32),
        "a path": metadata("../" * 20 + "abcd"),
        "not base64": "sha256 ???",
        "twice": metadata("ab" * 32) + "," + metadata("cd" * 32),
        "not ascii": metadata("é" * 32),
        "only commas": ",,,",
        "too long": metadata("ab" * 32, filename="x" * 4000),
    }.items(),
    ids=lambda pair: pair[0],
)
def test_metadata_without_a_usable_hash_is_refused(scene: Scene, header: tuple[str, str]) -> None:
    answer = scene.http.post(scene.url, headers={**TUS, "Upload-Length": "5", "Upload-Metadata": header[1]})
    assert_problem(answer, 400, "bad-request")


@pytest.mark.parametrize("length", ["", "-1", "5.0", "many", "9" * 40])
def test_a_length_that_is_no_number_is_refused(scene: Scene, length: str) -> None:
    data = photo("length")
    scene.promise(data)
    assert_problem(scene.create(data, **{"Upload-Length": length}), 400, "bad-request")


def test_a_patch_of_another_type_is_refused(scene: Scene) -> None:
    upload = scene.begin(photo("type"))
    headers = {**TUS, "Upload-Offset": "0", "Content-Type": "image/jpeg"}
    assert_problem(scene.http.patch(upload, content=b"x", headers=headers), 400, "bad-request")


def test_a_stranger_can_do_nothing(scene: Scene) -> None:
    data = photo("stranger")
    upload = scene.begin(data)
    nobody = {**CHUNK, "Crew": "18", "Upload-Offset": "0"}
    assert_problem(scene.http.patch(upload, content=data, headers=nobody), 401, "sign-in")
    assert_problem(scene.http.delete(upload, headers=nobody), 401, "sign-in")
    assert scene.http.head(upload, headers=nobody).status_code == 401
    assert_problem(scene.create(data, Crew="18"), 401, "sign-in")
    assert scene.offset(upload) == 0


@pytest.mark.parametrize(
    "path", ["/..%2f..%2fetc%2fpasswd", "/%2e%2e", "/" + "a" * 64, "/" + "a" * 64 + "-" + "G" * 32, "/%00", "/x" * 9]
)
def test_an_upload_address_is_no_path(scene: Scene, path: str) -> None:
    answer = scene.http.patch(scene.url + path, content=b"x", headers={**CHUNK, "Upload-Offset": "0"})
    assert answer.status_code in (404, 405)
    assert not list(scene.root.glob("objects/uploads/[!0-9a-f]*"))


def test_an_upload_that_never_was_is_gone(scene: Scene) -> None:
    assert_problem(scene.patch(f"{scene.url}/{'a' * 64}-{'b' * 32}", 0, b"x"), 410, "upload-gone")


def test_of_two_whole_patches_at_one_offset_one_wins(scene: Scene) -> None:
    data = photo("race", 400_000)
    upload = scene.begin(data)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: scene.patch(upload, 0, data), range(2)))
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert scene.read(hash_of(data)).content == data


class SlowPatch:
    """A PATCH on a bare socket, sent as slowly as the test likes."""

    def __init__(self, scene: Scene, upload: str, size: int, offset: int = 0, extra: dict[str, str] | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", scene.port))
        headers = {**CHUNK, "Upload-Offset": str(offset), "Content-Length": str(size), "Host": "x", **(extra or {})}
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        self._socket.sendall(f"PATCH {httpx.URL(upload).path} HTTP/1.1\r\n{lines}\r\n".encode())

    def send(self, block: bytes) -> None:
        self._socket.sendall(block)

    def status(self) -> int:
        return int(self._socket.makefile("rb").readline().split()[1])

    def hang_up(self) -> None:
        self._socket.close()


def wait_for_offset(scene: Scene, upload: str, at_least: int) -> int:
    while (reached := scene.offset(upload)) < at_least:
        pass
    return reached


def send_rest(scene: Scene, upload: str, data: bytes, offset: int, headers: dict[str, str] | None = None) -> list[int]:
    """Go on where the server says, as clients do; every offset it was sent from. A dying request may still interfere."""
    tried = [offset]
    while (answer := scene.patch(upload, tried[-1], data[tried[-1] :], **(headers or {}))).status_code == 409:
        tried.append(int(answer.headers["Upload-Offset"]))
    assert answer.status_code == 204, answer.text
    return tried


def test_a_newer_request_takes_over_from_one_that_hangs(scene: Scene) -> None:
    data = photo("hanging", 40_000)
    upload = scene.begin(data)
    hanging = SlowPatch(scene, upload, len(data))
    hanging.send(data[:10_000])
    offset = wait_for_offset(scene, upload, 8_000)
    assert scene.patch(upload, offset, data[offset:]).status_code == 204
    hanging.send(data[10_000:])
    assert hanging.status() == 409
    assert scene.read(hash_of(data)).content == data


def test_what_was_read_before_the_link_broke_counts(scene: Scene) -> None:
    data = photo("broken link")
    upload = scene.begin(data)
    broken = SlowPatch(scene, upload, len(data))
    broken.send(data[:12_345])
    reached = wait_for_offset(scene, upload, 4_096)
    broken.hang_up()
    told = send_rest(scene, upload, data, reached)
    assert told == sorted(told) and reached <= told[0] and told[-1] <= 12_345
    assert scene.read(hash_of(data)).content == data


def test_a_broken_link_with_a_checksum_stores_nothing(scene: Scene) -> None:
    data = photo("broken checksum")
    upload = scene.begin(data)
    broken = SlowPatch(scene, upload, len(data), extra=checksum(data))
    broken.send(data[:12_345])
    broken.hang_up()
    assert set(send_rest(scene, upload, data, 0, checksum(data))) == {0}
    assert scene.read(hash_of(data)).content == data


def test_a_silent_link_is_given_up_and_what_it_brought_counts(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene(stall_timeout_s=0.2)
    data = photo("silent")
    upload = scene.begin(data)
    silent = SlowPatch(scene, upload, len(data))
    silent.send(data[:5_000])
    assert silent.status() == 503
    assert scene.offset(upload) == 5_000


def test_every_acknowledged_byte_survives_a_kill(open_scene: Callable[..., Scene]) -> None:
    survive_kills(open_scene(block_bytes=4096), 5)


def test_every_acknowledged_byte_survives_a_kill_of_a_server_over_s3(open_s3_scene: Callable[..., Scene]) -> None:
    survive_kills(open_s3_scene(block_bytes=4096), 2)


def survive_kills(scene: Scene, kills: int) -> None:
    data = photo("killed", kills * 12_000)
    upload = scene.begin(data)
    acknowledged = 0
    for start in range(0, len(data), 12_000):
        under_way = SlowPatch(scene, upload, 12_000, start)
        under_way.send(data[start : start + 6_000])
        wait_for_offset(scene, upload, start + 4_096)
        scene.kill()
        scene.start()
        offset = scene.offset(upload)
        assert acknowledged <= start + 4_096 <= offset <= start + 6_000
        assert scene.patch(upload, offset, data[offset : start + 12_000]).status_code == 204
        acknowledged = start + 12_000
    assert scene.read(hash_of(data)).content == data
    assert scene.completions(hash_of(data)) >= 1


def test_a_kill_between_the_last_byte_and_the_name_is_made_good_by_the_next_question(
    open_scene: Callable[..., Scene],
) -> None:
    scene = open_scene()
    data = photo("unfinished")
    upload = scene.begin(data)
    scene.patch(upload, 0, data[:100])
    scene.kill()
    # What a kill leaves that came after the last byte was kept and before the photo got its name.
    state = next((scene.root / "objects" / "uploads").rglob("*.json"))
    state.with_suffix(".part").write_bytes(data)
    state.write_text(state.read_text().replace('"offset": 100', f'"offset": {len(data)}'))
    scene.start()
    assert scene.offset(upload) == len(data)
    assert scene.read(hash_of(data)).content == data
    assert scene.completions(hash_of(data)) == 1
