"""A store this version does not speak to is refused with a sentence, never quietly replaced by the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.settings import BadSetting, load_settings
from server.storage.database import database_of
from server.storage.places import BucketPlace, objects_place


def test_the_defaults_lie_in_the_data_folder(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path)
    assert objects_place(settings) == tmp_path / "objects"


def test_a_folder_elsewhere_is_used(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path, objects_url=(tmp_path / "on a share").as_uri())
    assert objects_place(settings) == tmp_path / "on a share"


def test_a_bucket_is_named_with_the_prefix_below_which_photos_lie(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path, objects_url="s3://lamplighter/north/photos/")
    assert objects_place(settings) == BucketPlace("lamplighter", "north/photos")


@pytest.mark.parametrize("url", ["s3:///prefix", "s3://key:secret@bucket", "/a/path", "file://host/share", "ftp://host/x"])
def test_an_object_store_that_cannot_be_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadSetting, match="LAMPLIGHTER_OBJECTS_URL"):
        objects_place(load_settings(data=tmp_path, objects_url=url))


@pytest.mark.parametrize("url", ["sqlite://", "mysql:///x", "no address"])
def test_a_database_that_cannot_be_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadSetting, match="LAMPLIGHTER_DATABASE_URL"):
        database_of(load_settings(data=tmp_path, database_url=url).database)
