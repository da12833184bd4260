"""A store this version does not speak to is refused with a sentence, never quietly replaced by the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.service import database_path, objects_folder
from server.settings import BadSetting, load_settings


def test_the_defaults_lie_in_the_data_folder(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path)
    assert database_path(settings) == tmp_path / "lamplighter.db" and objects_folder(settings) == tmp_path / "objects"


def test_a_folder_elsewhere_is_used(tmp_path: Path) -> None:
    settings = load_settings(data=tmp_path, objects_url=(tmp_path / "on a share").as_uri())
    assert objects_folder(settings) == tmp_path / "on a share"


@pytest.mark.parametrize("url", ["s3://bucket/prefix", "/a/path", "file://host/share"])
def test_an_object_store_that_is_not_built_yet_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadSetting, match="LAMPLIGHTER_OBJECTS_URL"):
        objects_folder(load_settings(data=tmp_path, objects_url=url))


@pytest.mark.parametrize("url", ["postgresql://u@h/db", "sqlite://", "mysql:///x"])
def test_a_database_that_is_not_built_yet_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(BadSetting, match="LAMPLIGHTER_DATABASE_URL"):
        database_path(load_settings(data=tmp_path, database_url=url))
