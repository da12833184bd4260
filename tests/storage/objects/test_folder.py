"""What the folder store does beyond the contract: what is on the disk, and what a crash or a full disk leaves."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import NoReturn

import pytest

from server.storage.folder import FolderObjects
from server.storage.objects import Sha256, UploadId, Variant
from sync.problems import Refused

LATER = 2_000_000_000_000
PHOTO = b"bytes of a photo" * 1000
NAME = Sha256(hashlib.sha256(PHOTO).hexdigest())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def store(root: Path) -> FolderObjects:
    return FolderObjects(root)


def upload_all_but_finish(store: FolderObjects) -> UploadId:
    upload = store.begin(NAME, len(PHOTO), metadata="", expires_ms=LATER)
    with store.resume(upload.id, 0, expires_ms=LATER) as sink:
        sink.write(PHOTO)
        sink.keep()
    return upload.id


def files_in(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.name != ".lock"}


def test_an_original_is_a_read_only_file_under_its_hash(store: FolderObjects, root: Path) -> None:
    store.discard(store.finish(upload_all_but_finish(store)).id)
    assert files_in(root) == {f"photos/{NAME[:2]}/{NAME}"}
    path = root / "photos" / NAME[:2] / NAME
    assert path.read_bytes() == PHOTO
    assert path.stat().st_mode & 0o777 == 0o400
    assert path.parent.stat().st_mode & 0o077 == 0


def test_an_upload_whose_bytes_the_disk_lost_is_given_up(store: FolderObjects, root: Path) -> None:
    upload = store.begin(NAME, len(PHOTO), metadata="", expires_ms=LATER)
    with store.resume(upload.id, 0, expires_ms=LATER) as sink:
        sink.write(PHOTO[:100])
        sink.keep()
    os.truncate(root / "uploads" / NAME[:2] / f"{upload.id}.part", 40)
    with pytest.raises(Refused) as caught:
        store.resume(upload.id, 100, expires_ms=LATER)
    assert caught.value.problem.slug == "upload-gone"


def test_bytes_changed_on_disk_are_noticed_before_the_photo_gets_its_name(store: FolderObjects, root: Path) -> None:
    upload = upload_all_but_finish(store)
    with (root / "uploads" / NAME[:2] / f"{upload}.part").open("r+b") as part:
        part.write(b"!")
    with pytest.raises(Refused) as caught:
        store.finish(upload)
    assert caught.value.problem.slug == "bad-hash"
    assert files_in(root) == set()


def test_the_sweep_removes_what_a_crash_left(store: FolderObjects, root: Path) -> None:
    alive = store.begin(NAME, len(PHOTO), metadata="", expires_ms=LATER)
    shard = root / "uploads" / NAME[:2]
    for stray in (f"{NAME}-{'0' * 32}.part", f"{NAME}-{'0' * 32}.new", f"{NAME}-preview.new"):
        (shard / stray).write_bytes(b"half")
    assert store.sweep(now_ms=0) == 0
    assert files_in(root) == {f"uploads/{NAME[:2]}/{alive.id}.json"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_busy_and_loses_nothing_acknowledged(
    store: FolderObjects, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    upload = store.begin(NAME, len(PHOTO), metadata="", expires_ms=LATER)

    def full(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    with store.resume(upload.id, 0, expires_ms=LATER) as sink:
        sink.write(PHOTO[:100])
        sink.keep()
        with monkeypatch.context() as patched, pytest.raises(Refused) as caught:
            patched.setattr(os, "pwrite", full)
            sink.write(PHOTO[100:])
    assert caught.value.problem.slug == "busy"
    assert store.look(upload.id).offset == 100
    with store.resume(upload.id, 100, expires_ms=LATER) as sink:
        sink.write(PHOTO[100:])
        sink.keep()
    assert store.finish(upload.id).complete


@pytest.mark.parametrize("trick", ["..", "../../x", "/etc", "ab/../../x"])
def test_a_hostile_name_leaves_no_trace_on_the_disk(store: FolderObjects, tmp_path: Path, trick: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    for attempt in (store.look, store.finish, store.discard):
        with pytest.raises(Refused):
            attempt(UploadId(trick))
    assert sorted(tmp_path.rglob("*")) == before


def test_an_original_never_comes_through_the_door_for_pictures(store: FolderObjects, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"other bytes")
    store.finish(upload_all_but_finish(store))
    with pytest.raises(AssertionError):
        store.put(NAME, Variant.ORIGINAL, tmp_path / "other")
