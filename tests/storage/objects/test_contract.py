"""What every object store promises, whatever it is made of."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.storage.folder import FolderObjects
from server.storage.objects import Objects, Sha256, Upload, UploadId, Variant, sha256_name, upload_name
from sync.problems import Refused

LATER = 2_000_000_000_000
PHOTO = random.Random(7).randbytes(200_000)


def name_of(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())


def begin(store: Objects, data: bytes = PHOTO, expires_ms: int = LATER) -> Upload:
    return store.begin(name_of(data), len(data), metadata="sha256 eA==", expires_ms=expires_ms)


def append(store: Objects, upload: Upload, offset: int, block: bytes) -> None:
    with store.resume(upload.id, offset, expires_ms=LATER) as sink:
        sink.write(block)
        sink.keep()


def deliver(store: Objects, data: bytes = PHOTO) -> Upload:
    upload = begin(store, data)
    append(store, upload, 0, data)
    return store.finish(upload.id)


def stored(store: Objects, sha256: Sha256, variant: Variant = Variant.ORIGINAL) -> bytes:
    with store.open(sha256, variant) as handle:
        return handle.read()


def slug_of(caught: pytest.ExceptionInfo[Refused]) -> str:
    return caught.value.problem.slug


def test_a_finished_upload_is_read_back_byte_for_byte(store: Objects) -> None:
    finished = deliver(store)
    assert finished.complete and finished.offset == finished.size == len(PHOTO)
    assert stored(store, name_of(PHOTO)) == PHOTO
    assert store.size(name_of(PHOTO)) == len(PHOTO)


def test_a_new_upload_begins_at_zero_and_remembers_what_it_was_told(store: Objects) -> None:
    upload = begin(store)
    assert (upload.offset, upload.size, upload.sha256, upload.complete) == (0, len(PHOTO), name_of(PHOTO), False)
    assert store.look(upload.id) == upload
    assert (upload.metadata, upload.expires_ms) == ("sha256 eA==", LATER)


def test_a_photo_is_invisible_until_it_is_finished(store: Objects) -> None:
    upload = begin(store)
    append(store, upload, 0, PHOTO)
    assert store.size(name_of(PHOTO)) is None
    with pytest.raises(Refused) as caught:
        store.open(name_of(PHOTO))
    assert slug_of(caught) == "not-found"


def test_an_upload_goes_on_in_another_process(open_store: Callable[[], Objects]) -> None:
    upload = begin(open_store())
    append(open_store(), upload, 0, PHOTO[:70_000])
    assert open_store().look(upload.id).offset == 70_000
    append(open_store(), upload, 70_000, PHOTO[70_000:])
    assert open_store().finish(upload.id).complete
    assert stored(open_store(), name_of(PHOTO)) == PHOTO


def test_bytes_that_were_not_kept_do_not_count_and_do_no_harm(store: Objects) -> None:
    upload = begin(store)
    with store.resume(upload.id, 0, expires_ms=LATER) as sink:
        sink.write(PHOTO[:50_000])
        sink.keep()
        sink.write(b"damaged on the way" * 1000)
    assert store.look(upload.id).offset == 50_000
    append(store, upload, 50_000, PHOTO[50_000:])
    assert store.finish(upload.id).complete


@pytest.mark.parametrize("claimed", [0, 69_999, 70_001, 200_000, 10**15])
def test_a_wrong_offset_is_refused_with_the_right_one(store: Objects, claimed: int) -> None:
    upload = begin(store)
    append(store, upload, 0, PHOTO[:70_000])
    with pytest.raises(Refused) as caught:
        store.resume(upload.id, claimed, expires_ms=LATER)
    assert (slug_of(caught), caught.value.extra["offset"]) == ("bad-offset", 70_000)
    assert store.look(upload.id).offset == 70_000


def test_more_bytes_than_announced_are_refused(store: Objects) -> None:
    upload = begin(store)
    with store.resume(upload.id, 0, expires_ms=LATER) as sink, pytest.raises(Refused) as caught:
        sink.write(PHOTO + b"x")
    assert slug_of(caught) == "too-large"
    assert store.look(upload.id).offset == 0


def test_an_unfinished_upload_cannot_be_finished(store: Objects) -> None:
    upload = begin(store)
    append(store, upload, 0, PHOTO[:70_000])
    with pytest.raises(Refused) as caught:
        store.finish(upload.id)
    assert slug_of(caught) == "bad-offset"
    assert store.look(upload.id).offset == 70_000


def test_other_bytes_than_promised_are_thrown_away(store: Objects) -> None:
    upload = begin(store)
    append(store, upload, 0, PHOTO[:-1] + bytes([PHOTO[-1] ^ 1]))
    with pytest.raises(Refused) as caught:
        store.finish(upload.id)
    assert slug_of(caught) == "bad-hash"
    assert store.size(name_of(PHOTO)) is None
    with pytest.raises(Refused) as caught:
        store.look(upload.id)
    assert slug_of(caught) == "upload-gone"


def test_finishing_again_changes_nothing(store: Objects) -> None:
    finished = deliver(store)
    assert store.finish(finished.id) == finished
    assert stored(store, name_of(PHOTO)) == PHOTO


def test_an_upload_of_a_stored_photo_is_complete_from_the_start(store: Objects) -> None:
    deliver(store)
    again = begin(store)
    assert again.complete and again.offset == len(PHOTO)
    with pytest.raises(Refused) as caught:
        store.resume(again.id, 0, expires_ms=LATER)
    assert (slug_of(caught), caught.value.extra["offset"]) == ("bad-offset", len(PHOTO))


def test_a_slower_upload_of_the_same_photo_is_complete_when_the_faster_one_is(store: Objects) -> None:
    slower = begin(store)
    append(store, slower, 0, PHOTO[:10])
    deliver(store)
    assert store.look(slower.id).complete
    assert store.finish(slower.id).complete


def test_a_promise_of_another_size_never_becomes_complete(store: Objects) -> None:
    deliver(store)
    liar = store.begin(name_of(PHOTO), 10, metadata="", expires_ms=LATER)
    assert not liar.complete
    append(store, liar, 0, PHOTO[:10])
    with pytest.raises(Refused):
        store.finish(liar.id)
    assert stored(store, name_of(PHOTO)) == PHOTO


def test_the_newest_request_takes_an_upload_over(store: Objects) -> None:
    upload = begin(store)
    with store.resume(upload.id, 0, expires_ms=LATER) as dead, store.resume(upload.id, 0, expires_ms=LATER) as alive:
        with pytest.raises(Refused) as caught:
            dead.write(b"old")
        alive.write(PHOTO)
        alive.keep()
        with pytest.raises(Refused):
            dead.keep()
    assert slug_of(caught) == "bad-offset"
    assert store.finish(upload.id).complete


def test_of_many_at_one_offset_exactly_one_wins(open_store: Callable[[], Objects]) -> None:
    upload = begin(open_store())

    def one_try(number: int) -> bool:
        try:
            with open_store().resume(upload.id, 0, expires_ms=LATER) as sink:
                for start in range(0, len(PHOTO), 10_000):
                    sink.write(PHOTO[start : start + 10_000])
                sink.keep()
                return True
        except Refused as refused:
            assert refused.problem.slug == "bad-offset"
            return False

    with ThreadPoolExecutor(8) as threads:
        wins = list(threads.map(one_try, range(8)))
    assert wins.count(True) == 1
    assert open_store().finish(upload.id).complete


def test_finishing_from_many_sides_is_finishing_once(open_store: Callable[[], Objects]) -> None:
    upload = begin(open_store())
    append(open_store(), upload, 0, PHOTO)
    with ThreadPoolExecutor(8) as threads:
        finished = list(threads.map(lambda _: open_store().finish(upload.id), range(8)))
    assert all(one.complete for one in finished)
    assert stored(open_store(), name_of(PHOTO)) == PHOTO


def test_an_empty_photo_is_a_photo(store: Objects) -> None:
    upload = begin(store, b"")
    assert store.finish(upload.id).complete
    assert stored(store, name_of(b"")) == b""


def test_a_discarded_upload_is_gone_and_a_stored_photo_stays(store: Objects) -> None:
    unfinished, finished = begin(store, b"other"), deliver(store)
    store.discard(unfinished.id)
    store.discard(finished.id)
    for upload in (unfinished, finished):
        with pytest.raises(Refused) as caught:
            store.look(upload.id)
        assert slug_of(caught) == "upload-gone"
    assert stored(store, name_of(PHOTO)) == PHOTO


def test_a_request_that_outlives_its_upload_is_told_so(store: Objects) -> None:
    upload = begin(store)
    with store.resume(upload.id, 0, expires_ms=LATER) as sink:
        store.discard(upload.id)
        with pytest.raises(Refused) as caught:
            sink.write(b"late")
    assert slug_of(caught) == "upload-gone"


def test_the_sweep_takes_expired_uploads_and_nothing_else(store: Objects) -> None:
    deliver(store)
    stale, fresh = begin(store, b"stale", expires_ms=1000), begin(store, b"fresh", expires_ms=3000)
    assert store.sweep(now_ms=2000) == 1
    assert store.look(fresh.id) == fresh
    with pytest.raises(Refused):
        store.look(stale.id)
    assert store.sweep(now_ms=2000) == 0
    assert stored(store, name_of(PHOTO)) == PHOTO


def test_an_upload_counts_as_open_from_its_first_bytes_until_it_is_finished(store: Objects) -> None:
    assert store.uploads_open() == 0
    upload = begin(store)
    append(store, upload, 0, PHOTO[:100])
    assert store.uploads_open() == 1
    append(store, upload, 100, PHOTO[100:])
    store.finish(upload.id)
    assert store.uploads_open() == 0


def test_resuming_moves_the_expiry(store: Objects) -> None:
    upload = begin(store, expires_ms=1000)
    store.resume(upload.id, 0, expires_ms=5000).close()
    assert store.look(upload.id).expires_ms == 5000
    assert store.sweep(now_ms=2000) == 0


def test_one_photo_cannot_fill_the_store_with_unfinished_uploads(store: Objects) -> None:
    uploads = [begin(store, expires_ms=1000 + number) for number in range(10)]
    neighbour = begin(store, b"another photo", expires_ms=1)

    def is_there(upload: Upload) -> bool:
        try:
            return bool(store.look(upload.id))
        except Refused:
            return False

    assert [is_there(upload) for upload in uploads] == [False] * 7 + [True] * 3
    assert is_there(neighbour)


def test_derived_pictures_lie_beside_their_original_and_may_be_made_anew(store: Objects, tmp_path: Path) -> None:
    deliver(store)
    picture = tmp_path / "picture"
    for content in (b"first", b"second"):
        picture.write_bytes(content)
        store.put(name_of(PHOTO), Variant.PREVIEW, picture)
        assert stored(store, name_of(PHOTO), Variant.PREVIEW) == content
    assert store.size(name_of(PHOTO), Variant.COPY) is None
    assert stored(store, name_of(PHOTO)) == PHOTO


def test_an_erased_photo_leaves_no_bytes_and_no_upload_and_erasing_again_does_no_harm(store: Objects, tmp_path: Path) -> None:
    begun, neighbour = begin(store), begin(store, b"another photo")
    append(store, begun, 0, PHOTO[:5])
    deliver(store)
    (tmp_path / "picture").write_bytes(b"x")
    store.put(name_of(PHOTO), Variant.PREVIEW, tmp_path / "picture")
    for _ in range(2):
        store.erase(name_of(PHOTO))
        assert [store.size(name_of(PHOTO), variant) for variant in Variant] == [None] * 3
    with pytest.raises(Refused) as caught:
        store.look(begun.id)
    assert slug_of(caught) == "upload-gone" and store.look(neighbour.id) == neighbour


def test_a_picture_without_an_original_is_refused(store: Objects, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"x")
    with pytest.raises(Refused) as caught:
        store.put(name_of(PHOTO), Variant.COPY, tmp_path / "picture")
    assert slug_of(caught) == "not-found"


PATH_TRICKS = {
    "empty": "",
    "parent": "..",
    "way up": "../../etc/passwd",
    "slash": "a" * 63 + "/",
    "upper case": "A" * 64,
    "line feed": "a" * 64 + "\n",
    "parent behind": "a" * 64 + "/..",
    "nul": "\0" * 64,
    "full-width digits": "１" * 64,
}


@pytest.mark.parametrize("trick", PATH_TRICKS.values(), ids=PATH_TRICKS)
def test_no_name_is_a_path(store: Objects, tmp_path: Path, trick: str) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: sha256_name(trick),
        lambda: upload_name(trick),
        lambda: store.size(Sha256(trick)),
        lambda: store.open(Sha256(trick)),
        lambda: store.put(Sha256(trick), Variant.COPY, tmp_path),
        lambda: store.begin(Sha256(trick), 1, metadata="", expires_ms=LATER),
        lambda: store.look(UploadId(trick)),
        lambda: store.resume(UploadId(trick), 0, expires_ms=LATER),
        lambda: store.finish(UploadId(trick)),
        lambda: store.discard(UploadId(trick)),
    ]
    for attempt in attempts:
        with pytest.raises(Refused) as caught:
            attempt()
        assert slug_of(caught) == "not-found"


def test_any_way_of_cutting_a_photo_delivers_it(store: Objects) -> None:
    @settings(max_examples=40 if isinstance(store, FolderObjects) else 6, deadline=None)
    @given(data=st.binary(min_size=1, max_size=3000), cuts=st.lists(st.integers(0, 3000), max_size=6), keep=st.booleans())
    def any_way(data: bytes, cuts: list[int], keep: bool) -> None:
        upload = begin(store, data)
        edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        for start, end in pairwise(edges):
            if upload.complete:  # the same bytes were drawn before
                break
            with store.resume(upload.id, start, expires_ms=LATER) as sink:
                sink.write(b"" if keep else data[start : start + (end - start) // 2])  # lost: never kept
            append(store, upload, start, data[start:end])
        assert store.finish(upload.id).complete
        assert stored(store, name_of(data)) == data

    any_way()
