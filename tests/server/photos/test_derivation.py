"""The queue of photos to derive: beside the server's work, once each, and never at the expense of an original."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from server.storage.folder import FolderObjects
from server.storage.images import Derivation, Derivatives, Derived, ImageLimits
from server.storage.objects import Sha256, Variant

LATER = 2_000_000_000_000


@pytest.fixture
def objects(tmp_path: Path) -> FolderObjects:
    return FolderObjects(tmp_path / "objects")


class Results:
    def __init__(self) -> None:
        self.all: list[tuple[Sha256, Derived]] = []

    def __call__(self, sha256: Sha256, made: Derivatives) -> None:
        self.all.append((sha256, made.outcome))


@pytest.fixture
def results() -> Results:
    return Results()


@pytest.fixture
def derivation(objects: FolderObjects, results: Results, tmp_path: Path) -> Iterator[Derivation]:
    (tmp_path / "scratch").mkdir()
    working = Derivation(objects, results, at_once_max=2, scratch=tmp_path / "scratch")
    yield working
    working.close()


def jpeg(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (640, 480), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def store(objects: FolderObjects, data: bytes) -> Sha256:
    sha256 = Sha256(hashlib.sha256(data).hexdigest())
    upload = objects.begin(sha256, len(data), metadata="", expires_ms=LATER)
    with objects.resume(upload.id, 0, expires_ms=LATER) as sink:
        sink.write(data)
        sink.keep()
    objects.finish(upload.id)
    return sha256


def test_a_submitted_photo_gets_its_pictures_and_its_result(
    objects: FolderObjects, derivation: Derivation, results: Results
) -> None:
    sha256 = store(objects, jpeg("red"))
    derivation.submit(sha256)
    derivation.drain()
    assert results.all == [(sha256, Derived.DERIVED)]
    assert objects.size(sha256, Variant.PREVIEW) and objects.size(sha256, Variant.COPY)


def test_draining_an_empty_queue_is_done_at_once(derivation: Derivation) -> None:
    derivation.drain()


def test_a_photo_submitted_again_while_it_waits_is_derived_once(objects: FolderObjects, results: Results) -> None:
    first, second = store(objects, jpeg("red")), store(objects, jpeg("green"))
    gate = threading.Event()

    def done(sha256: Sha256, made: Derivatives) -> None:
        gate.wait()
        results(sha256, made)

    derivation = Derivation(objects, done, at_once_max=1)
    for sha256 in (first, second, second, first, second):
        derivation.submit(sha256)
    gate.set()
    derivation.drain()
    derivation.close()
    assert [sha256 for sha256, _ in results.all] == [first, second]


def test_one_bad_photo_does_not_stop_the_next_and_loses_no_original(
    objects: FolderObjects, derivation: Derivation, results: Results, tmp_path: Path
) -> None:
    photos = [jpeg("red"), jpeg("red")[:-1000], b"<svg/>", b"", jpeg("blue")]
    names = [store(objects, data) for data in photos]
    for name in names:
        derivation.submit(name)
    derivation.drain()
    outcomes = dict(results.all)
    assert [outcomes[name] for name in names] == [
        Derived.DERIVED,
        Derived.UNDECODABLE,
        Derived.UNSUPPORTED,
        Derived.UNDECODABLE,
        Derived.DERIVED,
    ]
    for name, data in zip(names, photos, strict=True):
        with objects.open(name) as handle:
            assert handle.read() == data
    assert not list((tmp_path / "scratch").iterdir())


def test_a_photo_that_is_not_there_is_a_failure_of_ours(derivation: Derivation, results: Results) -> None:
    derivation.submit(Sha256("0" * 64))
    derivation.drain()
    assert results.all == [(Sha256("0" * 64), Derived.FAILED)]


def test_a_result_that_cannot_be_recorded_stops_nothing(objects: FolderObjects, results: Results) -> None:
    def done(sha256: Sha256, made: Derivatives) -> None:
        results(sha256, made)
        raise RuntimeError("the database is away")

    derivation = Derivation(objects, done)
    names = [store(objects, jpeg(colour)) for colour in ("red", "green")]
    for name in names:
        derivation.submit(name)
    derivation.drain()
    derivation.close()
    assert [name for name, _ in results.all] == names


def test_no_more_photos_than_allowed_are_derived_at_once(objects: FolderObjects) -> None:
    lock, now, most = threading.Lock(), 0, 0
    both = threading.Barrier(2)

    def done(sha256: Sha256, made: Derivatives) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        both.wait()
        with lock:
            now -= 1

    derivation = Derivation(objects, done, at_once_max=2, limits=ImageLimits())
    for colour in ("red", "green", "blue", "white"):
        derivation.submit(store(objects, jpeg(colour)))
    derivation.drain()
    derivation.close()
    assert most == 2


def test_a_server_that_cannot_write_pictures_keeps_the_original(
    objects: FolderObjects, results: Results, tmp_path: Path
) -> None:
    sha256 = store(objects, jpeg("red"))
    derivation = Derivation(objects, results, scratch=tmp_path / "no such folder")
    derivation.submit(sha256)
    derivation.drain()
    derivation.close()
    assert results.all == [(sha256, Derived.FAILED)]
    with objects.open(sha256) as handle:
        assert handle.read() == jpeg("red")
