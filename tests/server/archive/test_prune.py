"""Letting go of old backups: the newest stay whole, and of photos only those go that none of the rest names."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.archive import commands as archives
from server.archive.manifest import Place, places
from server.archive.prune import prune
from tests.server.archive.scene import Shell, Yard, silent


def photos(yard: Yard) -> set[str]:
    return {path.name for path in (yard.archive / "objects").glob("??/*")}


def backups(yard: Yard) -> list[str]:
    return [place.name for place in places(yard.archive)]


def strange_photo(yard: Yard, name: str = "ab" * 32) -> Path:
    """A photo in the folder that no backup names any more, as after an erasure."""
    path = yard.archive / "objects" / name[:2] / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"somebody's door")
    return path


def test_the_newest_stay_whole_and_photos_nobody_names_any_more_go(yard: Yard) -> None:
    yard.morning()
    yard.backup()
    named, stray = photos(yard), strange_photo(yard)
    later = [yard.backup().found.place.name for _ in range(3)]
    pruned = prune(yard.archive, 2, silent)
    assert (pruned.snapshots, pruned.photos, pruned.photo_bytes) == (2, 1, len(b"somebody's door"))
    assert backups(yard) == later[1:] and photos(yard) == named and not stray.exists() and named
    for name in later[1:]:
        assert archives.verify_backup(yard.archive, name, silent).faults == []
    assert prune(yard.archive, 2, silent).snapshots == 0


def test_a_backup_keeps_as_many_as_it_is_told_and_itself_among_them(yard: Yard) -> None:
    for _ in range(3):
        yard.backup()
    strange_photo(yard)
    taken = archives.take_backup(yard.settings, yard.archive, silent, with_keys=False, release=False, keep=1)
    assert taken.pruned is not None and (taken.pruned.snapshots, taken.pruned.photos) == (3, 1)
    assert backups(yard) == [taken.found.place.name] and taken.faults == []


def test_nothing_goes_while_a_kept_one_cannot_say_what_it_names(yard: Yard) -> None:
    yard.morning()
    old = yard.backup().found.place
    middle: Place = yard.backup().found.place
    middle.object_list.write_bytes(b"not a list")
    before, stray = photos(yard), strange_photo(yard)
    taken = archives.take_backup(yard.settings, yard.archive, silent, with_keys=False, release=False, keep=2)
    assert taken.pruned is None and [fault.slug for fault in taken.faults] == ["unpruned"]
    assert {old.name, middle.name} < set(backups(yard)) and photos(yard) == before | {stray.name}


def test_what_an_interrupted_pruning_leaves_is_no_backup_and_is_cleared_away(yard: Yard) -> None:
    yard.morning()
    old = yard.backup().found.place
    yard.backup()
    old.give_up()  # killed here
    assert old.folder.exists() and old.name not in backups(yard)
    yard.backup()
    assert not old.folder.exists() and yard.verify().faults == []


@pytest.mark.parametrize(("lang", "words"), [("en", "Let go of 1 earlier backups"), ("zh-CN", "删去较早的备份 1 个")])
def test_the_command_says_what_it_let_go(yard: Yard, lamplighter: Shell, lang: str, words: str) -> None:
    yard.backup()
    status, said, complaint = lamplighter(yard.settings, "backup", yard.archive, "--keep", "1", lang=lang)
    assert (status, complaint.strip()) == (0, "") and words in said and len(backups(yard)) == 1
