"""What a backup says of itself, and where its parts lie. The manifest is written last: without it a backup does not exist.

Refuses to know how the parts are made or checked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from server.archive.faults import Unfit
from server.archive.tape import Damaged

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Stream:
    """One compressed file: its rows, the SHA-256 of its lines, and the size and SHA-256 of the file as it lies there."""

    rows: int
    sha256: str
    file_bytes: int
    file_sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup. `objects` lists the photos, one row each; `missing` those the server itself did not have any more.

    `root` is the public name of the root key that phones trust; a server with other keys is another server to them.
    """

    format: int
    made_at: int
    revision: str
    incarnation: str
    position: int
    ledger_size: int
    ledger_root: str
    root: str
    with_keys: bool
    tables: Mapping[str, Stream]
    objects: Stream
    objects_bytes: int
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """One backup's own folder."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def objects(self) -> Path:
        """The photos of all backups beside this one."""
        return self.folder.parent.parent / "objects"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    def table(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl.gz"

    @property
    def object_list(self) -> Path:
        return self.folder / "objects.jsonl.gz"

    def manifest(self) -> Manifest:
        """What it says of itself. Raises: `Unfit` when it was never finished, `Damaged`."""
        try:
            document = json.loads((self.folder / MANIFEST).read_bytes())
            return _manifest(document)
        except FileNotFoundError as error:
            raise Unfit("unfinished", folder=self.folder) from error
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged(f"it does not say what a backup says ({error})") from error

    def finish(self, manifest: Manifest) -> None:
        """Say that everything is there; durable when this returns."""
        draft = self.folder / f"{MANIFEST}.new"
        with draft.open("w", encoding="utf-8") as file:
            json.dump({**asdict(manifest), "sha256": _seal(asdict(manifest))}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self.folder)
        os.replace(draft, self.folder / MANIFEST)
        sync_folder(self.folder)
        sync_folder(self.folder.parent)

    def give_up(self) -> None:
        """Say that it exists no more; durable when this returns."""
        (self.folder / MANIFEST).unlink()
        sync_folder(self.folder)


def places(archive: Path) -> list[Place]:
    """The finished backups of a folder, oldest first."""
    found = sorted(archive.glob(f"snapshots/*/{MANIFEST}"))
    return [Place(path.parent) for path in found]


def place_of(archive: Path, name: str | None = None) -> Place:
    """The named backup, or the newest. Raises: `Unfit`."""
    if name is not None and Path(name).name == name:
        named = Place(archive / "snapshots" / name)
        named.manifest()
        return named
    finished = places(archive)
    if name is not None or not finished:
        raise Unfit("no-backup", folder=archive, name=name or "")
    return finished[-1]


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def copy_secrets(folder: Path, target: Path) -> None:
    """Copy a folder of small files so that nobody else can read them; durable when this returns."""
    target.mkdir(mode=0o700, parents=True)
    for path in sorted(folder.iterdir()):
        with os.fdopen(os.open(target / path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(path.read_bytes())
            file.flush()
            os.fsync(file.fileno())
    sync_folder(target)


def _manifest(document: dict[str, Any]) -> Manifest:
    sealed = document.pop("sha256")
    if document["format"] != FORMAT:
        raise Unfit("format", format=document["format"], known=FORMAT)
    tables = {name: Stream(**stream) for name, stream in document["tables"].items()}
    objects, missing = Stream(**document["objects"]), tuple(document["missing"])
    manifest = Manifest(**{**document, "tables": tables, "objects": objects, "missing": missing})
    if _seal(asdict(manifest)) != sealed:
        raise ValueError("it was changed")
    return manifest


def _seal(document: Mapping[str, Any]) -> str:
    return sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
