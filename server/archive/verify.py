"""Reading a whole backup again: every stream and photo hashed, every chain and the ledger computed anew. No database needed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path

from server.archive import photos, tape
from server.archive.backup import Progress, reading, state_of
from server.archive.evidence import Evidence, examine
from server.archive.faults import Fault
from server.archive.manifest import MANIFEST, Manifest, Place, Stream
from server.archive.tape import Damaged
from server.keys import KeyFault, KeyRing
from sync.journal import fact_id
from sync.problems import Refused


@dataclass(slots=True)
class Verified:
    """What reading a backup again has shown; without `manifest` it says nothing that can be used."""

    place: Place
    manifest: Manifest | None = None
    faults: list[Fault] = field(default_factory=list)
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def grave(self) -> list[Fault]:
        """Faults of more than single photos: nothing may be restored from this."""
        return [fault for fault in self.faults if not fault.about_photo]


def verify(place: Place, tell: Progress, *, every_photo: bool = True) -> Verified:
    """Check a backup. Without `every_photo` only the sizes of photos are looked at."""
    found = Verified(place)
    try:
        manifest = found.manifest = place.manifest()
    except Damaged as error:
        found.faults.append(Fault("damaged", MANIFEST, str(error)))
        return found
    for name, stream in manifest.tables.items():
        found.faults += _stream_faults(place.table(name), stream)
        tell(name, stream.rows)
    found.faults += _stream_faults(place.object_list, manifest.objects)
    if manifest.with_keys:
        found.faults += _key_faults(place, manifest)
    if not found.grave:
        _look_inside(found, manifest, tell, every_photo=every_photo)
    return found


def _look_inside(found: Verified, manifest: Manifest, tell: Progress, *, every_photo: bool) -> None:
    place = found.place
    found.faults += _photo_faults(place, manifest, tell, every_photo=every_photo)
    gone = {fault.name for fault in found.faults if fault.about_photo}
    found.evidence = examine(reading(place), lambda name: name not in gone and _holds(place, name))
    found.faults += found.evidence.faults
    incarnation, position, ledger = state_of(reading(place))
    said = (manifest.incarnation, manifest.position, manifest.ledger_size, manifest.ledger_root)
    if said != (incarnation, position, ledger.size, fact_id(ledger.root())):
        found.faults.append(Fault("damaged", MANIFEST, "it speaks of another moment than the tables"))


def _holds(place: Place, name: str) -> bool:
    with suppress(Refused):
        return photos.size_of(photos.path_of(place.objects, name)) is not None
    return False


def _stream_faults(path: Path, stream: Stream) -> list[Fault]:
    try:
        with path.open("rb") as file:
            found = file_digest(file, "sha256").hexdigest()
        if (size := path.stat().st_size) != stream.file_bytes:
            return [Fault("damaged", path.name, f"{size} bytes instead of {stream.file_bytes}")]
        if found != stream.file_sha256:
            return [Fault("damaged", path.name, f"it hashes to {found[:12]}…, not to {stream.file_sha256[:12]}…")]
        if tape.digest_of(path) != tape.Digest(stream.rows, stream.sha256):
            return [Fault("damaged", path.name, "its rows are not those the manifest speaks of")]
    except FileNotFoundError:
        return [Fault("missing", path.name)]
    except Damaged as error:
        return [Fault("damaged", path.name, str(error))]
    return []


def _photo_faults(place: Place, manifest: Manifest, tell: Progress, *, every_photo: bool) -> list[Fault]:
    faults = [Fault("photo-lost", name) for name in manifest.missing]
    for done, (name, size) in enumerate(tape.read(place.object_list)[1], 1):
        path = photos.path_of(place.objects, name)
        found = photos.size_of(path)
        if found is None:
            faults.append(Fault("photo-missing", name))
        elif found != size:
            faults.append(Fault("photo-damaged", name, f"{found} bytes instead of {size}"))
        elif every_photo:
            try:
                photos.check(path, name)
            except photos.WrongBytes as error:
                faults.append(Fault("photo-damaged", name, f"it hashes to {str(error)[:12]}…"))
        if done % 1000 == 0:
            tell("objects", done)
    return faults


def _key_faults(place: Place, manifest: Manifest) -> list[Fault]:
    try:
        root = KeyRing.load(place.keys).root.kid
    except (KeyFault, OSError, ValueError) as error:
        return [Fault("damaged", "keys", str(error))]
    return [] if root == manifest.root else [Fault("damaged", "keys", "they are not the keys of this server")]
