"""What the S3 store does beyond the contract: what is in the bucket, and what a bad network or a bad day of S3 leaves."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.settings import BadSetting, Settings, load_settings
from server.storage import places
from server.storage.bucket import PART_BYTES, Bucket, Entry
from server.storage.objects import Sha256, Upload, Variant
from server.storage.s3 import S3Objects, traces_of
from sync.problems import Refused
from tests.services.proxy import UNAVAILABLE, Fault, FaultProxy, http_answer
from tests.services.swift import ROOT, Swift
from tests.storage.objects.conftest import s3_store

LATER = 2_000_000_000_000
PHOTO = random.Random(11).randbytes(300_000)
NAME = Sha256(hashlib.sha256(PHOTO).hexdigest())
KEY = f"north/photos/{NAME[:2]}/{NAME}"
LARGE = random.Random(12).randbytes(2 * PART_BYTES + 12_345)
SLOW_DOWN = http_answer(503, "Slow Down", b"<Error><Code>SlowDown</Code></Error>", "application/xml")
NOT_IMPLEMENTED = http_answer(501, "Not Implemented", b"<Error><Code>NotImplemented</Code></Error>", "application/xml")


def begin(store: S3Objects, data: bytes = PHOTO, expires_ms: int = LATER) -> Upload:
    name = Sha256(hashlib.sha256(data).hexdigest())
    return store.begin(name, len(data), metadata="sha256 eA==", expires_ms=expires_ms)


def append(store: S3Objects, upload: Upload, offset: int, block: bytes) -> None:
    with store.resume(upload.id, offset, expires_ms=LATER) as sink:
        sink.write(block)
        sink.keep()


def stored(store: S3Objects, name: Sha256 = NAME) -> bytes:
    with store.open(name) as handle:
        return handle.read()


@pytest.fixture
def store(s3_server: Swift, bucket: str) -> S3Objects:
    """The bucket over a good network."""
    return s3_store(s3_server.url, bucket)


@pytest.fixture
def far(proxy: FaultProxy, bucket: str) -> S3Objects:
    """The same bucket over the network that is made bad."""
    return s3_store(proxy.url, bucket, attempts_max=2)


def test_an_original_lies_alone_under_its_hash(store: S3Objects, s3_server: Swift, bucket: str) -> None:
    upload = begin(store)
    append(store, upload, 0, PHOTO)
    store.discard(store.finish(upload.id).id)
    assert s3_server.keys(bucket) == [KEY]


def test_other_bytes_than_promised_leave_nothing(store: S3Objects, s3_server: Swift, bucket: str) -> None:
    upload = begin(store)
    append(store, upload, 0, PHOTO[:-1] + b"!")
    with pytest.raises(Refused, match="bad-hash"):
        store.finish(upload.id)
    assert s3_server.keys(bucket) == []


def test_an_abandoned_upload_leaves_nothing(store: S3Objects, s3_server: Swift, bucket: str) -> None:
    upload = begin(store)
    append(store, upload, 0, PHOTO[:1000])
    assert store.sweep(now_ms=LATER + 1) == 1
    assert s3_server.keys(bucket) == []


def test_the_sweep_removes_what_a_crash_left_without_a_beginning(store: S3Objects, s3_server: Swift, bucket: str) -> None:
    upload = begin(store)
    append(store, upload, 0, PHOTO[:1000])
    s3_server.client.delete_object(Bucket=bucket, Key=next(key for key in s3_server.keys(bucket) if "/begun." in key))
    assert store.sweep(now_ms=0) == 0
    assert s3_server.keys(bucket) == []


def test_a_photo_of_many_parts_is_stored_whole(store: S3Objects, s3_server: Swift, bucket: str) -> None:
    upload = begin(store, LARGE)
    append(store, upload, 0, LARGE)
    assert store.finish(upload.id).complete
    assert stored(store, upload.sha256) == LARGE
    assert s3_server.unfinished(bucket) == 0


def test_many_small_pieces_are_made_one_and_lose_nothing(s3_server: Swift, bucket: str) -> None:
    store = S3Objects(s3_store(s3_server.url, bucket).bucket, pieces_max=5)
    upload = begin(store)
    with store.resume(upload.id, 0, expires_ms=LATER) as sink:
        for start in range(0, 6_000, 1_000):
            sink.write(PHOTO[start : start + 1_000])
            sink.keep()
    append(store, upload, 6_000, PHOTO[6_000:7_000])
    assert len([key for key in s3_server.keys(bucket) if "/piece." in key]) == 2
    assert store.look(upload.id).offset == 7_000
    append(store, upload, 7_000, PHOTO[7_000:])
    assert store.finish(upload.id).complete
    assert stored(store) == PHOTO


def test_two_processes_carry_one_upload_and_nothing_acknowledged_is_lost(
    store: S3Objects, s3_server: Swift, bucket: str, tmp_path: Path
) -> None:
    upload = begin(store, PHOTO[:90_000])
    (tmp_path / "photo").write_bytes(PHOTO[:90_000])
    command = [sys.executable, "-m", "tests.storage.objects.carrier", bucket, s3_server.url, upload.id, str(tmp_path / "photo")]
    carriers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]
    acknowledged = [int(carrier.communicate()[0]) for carrier in carriers]
    assert sum(acknowledged) >= 9
    assert stored(store, upload.sha256) == PHOTO[:90_000]


pieces = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 15)), max_size=12)


@given(pieces, pieces)
def test_the_offset_never_goes_back_whatever_pieces_are_added(
    before: list[tuple[int, int]], later: list[tuple[int, int]]
) -> None:
    def entries(made: list[tuple[int, int]]) -> list[Entry]:
        return [Entry(f"u/piece.{start:015}.{start + size:015}.x", size) for start, size in made]

    traces, more = traces_of(entries(before)), traces_of(entries(before + later))
    covered = {at for start, size in before for at in range(start, start + size)}
    assert traces.reach == next(at for at in range(100) if at not in covered)
    assert more.reach >= traces.reach
    reach = 0
    for piece in traces.chain():
        assert piece.start <= reach < piece.end
        reach = piece.end


def test_a_lost_answer_to_the_last_put_is_asked_for_again(far: S3Objects, proxy: FaultProxy, store: S3Objects) -> None:
    upload = begin(far)
    append(far, upload, 0, PHOTO)
    lost = proxy.fault(Fault.CUT, when=rb"PUT /[^ ]*/photos/")
    assert far.finish(upload.id).complete
    assert lost.struck == 1
    assert stored(store) == PHOTO


def test_a_lost_answer_to_the_completion_of_parts_leaves_a_whole_photo(
    far: S3Objects, proxy: FaultProxy, store: S3Objects, s3_server: Swift, bucket: str
) -> None:
    upload = begin(store, LARGE)
    append(store, upload, 0, LARGE)
    lost = proxy.fault(Fault.CUT, when=rb"POST /[^ ]*/photos/[^ ]*uploadId=")
    assert far.finish(upload.id).complete
    assert lost.struck == 1
    assert stored(store, upload.sha256) == LARGE
    assert s3_server.unfinished(bucket) == 0


def test_a_piece_whose_answer_is_lost_for_good_is_not_acknowledged_and_does_no_harm(
    far: S3Objects, proxy: FaultProxy, store: S3Objects
) -> None:
    upload = begin(far)
    lost = proxy.fault(Fault.RESET, when=rb"PUT /[^ ]*/piece", times=2)
    with pytest.raises(Refused, match="busy"):
        append(far, upload, 0, PHOTO[:100_000])
    assert lost.struck == 2
    offset = store.look(upload.id).offset
    append(far, upload, offset, PHOTO[offset:])
    assert far.finish(upload.id).complete
    assert stored(store) == PHOTO


def test_an_outage_in_the_middle_keeps_what_was_acknowledged(far: S3Objects, proxy: FaultProxy, store: S3Objects) -> None:
    upload = begin(far)
    with far.resume(upload.id, 0, expires_ms=LATER) as sink:
        sink.write(PHOTO[:100_000])
        sink.keep()
        with proxy.outage(), pytest.raises(Refused, match="busy"):
            sink.write(PHOTO[100_000:])
            sink.keep()
    assert far.look(upload.id).offset == 100_000
    append(far, upload, 100_000, PHOTO[100_000:])
    assert far.finish(upload.id).complete
    assert stored(store) == PHOTO


def test_an_outage_while_a_photo_gets_its_name_leaves_the_upload_as_it_was(far: S3Objects, proxy: FaultProxy) -> None:
    upload = begin(far)
    append(far, upload, 0, PHOTO)
    proxy.fault(Fault.DROP, when=rb"PUT /[^ ]*/photos/", times=2)
    with pytest.raises(Refused, match="busy"):
        far.finish(upload.id)
    seen = far.look(upload.id)
    assert (seen.offset, seen.complete) == (len(PHOTO), False)
    assert far.finish(upload.id).complete


def test_a_server_that_never_answers_is_given_up_and_nothing_is_acknowledged(
    proxy: FaultProxy, store: S3Objects, bucket: str
) -> None:
    upload = begin(store)
    hole = proxy.fault(Fault.HOLE, times=99)
    with pytest.raises(Refused, match="busy"):
        append(s3_store(proxy.url, bucket, timeout_s=0.5, attempts_max=2), upload, 0, PHOTO)
    assert hole.struck == 2
    assert store.look(upload.id).offset == 0


@pytest.mark.parametrize("answer", [UNAVAILABLE, SLOW_DOWN], ids=["unavailable", "throttled"])
def test_a_server_that_refuses_once_is_asked_again(far: S3Objects, proxy: FaultProxy, answer: bytes) -> None:
    upload = begin(far)
    refused = proxy.fault(Fault.ANSWER, when=rb"PUT /[^ ]*/piece", answer=answer)
    append(far, upload, 0, PHOTO)
    assert refused.struck == 1
    assert far.look(upload.id).offset == len(PHOTO)


def test_a_slow_server_is_waited_for(far: S3Objects, proxy: FaultProxy, store: S3Objects) -> None:
    proxy.latency_s, proxy.bytes_per_s = 0.02, 2_000_000
    upload = begin(far)
    append(far, upload, 0, PHOTO)
    assert far.finish(upload.id).complete
    assert stored(store) == PHOTO


def test_reading_goes_on_where_the_connection_broke(far: S3Objects, proxy: FaultProxy, store: S3Objects) -> None:
    upload = begin(store)
    append(store, upload, 0, PHOTO)
    store.finish(upload.id)
    cut = proxy.fault(Fault.CUT, when=rb"GET /[^ ]*/photos/", after_bytes=120_000, times=2)
    assert stored(far) == PHOTO
    assert cut.struck == 2


def test_parts_that_a_dying_server_left_are_given_up_by_the_sweep(
    far: S3Objects, proxy: FaultProxy, store: S3Objects, s3_server: Swift, bucket: str
) -> None:
    upload = begin(store, LARGE)
    append(store, upload, 0, LARGE)
    proxy.fault(Fault.DROP, when=rb"PUT /[^ ]*partNumber=2", times=2)
    proxy.fault(Fault.DROP, when=rb"DELETE /[^ ]*uploadId=", times=2)
    with pytest.raises(Refused, match="busy"):
        far.finish(upload.id)
    assert s3_server.unfinished(bucket) == 1
    store.sweep(now_ms=time.time_ns() // 1_000_000)
    assert s3_server.unfinished(bucket) == 1, "it may still be under way"
    store.sweep(now_ms=time.time_ns() // 1_000_000 + 2 * 3_600_000)
    assert s3_server.unfinished(bucket) == 0
    assert store.finish(upload.id).complete


def test_a_server_without_conditional_writes_stores_photos_all_the_same(
    far: S3Objects, proxy: FaultProxy, store: S3Objects
) -> None:
    upload = begin(far)
    append(far, upload, 0, PHOTO)
    unknown = proxy.fault(Fault.ANSWER, when=rb"(?i)PUT /[^ ]*/photos/.*if-none-match", answer=NOT_IMPLEMENTED, times=99)
    assert far.finish(upload.id).complete
    assert unknown.struck >= 1
    assert stored(store) == PHOTO


def test_an_address_to_fetch_a_photo_from_is_good_for_that_photo_alone(s3_server: Swift, bucket: str, tmp_path: Path) -> None:
    store = S3Objects(s3_store(s3_server.url, bucket).bucket, "north", link_s=60)
    upload = begin(store)
    append(store, upload, 0, PHOTO)
    store.finish(upload.id)
    (tmp_path / "picture").write_bytes(b"picture")
    store.put(NAME, Variant.PREVIEW, tmp_path / "picture")
    original, preview = (store.link(NAME, variant) or "" for variant in (Variant.ORIGINAL, Variant.PREVIEW))
    answer = httpx.get(original, trust_env=False)
    assert (answer.status_code, answer.content) == (200, PHOTO)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{NAME}.bin"'
    assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == ("application/octet-stream", "no-store")
    assert httpx.get(preview, trust_env=False).headers["Content-Type"] == "image/jpeg"
    assert httpx.get(original.replace(NAME, f"{NAME}.preview"), trust_env=False).status_code == 403
    assert httpx.put(original, content=b"x", trust_env=False).status_code == 403


def settings_for(tmp_path: Path, server: Swift, bucket: str) -> Settings:
    return load_settings(data=tmp_path, objects_url=f"s3://{bucket}/north", s3_endpoint=server.url, s3_addressing="path")


def test_the_settings_open_the_bucket_they_name(tmp_path: Path, s3_server: Swift, bucket: str) -> None:
    settings = settings_for(tmp_path, s3_server, bucket)
    assert isinstance(places.objects_of(settings), S3Objects)
    assert places.look(settings) == (True, f"the bucket {bucket}, below north")


def test_a_bucket_that_is_not_there_is_told_at_the_start(tmp_path: Path, s3_server: Swift) -> None:
    settings = settings_for(tmp_path, s3_server, "nobody-made-this")
    with pytest.raises(BadSetting, match="there is no bucket nobody-made-this; create it"):
        places.objects_of(settings)
    assert places.look(settings)[0] is False


def test_credentials_that_may_not_are_told_at_the_start(
    tmp_path: Path, s3_server: Swift, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(BadSetting, match="the credentials may not use the bucket"):
        places.objects_of(settings_for(tmp_path, s3_server, bucket))


def test_a_bucket_that_keeps_versions_is_told_by_the_doctor(tmp_path: Path, s3_server: Swift, bucket: str) -> None:
    s3_server.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    good, text = places.look(settings_for(tmp_path, s3_server, bucket))
    assert not good and "versions" in text


def test_a_store_that_does_not_answer_does_not_keep_the_server_from_starting(
    tmp_path: Path, proxy: FaultProxy, bucket: str
) -> None:
    settings = load_settings(
        data=tmp_path, objects_url=f"s3://{bucket}", s3_endpoint=proxy.url, s3_addressing="path", s3_attempts_max=1
    )
    with proxy.outage():
        store = places.objects_of(settings)
        with pytest.raises(Refused, match="busy"):
            store.size(NAME)
        assert places.look(settings)[0] is False
    assert store.size(NAME) is None


def test_an_original_never_comes_through_the_door_for_pictures(s3_bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        S3Objects(s3_bucket).put(NAME, Variant.ORIGINAL, tmp_path)
