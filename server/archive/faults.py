"""What can be wrong with a backup or with the place it should go, as slugs with values; the words are in `server/words.py`."""

from __future__ import annotations

from typing import Any, NamedTuple


class Fault(NamedTuple):
    """Something that is not as it should be: what sort of thing, which one, and how it shows.

    Slugs: `missing`, `damaged`, `photo-lost` (the server itself had it no more), `chain`, `ledger`, `manifest`,
    `unpruned` (all earlier backups stay, because one of them cannot say which photos it names).
    """

    slug: str
    name: str
    detail: str = ""

    @property
    def about_photo(self) -> bool:
        """Whether only a photo is concerned: everything else can be restored without it."""
        return self.slug.startswith("photo")


class Unfit(Exception):
    """This cannot be done with this backup, or here; nothing was changed. `slug` and `values` say why."""

    def __init__(self, slug: str, **values: Any) -> None:
        super().__init__(f"{slug}: {values}")
        self.slug = slug
        self.values = values
